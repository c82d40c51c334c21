/* Making, opening and closing a store. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "store/internal.h"

#define CACHE_BYTES_DEFAULT    ((uint64_t)128 << 20)
#define CACHE_BYTES_MIN        ((uint64_t)4 << 20)
#define INLINE_BYTES_DEFAULT   ((uint64_t)64 << 10)
#define STRAIGHT_BYTES_DEFAULT ((uint64_t)64 << 10)
#define LOG_BYTES_MAX          ((uint64_t)4 << 20)
#define EXTENTS_DEFAULT        16
#define EARLY_AFTER_DEFAULT    4
#define EXTENTS_MIN            2
#define EXTENT_BLOCKS_MIN      8

/* Kept back for what must work in a full store: 1/32 of it, within these bounds, in blocks. */
#define RESERVE_PART 32
#define RESERVE_MIN  ((uint64_t)128)
#define RESERVE_MAX  ((uint64_t)131072)

/* Of the reserve, this many blocks are kept backed by space below. */
#define BACKED_MAX ((uint64_t)512)

/* --- memory through the seam ---- */

static void *take(void *opaque, size_t length)
{
    struct io *io = opaque;

    return io->ops->memory_allocate(io, length);
}

static void give(void *opaque, void *bytes, size_t length)
{
    struct io *io = opaque;

    io->ops->memory_free(io, bytes, length);
}

/* --- format ---- */

static int check_geometry(const struct store_geometry *geometry)
{
    if (geometry->limit < STORE_LIMIT_MIN || geometry->limit >> BLOCK_SHIFT > REF_ADDRESS_MASK) {
        return varve_fail(EINVAL, "a store of %llu bytes is not possible: at least %llu",
                          (unsigned long long)geometry->limit, (unsigned long long)STORE_LIMIT_MIN);
    }
    if (geometry->journal < STORE_JOURNAL_MIN || geometry->journal % BLOCK_SIZE != 0) {
        return varve_fail(EINVAL,
                          "a journal of %llu bytes is not possible: a multiple of 4096, at least "
                          "%llu",
                          (unsigned long long)geometry->journal,
                          (unsigned long long)STORE_JOURNAL_MIN);
    }
    return 0;
}

int store_format(struct io *io, const struct store_geometry *geometry)
{
    static const uint8_t none[16];
    struct superblock super = {
        .flags = SUPERBLOCK_CLEAN,
        .checkpoint = 1,
        .limit_blocks = geometry->limit >> BLOCK_SHIFT,
        .journal_blocks = geometry->journal >> BLOCK_SHIFT,
        .journal_seq = 1,
        .next_image = 1,
        .ro_compat = SUPERBLOCK_SHARES,
    };
    int r = check_geometry(geometry);

    if (r < 0) {
        return r;
    }
    memcpy(super.identity, geometry->identity, sizeof super.identity);
    if (memcmp(super.identity, none, sizeof none) == 0) {
        io->ops->random(io, super.identity, sizeof super.identity);
    }
    r = io->ops->allocate(io, IO_EXTENTS, 0, LAYOUT_HEADER_BLOCKS << BLOCK_SHIFT);
    if (r < 0) {
        return varve_fail(-r, "cannot make the extents: %s", strerror(-r));
    }
    uint8_t *buffer = io->ops->memory_allocate(io, BLOCK_SIZE);
    if (buffer == NULL) {
        return varve_no_memory("a superblock");
    }
    for (unsigned copy = 0; r == 0 && copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        r = store_write_superblock(io, &super, copy, buffer);
    }
    io->ops->memory_free(io, buffer, BLOCK_SIZE);
    return r == 0 ? 0 : varve_fail(-r, "cannot write the superblocks: %s", strerror(-r));
}

/* --- open ---- */

static void set_options(struct store *store, const struct store_options *options)
{
    struct store_options *o = &store->options;

    if (options != NULL) {
        *o = *options;
    } else {
        o->inline_bytes = UINT64_MAX;
    }
    o->cache_bytes =
        o->cache_bytes == 0 ? CACHE_BYTES_DEFAULT : max_u64(o->cache_bytes, CACHE_BYTES_MIN);
    if (o->extent_slots == 0) {
        o->extent_slots = EXTENTS_DEFAULT;
    }
    o->extent_slots = (unsigned)min_u64(max_u64(o->extent_slots, EXTENTS_MIN), STAGE_EXTENTS_MAX);
    if (o->extent_blocks == 0) {
        o->extent_blocks = STAGE_EXTENT_BLOCKS_MAX;
    }
    o->extent_blocks =
        (unsigned)min_u64(max_u64(o->extent_blocks, EXTENT_BLOCKS_MIN), STAGE_EXTENT_BLOCKS_MAX);
    if (o->inline_bytes == UINT64_MAX) {
        o->inline_bytes = INLINE_BYTES_DEFAULT;
    }
    if (o->straight_bytes == 0) {
        o->straight_bytes = STRAIGHT_BYTES_DEFAULT;
    }
    if (o->early_after == 0) {
        o->early_after = EARLY_AFTER_DEFAULT;
    }
    if (o->dirty_bytes == 0) {
        o->dirty_bytes = o->cache_bytes / 2;
    }
}

static void set_limits(struct store *store)
{
    uint64_t total = space_totals(store->space).total;
    /* an eighth of the ring at most, so that a batch always finds room after a checkpoint */
    uint64_t inline_max = store->super.journal_blocks / 8;

    store->inline_max = min_u64(store->options.inline_bytes >> BLOCK_SHIFT, inline_max);
    store->straight_min = max_u64(store->options.straight_bytes >> BLOCK_SHIFT, 1);
    store->reserve = min_u64(max_u64(total / RESERVE_PART, RESERVE_MIN), RESERVE_MAX);
    /* dirty pages have two places until a checkpoint is done; the reserve has to bear that */
    store->dirty_max =
        max_u64(min_u64(store->options.dirty_bytes >> BLOCK_SHIFT, store->reserve / 6), 16);
    store->backed_min = min_u64(store->reserve, BACKED_MAX);
}

static int make_parts(struct store *store)
{
    uint64_t cache = store->options.cache_bytes;
    struct space_setup setup = {
        .total_blocks = store->super.limit_blocks,
        .supergroups = store->super.supergroups,
        .groups_max = cache / 8 / 5120,
        .memory = store->memory,
    };

    store->space = space_new(&setup);
    store->forest.cache = page_cache_new(cache / 8 * 7 / BLOCK_SIZE, &store->memory);
    if (store->space == NULL || store->forest.cache == NULL) {
        return varve_no_memory("the maps of the store");
    }
    store->super_page =
        (struct page){.bytes = store->super_bytes, .rank = RANK_SUPER, .dirty = true};
    store->forest.space = store->space;
    store->forest.super = &store->super_page;
    store->forest.trash = store->super.trash;
    store->forest.map_blocks = store->super.map_blocks;
    slot_store(forest_table(&store->forest).root, store->super.table_root);
    slot_store(forest_trash_tree(&store->forest).root, store->super.trash_root);
    store->next_image = store->super.next_image;
    store->mapped_blocks = store->super.mapped_blocks;
    store->logical_bytes = store->super.logical_bytes;
    store->reserved_blocks = store->super.reserved_blocks;
    store->shared_blocks = store->super.shared_blocks;
    store->shares.stale = true;
    store->epoch = 1;
    return 0;
}

/* What a dead server left keeps its sizes for this session; a clean stop removes it, and the next
 * one is made with ours. */
static int map_stage(struct store *store)
{
    uint64_t log = min_u64(max_u64((store->super.journal_blocks << BLOCK_SHIFT) / 8, LOG_BYTES_MIN),
                           LOG_BYTES_MAX);
    void *memory;
    size_t found = 0;

    store->stage.geometry = (struct stage_geometry){
        .extents = store->options.extent_slots,
        .extent_blocks = store->options.extent_blocks,
        .log_bytes = log / BLOCK_SIZE * BLOCK_SIZE,
    };
    size_t wanted = (size_t)stage_bytes(&store->stage.geometry);
    int r = store->io->ops->stage_map(store->io, wanted, &memory, &found);
    if (r < 0) {
        return r;
    }
    store->stage.memory = memory;
    r = stage_adopt(&store->stage, found, &store->super, &store->stage_is_ours);
    if (r < 0 || store->stage_is_ours || found == 0 || found == wanted) {
        return r;
    }
    store->io->ops->stage_remove(store->io);
    r = store->io->ops->stage_map(store->io, wanted, &memory, &found);
    store->stage.memory = r < 0 ? NULL : memory;
    return r;
}

/* What recovery found becomes a checkpoint of a new session: from there on neither the journal nor
 * the stage of the old one counts. */
static int begin_session(struct store *store)
{
    int r = store_level_superblocks(store);

    if (r < 0) {
        return r;
    }
    store->durable_seq = store->ring.seq - 1;
    store->super.session++;
    store->super.flags &= ~(uint32_t)SUPERBLOCK_CLEAN;
    /* not those of the stage, which the next recovery needs until this checkpoint is durable */
    store->log.marks = &store->recovered;
    atomic_store(&store->log.marks->tail, store->replayed);
    atomic_store(&store->log.marks->head, store->replayed);
    store->log.written = store->replayed;
    pthread_mutex_lock(&store->lock);
    r = store_shares_begin_locked(store);
    if (r == 0) {
        r = store_checkpoint_locked(store);
    }
    pthread_mutex_unlock(&store->lock);
    if (r < 0) {
        return r;
    }
    log_begin(&store->log, stage_marks(&store->stage), stage_log(&store->stage),
              store->stage.geometry.log_bytes, store->super.lsn);
    stage_begin(&store->stage, &store->super);
    return 0;
}

static int open_parts(struct store *store)
{
    int r;

    store->checkpoint_buffer = memory_take(&store->memory, CHECKPOINT_BATCH * BLOCK_SIZE);
    if (store->checkpoint_buffer == NULL) {
        return varve_no_memory("the buffer of checkpoints");
    }
    if ((r = store_read_superblock(store->io, store->checkpoint_buffer, &store->super)) < 0) {
        return r;
    }
    if ((store->super.ro_compat & ~SUPERBLOCK_KNOWN_RO_COMPAT) != 0 && !store->options.read_only) {
        return varve_fail(EROFS,
                          "the store uses features (0x%llx) with which this build may only "
                          "read it",
                          (unsigned long long)store->super.ro_compat);
    }
    store->seed = crc32c_store_seed(store->super.identity);
    if ((r = make_parts(store)) < 0 || (r = store_load_summaries(store)) < 0 ||
        (r = map_stage(store)) < 0) {
        return r;
    }
    set_limits(store);
    r = open_extents_begin(&store->extents, &store->stage, &store->memory);
    if (r < 0 || (r = store_recover(store)) < 0 || store->options.read_only) {
        return r;
    }
    return begin_session(store);
}

int store_open(struct io *io, const struct store_options *options, struct store **ret_store)
{
    struct memory memory = {.allocate = take, .release = give, .opaque = io};
    struct store *store = memory_take(&memory, sizeof *store);
    pthread_condattr_t clock;

    if (store == NULL) {
        return varve_no_memory("the store");
    }
    store->io = io;
    store->memory = memory;
    store->overlay.memory = memory;
    set_options(store, options);
    flush_pattern_begin(&store->early.pattern);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->changed, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    for (unsigned work = 0; work < STORE_WORKS; work++) {
        pthread_cond_init(&store->work[work], &clock);
    }
    pthread_condattr_destroy(&clock);
    int r = open_parts(store);
    if (r < 0) {
        store_close(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

/* --- close ---- */

int store_shutdown(struct store *store)
{
    int r = 0;

    pthread_mutex_lock(&store->lock);
    store->stopping = true;
    if (!store->options.read_only) {
        r = store_commit_locked(store, log_head(&store->log));
        store->super.flags |= SUPERBLOCK_CLEAN;
        r = r < 0 ? r : store_checkpoint_locked(store);
    }
    pthread_mutex_unlock(&store->lock);
    if (r == 0 && !store->options.read_only) {
        stage_end(&store->stage);
        store->io->ops->stage_remove(store->io);
    }
    return r;
}

static void free_images(struct store *store)
{
    for (unsigned i = 0; i < IMAGE_BUCKETS; i++) {
        while (store->images[i] != NULL) {
            struct store_image *next = store->images[i]->next;

            memory_give(&store->memory, store->images[i], sizeof *store->images[i]);
            store->images[i] = next;
        }
    }
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    struct memory memory = store->memory;
    free_images(store);
    overlay_clear(&store->overlay);
    if (store->extents.index != NULL) {
        open_extents_end(&store->extents);
    }
    page_cache_free(store->forest.cache);
    space_free(store->space);
    memory_give(&memory, store->batch, store->batch_size);
    memory_give(&memory, store->checkpoint.pages,
                store->checkpoint.pages_room * sizeof(struct page *));
    memory_give(&memory, store->checkpoint_buffer, CHECKPOINT_BATCH * BLOCK_SIZE);
    for (unsigned work = 0; work < STORE_WORKS; work++) {
        pthread_cond_destroy(&store->work[work]);
    }
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    memory_give(&memory, store, sizeof *store);
}
