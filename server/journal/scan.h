/*
 * Reading the journal at recovery: batch after batch from where the superblock says, until the
 * first that is not whole. Such a batch is the torn tail, unless a later one proves that it was
 * durable: that is damage.
 */
#ifndef JOURNAL_SCAN_H
#define JOURNAL_SCAN_H

#include "base/memory.h"
#include "format/journal_batch.h"
#include "format/superblock.h"
#include "io/io.h"
#include "journal/ring.h"

struct scan {
    struct io *io;
    struct memory memory;
    uint32_t store_seed;
    uint64_t session, checkpoint;
    struct ring ring; /* next and seq: of the batch that scan_next looks for */
    uint64_t lsn;     /* end of the last record that was found */
    uint8_t *bytes;   /* of the batch found last */
    size_t bytes_size;
};

void scan_begin(struct scan *scan, struct io *io, const struct memory *memory, uint32_t store_seed,
                const struct superblock *super);
void scan_end(struct scan *scan);

/* 1 and the batch, whose bytes are in scan->bytes until the next call; 0 at the end; -EIO for
 * damage and for errors, with a message. The ring's `next` and `seq` stand behind the batch then.
 */
int scan_next(struct scan *scan, struct journal_batch *ret_batch);

#endif
