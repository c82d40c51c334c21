/*
 * Whether the reads of one connection go on in a row, and what to begin to read then. A block that
 * was overwritten lies anywhere on the disk, so the kernel, which sees only places, cannot tell
 * that a reader of an aged volume goes on in a row; who sees offsets can.
 *
 * A few streams are told apart: several files are read at once, and random reads come between. Of
 * each, a window before the reader is begun, small at first; when the reader has used up half of
 * it, it is filled up, and is twice as long then. Reads of one stream need not come in order, as
 * those of a client with several under way do not. Where there is no need, since all is
 * in memory, more is passed over each time: reads from memory are to pay nothing.
 *
 * Only a guess, on which nothing may depend but speed. No I/O, no lock: the owner's.
 */
#ifndef VOLUME_READ_STREAMS_H
#define VOLUME_READ_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    READ_STREAMS = 4,
    READ_WINDOW_MIN = 128 << 10, /* bytes; and as much must have been read in a row before */
    READ_WINDOW_MAX = 4 << 20,
    READ_PIECE_MAX = READ_WINDOW_MAX / 2, /* begun at once */
    READ_SKIP_MAX = 16 << 20              /* passed over at once */
};

/* All in bytes. */
struct read_stream {
    uint64_t from, next; /* what it was judged by: reads between these two ... */
    uint64_t got;        /* ... of this length in sum */
    uint64_t begun;      /* nothing before this is to be begun any more */
    uint64_t window;     /* 0: nothing was begun yet */
    uint64_t skip;       /* how much was passed over the last time, when there was no need; or 0 */
    uint64_t used;       /* when, in reads; 0: never */
};

/* All zero to begin. */
struct read_streams {
    struct read_stream stream[READ_STREAMS];
    uint64_t reads;
};

/* What is to be begun: from one whole block to another, perhaps past the end of the volume. */
struct read_piece {
    uint64_t offset, length;
    unsigned stream;
};

/* Notes a read of length > 0 whose end does not overflow. True: ret_piece is to be begun. */
bool read_streams_note(struct read_streams *streams, uint64_t offset, uint64_t length,
                       struct read_piece *ret_piece);
/* What came of the piece: it was begun, or there was no need. */
void read_streams_told(struct read_streams *streams, const struct read_piece *piece, bool needless);

#endif
