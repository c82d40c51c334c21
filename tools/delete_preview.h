/* What a delete would do: --dry-run of the verbs that delete. */
#ifndef TOOLS_DELETE_PREVIEW_H
#define TOOLS_DELETE_PREVIEW_H

#include "command.h"

/* Asks for the preview of deleting `ref` (DATASET:* for all of a dataset) and prints it: what would
 * go, what forbids it, what would come back. Returns the exit code. */
int delete_preview(const struct invocation *invocation, const char *ref);

#endif
