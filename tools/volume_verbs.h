/* The verbs of `varve volumes`. */
#ifndef TOOLS_VOLUME_VERBS_H
#define TOOLS_VOLUME_VERBS_H

#include "command.h"

extern const struct command volume_create, volume_list, volume_show; /* volume_show.c, ... */
extern const struct command volume_resize, volume_rename, volume_set, volume_release, volume_delete;
extern const struct command volume_rollback, volume_compact;

#endif
