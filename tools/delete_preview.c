#include "delete_preview.h"

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

int delete_preview(const struct invocation *invocation, const char *ref)
{
    char *target = client_target("/v1/delete-preview/", ref, "");
    json_t *answer;
    int code = client_request(invocation->store, "GET", target, NULL, &answer);
    free(target);
    if (code != EXIT_DONE)
        return code;
    if (invocation->json) {
        client_print_json(answer);
    } else {
        const json_t *list = json_object_get(answer, "would_delete");
        const uint64_t bytes = field_number(answer, "reclaimable_bytes");
        char size[SIZE_TEXT];
        size_t i;
        json_t *doomed;
        json_array_foreach(list, i, doomed) print_doomed(doomed);
        printf("Would give back %s (%" PRIu64 " bytes)\n", size_print(bytes, size), bytes);
    }
    json_decref(answer);
    return EXIT_DONE;
}
