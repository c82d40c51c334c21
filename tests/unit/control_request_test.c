/* The request table, on a store in a temporary directory: what each request answers, and that a bad
 * one is refused with the status that fits and changes nothing. */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include <varve/control.h>
#include <varve/error.h>
#include <varve/progress.h>
#include <varve/server.h>

#include "check.h"
#include "scratch.h"

static struct varve *varve;
static struct varve_control_answer given;
static json_t *json; /* of `given` */

/* Asks, checks that the answer is JSON of the promised form, and returns its status. */
static unsigned ask(const char *method, const char *target, const char *body)
{
    free(given.text);
    json_decref(json);
    varve_control_request(varve, "tester", method, target, body, body != NULL ? strlen(body) : 0,
                          &given);
    CHECK(given.text != NULL && strlen(given.text) == given.length);
    json = json_loadb(given.text, given.length, 0, NULL);
    CHECK(json_is_object(json));
    const char *message = NULL, *code = NULL;
    if (given.status >= 400) {
        CHECK_EQ(json_unpack(json, "{s{ss ss !} !}", "error", "code", &code, "message", &message),
                 0);
        CHECK(code[0] == 'E' && message[0] != '\0');
        CHECK(message[strlen(message) - 1] != '.' && strchr(message, '\n') == NULL);
    }
    return given.status;
}

static void open_store(void)
{
    const char *path = scratch_path("store");
    const struct varve_init_options options = {.limit = 64 << 20, .journal_size = 1 << 20};
    if (varve_init(path, &options) < 0 || varve_open(path, 0, NULL, &varve) < 0) {
        fprintf(stderr, "%s\n", varve_error());
        exit(1);
    }
}

static void good_requests(void)
{
    CHECK_EQ(ask("GET", "/v1", NULL), 200);
    CHECK(json_array_size(json_object_get(json, "requests")) > 10);
    CHECK_EQ(ask("GET", "/v1/ping", NULL), 200);
    CHECK_HAS(given.text, "\"version\"");
    CHECK_EQ(ask("POST", "/v1/volumes", "{\"name\":\"good\",\"size\":1048576}"), 200);
    CHECK_EQ(json_integer_value(json_object_get(json, "size")), 1048576);
    CHECK_EQ(ask("GET", "/v1/volumes/good", NULL), 200);
    CHECK_EQ(ask("GET", "/v1/volumes/%67ood", NULL), 200);
    CHECK_EQ(ask("POST", "/v1/volumes/good/resize?size=2097152", NULL), 200);
    CHECK_EQ(json_integer_value(json_object_get(json, "size")), 2097152);
    CHECK_EQ(ask("POST", "/v1/volumes/good/set", "{\"shared\":true}"), 200);
    CHECK(json_is_true(json_object_get(json, "shared")));
    CHECK_EQ(ask("POST", "/v1/volumes/good/release?force", NULL), 200);
    CHECK_EQ(ask("GET", "/v1/exports", NULL), 200);
    CHECK_HAS(given.text, "\"good\"");
    CHECK_EQ(ask("GET", "/v1/inspect?ref=good", NULL), 200);
    CHECK(json_is_true(json_object_get(json, "blank")));
    CHECK_EQ(ask("GET", "/v1/stats", NULL), 200);
    CHECK(json_integer_value(json_object_get(json_object_get(json, "space"), "limit_bytes")) > 0);
    CHECK_EQ(ask("POST", "/v1/volumes/good/rename", "{\"name\":\"better\"}"), 200);
    CHECK_EQ(ask("GET", "/v1/volumes/good", NULL), 404);
    CHECK_EQ(ask("GET", "/v1/check?data=true", NULL), 200);
    CHECK_EQ(json_integer_value(json_object_get(json, "problems")), 0);
    CHECK_EQ(ask("DELETE", "/v1/volumes/better", NULL), 200);
    CHECK_EQ(ask("GET", "/v1/volumes", NULL), 200);
    CHECK_EQ(json_array_size(json_object_get(json, "volumes")), 0);
}

static const struct {
    unsigned status;
    const char *method, *target, *body;
} bad[] = {
    {404, "GET", "/", NULL},
    {404, "GET", "", NULL},
    {404, "GET", "/v1/", NULL},
    {404, "GET", "/v1/volumes/", NULL},
    {404, "GET", "/v1/volumes/x/y", NULL},
    {404, "GET", "/v1//volumes", NULL},
    {404, "GET", "/v1/volumes/../volumes", NULL},
    {404, "GET", "/v1/volumes/absent", NULL},
    {404, "GET", "/v1/inspect?ref=absent", NULL},
    {404, "DELETE", "/v1/volumes/absent", NULL},
    {404, "POST", "/v1/volumes/absent/resize", "{\"size\":512}"},
    {404, "POST", "/v1/volumes/absent/release", "{\"force\":true}"},
    {405, "DELETE", "/v1/volumes", NULL},
    {405, "get", "/v1/volumes", NULL},
    {405, "", "/v1/volumes", NULL},
    {405, "POST", "/v1", NULL},
    {400, "GET", "/v1/inspect", NULL},
    {400, "GET", "/v1/volumes?x=1", NULL},
    {400, "GET", "/v1/volumes/%", NULL},
    {400, "GET", "/v1/volumes/%4", NULL},
    {400, "GET", "/v1/volumes/%g0", NULL},
    {400, "GET", "/v1/volumes/a%00", NULL},
    {400, "GET", "/v1/volumes/%ff", NULL},
    {400, "GET", "/v1/volumes/\xff", NULL},
    {400, "GET", "/v1/check?data=perhaps", NULL},
    {400, "GET", "/v1/check?data=true&data=true", NULL},
    {400, "POST", "/v1/volumes", NULL},
    {400, "POST", "/v1/volumes", "{"},
    {400, "POST", "/v1/volumes", "[]"},
    {400, "POST", "/v1/volumes", "null"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\"}"},
    {400, "POST", "/v1/volumes", "{\"size\":512}"},
    {400, "POST", "/v1/volumes", "{\"name\":7,\"size\":512}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":\"512\"}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":512.0}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":-512}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":9223372036854775808}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":0}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":513}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":9223372036854775296}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":512,\"color\":1}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":512,\"size\":512}"},
    {400, "POST", "/v1/volumes?name=a", "{\"name\":\"a\",\"size\":512}"},
    {400, "POST", "/v1/volumes?name=a&size=5e2", NULL},
    {400, "POST", "/v1/volumes?name=a&size=", NULL},
    {400, "POST", "/v1/volumes", "{\"name\":\"\",\"size\":512}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"A\",\"size\":512}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"../a\",\"size\":512}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"-a\",\"size\":512}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"a\\u0000\",\"size\":512}"},
    {400, "POST", "/v1/volumes", "{\"name\":\"\xc3\x28\",\"size\":512}"},
    {400, "POST", "/v1/volumes",
     "{\"name\":\"a123456789a123456789a123456789a123456789a123456789a123456789abcd\",\"size\":512}"},
    {409, "POST", "/v1/volumes", "{\"name\":\"there\",\"size\":512}"},
    {400, "POST", "/v1/volumes/there/resize", "{\"size\":1}"},
    {400, "POST", "/v1/volumes/there/resize", "{}"},
    {400, "POST", "/v1/volumes/there/rename", "{\"name\":\"THERE\"}"},
    {409, "POST", "/v1/volumes/there/rename", "{\"name\":\"also\"}"},
    {400, "POST", "/v1/volumes/there/set", "{\"shared\":\"yes\"}"},
    {400, "POST", "/v1/volumes/there/set", "{}"},
    {400, "POST", "/v1/volumes/there/release", "{\"force\":1}"},
    {507, "POST", "/v1/volumes", "{\"name\":\"a\",\"size\":1099511627776,\"reserved\":true}"},
};

static void bad_requests_change_nothing(void)
{
    CHECK_EQ(ask("POST", "/v1/volumes", "{\"name\":\"there\",\"size\":4096}"), 200);
    CHECK_EQ(ask("POST", "/v1/volumes", "{\"name\":\"also\",\"size\":4096}"), 200);
    CHECK_EQ(ask("GET", "/v1/volumes", NULL), 200);
    static char *before; /* static: a failed check leaves the function */
    before = strdup(given.text);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unsigned status = ask(bad[i].method, bad[i].target, bad[i].body);
        if (status != bad[i].status)
            check_failed(__FILE__, __LINE__, "%s %s %s: %u (%s), not %u", bad[i].method,
                         bad[i].target, bad[i].body != NULL ? bad[i].body : "", status, given.text,
                         bad[i].status);
    }
    CHECK_EQ(ask("GET", "/v1/volumes", NULL), 200);
    CHECK(strcmp(given.text, before) == 0);
    free(before);
}

/* Neither the length nor the depth of a body may hurt. */
static void large_and_deep_bodies(void)
{
    size_t length = VARVE_CONTROL_BODY_MAX;
    char *body = malloc(length + 2);
    memset(body, '[', length + 1);
    body[length + 1] = '\0';
    CHECK_EQ(ask("POST", "/v1/volumes", body), 413);
    body[length] = '\0';
    CHECK_EQ(ask("POST", "/v1/volumes", body), 400);
    memset(body, ' ', length);
    CHECK_EQ(ask("POST", "/v1/volumes", body), 400);
    free(body);
}

/* Work of another thread, told through the table to stop. */
static void *work_until_cancelled(void *opaque)
{
    pthread_barrier_t *begun = opaque;
    CHECK_EQ(varve_operation_begin("token/1", "work"), 0);
    varve_operation_describe("work of %s", "a test");
    CHECK_EQ(varve_progress("turning", "bytes", 7, 100), 0);
    pthread_barrier_wait(begun);
    int r;
    do {
        r = varve_progress("turning", "bytes", 8, 100);
    } while (r == 0);
    CHECK_EQ(r, -ECANCELED);
    CHECK_HAS(varve_error(), "work of a test was cancelled");
    varve_operation_end();
    return NULL;
}

static void operations(void)
{
    pthread_t worker;
    pthread_barrier_t begun;
    CHECK_EQ(ask("GET", "/v1/operations", NULL), 200);
    CHECK_EQ(json_array_size(json_object_get(json, "operations")), 0);
    CHECK_EQ(ask("DELETE", "/v1/operations/token%2F1", NULL), 404);
    pthread_barrier_init(&begun, NULL, 2);
    pthread_create(&worker, NULL, work_until_cancelled, &begun);
    pthread_barrier_wait(&begun);
    CHECK_EQ(ask("GET", "/v1/operations", NULL), 200);
    json_t *first = json_array_get(json_object_get(json, "operations"), 0);
    CHECK_EQ(json_array_size(json_object_get(json, "operations")), 1);
    CHECK(strcmp(json_string_value(json_object_get(first, "what")), "work of a test") == 0);
    CHECK_EQ(json_integer_value(json_object_get(first, "total")), 100);
    CHECK_EQ(ask("GET", "/v1/operations/token%2F1", NULL), 200);
    CHECK(!json_is_true(json_object_get(json, "cancelled")));
    /* a token names one operation: the second request is refused and not run */
    CHECK_EQ(ask("POST", "/v1/volumes?operation=token%2F1", "{\"name\":\"twice\",\"size\":512}"),
             409);
    CHECK_EQ(ask("GET", "/v1/volumes/twice", NULL), 404);
    CHECK_EQ(ask("DELETE", "/v1/operations/token%2F1", NULL), 200);
    pthread_join(worker, NULL);
    pthread_barrier_destroy(&begun);
    CHECK_EQ(ask("GET", "/v1/operations/token%2F1", NULL), 404);
    CHECK_EQ(ask("GET", "/v1/ping?operation=token%2F1", NULL), 200);
    CHECK_EQ(ask("GET", "/v1/check?operation=again", NULL), 200);
    char target[128];
    snprintf(target, sizeof target, "/v1/ping?operation=%064d", 1);
    CHECK_EQ(ask("GET", target, NULL), 400);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"good requests", good_requests},
        {"bad requests change nothing", bad_requests_change_nothing},
        {"large and deep bodies", large_and_deep_bodies},
        {"operations", operations},
    };
    open_store();
    int failed = check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
    free(given.text);
    json_decref(json);
    varve_close(varve);
    return failed;
}
