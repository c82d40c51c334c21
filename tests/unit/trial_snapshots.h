/* Bytes of volumes, and snapshots of them, for tests. */
#ifndef TRIAL_SNAPSHOTS_H
#define TRIAL_SNAPSHOTS_H

#include <varve/export.h>
#include <varve/snapshot.h>

#include "trial_store.h"

enum { PIECE = 4096 };

static inline void put(struct varve *varve, const char *ref, int byte, uint64_t offset)
{
    static unsigned char piece[PIECE];
    struct varve_export *export = NULL;

    memset(piece, byte, sizeof piece);
    CHECK_EQ(varve_export_open(varve, ref, "writer", false, &export), 0);
    CHECK_EQ(varve_export_write(export, piece, PIECE, offset, 0), 0);
    varve_export_close(export);
}

/* Every byte of the piece, or -1 when they differ. */
static inline int get(struct varve *varve, const char *ref, uint64_t offset)
{
    static unsigned char piece[PIECE];
    struct varve_export *export = NULL;

    CHECK_EQ(varve_export_open(varve, ref, "reader", true, &export), 0);
    CHECK_EQ(varve_export_read(export, piece, PIECE, offset), 0);
    varve_export_close(export);
    for (int i = 1; i < PIECE; i++)
        if (piece[i] != piece[0])
            return -1;
    return piece[0];
}

static inline int snap(struct varve *varve, const char *ref)
{
    const struct varve_snapshot_options options = {.message = "m"};
    struct varve_snapshot taken;

    return varve_snapshot_create(varve, &ref, 1, &options, &taken);
}

static inline int add_ref(void *opaque, const struct varve_snapshot *snapshot)
{
    trial_append(opaque, snapshot->ref);
    trial_append(opaque, " ");
    return 0;
}

static inline void list_is(struct varve *varve, const char *volume, const char *wanted)
{
    char text[TRIAL_TEXT] = "";

    CHECK_EQ(varve_snapshot_list(varve, volume, add_ref, text), 0);
    if (strcmp(text, wanted) != 0)
        check_failed(__FILE__, __LINE__, "listed '%s', not '%s'", text, wanted);
}

static inline void report(void *opaque, const char *line)
{
    (void)opaque;
    printf("problem: %s\n", line);
}

static inline void close_checked(struct varve *varve)
{
    struct varve_check_result result;

    CHECK_EQ(varve_check(varve, VARVE_CHECK_DATA, report, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    CHECK_EQ(varve_close(varve), 0);
}

#endif
