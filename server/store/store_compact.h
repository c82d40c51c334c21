/*
 * Compaction: puts the blocks of an image that lie scattered next to each other, in their logical
 * order, while I/O goes on. What the image holds does not change, nor does anything that is made of
 * it (digests, differences, what is shared with whom); so it works on frozen images too.
 *
 *   store_compact_open · store_compact_step … · store_compact_close
 *
 * The image is gone through leaf by leaf (1 MiB). Of a leaf, those blocks are moved that nothing
 * else refers to. A block that another image maps as well stays: moving it would make a second copy
 * of it. What is moved is read, verified, written to a new place, and then mapped there by one
 * journal record for each run; its old place comes back with the next checkpoint. A leaf is left
 * alone when its runs are long on average, or when the free space is so scattered that the new runs
 * would not be half as many.
 *
 * A request to the 1 MiB that is being moved waits for it, some milliseconds. Space: what is moved
 * is there twice until the next checkpoint; the store's reserve is not touched.
 *
 * The position is kept in memory only. Memory: 1 MiB. Threads: several compactions at once, each
 * used by one thread at a time.
 */
#ifndef STORE_STORE_COMPACT_H
#define STORE_STORE_COMPACT_H

#include "store/store.h"

struct store_compaction;

/* Bytes of the image that it has come past. Their sum is about what the image maps. */
struct store_compaction_state {
    uint64_t moved;
    uint64_t in_order;  /* lay well, or too few to matter */
    uint64_t shared;    /* left because others refer to them */
    uint64_t scattered; /* left because free space is scattered, or others were quicker */
};

/* The image stays open until the close. -ENOENT, -ENOMEM. */
int store_compact_open(struct store *store, uint64_t image,
                       struct store_compaction **ret_compaction);
void store_compact_close(struct store_compaction *compaction); /* before the store; takes NULL */

/* One bounded piece: moves at most 1 MiB. 1: there is more, 0: the end of the image is reached,
 * -errno: -ENOSPC, or -EIO for a block that cannot be read. What was moved until then is well, and
 * the next call tries the same leaf again. */
int store_compact_step(struct store_compaction *compaction);

struct store_compaction_state store_compact_state(const struct store_compaction *compaction);

#endif
