/*
 * Recovery: the newest superblock, what a dead server left in the stage, the journal, and the log
 * behind it. Opening after a clean stop is the same with nothing to do. It changes nothing that it
 * reads before its own checkpoint is durable, so it can be interrupted at any point and begun
 * again.
 */
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "journal/scan.h"
#include "store/recover.h"

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
    return store->doubt ? store_fetch_block(store, at, IO_REREAD, buffer)
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
        r = recover_inline_blocks(store, &batch, scan.bytes);
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
    bool from_stage = store->stage_is_ours;
    struct left left = {0};
    uint64_t end;
    int r = 0;

    store->doubt = from_stage && stage_is_in_doubt(&store->stage);
    store->ring = (struct ring){.blocks = store->super.journal_blocks,
                                .start = store->super.journal_start,
                                .next = store->super.journal_start,
                                .seq = store->super.journal_seq};
    if (from_stage) {
        r = recover_stage_extents(store);
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
