/* What is different in one content, seen from another: blocks that are not shared are read and
 * compared. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/commit.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "base/block.h"
#include "catalog/catalog_versions.h"
#include "dataset/dataset_ref.h"
#include "dataset/manifest_image.h"
#include "dataset/rename_pairs.h"
#include "volume/served_store.h"
#include "volume/volume_ref.h"

enum { PIECE = 1 << 20, DIFFERENCES = 64 };

struct side {
    struct seat seat;
    uint64_t size;
    uint8_t *bytes;    /* PIECE of them */
    uint64_t manifest; /* image with the list of its files; 0: none */
};

struct diff {
    struct varve *varve;
    struct store *store;
    struct side from, to;
    const struct varve_diff_visitor *visitor;
    struct varve_changed_range pending; /* length 0: none */
    struct varve_diff result;
};

static int tell_pending(struct diff *diff)
{
    struct varve_changed_range range = diff->pending;

    diff->pending.length = 0;
    if (range.length == 0)
        return 0;
    diff->result.ranges++;
    diff->result.changed += range.length;
    return diff->visitor->range != NULL ? diff->visitor->range(diff->visitor->opaque, &range) : 0;
}

static int changed(struct diff *diff, uint64_t offset, uint64_t length, bool hole)
{
    struct varve_changed_range *pending = &diff->pending;
    int r;

    if (pending->length > 0 && pending->hole == hole &&
        pending->offset + pending->length == offset) {
        pending->length += length;
        return 0;
    }
    r = tell_pending(diff);
    *pending = (struct varve_changed_range){offset, length, hole};
    return r;
}

/* Past its end a content is zeroes. */
static int read_side(const struct diff *diff, struct side *side, uint64_t offset, size_t length)
{
    size_t there = (size_t)(offset >= side->size ? 0 : min_u64(length, side->size - offset));

    memset(side->bytes + there, 0, length - there);
    return there == 0 ? 0 : store_read(diff->store, side->seat.image, side->bytes, there, offset);
}

static int compare_piece(struct diff *diff, uint64_t offset, size_t length, bool hole)
{
    int r = read_side(diff, &diff->from, offset, length);

    if (r == 0)
        r = read_side(diff, &diff->to, offset, length);
    for (size_t at = 0; r == 0 && at < length; at += BLOCK_SIZE) {
        size_t block = (size_t)min_u64(BLOCK_SIZE, length - at);

        if (memcmp(diff->from.bytes + at, diff->to.bytes + at, block) != 0)
            r = changed(diff, offset + at, block, hole);
    }
    return r;
}

static int compare_range(struct diff *diff, const struct store_difference *one, uint64_t end)
{
    int r = 0;

    for (uint64_t done = 0; r == 0 && done < one->length; done += PIECE) {
        r = varve_progress("compare", "bytes", one->offset + done, end);
        if (r == 0)
            r = compare_piece(diff, one->offset + done, (size_t)min_u64(PIECE, one->length - done),
                              one->what == STORE_DIFF_HOLE);
    }
    return r;
}

static int compare_all(struct diff *diff)
{
    struct store_difference found[DIFFERENCES];
    uint64_t end = max_u64(diff->from.size, diff->to.size), offset = 0;
    int r = 0;

    while (r == 0 && offset < end) {
        int n = store_compare(diff->store, diff->from.seat.image, diff->to.seat.image, end - offset,
                              offset, found, DIFFERENCES);

        r = n < 0 ? n : varve_progress("compare", "bytes", offset, end);
        for (int i = 0; r == 0 && i < n; i++) {
            if (found[i].what != STORE_SAME)
                r = compare_range(diff, &found[i], end);
            offset = found[i].offset + found[i].length;
        }
    }
    return r == 0 ? tell_pending(diff) : r;
}

struct file_changes {
    const struct diff *diff;
    struct rename_pairs *pairs;
};

static int collect_file(void *opaque, const struct manifest_line *from,
                        const struct manifest_line *to)
{
    const struct file_changes *changes = opaque;

    if (from != NULL && to != NULL)
        return 0;
    return rename_pairs_add(changes->pairs, to != NULL ? to : from, to != NULL);
}

/* A rename is told where the new name stands. */
static int tell_file(void *opaque, const struct manifest_line *from, const struct manifest_line *to)
{
    const struct file_changes *changes = opaque;
    const struct varve_diff_visitor *visitor = changes->diff->visitor;
    const char *other = NULL;
    enum varve_file_change change = from == NULL ? VARVE_FILE_ADDED
                                    : to == NULL ? VARVE_FILE_REMOVED
                                                 : VARVE_FILE_CHANGED;

    if (change != VARVE_FILE_CHANGED)
        other = rename_pairs_next(changes->pairs, to != NULL ? to : from);
    if (other != NULL && change == VARVE_FILE_REMOVED)
        return 0;
    if (other != NULL)
        change = VARVE_FILE_RENAMED;
    return visitor->file(visitor->opaque, change, to != NULL ? to->path : from->path, other);
}

/* Twice: which are renames is known only when all were seen. */
static int compare_files_with(struct diff *diff, struct rename_pairs *pairs)
{
    struct file_changes changes = {diff, pairs};
    struct manifest_difference counts;
    struct varve_diff *result = &diff->result;
    int r = manifest_compare(diff->store, diff->from.manifest, diff->to.manifest, collect_file,
                             &changes, &counts);

    if (r != 0)
        return r;
    result->files = true;
    result->files_renamed = rename_pairs_find(pairs);
    result->renames_skipped = rename_pairs_too_many(pairs);
    result->files_added = counts.added - result->files_renamed;
    result->files_removed = counts.removed - result->files_renamed;
    result->files_changed = counts.changed;
    if (diff->visitor->file == NULL)
        return 0;
    return manifest_compare(diff->store, diff->from.manifest, diff->to.manifest, tell_file,
                            &changes, &counts);
}

/* What both have a list of. */
static int compare_files(struct diff *diff)
{
    struct rename_pairs *pairs = NULL;
    int r;

    if (diff->from.manifest == 0 || diff->to.manifest == 0)
        return 0;
    r = rename_pairs_new(&pairs);
    if (r == 0)
        r = compare_files_with(diff, pairs);
    rename_pairs_free(pairs);
    return r;
}

/* --- the two --------------------------------------------------------------------------------- */

static int sit_down_locked(struct diff *diff, struct catalog *catalog, const char *text,
                           struct side *side, char ret_ref[VARVE_REF_MAX + 1])
{
    struct catalog_version version;
    struct resolved resolved;
    int r = volume_ref_resolve_locked(diff->varve, catalog, text, &resolved);

    if (r != 0)
        return r;
    r = seat_take(diff->varve->attachments, resolved.image, resolved.ref, true, "varve diff",
                  &side->seat);
    if (r == -ENOENT)
        return varve_fail(EIO, "%s '%s' is damaged: the store does not have its image %" PRIu64,
                          named_name(resolved.kind), resolved.ref, resolved.image);
    if (r != 0)
        return r;
    if (catalog_version_of_image(catalog, resolved.image, &version) == 0)
        side->manifest = version.manifest_image;
    side->size = store_image_size(diff->store, side->seat.image);
    side->bytes = malloc(PIECE);
    snprintf(ret_ref, VARVE_REF_MAX + 1, "%s", resolved.ref);
    return side->bytes == NULL ? varve_no_memory("a comparison") : 0;
}

static void get_up(struct diff *diff, struct side *side)
{
    if (side->seat.attachment != NULL)
        seat_leave(diff->varve->attachments, &side->seat);
    free(side->bytes);
}

int varve_version_diff(struct varve *varve, const char *from, const char *to,
                       const struct varve_diff_visitor *visitor, struct varve_diff *ret_diff)
{
    struct diff diff = {.varve = varve, .store = varve->store, .visitor = visitor};
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = sit_down_locked(&diff, catalog, from, &diff.from, diff.result.from);
    if (r == 0)
        r = sit_down_locked(&diff, catalog, to, &diff.to, diff.result.to);
    names_leave(varve);
    if (r == 0) {
        varve_operation_describe("difference of %s and %s", diff.result.from, diff.result.to);
        r = compare_all(&diff);
    }
    if (r == 0)
        r = compare_files(&diff);
    get_up(&diff, &diff.from);
    get_up(&diff, &diff.to);
    if (r != 0)
        return r;
    diff.result.from_size = diff.from.size;
    diff.result.to_size = diff.to.size;
    *ret_diff = diff.result;
    return 0;
}
