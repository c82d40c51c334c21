/* What a delete would do: --dry-run of the verbs that delete. */
#ifndef TOOLS_DELETE_PREVIEW_H
#define TOOLS_DELETE_PREVIEW_H

#include "command.h"

/* Asks for the preview of deleting `ref`, one of the things that are shown at `place` + `ref`, and
 * prints it: what would go, what forbids it, what would come back. Returns the exit code. */
int delete_preview(const struct invocation *invocation, const char *place, const char *ref);
/* The same of a dataset with all its versions and tags. */
int delete_preview_dataset(const struct invocation *invocation, const char *dataset);

#endif
