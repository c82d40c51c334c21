#include "client_watch.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <varve/progress.h>

#include "client.h"
#include "client_door.h"
#include "command.h"
#include "field.h"
#include "progress_line.h"

enum { LOOK_NANOSECONDS = 200000000 };

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDING = sizeof ending / sizeof ending[0] };

struct client_watch {
    const char *store, *token;
    char *target; /* of the operation */
    struct progress_line *line;
    pthread_t thread;
    sigset_t ending, before;
    struct sigaction actions[ENDING];
    atomic_bool over;
};

/* What the signals' function may touch. */
static sem_t wake;
static volatile sig_atomic_t told_to_end;

static void note_end(int number)
{
    (void)number;
    told_to_end = 1;
    sem_post(&wake);
}

int client_track(const char *target, char ret_token[CLIENT_TOKEN], char **ret_target)
{
    const char *more = strchr(target, '?') != NULL ? "&" : "?";
    unsigned long long number = 0;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return command_fail(EXIT_FAILED, "cannot draw a random number: %s", strerror(errno));
    snprintf(ret_token, CLIENT_TOKEN, "varve-%016llx", number);
    if (asprintf(ret_target, "%s%soperation=%s", target, more, ret_token) < 0)
        return command_fail(EXIT_FAILED, "no memory for a request");
    return EXIT_DONE;
}

bool client_watch_was_told(void)
{
    return told_to_end != 0;
}

/* Through the door, in silence: it may be gone already, or it was never there. */
static bool ask_door(const struct client_watch *watch, const char *method, json_t **ret_answer)
{
    const struct client_call call = {
        .store = watch->store, .method = method, .target = watch->target, .quiet = true};
    struct client_answer answer = {0, NULL};
    if (client_door(&call, &answer) != EXIT_DONE)
        return false;
    if (answer.status < 400 && ret_answer != NULL)
        *ret_answer = answer.json;
    else
        json_decref(answer.json);
    return answer.status < 400;
}

/* False while the request has not begun, or when it has ended. */
static bool cancel(const struct client_watch *watch)
{
    return varve_operation_cancel(watch->token) == 0 || ask_door(watch, "DELETE", NULL);
}

static bool look(const struct client_watch *watch, struct varve_operation *ret_operation)
{
    if (varve_operation_show(watch->token, ret_operation) == 0)
        return true;
    json_t *answer;
    if (!ask_door(watch, "GET", &answer))
        return false;
    *ret_operation = (struct varve_operation){.done = field_number(answer, "done"),
                                              .total = field_number(answer, "total")};
    snprintf(ret_operation->step, sizeof ret_operation->step, "%s", field_text(answer, "step"));
    snprintf(ret_operation->unit, sizeof ret_operation->unit, "%s", field_text(answer, "unit"));
    json_decref(answer);
    return true;
}

static void wait_a_little(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_NANOSECONDS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (sem_timedwait(&wake, &until) != 0 && errno == EINTR) {
    }
}

static void *work(void *opaque)
{
    struct client_watch *watch = opaque;
    bool said = false, cancelled = false;
    pthread_sigmask(SIG_UNBLOCK, &watch->ending, NULL);
    while (!watch->over) {
        struct varve_operation operation;
        wait_a_little();
        if (told_to_end != 0 && !said) {
            progress_line_clear(watch->line);
            command_warn("cancelling; once more, and this command ends without waiting for that");
            said = true;
        }
        if (said && !cancelled && !watch->over)
            cancelled = cancel(watch);
        if (!cancelled && !watch->over && progress_line_is_shown(watch->line) &&
            look(watch, &operation) && operation.step[0] != '\0')
            progress_line_show(watch->line, &operation);
    }
    return NULL;
}

/* The watching thread alone takes the signals, so that no call of the other is interrupted. One
 * that is ignored (nohup) stays so. */
static void take_signals(struct client_watch *watch)
{
    struct sigaction action = {.sa_handler = note_end, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigemptyset(&watch->ending);
    for (size_t i = 0; i < ENDING; i++) {
        sigaction(ending[i], NULL, &watch->actions[i]);
        if (watch->actions[i].sa_handler != SIG_IGN) {
            sigaddset(&watch->ending, ending[i]);
            sigaction(ending[i], &action, NULL);
        }
    }
    pthread_sigmask(SIG_BLOCK, &watch->ending, &watch->before);
}

static void give_signals_back(struct client_watch *watch)
{
    for (size_t i = 0; i < ENDING; i++)
        if (watch->actions[i].sa_handler != SIG_IGN)
            sigaction(ending[i], &watch->actions[i], NULL);
    pthread_sigmask(SIG_SETMASK, &watch->before, NULL);
}

struct client_watch *client_watch_begin(const char *store, const char *token, bool always)
{
    struct client_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are two threads */
    watch->store = store;
    watch->token = token;
    watch->target = client_target("/v1/operations/", token, "");
    watch->line = progress_line_new(always);
    sem_init(&wake, 0, 0);
    told_to_end = 0;
    take_signals(watch);
    if (pthread_create(&watch->thread, NULL, work, watch) == 0)
        return watch;
    give_signals_back(watch);
    progress_line_free(watch->line);
    free(watch->target);
    free(watch);
    return NULL;
}

void client_watch_end(struct client_watch *watch)
{
    if (watch == NULL)
        return;
    watch->over = true;
    sem_post(&wake);
    pthread_join(watch->thread, NULL);
    give_signals_back(watch);
    progress_line_free(watch->line);
    sem_destroy(&wake);
    free(watch->target);
    free(watch);
}
