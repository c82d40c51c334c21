/*
 * Recovery: the newest superblock, what a dead server left in the stage, the journal, and the log
 * behind it. Opening after a clean stop is the same with nothing to do. It changes nothing that it
 * reads before its own checkpoint is durable, so it can be interrupted at any point and begun
 * again.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "journal/scan.h"
#include "store/internal.h"

/* --- superblock and summaries ---- */

int store_read_superblock(struct io *io, uint8_t *buffer, struct superblock *ret_super)
{
    const char *refusal = "cannot be read";
    bool found = false;

    for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        struct superblock super;
        struct io_request request = {.op = IO_READ,
                                     .file = IO_EXTENTS,
                                     .offset = pblock_offset(layout_superblock(copy)),
                                     .length = BLOCK_SIZE,
                                     .buffer = buffer};

        if (io->ops->perform(io, &request, 1) < 0) {
            continue;
        }
        const char *why = superblock_decode(buffer, layout_superblock(copy), &super);
        if (why != NULL) {
            refusal = why;
        } else if (!found || super.checkpoint > ret_super->checkpoint) {
            *ret_super = super;
            found = true;
        }
    }
    if (!found) {
        return varve_fail(EIO, "no superblock of the store is sound: the last one looked at %s",
                          refusal);
    }
    if ((ret_super->incompat & ~SUPERBLOCK_KNOWN_INCOMPAT) != 0) {
        return varve_fail(ENOTSUP, "the store uses features (0x%llx) that this build does not know",
                          (unsigned long long)ret_super->incompat);
    }
    return 0;
}

/* The newer sound slot that is not newer than the superblock. */
static int load_summary(struct store *store, uint64_t supergroup, uint8_t *buffer)
{
    struct summary_page best = {0};
    uint32_t best_crc = 0;
    int best_slot = -1;

    for (unsigned slot = 0; slot < 2; slot++) {
        struct pblock at = layout_summary_slot(supergroup, slot);
        struct summary_page page;
        uint32_t crc;

        if (store_read_block(store, at, buffer) == 0 &&
            summary_page_decode(store->seed, at, supergroup, buffer, &page, &crc) == NULL &&
            page.checkpoint <= store->super.checkpoint &&
            (best_slot < 0 || page.checkpoint > best.checkpoint)) {
            best = page;
            best_crc = crc;
            best_slot = (int)slot;
        }
    }
    if (best_slot < 0) {
        return varve_fail(EIO, "both summaries of supergroup %llu are damaged",
                          (unsigned long long)supergroup);
    }
    space_set_summary(store->space, &best, (unsigned)best_slot, best_crc);
    return 0;
}

int store_load_summaries(struct store *store)
{
    for (uint64_t i = 0; i < store->super.supergroups; i++) {
        int r = load_summary(store, i, store->checkpoint_buffer);

        if (r < 0) {
            return r;
        }
    }
    if (space_summary_crc(store->space) != store->super.summary_crc) {
        return varve_fail(EIO, "a summary of the block counts is damaged or of another checkpoint");
    }
    return 0;
}

/* --- blocks that the journal or the stage holds ---- */

/* A power cut may have taken back the size that the file had when these places were taken. */
static int back_again(struct store *store, const struct io_request *requests, unsigned n)
{
    uint64_t size = store->io->ops->size(store->io, IO_EXTENTS);
    int r = 0;

    for (unsigned i = 0; i < n && r == 0; i++) {
        if (requests[i].offset + requests[i].length > size) {
            r = store->io->ops->allocate(store->io, IO_EXTENTS, requests[i].offset,
                                         requests[i].length);
        }
    }
    return r;
}

static int put_blocks(struct store *store, const uint64_t *places, uint64_t count, uint8_t *bytes)
{
    struct io_request requests[STAGE_EXTENT_BLOCKS_MAX];
    uint64_t total = min_u64(store->super.limit_blocks, REF_ADDRESS_MASK);
    unsigned n = 0;

    assert(count <= STAGE_EXTENT_BLOCKS_MAX);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t *block = bytes + i * BLOCK_SIZE;
        uint64_t group;
        unsigned index;

        if (!layout_locate(pblock_at(places[i]), total, &group, &index)) {
            return varve_fail(EIO, "block %llu is not one that is ever allocated",
                              (unsigned long long)places[i]);
        }
        if (store->options.read_only) {
            int r = overlay_put(&store->overlay, pblock_at(places[i]), block);
            if (r < 0) {
                return r;
            }
            continue;
        }
        if (i > 0 && places[i] == places[i - 1] + 1) {
            requests[n - 1].length += BLOCK_SIZE;
            continue;
        }
        requests[n++] = (struct io_request){.op = IO_WRITE,
                                            .file = IO_EXTENTS,
                                            .offset = places[i] << BLOCK_SHIFT,
                                            .length = BLOCK_SIZE,
                                            .buffer = block};
    }
    int r = back_again(store, requests, n);
    if (r == 0 && n > 0) {
        r = store->io->ops->perform(store->io, requests, n);
    }
    return r == 0 ? 0 : varve_fail(-r, "recovery cannot write to the extents: %s", strerror(-r));
}

/* Which of these blocks are in their places already. A read that fails says nothing. */
static void compare_blocks(struct store *store, const uint64_t *places, uint64_t count,
                           const uint8_t *bytes, bool *ret_same)
{
    struct io_request requests[STAGE_EXTENT_BLOCKS_MAX];
    uint8_t *found = store->checkpoint_buffer;

    _Static_assert((int)STAGE_EXTENT_BLOCKS_MAX <= (int)CHECKPOINT_BATCH,
                   "the buffer takes an extent");
    for (uint64_t i = 0; i < count; i++) {
        requests[i] = (struct io_request){.op = IO_READ,
                                          .file = IO_EXTENTS,
                                          .flags = store->doubt ? IO_REREAD : 0,
                                          .offset = places[i] << BLOCK_SHIFT,
                                          .length = BLOCK_SIZE,
                                          .buffer = found + i * BLOCK_SIZE};
    }
    if (count > 0) {
        store->io->ops->perform(store->io, requests, count);
    }
    for (uint64_t i = 0; i < count; i++) {
        ret_same[i] = requests[i].result == 0 &&
                      memcmp(found + i * BLOCK_SIZE, bytes + i * BLOCK_SIZE, BLOCK_SIZE) == 0;
    }
}

/* What the dead server had in open extents goes to its places. What is there already is left alone:
 * it may be durable and referred to, and a write of the same bytes that the power cuts could tear
 * it. */
static int put_stage_extent(struct store *store, const struct stage_extent *extent, uint64_t count,
                            uint8_t *bytes)
{
    bool same[STAGE_EXTENT_BLOCKS_MAX];
    uint64_t n;
    int r = 0;

    compare_blocks(store, extent->at, count, bytes, same);
    for (uint64_t i = 0; i < count && r == 0; i += n) {
        for (n = 1; i + n < count && same[i + n] == same[i]; n++) {
        }
        if (!same[i]) {
            r = put_blocks(store, extent->at + i, n, bytes + i * BLOCK_SIZE);
        }
    }
    return r;
}

static int put_stage_extents(struct store *store)
{
    for (uint64_t i = 0; i < store->stage.geometry.extents; i++) {
        struct stage_extent *extent = stage_extent(&store->stage, i);
        uint64_t count = min_u64(extent->count, store->stage.geometry.extent_blocks);
        int r = put_stage_extent(store, extent, count, stage_buffer(&store->stage, i));

        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Does a write record of the batch that counts (not before the superblock's LSN) refer to the
 * place? */
static bool batch_wants(const struct store *store, const struct journal_batch *batch,
                        const uint8_t *bytes, uint64_t place)
{
    const uint8_t *records = bytes + JOURNAL_BATCH_HEADER_BYTES;

    for (size_t at = 0; at < batch->record_bytes;) {
        struct journal_record record;
        size_t size;

        if (journal_record_decode(records + at, batch->record_bytes - at, &record, &size) != NULL) {
            return false; /* the pass over the records says so */
        }
        if (record.kind == JOURNAL_WRITE && batch->lsn + at >= store->super.lsn &&
            place >= record.pblock.n && place - record.pblock.n < record.blocks) {
            return true;
        }
        at += size;
    }
    return false;
}

/* A block inside belongs to a record of the same batch. One whose record the superblock contains
 * already is in its place, or was freed, and the place may hold newer data by now: it is left
 * alone. */
static int put_inline_blocks(struct store *store, const struct journal_batch *batch, uint8_t *bytes)
{
    const uint8_t *address = bytes + journal_batch_addresses_at(batch);
    uint8_t *data = bytes + journal_batch_data_at(batch);
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < batch->inline_blocks; i++) {
        uint64_t place = le64_load(address + 8 * (size_t)i);

        if (batch_wants(store, batch, bytes, place)) {
            r = put_blocks(store, &place, 1, data + (size_t)i * BLOCK_SIZE);
        }
    }
    return r;
}

/* --- records ---- */

/* What is done with each record. */
typedef int (*record_visit)(struct store *store, struct journal_record *record);

static int for_records(struct store *store, const uint8_t *bytes, uint64_t lsn, uint64_t length,
                       record_visit visit)
{
    for (uint64_t at = 0; at < length;) {
        struct journal_record record;
        size_t size;
        const char *refusal =
            journal_record_decode(bytes + at, (size_t)(length - at), &record, &size);

        if (refusal != NULL) {
            return varve_fail(EIO, "the journal's record at position %llu %s",
                              (unsigned long long)(lsn + at), refusal);
        }
        if (lsn + at >= store->replayed && record.kind != JOURNAL_PAD) {
            int r = visit(store, &record);
            if (r < 0) {
                store->refused = lsn + at;
                return r;
            }
        }
        at += size;
    }
    return 0;
}

/* First pass: places that later records use must not be taken for new pages by earlier ones. */
static int mark_places(struct store *store, struct journal_record *record)
{
    for (uint64_t i = 0; record->kind == JOURNAL_WRITE && i < record->blocks; i++) {
        struct pblock at = pblock_at(record->pblock.n + i);
        int r;

        while ((r = forest_ready(&store->forest, at)) == FOREST_NEED) {
            if ((r = store_provide_locked(store)) < 0) {
                return r;
            }
        }
        if (r < 0) {
            return r;
        }
        if (!space_take_exactly(store->space, at)) {
            return varve_fail(EIO, "the journal writes to block %llu, which is in use",
                              (unsigned long long)at.n);
        }
    }
    return 0;
}

static int apply_record(struct store *store, struct journal_record *record)
{
    uint64_t blocks = record->blocks;

    do {
        record->blocks = blocks;
        int r = store_change_locked(store, record);
        if (r < 0) {
            return r;
        }
        record->lblock.n += record->blocks;
        blocks -= record->blocks;
    } while (record->kind == JOURNAL_HOLE && blocks > 0);
    return 0;
}

/* A block that a record refers to, from the device itself after a failed sync. */
static int read_data(struct store *store, struct pblock at, uint8_t *buffer)
{
    struct io_request request = {.op = IO_READ,
                                 .file = IO_EXTENTS,
                                 .flags = IO_REREAD,
                                 .offset = pblock_offset(at),
                                 .length = BLOCK_SIZE,
                                 .buffer = buffer};

    return store->doubt ? store->io->ops->perform(store->io, &request, 1)
                        : store_read_block(store, at, buffer);
}

/* The last batch may be durable without the data that it refers to; and after a failed sync what
 * the log in the stage refers to may be lost. */
static int data_is_there(struct store *store, struct journal_record *record)
{
    for (uint64_t i = 0; record->kind == JOURNAL_WRITE && i < record->blocks; i++) {
        struct pblock at = pblock_at(record->pblock.n + i);
        uint8_t *buffer = store->checkpoint_buffer;
        const uint8_t *known = store->options.read_only ? overlay_find(&store->overlay, at) : NULL;

        if (known == NULL && pblock_offset(at) >= store->io->ops->size(store->io, IO_EXTENTS)) {
            return -ESTALE; /* not even the size of the file has come to the disk */
        }
        if (known == NULL) {
            int r = read_data(store, at, buffer);
            if (r < 0) {
                return r;
            }
            known = buffer;
        }
        if (crc32c_block(store->seed, at, known) != le32_load(record->crcs + 4 * i)) {
            return -ESTALE;
        }
    }
    return 0;
}

/* --- the journal ---- */

/* Runs over the batches up to number `end`, with the inline blocks put or records visited. */
static int for_batches(struct store *store, uint64_t end, record_visit visit)
{
    struct journal_batch batch;
    struct scan scan;
    int r = 0;

    scan_begin(&scan, store->io, &store->memory, store->seed, &store->super);
    while (r == 0 && scan.ring.seq < end && (r = scan_next(&scan, &batch)) == 1) {
        const uint8_t *records = scan.bytes + JOURNAL_BATCH_HEADER_BYTES;

        r = for_records(store, records, batch.lsn, batch.record_bytes, visit);
        store->replayed = max_u64(store->replayed, batch.lsn + batch.record_bytes);
        store->ring.next = scan.ring.next;
        store->ring.seq = scan.ring.seq;
    }
    scan_end(&scan);
    return r < 0 ? r : 0;
}

/* The number behind the last whole batch. */
static int find_last(struct store *store, uint64_t *ret_end)
{
    struct journal_batch batch;
    struct scan scan;
    int r;

    scan_begin(&scan, store->io, &store->memory, store->seed, &store->super);
    while ((r = scan_next(&scan, &batch)) == 1) {
    }
    *ret_end = scan.ring.seq;
    scan_end(&scan);
    return r;
}

/* Puts the inline blocks of all whole batches to their places, and leaves the last batch out if its
 * data is not there: each other one was known to be durable when the next was written, the last may
 * have come to the disk before its data. */
static int find_end(struct store *store, uint64_t *ret_end)
{
    struct journal_batch batch;
    struct scan scan;
    uint64_t end;
    int r = find_last(store, &end);

    if (r < 0) {
        return r;
    }
    scan_begin(&scan, store->io, &store->memory, store->seed, &store->super);
    store->replayed = store->super.lsn;
    *ret_end = end;
    while (r == 0 && scan.ring.seq < end && (r = scan_next(&scan, &batch)) == 1) {
        r = put_inline_blocks(store, &batch, scan.bytes);
        if (r == 0 && batch.seq + 1 == end) {
            r = for_records(store, scan.bytes + JOURNAL_BATCH_HEADER_BYTES, batch.lsn,
                            batch.record_bytes, data_is_there);
            if (r == -ESTALE) {
                *ret_end = batch.seq;
                r = 0;
            }
        }
    }
    scan_end(&scan);
    return r < 0 ? r : 0;
}

/* The log that the last server left, copied out. */
struct left {
    uint8_t *bytes; /* NULL: there is none */
    uint64_t tail, head;
};

static int take_log(struct store *store, struct left *left)
{
    const struct log_marks *marks = stage_marks(&store->stage);
    struct log log = {.marks = stage_marks(&store->stage),
                      .bytes = stage_log(&store->stage),
                      .size = store->stage.geometry.log_bytes};

    left->head = marks->head;
    left->tail = marks->tail;
    if (left->head < left->tail || left->head - left->tail > log.size) {
        return varve_fail(EIO, "what the last server left in memory makes no sense");
    }
    left->bytes = memory_take(&store->memory, log.size);
    if (left->bytes == NULL) {
        return varve_no_memory("the log of the last server");
    }
    log_copy(&log, left->tail, left->head, left->bytes);
    return 0;
}

/* After a failed sync: the log counts up to the first record whose data is lost. That is a prefix
 * of what was answered, and holds all that was flushed. */
static int cut_log(struct store *store, struct left *left)
{
    int r;

    store->replayed = left->tail;
    r = for_records(store, left->bytes, left->tail, left->head - left->tail, data_is_there);
    if (r == -ESTALE) {
        left->head = store->refused;
        r = 0;
    }
    return r;
}

static int replay(struct store *store, uint64_t end, const struct left *left)
{
    static const record_visit passes[] = {mark_places, apply_record};
    int r = 0;

    for (unsigned pass = 0; r == 0 && pass < 2; pass++) {
        store->replayed = store->super.lsn;
        r = for_batches(store, end, passes[pass]);
        if (r < 0 || left->bytes == NULL) {
            continue;
        }
        if (left->tail > store->replayed) {
            return varve_fail(EIO,
                              "the journal ends at position %llu, but what the last server "
                              "left in memory begins at %llu: part of the journal is lost",
                              (unsigned long long)store->replayed, (unsigned long long)left->tail);
        }
        r = for_records(store, left->bytes, left->tail, left->head - left->tail, passes[pass]);
        store->replayed = max_u64(store->replayed, left->head);
    }
    return r;
}

int store_recover(struct store *store)
{
    bool from_stage = store->stage_found && stage_is_of(&store->stage, &store->super);
    struct left left = {0};
    uint64_t end;
    int r = 0;

    store->doubt = from_stage && stage_is_in_doubt(&store->stage);
    store->ring = (struct ring){.blocks = store->super.journal_blocks,
                                .start = store->super.journal_start,
                                .next = store->super.journal_start,
                                .seq = store->super.journal_seq};
    if (from_stage) {
        r = put_stage_extents(store);
        r = r < 0 ? r : take_log(store, &left);
    }
    if (r == 0 && (r = find_end(store, &end)) == 0 && store->doubt) {
        r = cut_log(store, &left);
    }
    if (r == 0) {
        store->replaying = true;
        pthread_mutex_lock(&store->lock);
        r = replay(store, end, &left);
        pthread_mutex_unlock(&store->lock);
        store->replaying = false;
    }
    memory_give(&store->memory, left.bytes, store->stage.geometry.log_bytes);
    return r;
}
