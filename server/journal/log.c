#include "journal/log.h"

#include <assert.h>
#include <string.h>

void log_begin(struct log *log, struct log_marks *marks, void *bytes, uint64_t size, uint64_t lsn)
{
    assert(size % 8 == 0 && size >= LOG_BYTES_MIN && lsn % 8 == 0);
    *log = (struct log){.marks = marks, .bytes = bytes, .size = size, .written = lsn};
    atomic_store_explicit(&marks->head, lsn, memory_order_relaxed);
    atomic_store_explicit(&marks->tail, lsn, memory_order_release);
}

uint64_t log_head(const struct log *log)
{
    return atomic_load_explicit(&log->marks->head, memory_order_acquire);
}

uint64_t log_tail(const struct log *log)
{
    return atomic_load_explicit(&log->marks->tail, memory_order_acquire);
}

bool log_has_room(const struct log *log, size_t length, unsigned count)
{
    /* a record that does not fit before the end of the ring costs a pad shorter than itself, once
     */
    uint64_t most = length * ((uint64_t)count + 1);

    return log->written + most - log_tail(log) <= log->size;
}

void log_append(struct log *log, const struct journal_record *record)
{
    size_t length = journal_record_length(record);
    uint64_t at = log->written % log->size;

    if (at + length > log->size) {
        journal_pad_encode((size_t)(log->size - at), log->bytes + at);
        log->written += log->size - at;
        at = 0;
    }
    assert(log->written + length - log_tail(log) <= log->size);
    journal_record_encode(record, log->bytes + at);
    log->written += length;
}

void log_publish(struct log *log)
{
    atomic_store_explicit(&log->marks->head, log->written, memory_order_release);
}

uint64_t log_cut(const struct log *log, uint64_t from, uint64_t max)
{
    uint64_t head = log_head(log);
    uint64_t cut = from;

    if (head - from <= max) {
        return head;
    }
    for (uint64_t at = from; at < head;) {
        struct journal_record record;
        size_t length;
        uint64_t offset = at % log->size;
        const char *refusal = journal_record_decode(log->bytes + offset,
                                                    (size_t)(log->size - offset), &record, &length);

        assert(refusal == NULL);
        (void)refusal;
        at += length;
        if (at - from > max && cut > from) {
            break;
        }
        /* a pad never ends a group: it may stand inside one */
        if (record.kind != JOURNAL_PAD && (record.flags & JOURNAL_MORE) == 0) {
            cut = at;
        }
    }
    return cut;
}

void log_copy(const struct log *log, uint64_t from, uint64_t to, uint8_t *out)
{
    while (from < to) {
        uint64_t at = from % log->size;
        uint64_t n = min_u64(to - from, log->size - at);

        memcpy(out, log->bytes + at, (size_t)n);
        out += n;
        from += n;
    }
}

void log_release(struct log *log, uint64_t lsn)
{
    if (lsn > log_tail(log)) {
        atomic_store_explicit(&log->marks->tail, lsn, memory_order_release);
    }
}
