/* A small store for one case, through the public door, in the scratch directory. */
#ifndef UNIT_TRIAL_STORE_H
#define UNIT_TRIAL_STORE_H

#include <stdlib.h>
#include <varve/error.h>
#include <varve/server.h>
#include <varve/volume.h>

#include "check.h"
#include "scratch.h"

enum { MIB = 1 << 20, TRIAL_TEXT = 4000 };

/* Adds to a text of TRIAL_TEXT bytes. */
static inline void trial_append(char *text, const char *more)
{
    size_t used = strlen(text);

    snprintf(text + used, TRIAL_TEXT - used, "%s", more);
}

static inline const char *trial_make(const char *name)
{
    struct varve_init_options options = {.limit = 128 * MIB, .journal_size = 4 * MIB};
    const char *dir = scratch_path(name);

    if (varve_init(dir, &options) != 0)
        check_failed(__FILE__, __LINE__, "init: %s", varve_error());
    return dir;
}

static inline struct varve *trial_open(const char *dir, unsigned flags)
{
    struct varve *varve = NULL;

    if (varve_open(dir, flags, NULL, &varve) != 0)
        check_failed(__FILE__, __LINE__, "open: %s", varve_error());
    return varve;
}

/* How long a test under threads goes on; the longer, the more it may find. */
static inline int trial_seconds(int usual)
{
    const char *seconds = getenv("VARVE_STRESS_SECONDS");

    return seconds != NULL && strtol(seconds, NULL, 10) > 0 ? (int)strtol(seconds, NULL, 10)
                                                            : usual;
}

static inline int trial_create(struct varve *varve, const char *name, uint64_t size)
{
    struct varve_volume_options options = {.size = size};

    return varve_volume_create(varve, name, &options);
}

#endif
