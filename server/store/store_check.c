/*
 * The independent recount: walks everything that a checkpoint reaches, counts what it meets, and
 * compares with the counts on the device. It shares no code with the forest or the space; only the
 * decoders are the same.
 *
 * On a store that is served it walks the newest checkpoint on the device, while I/O and further
 * checkpoints go on: nothing that the checkpoint refers to is used again until the check is over
 * (store->checking), and the count pages, which the checkpoint after the next would overwrite, are
 * read at the start while checkpoints wait. On a store that is open read-only it walks what
 * recovery made in memory.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "base/crc32c.h"
#include "format/count_page.h"
#include "store/check.h"

enum { PROGRESS_PAGES = 16 };

void check_problem(struct check *c, const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    c->result.problems++;
    c->report(c->opaque, line);
}

/* --- the counts on the device ---- */

static int load_group(struct check *c, uint64_t group, struct group_summary summary)
{
    struct store *store = c->store;
    struct pblock at = layout_count_slot(group, summary.slot);
    _Alignas(BLOCK_SIZE) uint8_t buffer[BLOCK_SIZE];

    c->groups[group] = memory_take(&store->memory, sizeof *c->groups[group]);
    if (c->groups[group] == NULL) {
        return varve_no_memory("a recount");
    }
    int r = store_read_block(store, at, buffer);
    const char *refusal = r < 0 ? "cannot be read"
                                : count_page_decode(store->seed, at, group, summary.crc, buffer,
                                                    c->groups[group]->expected);
    if (refusal != NULL) {
        check_problem(c, "the count page of group %llu at block %llu %s", (unsigned long long)group,
                      (unsigned long long)at.n, refusal);
    }
    return 0;
}

/* With the lock held, and checkpoints waiting. What is in memory only counts in a read-only store.
 */
static int load_groups(struct check *c)
{
    struct store *store = c->store;

    c->group_count = layout_groups(store->super.limit_blocks);
    c->group_count =
        min_u64(c->group_count, space_supergroups(store->space) * LAYOUT_SUPERGROUP_GROUPS);
    if (c->group_count == 0) {
        return 0;
    }
    c->groups = memory_take(&store->memory, c->group_count * sizeof *c->groups);
    if (c->groups == NULL) {
        return varve_no_memory("a recount");
    }
    for (uint64_t group = 0; group < c->group_count; group++) {
        struct group_summary summary = space_group_on_disk(store->space, group);
        int r = 0;

        if (summary.written) {
            pthread_mutex_unlock(&store->lock);
            r = load_group(c, group, summary);
            pthread_mutex_lock(&store->lock);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Counts one reference. *ret_first: nobody referred to the block before. False: no such block. */
static bool count_reference(struct check *c, struct pblock at, bool *ret_first)
{
    uint64_t group;
    unsigned index;

    if (!layout_locate(at, c->super.limit_blocks, &group, &index) || group >= c->group_count) {
        return false;
    }
    if (c->groups[group] == NULL) {
        c->groups[group] = memory_take(&c->store->memory, sizeof *c->groups[group]);
        if (c->groups[group] == NULL) {
            return false;
        }
    }
    uint16_t *found = &c->groups[group]->found[index];
    *ret_first = *found == 0;
    if (*found < COUNT_MAX) {
        ++*found;
    }
    return true;
}

/* --- the walk ---- */

/* Says how far the walk is, and takes note when it is to stop. Every so many pages: a page without
 * its data takes some microseconds. */
static bool goes_on(struct check *c)
{
    if (c->stopped == 0 && c->result.map_pages % PROGRESS_PAGES == 0) {
        uint64_t met = c->result.map_pages + c->result.data_blocks;

        c->stopped =
            varve_progress((c->flags & STORE_CHECK_DATA) != 0 ? "checking data" : "checking maps",
                           "bytes", met << BLOCK_SHIFT, c->super.used_blocks << BLOCK_SHIFT);
    }
    return c->stopped == 0;
}

bool check_page_bytes(struct check *c, struct ref ref, const char *what, uint8_t *buffer)
{
    struct store *store = c->store;

    if (store->options.read_only) {
        const struct page *page = page_find(store->forest.cache, ref.at);

        if (page != NULL && page->dirty) {
            memcpy(buffer, page->bytes, BLOCK_SIZE);
            return true;
        }
    }
    int r = store_read_block(store, ref.at, buffer);
    if (r < 0 || crc32c_block(store->seed, ref.at, buffer) != ref.crc) {
        check_problem(c, "image %llu: %s at block %llu %s", (unsigned long long)c->image, what,
                      (unsigned long long)ref.at.n,
                      r < 0 ? "cannot be read" : "is damaged: its checksum is wrong");
        return false;
    }
    return true;
}

static void check_block(struct check *c, struct ref ref, uint64_t lblock, const uint8_t *bytes)
{
    if (crc32c_block(c->store->seed, ref.at, bytes) != ref.crc) {
        check_problem(c, "image %llu, offset %llu: block %llu is damaged: its checksum is wrong",
                      (unsigned long long)c->image, (unsigned long long)(lblock << BLOCK_SHIFT),
                      (unsigned long long)ref.at.n);
    }
}

/* Reads the new data blocks of a leaf in one submission and verifies them. */
static void check_data(struct check *c, const uint8_t *leaf, const bool *is_new, uint64_t lblock)
{
    struct io_request requests[REFS_PER_PAGE];
    struct ref refs[REFS_PER_PAGE];
    unsigned index[REFS_PER_PAGE];
    unsigned n = 0;

    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        if (!is_new[i]) {
            continue;
        }
        struct ref ref = ref_load(leaf + (size_t)i * REF_BYTES);
        const uint8_t *over =
            c->store->options.read_only ? overlay_find(&c->store->overlay, ref.at) : NULL;
        if (over != NULL) {
            check_block(c, ref, lblock + i, over);
            continue;
        }
        refs[n] = ref;
        index[n] = i;
        requests[n] = (struct io_request){.op = IO_READ,
                                          .file = IO_EXTENTS,
                                          .offset = pblock_offset(ref.at),
                                          .length = BLOCK_SIZE,
                                          .buffer = c->data + (size_t)n * BLOCK_SIZE};
        n++;
    }
    if (n > 0) {
        c->store->io->ops->perform(c->store->io, requests, n);
    }
    for (unsigned k = 0; k < n; k++) {
        if (requests[k].result != 0) {
            check_problem(c, "image %llu, offset %llu: block %llu cannot be read: %s",
                          (unsigned long long)c->image,
                          (unsigned long long)((lblock + index[k]) << BLOCK_SHIFT),
                          (unsigned long long)refs[k].at.n, strerror(-requests[k].result));
        } else {
            check_block(c, refs[k], lblock + index[k], requests[k].buffer);
        }
    }
}

/* Counts a ref and says whether what it refers to has to be looked at. */
static bool meet(struct check *c, struct ref ref, uint64_t lblock)
{
    bool first = false;

    if (ref.kind != REF_HERE) {
        check_problem(c, "image %llu, block %llu: a ref of unknown kind %u",
                      (unsigned long long)c->image, (unsigned long long)lblock, ref.kind);
    } else if (!count_reference(c, ref.at, &first)) {
        check_problem(c, "image %llu, block %llu: a ref to block %llu, which is never allocated",
                      (unsigned long long)c->image, (unsigned long long)lblock,
                      (unsigned long long)ref.at.n);
    }
    return first;
}

static void walk_leaf(struct check *c, const uint8_t *leaf, uint64_t lblock)
{
    bool is_new[REFS_PER_PAGE];

    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref ref = ref_load(leaf + (size_t)i * REF_BYTES);

        is_new[i] = !ref_is_hole(ref) && meet(c, ref, lblock + i);
        c->result.data_blocks += is_new[i];
    }
    if ((c->flags & STORE_CHECK_DATA) != 0) {
        check_data(c, leaf, is_new, lblock);
    }
}

/* A page of an image and all below. `ref` was met for the first time. */
static void walk_page(struct check *c, struct ref ref, uint8_t level, uint64_t lblock)
{
    _Alignas(BLOCK_SIZE) uint8_t bytes[BLOCK_SIZE];
    uint64_t mapped = 0;

    c->result.map_pages++;
    if (!goes_on(c) || !check_page_bytes(c, ref, "a map page", bytes)) {
        return;
    }
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        mapped += ref_load(bytes + (size_t)i * REF_BYTES).mapped;
    }
    if (ref.mapped != UINT32_MAX && mapped != ref.mapped) {
        check_problem(
            c, "image %llu, block %llu: a map page says %llu blocks are mapped, its parent %u",
            (unsigned long long)c->image, (unsigned long long)lblock, (unsigned long long)mapped,
            ref.mapped);
    }
    if (level == 0) {
        walk_leaf(c, bytes, lblock);
        return;
    }
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref child = ref_load(bytes + (size_t)i * REF_BYTES);
        uint64_t at = lblock + ((uint64_t)i << (level * REF_LEVEL_BITS));

        if (!ref_is_hole(child) && meet(c, child, at)) {
            walk_page(c, child, (uint8_t)(level - 1), at);
        }
    }
}

static void walk_records(struct check *c, const uint8_t *bytes, uint64_t first)
{
    for (unsigned i = 0; i < IMAGE_RECORDS_PER_PAGE; i++) {
        struct image_record record;
        const char *refusal =
            image_record_decode(bytes + (size_t)i * IMAGE_RECORD_BYTES, first + i, &record);

        if (refusal != NULL) {
            check_problem(c, "the record of image %llu %s", (unsigned long long)(first + i),
                          refusal);
            continue;
        }
        if (record.image == 0) {
            continue;
        }
        c->result.images++;
        check_note_record(c, &record);
        c->image = record.image;
        if (!ref_is_hole(record.root) && meet(c, record.root, 0)) {
            walk_page(c, record.root, record.level, 0);
        }
        c->image = 0;
    }
}

static void walk_trash_leaf(struct check *c, const uint8_t *bytes)
{
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref ref = ref_load(bytes + (size_t)i * REF_BYTES);

        if (ref_is_hole(ref)) {
            continue;
        }
        if (ref.kind < REF_SUBTREE || ref.kind > REF_SUBTREE + IMAGE_LEVEL_MAX) {
            check_problem(c, "an entry of the trash is of unknown kind %u", ref.kind);
            continue;
        }
        uint8_t level = (uint8_t)(ref.kind - REF_SUBTREE);
        ref.kind = REF_HERE;
        if (meet(c, ref, 0)) {
            walk_page(c, ref, level, 0);
        }
    }
}

/* The trees of the store itself: the table and the trash. */
static void walk_own(struct check *c, struct ref ref, uint8_t level, uint64_t key, bool table)
{
    _Alignas(BLOCK_SIZE) uint8_t bytes[BLOCK_SIZE];

    if (ref_is_hole(ref) || c->stopped != 0 || !meet(c, ref, key)) {
        return;
    }
    c->result.map_pages++;
    if (!check_page_bytes(c, ref, table ? "a page of the image table" : "a page of the trash",
                          bytes)) {
        return;
    }
    if (level == 0 && table) {
        walk_records(c, bytes, key / REFS_PER_PAGE * IMAGE_RECORDS_PER_PAGE);
    } else if (level == 0) {
        walk_trash_leaf(c, bytes);
    } else {
        for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
            walk_own(c, ref_load(bytes + (size_t)i * REF_BYTES), (uint8_t)(level - 1),
                     key + ((uint64_t)i << (level * REF_LEVEL_BITS)), table);
        }
    }
}

/* --- the verdict ---- */

/* In a read-only store the counts in memory are the newest. */
static uint16_t expected_count(const struct check *c, uint64_t group, unsigned index)
{
    struct pblock at = pblock_at(layout_group_first(group).n + index);

    if (c->store->options.read_only && space_is_resident(c->store->space, at)) {
        return space_count(c->store->space, at);
    }
    return c->groups[group] == NULL ? 0 : c->groups[group]->expected[index];
}

static void compare(struct check *c)
{
    uint64_t used = 0;

    for (uint64_t group = 0; group < c->group_count; group++) {
        uint64_t size = layout_group_size(group, c->super.limit_blocks);

        for (unsigned i = 0; i < size; i++) {
            uint16_t found = c->groups[group] == NULL ? 0 : c->groups[group]->found[i];
            uint16_t expected = expected_count(c, group, i);

            used += expected > 0;
            if (found != expected) {
                check_problem(c, "block %llu has a count of %u, but %u references were found",
                              (unsigned long long)(layout_group_first(group).n + i), expected,
                              found);
            }
        }
    }
    if (!c->store->options.read_only && used != c->super.used_blocks) {
        check_problem(c, "the superblock says %llu blocks are in use, the counts say %llu",
                      (unsigned long long)c->super.used_blocks, (unsigned long long)used);
    }
}

static int begin(struct check *c)
{
    struct store *store = c->store;
    int r = 0;

    if (!store->options.read_only) {
        r = store_checkpoint_locked(store);
        while (r == 0 && (store->checkpoint.phase != CHECKPOINT_IDLE || store->checkpoint.paused)) {
            r = store_checkpoint_step_locked(store, false, true);
            r = r < 0 ? r : 0;
        }
        if (r < 0) {
            return r;
        }
        store->checkpoint.paused = true;
    }
    store->checking++;
    c->super = store->super;
    if (store->options.read_only) {
        c->super.table_root = slot_load(forest_table(&store->forest).root);
        c->super.trash_root = slot_load(forest_trash_tree(&store->forest).root);
    }
    r = load_groups(c);
    if (!store->options.read_only) {
        store->checkpoint.paused = false;
        pthread_cond_broadcast(&store->changed);
    }
    return r;
}

static void end(struct check *c)
{
    struct store *store = c->store;

    for (uint64_t group = 0; c->groups != NULL && group < c->group_count; group++) {
        memory_give(&store->memory, c->groups[group], sizeof *c->groups[group]);
    }
    memory_give(&store->memory, c->groups, c->group_count * sizeof *c->groups);
    memory_give(&store->memory, c->data, REFS_PER_PAGE * BLOCK_SIZE);
}

int store_check(struct store *store, unsigned flags, store_check_report report, void *opaque,
                struct store_check_result *ret_result)
{
    struct check c = {.store = store, .flags = flags, .report = report, .opaque = opaque};

    c.data = memory_take(&store->memory, REFS_PER_PAGE * BLOCK_SIZE);
    if (c.data == NULL) {
        return varve_no_memory("a check");
    }
    pthread_mutex_lock(&store->lock);
    uint64_t checking = store->checking;
    int r = begin(&c);
    bool begun = store->checking > checking;
    pthread_mutex_unlock(&store->lock);
    if (r == 0) {
        check_superblocks(&c);
        walk_own(&c, c.super.table_root, FOREST_TABLE_LEVEL, 0, true);
        walk_own(&c, c.super.trash_root, FOREST_TRASH_LEVEL, 0, false);
        r = c.stopped;
    }
    if (r == 0) {
        compare(&c);
        check_shares(&c);
        r = c.stopped;
    }
    if (r == 0) {
        *ret_result = c.result;
    }
    pthread_mutex_lock(&store->lock);
    store->checking -= begun;
    end(&c);
    pthread_mutex_unlock(&store->lock);
    return r;
}
