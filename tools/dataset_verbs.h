/* What the verbs of varve datasets, versions and tags share. */
#ifndef TOOLS_DATASET_VERBS_H
#define TOOLS_DATASET_VERBS_H

#include <jansson.h>
#include <stdint.h>

#include "command.h"

extern const struct command dataset_create, dataset_update, dataset_delete;
extern const struct command command_versions, command_tags, dataset_files, file_get, file_put;
extern const struct command version_create, version_update, version_release, version_delete;

/* The option --id of a verb that works on a dataset, into a char *. */
#define DATASET_VERB_ID(variable)                                                                  \
    {                                                                                              \
        "id", '\0', POPT_ARG_STRING, &(variable), 0, "the dataset, by name or id", "DATASET"       \
    }

/* The one thing that a verb works on, which stands behind --id or as the plain argument: in
 * *ret_id, or a sentence and EXIT_USAGE. `what` is "DATASET" or "DATASET:VERSION". */
int dataset_verb_id(const struct invocation *invocation, const char *option, const char *what,
                    const char **ret_id);

/* Adds a text, if there is one, or an array of texts. */
void dataset_verb_text(json_t *parameters, const char *name, const char *text);
void dataset_verb_list(json_t *parameters, const char *name, char **texts);
/* Adds a size that a user wrote, if there is one; EXIT_USAGE. */
int dataset_verb_size(json_t *parameters, const char *name, const char *text);

/* "prod, staging": the texts of an array in new memory. */
char *dataset_verb_join(const json_t *texts);
/* "1 file or folder", "12 files and folders". Returns `text`. */
enum { DATASET_VERB_COUNT = 48 };
const char *dataset_verb_count(uint64_t files, char text[DATASET_VERB_COUNT]);
/* Prints the metadata of a page, a line for each key. */
void dataset_verb_metadata(const json_t *object);

#endif
