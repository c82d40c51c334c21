/* Recovery puts blocks that only the journal or a dead server's stage holds to their places. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "store/recover.h"

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

/* A cable may have been at fault. What cannot be read at all may be sound for the next server. */
static int compare_again(struct store *store, struct io_request *request, const uint8_t *bytes,
                         bool *ret_same)
{
    enum { TRIES = 3 };

    request->flags = IO_REREAD;
    for (unsigned try = 0; request->result != 0 && try < TRIES; try++) {
        store->io->ops->perform(store->io, request, 1);
    }
    if (request->result != 0) {
        return varve_fail(EIO,
                          "recovery cannot read block %llu of the extents, and must not write it "
                          "anew before it knows what is there: %s",
                          (unsigned long long)(request->offset >> BLOCK_SHIFT),
                          strerror(-request->result));
    }
    *ret_same = memcmp(request->buffer, bytes, BLOCK_SIZE) == 0;
    return 0;
}

/* Which of these blocks are in their places already. */
static int compare_blocks(struct store *store, const uint64_t *places, uint64_t count,
                          const uint8_t *bytes, bool *ret_same)
{
    struct io_request requests[STAGE_EXTENT_BLOCKS_MAX];
    uint64_t end = store->io->ops->size(store->io, IO_EXTENTS);
    uint64_t of[STAGE_EXTENT_BLOCKS_MAX];
    uint8_t *found = store->checkpoint_buffer;
    unsigned n = 0;
    int r = 0;

    _Static_assert((int)STAGE_EXTENT_BLOCKS_MAX <= (int)CHECKPOINT_BATCH,
                   "the buffer takes an extent");
    for (uint64_t i = 0; i < count; i++) {
        ret_same[i] = false;
        if (places[i] >= end >> BLOCK_SHIFT) {
            continue; /* the file has not come so far */
        }
        of[n] = i;
        requests[n++] = (struct io_request){.op = IO_READ,
                                            .file = IO_EXTENTS,
                                            .flags = store->doubt ? IO_REREAD : 0,
                                            .offset = places[i] << BLOCK_SHIFT,
                                            .length = BLOCK_SIZE,
                                            .buffer = found + i * BLOCK_SIZE};
    }
    if (n > 0) {
        store->io->ops->perform(store->io, requests, n);
    }
    for (unsigned i = 0; i < n && r == 0; i++) {
        const uint8_t *wanted = bytes + of[i] * BLOCK_SIZE;

        if (requests[i].result == 0) {
            ret_same[of[i]] = memcmp(requests[i].buffer, wanted, BLOCK_SIZE) == 0;
        } else {
            r = compare_again(store, &requests[i], wanted, &ret_same[of[i]]);
        }
    }
    return r;
}

/* What the dead server had in open extents goes to its places. What is there already is left alone:
 * it may be durable and referred to, and a write of the same bytes that the power cuts could tear
 * it. */
static int put_stage_extent(struct store *store, const struct stage_extent *extent, uint64_t count,
                            uint8_t *bytes)
{
    bool same[STAGE_EXTENT_BLOCKS_MAX];
    uint64_t n;
    int r = compare_blocks(store, extent->at, count, bytes, same);

    for (uint64_t i = 0; i < count && r == 0; i += n) {
        for (n = 1; i + n < count && same[i + n] == same[i]; n++) {
        }
        if (!same[i]) {
            r = put_blocks(store, extent->at + i, n, bytes + i * BLOCK_SIZE);
        }
    }
    return r;
}

int recover_stage_extents(struct store *store)
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
int recover_inline_blocks(struct store *store, const struct journal_batch *batch, uint8_t *bytes)
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
