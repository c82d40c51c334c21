/*
 * One change of the maps: applied, then recorded, in one hold of the lock. Recovery applies the
 * same records through the same code. All branching on what a change does is in `apply`.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "format/count_page.h"
#include "store/change.h"

/* Applied, but there was nothing to change and nothing to record. */
enum { UNCHANGED = 2 };

static int apply_write(struct store *store, struct store_image *image,
                       const struct journal_record *record)
{
    struct path path;
    unsigned index = key_index(record->lblock.n, 0);
    unsigned count = (unsigned)record->blocks;
    unsigned shared = 0;
    struct tree tree = image_tree(image);

    if (record->lblock.n + count > blocks_for(image->record.size)) {
        return varve_fail(ENOSPC, "image %llu became smaller", (unsigned long long)image->number);
    }
    int r = forest_path(&store->forest, &tree, record->lblock.n, 0, &path);

    if (r == 0) {
        r = forest_set_ready(&store->forest, &path, index, count, record->pblock);
    }
    if (r == 0) {
        shared = forest_set(&store->forest, &path, index, count, record->pblock, record->crcs);
    }
    /* the path may have moved the root even when something is still missing */
    image_reload_root(store, image);
    image_shares_less(store, image, record->lblock.n, shared);
    return r;
}

/* Do the blocks of a move lie where they were read, and does nothing else refer to them? 1, 0,
 * -EAGAIN for FOREST_NEED, or -errno. */
static int still_there(struct store *store, const struct store_image *image,
                       const struct journal_record *record)
{
    struct forest_root root = {image->record.root, image->record.level};
    struct forest_alone alone;
    int r;

    if (record->lblock.n + record->blocks > blocks_for(image->record.size)) {
        return 0;
    }
    r = forest_find_alone(&store->forest, root, RANK_IMAGE, record->lblock.n, &alone);
    if (r == 0 && alone.leaf == NULL) {
        return 0;
    }
    for (unsigned i = 0; r == 0 && i < record->blocks; i++) {
        unsigned index = key_index(record->lblock.n + i, 0);
        struct ref ref = ref_load(alone.leaf->bytes + (size_t)index * REF_BYTES);

        if (ref.kind != REF_HERE || ref.at.n != record->from[i].n) {
            return 0;
        }
        r = forest_ready(&store->forest, ref.at);
        if (r == 0 && space_count(store->space, ref.at) > 1) {
            return 0;
        }
    }
    return r == 0 ? 1 : r == FOREST_NEED ? -EAGAIN : r;
}

/* A move that was overtaken is none: record->blocks is 0 then. Sharing that began meanwhile stays,
 * since nothing is ever copied by a move. At replay it does what it did. */
static int apply_move(struct store *store, struct store_image *image, struct journal_record *record)
{
    if (record->from != NULL) {
        int r = still_there(store, image, record);

        if (r == 0) {
            record->blocks = 0;
            return UNCHANGED;
        }
        if (r < 0) {
            return r == -EAGAIN ? FOREST_NEED : r;
        }
    }
    return apply_write(store, image, record);
}

static int apply_hole(struct store *store, struct store_image *image, struct journal_record *record)
{
    struct tree tree = image_tree(image);
    uint64_t span = (uint64_t)1 << ((tree.level + 1) * REF_LEVEL_BITS);
    struct forest_hole hole;

    /* past the end of the map all is hole */
    if (record->lblock.n >= span) {
        return UNCHANGED;
    }
    int r = forest_punch(&store->forest, &tree, record->lblock.n, record->blocks, &hole);

    image_reload_root(store, image);
    if (r == 0) {
        record->blocks = hole.done;
        image_shares_hole(store, image, record->lblock.n, &hole);
    }
    return r != 0 || hole.changed ? r : UNCHANGED;
}

/* Applies the record as a whole or says what it needs. */
static int apply(struct store *store, struct journal_record *record, struct store_image *image,
                 struct store_image *source)
{
    bool is_content = record->kind == JOURNAL_WRITE || record->kind == JOURNAL_HOLE ||
                      record->kind == JOURNAL_RESIZE || record->kind == JOURNAL_ROLLBACK;
    bool is_move = record->kind == JOURNAL_WRITE && (record->flags & JOURNAL_MOVE) != 0;
    int r;

    if (is_content && !is_move && (image->record.flags & STORE_IMAGE_FROZEN) != 0) {
        return varve_fail(EPERM, "image %llu is frozen", (unsigned long long)image->number);
    }
    if ((r = image_writable(store, image)) != 0) {
        return r;
    }
    switch (record->kind) {
    case JOURNAL_WRITE:
        return is_move ? apply_move(store, image, record) : apply_write(store, image, record);
    case JOURNAL_HOLE:
        return apply_hole(store, image, record);
    case JOURNAL_CREATE:
        return change_create(store, image, record);
    case JOURNAL_CLONE:
        return change_clone(store, image, source, record);
    case JOURNAL_DELETE:
        return change_delete(store, image);
    case JOURNAL_RESIZE:
        return change_resize(store, image, record);
    case JOURNAL_FLAGS:
        change_flags(store, image, record->image_flags);
        return 0;
    case JOURNAL_LABEL:
        change_label(store, image, record->label);
        return 0;
    case JOURNAL_ROLLBACK:
        return change_rollback(store, image, source);
    case JOURNAL_PAD:
    default:
        assert(0 && "a record that changes nothing");
        return -EIO;
    }
}

int store_check_counts_locked(struct store *store)
{
    struct pblock block;

    if (!space_is_wrong(store->space, &block)) {
        return 0;
    }
    store->failed = true;
    return varve_fail(
        EIO,
        "block %llu of the extents has more references than are counted, or can be: the counts or "
        "the maps are damaged, and nothing is written any more; varve check says more",
        (unsigned long long)block.n);
}

/* What a change needs before it can be applied: a store that lives, room in the log, and dirty
 * pages in bounds. Lets the lock go until all of that is so at once. */
static int make_ready(struct store *store, size_t length, unsigned count)
{
    int r = 0;

    while (!store->replaying && r >= 0) {
        if ((r = store_check_alive_locked(store)) < 0) {
            return r;
        }
        if (!log_has_room(&store->log, length, count)) {
            r = store_commit_locked(store, log_head(&store->log));
        } else if (page_cache_dirty_count(store->forest.cache) >= 2 * store->dirty_max) {
            r = store_checkpoint_step_locked(store, true, true);
        } else {
            return 0;
        }
    }
    return r < 0 ? r : 0;
}

static int provide(struct store *store, uint64_t keep, unsigned *tries)
{
    int r = store_provide_keeping_locked(store, keep);

    if (r == -ENOSPC && !store->replaying && (*tries)++ < 3 && store_make_room_locked(store)) {
        return 0;
    }
    return r;
}

static void record_done(struct store *store, struct journal_record *record, bool more)
{
    if (!store->replaying) {
        record->flags = (record->flags & ~(unsigned)JOURNAL_MORE) | (more ? JOURNAL_MORE : 0);
        log_append(&store->log, record);
        if (!more) {
            log_publish(&store->log);
            store_wake_locked(store, STORE_COMMIT);
        }
    }
}

static bool is_new(const struct journal_record *record)
{
    return record->kind == JOURNAL_CREATE || record->kind == JOURNAL_CLONE;
}

static int find_images(struct store *store, const struct journal_record *record,
                       struct store_image **ret_image, struct store_image **ret_source)
{
    int r = 0;

    if (record->kind == JOURNAL_CLONE || record->kind == JOURNAL_ROLLBACK) {
        r = image_get_locked(store, record->source, ret_source);
    }
    if (r == 0) {
        r = is_new(record) ? image_new_locked(store, record->image, ret_image)
                           : image_get_locked(store, record->image, ret_image);
    }
    return r;
}

int store_change_locked(struct store *store, struct journal_record *record)
{
    struct store_image *image = NULL;
    struct store_image *source = NULL;
    uint64_t blocks = record->blocks;
    unsigned tries = 0;
    int r = find_images(store, record, &image, &source);

    while (r == 0) {
        r = make_ready(store, journal_record_length(record), 1);
        if (r == 0 && !is_new(record) && !image->in_table) {
            r = varve_fail(ENOENT, "image %llu was deleted", (unsigned long long)record->image);
        }
        if (r < 0) {
            break;
        }
        record->blocks = blocks;
        r = apply(store, record, image, source);
        r = r < 0 ? r : store_check_counts_locked(store) < 0 ? -EIO : r;
        if (r == 0) {
            record_done(store, record, false);
            break;
        }
        if (r == FOREST_NEED) {
            r = provide(store, 0, &tries);
        }
    }
    image_release_locked(store, image);
    image_release_locked(store, source);
    return r == UNCHANGED ? 0 : r;
}

int store_prepare_path_locked(struct store *store, struct store_image *image, uint64_t key,
                              uint8_t bottom, uint64_t keep)
{
    unsigned tries = 0;
    int r = 0;

    do {
        struct path path;

        if ((r = make_ready(store, 0, 0)) < 0 || (r = image_writable(store, image)) < 0) {
            return r;
        }
        if (r == 0) {
            struct tree tree = image_tree(image);

            r = forest_path(&store->forest, &tree, key, bottom, &path);
            image_reload_root(store, image);
            r = r < 0 ? r : store_check_counts_locked(store) < 0 ? -EIO : r;
        }
        if (r != FOREST_NEED) {
            return r;
        }
    } while ((r = provide(store, keep, &tries)) == 0);
    return r;
}

void store_prune_leaf_locked(struct store *store, struct store_image *image, uint64_t key)
{
    struct page *leaf = NULL;
    struct path path;
    uint64_t span;

    if (image_writable(store, image) != 0 ||
        forest_find(&store->forest, image->record.root, image->record.level, RANK_IMAGE, key, &leaf,
                    &span) != 0 ||
        leaf == NULL || !leaf->dirty) {
        return;
    }
    struct tree tree = image_tree(image);
    if (forest_path(&store->forest, &tree, key, 0, &path) == 0) {
        forest_prune(&store->forest, &path, 0);
    }
    image_reload_root(store, image);
}

/* Is everything in memory that this clone needs? */
static int clone_ready(struct store *store, struct store_image *image, struct store_image *source)
{
    struct ref root = source->record.root;
    int r = image_writable(store, image);

    if (r == 0) {
        r = change_source_ready(store, source);
    }
    if (r != 0 || ref_is_hole(root) || (r = forest_ready_ref(&store->forest, root.at)) != 0) {
        return r;
    }
    if (space_count(store->space, root.at) > COUNT_MAX - STORE_GROUP_MAX) {
        return store_shared_too_often(root.at);
    }
    return 0;
}

/* Is there room for what is to be set aside? Nobody writes to the sources. */
static int clones_fit(struct store *store, const struct journal_record *records,
                      struct store_image *const *sources, size_t count)
{
    uint64_t blocks = 0;

    for (size_t i = 0; i < count; i++) {
        bool again = false;

        for (size_t j = 0; j < i; j++) {
            again = again || sources[j] == sources[i];
        }
        blocks += record_clone_wants(&sources[i]->record, records[i].image_flags, again);
    }
    return store->replaying || blocks == 0 ? 0 : store_aside_fits_locked(store, blocks);
}

/* A clone waits for the changes of its source that are under way: it shows whole requests, and
 * those in a full store count on what the image has for itself. */
static void pause_writes(struct store *store, struct store_image *const *sources, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sources[i] != NULL) {
            range_pause(&sources[i]->ranges);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (sources[i] != NULL) {
            range_wait(&sources[i]->ranges, &store->lock, &store->changed);
        }
    }
}

int store_change_group_locked(struct store *store, struct journal_record *records, size_t count)
{
    struct store_image *images[STORE_GROUP_MAX] = {NULL};
    struct store_image *sources[STORE_GROUP_MAX] = {NULL};
    unsigned tries = 0;
    int r = 0;

    assert(count > 0 && count <= STORE_GROUP_MAX);
    for (size_t i = 0; r == 0 && i < count; i++) {
        assert(records[i].kind == JOURNAL_CLONE);
        r = find_images(store, &records[i], &images[i], &sources[i]);
    }
    pause_writes(store, sources, count);
    while (r == 0) {
        if ((r = make_ready(store, journal_record_length(&records[0]), (unsigned)count)) < 0) {
            break;
        }
        for (size_t i = 0; r == 0 && i < count; i++) {
            r = clone_ready(store, images[i], sources[i]);
        }
        if (r == 0 && (r = clones_fit(store, records, sources, count)) == 0) {
            break;
        }
        if (r == FOREST_NEED) {
            r = provide(store, 0, &tries);
        } else if (r == -ENOSPC && !store->replaying && tries++ < 3 &&
                   store_make_room_locked(store)) {
            r = 0;
        }
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = change_clone(store, images[i], sources[i], &records[i]);
        assert(i == 0 || r == 0);
        if ((r = store_check_counts_locked(store)) < 0) {
            break;
        }
        record_done(store, &records[i], i + 1 < count);
    }
    for (size_t i = 0; i < count; i++) {
        if (sources[i] != NULL) {
            range_resume(&sources[i]->ranges, &store->changed);
        }
        image_release_locked(store, images[i]);
        image_release_locked(store, sources[i]);
    }
    return r;
}
