/* What the verbs that delete have in common: the preview (--dry-run), and the deed. */
#ifndef TOOLS_DELETION_H
#define TOOLS_DELETION_H

#include <jansson.h>

#include "command.h"

/* The option --dry-run of such a verb, into an int. */
#define DELETION_DRY_RUN(variable)                                                                 \
    {                                                                                              \
        "dry-run", '\0', POPT_ARG_NONE, &(variable), 0,                                            \
            "say what would go and come back, and delete nothing", NULL                            \
    }

/* Asks for the preview of deleting `ref`, one of the things that are shown at `place` + `ref`, and
 * prints it: what would go, what forbids it, what would come back. Returns the exit code. */
int delete_preview(const struct invocation *invocation, const char *place, const char *ref);
/* The same of a dataset with all its versions and tags. */
int delete_preview_dataset(const struct invocation *invocation, const char *dataset);

/* Asks for the delete and says what went: "Deleted volume: demo", with `what` the noun. Takes
 * target and parameters (or NULL). Returns the exit code. */
int delete_perform(const struct invocation *invocation, const char *what, char *target,
                   json_t *parameters);

#endif
