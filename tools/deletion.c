#include "deletion.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "field.h"
#include "size.h"
#include "table.h"

static void print_doomed(const json_t *doomed)
{
    char size[SIZE_TEXT];
    char *ref = table_clean(field_text(doomed, "ref"));
    const json_t *blockers = json_object_get(doomed, "blockers");
    size_t i;
    json_t *blocker;
    printf("Would delete %s: %s (%s)\n", field_text(doomed, "kind"), ref,
           size_print(field_number(doomed, "size"), size));
    json_array_foreach(blockers, i, blocker)
    {
        char *line = table_clean(json_string_value(blocker));
        printf("  but it is %s\n", line);
        free(line);
    }
    free(ref);
}

static int get(const struct invocation *invocation, const char *place, const char *ref,
               json_t **ret_answer)
{
    return client_ask(invocation, "GET", client_target(place, ref, ""), NULL, ret_answer);
}

static void print_preview(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "would_delete");
    const uint64_t bytes = field_number(answer, "reclaimable_bytes");
    char size[SIZE_TEXT];
    size_t i;
    json_t *doomed;
    json_array_foreach(list, i, doomed) print_doomed(doomed);
    printf("Would give back %s (%" PRIu64 " bytes)\n", size_print(bytes, size), bytes);
}

static int preview(const struct invocation *invocation, const char *ref)
{
    json_t *answer = NULL;
    int code = get(invocation, "/v1/delete-preview/", ref, &answer);
    return client_finish(invocation, code, answer, print_preview);
}

/* A preview takes any ref, a verb one kind: what it cannot delete it must not preview. */
int delete_preview(const struct invocation *invocation, const char *place, const char *ref)
{
    json_t *shown;
    int code = get(invocation, place, ref, &shown);
    if (code != EXIT_DONE)
        return code;
    json_decref(shown);
    return preview(invocation, ref);
}

int delete_preview_dataset(const struct invocation *invocation, const char *dataset)
{
    char versions[64];
    json_t *shown;
    int code = get(invocation, "/v1/datasets/", dataset, &shown);
    if (code != EXIT_DONE)
        return code;
    snprintf(versions, sizeof versions, "%s:*", field_text(shown, "id"));
    if (!invocation->json)
        printf("Would delete dataset: %s (versions: %" PRIu64 ", uncommitted: %" PRIu64
               ", tags: %" PRIu64 ")\n",
               field_text(shown, "full_name"), field_number(shown, "versions"),
               field_number(shown, "uncommitted"), field_number(shown, "tags"));
    json_decref(shown);
    (void)fflush(stdout);
    return preview(invocation, versions);
}

int delete_perform(const struct invocation *invocation, const char *what, char *target,
                   json_t *parameters)
{
    json_t *answer = NULL;
    int code = client_ask(invocation, "DELETE", target, parameters, &answer);
    char said[64];
    snprintf(said, sizeof said, "Deleted %s", what);
    return client_finish_saying(invocation, code, answer, said, "deleted");
}
