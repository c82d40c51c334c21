/*
 * The log: the journal's records in the order of their changes, in a ring of memory that outlives
 * the process (io/io.h, stage_map), until they are durable on disk. A position in the endless
 * stream of bytes is an LSN.
 *
 * What is published is whole: a process that dies leaves [tail, head) sound, and the next open
 * finds it there.
 *
 * Locking: the store's mutex, but for log_copy of a published range that was not released.
 */
#ifndef JOURNAL_LOG_H
#define JOURNAL_LOG_H

#include <stdatomic.h>

#include "format/journal_record.h"

/* The part that lies in the shared memory: what a successor needs. */
struct log_marks {
    _Atomic uint64_t head; /* end of what is published */
    _Atomic uint64_t tail; /* start of what may not be durable */
};

struct log {
    struct log_marks *marks;
    uint8_t *bytes;
    uint64_t size;    /* bytes, a multiple of 8, at least LOG_BYTES_MIN */
    uint64_t written; /* end of what is appended, published or not */
};

#define LOG_BYTES_MIN ((uint64_t)64 << 10)

/* Begins an empty log at `lsn` in that memory. */
void log_begin(struct log *log, struct log_marks *marks, void *bytes, uint64_t size, uint64_t lsn);

uint64_t log_head(const struct log *log);
uint64_t log_tail(const struct log *log);

/* Is there room for `count` records of up to `length` bytes each? */
bool log_has_room(const struct log *log, size_t length, unsigned count);

/* Appends a record; there is room. Several make one group when only the last is followed by
 * log_publish. */
void log_append(struct log *log, const struct journal_record *record);
void log_publish(struct log *log);

/* The end of the last whole group of records in [from, from + max), or of the first group when that
 * is longer. */
uint64_t log_cut(const struct log *log, uint64_t from, uint64_t max);

/* Copies [from, to) out. */
void log_copy(const struct log *log, uint64_t from, uint64_t to, uint8_t *out);

/* All before `lsn` is durable. */
void log_release(struct log *log, uint64_t lsn);

#endif
