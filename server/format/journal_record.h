/*
 * A journal record: one change of the store's maps. Records follow each other in the log, a stream
 * of bytes in which a position is an LSN; each is a multiple of 8 bytes long. FORMAT.md, "Journal
 * record".
 *
 * Records that belong together (a snapshot of several images) carry JOURNAL_MORE on all but the
 * last: such a group is never divided between two batches.
 */
#ifndef FORMAT_JOURNAL_RECORD_H
#define FORMAT_JOURNAL_RECORD_H

#include <stddef.h>

#include "format/image_record.h"

enum journal_kind {
    JOURNAL_PAD = 1,    /* nothing: fills the end of the log's buffer */
    JOURNAL_WRITE = 2,  /* blocks lie at a place now */
    JOURNAL_HOLE = 3,   /* blocks are holes now */
    JOURNAL_CREATE = 4, /* a new, empty image */
    JOURNAL_CLONE = 5,  /* a new image with the content of `source` */
    JOURNAL_DELETE = 6, /* an image is gone */
    JOURNAL_RESIZE = 7,
    JOURNAL_FLAGS = 8,
    JOURNAL_LABEL = 9,
    JOURNAL_ROLLBACK = 10, /* the image has the content of `source` now */
};

enum {
    JOURNAL_MORE = 1,
    JOURNAL_MOVE = 2, /* write: the blocks hold what they held before and only lie elsewhere, which
                         is legal in a frozen image too */
};

/* A write record covers blocks of one leaf. */
enum { JOURNAL_WRITE_BLOCKS_MAX = REFS_PER_PAGE };

#define JOURNAL_RECORD_BYTES_MAX ((size_t)(40 + 4 * JOURNAL_WRITE_BLOCKS_MAX))

struct journal_record {
    enum journal_kind kind;
    unsigned flags;
    uint64_t image;
    struct lblock lblock; /* write, hole */
    struct pblock pblock; /* write: the first of `blocks` places next to each other */
    uint64_t blocks;      /* write, hole */
    const uint8_t *crcs;  /* write: `blocks` little-endian checksums; decoded: inside the bytes */
    const struct pblock
        *from;            /* a move, in memory only: where each block lies now; NULL at replay */
    uint64_t source;      /* clone, rollback */
    uint64_t size;        /* create, resize: bytes */
    uint32_t image_flags; /* create, clone, flags */
    const char *label;    /* create, clone, label: NUL-terminated; decoded: inside the bytes */
};

/* Bytes that the record takes. */
size_t journal_record_length(const struct journal_record *record);

/* Writes it; `to` has journal_record_length bytes. */
void journal_record_encode(const struct journal_record *record, uint8_t *to);

/* A pad of `length` bytes: a multiple of 8, at least 8. */
void journal_pad_encode(size_t length, uint8_t *to);

/* NULL, *ret_record and *ret_length set, or the reason, as a static string. Pointers in the record
 * point into `from`. */
const char *journal_record_decode(const uint8_t *from, size_t available,
                                  struct journal_record *ret_record, size_t *ret_length);

#endif
