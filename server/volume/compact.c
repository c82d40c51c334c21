/* Compaction in the user's words: what a ref names is attached and moved together, at a pace. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <varve/compact.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "store/store_compact.h"
#include "volume/export_seat.h"
#include "volume/scrub_store.h"

enum { SLICE = 100 * 1000 * 1000 }; /* nanoseconds without a look at progress */

struct compaction {
    struct varve *varve;
    struct seat seat;
    struct store_compaction *moves;
    struct scrub_pace pace;
    uint64_t total; /* bytes mapped when it began */
};

static int attach(struct compaction *compaction, const char *ref, struct resolved *ret_resolved)
{
    struct varve *varve = compaction->varve;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = volume_ref_resolve_locked(varve, catalog, ref, ret_resolved);
    if (r == 0)
        r = export_sit_down_locked(varve, ret_resolved, "varve compact", &compaction->seat);
    names_leave(varve);
    return r;
}

static int say_progress(const struct compaction *compaction)
{
    struct store_compaction_state state = store_compact_state(compaction->moves);
    uint64_t done = state.moved + state.in_order + state.shared + state.scattered;

    return varve_progress("compacting", "bytes", done,
                          compaction->total > done ? compaction->total : done);
}

/* Sleeps as long as the pace wants, and looks up now and then. */
static int keep_pace(struct compaction *compaction)
{
    struct io *io = compaction->varve->io;
    uint64_t moved = store_compact_state(compaction->moves).moved;
    int r = say_progress(compaction);

    while (r == 0) {
        uint64_t wait = scrub_ahead(&compaction->pace, io->ops->now(io), moved);
        struct timespec time = {.tv_nsec = (long)(wait < SLICE ? wait : SLICE)};

        if (wait == 0)
            break;
        nanosleep(&time, NULL);
        r = say_progress(compaction);
    }
    return r;
}

static int run(struct compaction *compaction, uint64_t image)
{
    struct store_image_info info;
    int r = store_image_stat(compaction->varve->store, image, &info);

    if (r < 0 || (r = store_compact_open(compaction->varve->store, image, &compaction->moves)) < 0)
        return r;
    compaction->total = info.mapped;
    while ((r = store_compact_step(compaction->moves)) > 0 && (r = keep_pace(compaction)) == 0) {
    }
    return r;
}

int varve_compact(struct varve *varve, const char *ref, uint64_t rate,
                  struct varve_compact_result *ret_result)
{
    struct compaction compaction = {
        .varve = varve, .pace = {.rate = rate, .start = varve->io->ops->now(varve->io)}};
    struct resolved resolved;
    int r = changes_are_allowed(varve);

    if (r == 0)
        r = attach(&compaction, ref, &resolved);
    if (r != 0)
        return r;
    r = run(&compaction, resolved.image);
    if (r == 0) {
        struct store_compaction_state state = store_compact_state(compaction.moves);

        *ret_result = (struct varve_compact_result){.moved = state.moved,
                                                    .in_order = state.in_order,
                                                    .shared = state.shared,
                                                    .scattered = state.scattered};
        snprintf(ret_result->ref, sizeof ret_result->ref, "%s", resolved.ref);
    }
    store_compact_close(compaction.moves);
    seat_leave(varve->attachments, &compaction.seat);
    return r;
}
