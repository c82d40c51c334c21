#include "journal/scan.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

enum { SCAN_BYTES_START = 1 << 20 };

void scan_begin(struct scan *scan, struct io *io, const struct memory *memory, uint32_t store_seed,
                const struct superblock *super)
{
    *scan = (struct scan){
        .io = io,
        .memory = *memory,
        .store_seed = store_seed,
        .session = super->session,
        .checkpoint = super->checkpoint,
        .ring = {.blocks = super->journal_blocks,
                 .start = super->journal_start,
                 .next = super->journal_start,
                 .seq = super->journal_seq},
        .lsn = super->lsn,
    };
}

void scan_end(struct scan *scan)
{
    memory_give(&scan->memory, scan->bytes, scan->bytes_size);
    scan->bytes = NULL;
}

static int have_bytes(struct scan *scan, size_t length)
{
    if (length <= scan->bytes_size) {
        return 0;
    }
    size_t size = scan->bytes_size == 0 ? SCAN_BYTES_START : scan->bytes_size;
    while (size < length) {
        size *= 2;
    }
    uint8_t *bytes = memory_take(&scan->memory, size);
    if (bytes == NULL) {
        return varve_no_memory("reading the journal");
    }
    memory_give(&scan->memory, scan->bytes, scan->bytes_size);
    scan->bytes = bytes;
    scan->bytes_size = size;
    return 0;
}

static int read_blocks(struct scan *scan, uint64_t at, uint64_t blocks)
{
    size_t length = (size_t)(blocks << BLOCK_SHIFT);
    int r = have_bytes(scan, length);

    if (r < 0) {
        return r;
    }
    struct io_request request = {.op = IO_READ,
                                 .file = IO_JOURNAL,
                                 .offset = at << BLOCK_SHIFT,
                                 .length = length,
                                 .buffer = scan->bytes};
    r = scan->io->ops->perform(scan->io, &request, 1);
    if (r < 0) {
        return varve_fail(EIO, "cannot read the journal at block %llu: %s", (unsigned long long)at,
                          strerror(-r));
    }
    return 0;
}

/* Looks for a whole batch of this session at a block. 1, 0 or -errno. */
static int read_batch(struct scan *scan, uint64_t at, struct journal_batch *ret_batch)
{
    int r = read_blocks(scan, at, 1);

    if (r < 0) {
        return r;
    }
    if (journal_batch_decode(scan->bytes, scan->ring.blocks - at, ret_batch) != NULL ||
        ret_batch->session != scan->session) {
        return 0;
    }
    uint64_t blocks = journal_batch_blocks(ret_batch->record_bytes, ret_batch->inline_blocks);
    if ((r = read_blocks(scan, at, blocks)) < 0) {
        return r;
    }
    return journal_batch_verify(scan->store_seed, ret_batch, scan->bytes) == NULL;
}

/* Could the block that stands there begin a batch which proves that batch `seq` was durable? */
static bool could_prove(const struct scan *scan, uint64_t at, uint64_t seq, const uint8_t *block)
{
    struct journal_batch batch;

    return journal_batch_decode(block, scan->ring.blocks - at, &batch) == NULL &&
           batch.session == scan->session && batch.seq > seq && batch.durable_seq >= seq;
}

/* Batch `seq` is not whole. Is there a later one that proves it was? */
static int look_for_damage(struct scan *scan, uint64_t seq)
{
    uint64_t window = 0;
    uint64_t window_end = 0;

    for (uint64_t at = 0; at < scan->ring.blocks; at++) {
        struct journal_batch batch;
        int r = 0;

        if (at >= window_end) {
            window = at;
            window_end = min_u64(at + SCAN_BYTES_START / BLOCK_SIZE, scan->ring.blocks);
            r = read_blocks(scan, window, window_end - window);
        }
        if (r < 0) {
            return r;
        }
        if (!could_prove(scan, at, seq, scan->bytes + (at - window) * BLOCK_SIZE)) {
            continue;
        }
        window_end = 0; /* the batch is read into the same bytes */
        r = read_batch(scan, at, &batch);
        if (r < 0) {
            return r;
        }
        if (r == 1) {
            return varve_fail(EIO,
                              "the journal is damaged: batch %llu at block %llu is not as it was "
                              "written, and batch %llu proves that it was durable",
                              (unsigned long long)seq, (unsigned long long)scan->ring.next,
                              (unsigned long long)batch.seq);
        }
    }
    return 0;
}

int scan_next(struct scan *scan, struct journal_batch *ret_batch)
{
    uint64_t seq = scan->ring.seq;
    uint64_t at = scan->ring.next;
    int r = read_batch(scan, at, ret_batch);

    if (r == 0 || (r == 1 && ret_batch->seq != seq)) {
        /* it did not fit there, perhaps */
        at = 0;
        r = read_batch(scan, at, ret_batch);
    }
    if (r < 0) {
        return r;
    }
    if (r == 0 || ret_batch->seq != seq) {
        return look_for_damage(scan, seq);
    }
    if (ret_batch->checkpoint > scan->checkpoint) {
        return varve_fail(EIO,
                          "the superblocks are older (checkpoint %llu) than the journal, which "
                          "knows checkpoint %llu: the newest superblocks are lost",
                          (unsigned long long)scan->checkpoint,
                          (unsigned long long)ret_batch->checkpoint);
    }
    if (ret_batch->lsn > scan->lsn) {
        return varve_fail(EIO, "the journal has a gap before batch %llu", (unsigned long long)seq);
    }
    ring_advance(&scan->ring, at,
                 journal_batch_blocks(ret_batch->record_bytes, ret_batch->inline_blocks));
    scan->lsn = max_u64(scan->lsn, ret_batch->lsn + ret_batch->record_bytes);
    return 1;
}
