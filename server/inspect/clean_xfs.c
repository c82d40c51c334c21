/*
 * XFS was left clean when the last record of its log says "unmount" and nothing follows it. Found
 * as xlog_find_head and xlog_check_unmount_rec in the kernel find it: the log is a ring of 512-byte
 * blocks, each stamped with the number of the lap in which it was written; the head is where the
 * lap number drops; the last record begins at the last header before it. All numbers are
 * big-endian.
 */
#include <stdbool.h>
#include <string.h>

#include "inspect/inspect_range.h"

enum {
    BLOCK = 512,
    RECORD_MAGIC = (int)0xfeedbabe,
    RECORD_BLOCKS_MAX = 1024, /* a record is at most 256 KiB; twice that */
    HEADER_CYCLES =
        32 << 10,   /* bytes of a record for which one header block holds the lap numbers */
    UNMOUNT = 0x20, /* flag of an operation */
};

struct log {
    const struct range *range;
    uint64_t start;  /* bytes */
    uint32_t blocks; /* of 512 bytes */
};

static uint32_t be32_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int read_block(const struct log *log, uint32_t block, unsigned char bytes[BLOCK])
{
    return range_read(log->range, bytes, BLOCK,
                      log->start + (uint64_t)(block % log->blocks) * BLOCK);
}

static bool is_header(const unsigned char *bytes)
{
    return be32_at(bytes) == (uint32_t)RECORD_MAGIC;
}

static int read_cycle(const struct log *log, uint32_t block, uint32_t *ret_cycle)
{
    unsigned char bytes[BLOCK];
    int r = read_block(log, block, bytes);

    if (r == 0)
        *ret_cycle = be32_at(bytes + (is_header(bytes) ? 4 : 0));
    return r;
}

/* The block after the last one written. */
static int find_head(const struct log *log, uint32_t *ret_head)
{
    uint32_t first = 0, last = log->blocks - 1, first_cycle, last_cycle, cycle;
    int r = read_cycle(log, first, &first_cycle);

    if (r == 0)
        r = read_cycle(log, last, &last_cycle);
    if (r != 0)
        return r;
    if (first_cycle == last_cycle) {
        *ret_head = log->blocks;
        return 0;
    }
    while (last - first > 1) {
        uint32_t middle = first + (last - first) / 2;

        r = read_cycle(log, middle, &cycle);
        if (r != 0)
            return r;
        if (cycle == last_cycle)
            last = middle;
        else
            first = middle;
    }
    *ret_head = last;
    return 0;
}

/* The header of the last record before `head`, and its block; *ret_found says whether there is one.
 */
static int find_record(const struct log *log, uint32_t head, unsigned char header[BLOCK],
                       uint32_t *ret_block, bool *ret_found)
{
    uint32_t limit = log->blocks < RECORD_BLOCKS_MAX ? log->blocks : RECORD_BLOCKS_MAX;

    *ret_found = false;
    for (uint32_t back = 1; back <= limit; back++) {
        uint32_t block = (head + log->blocks - back) % log->blocks;
        int r = read_block(log, block, header);

        if (r != 0)
            return r;
        if (is_header(header)) {
            *ret_block = block;
            *ret_found = true;
            return 0;
        }
    }
    return 0;
}

static int judge(const struct log *log, uint32_t head, const unsigned char header[BLOCK],
                 uint32_t block, struct varve_content *content)
{
    unsigned char operation[BLOCK];
    uint32_t length = be32_at(header + 12), size = be32_at(header + 320), header_blocks = 1, end;
    int r;

    if ((be32_at(header + 8) & 2) != 0 && size > HEADER_CYCLES && size <= 1 << 20)
        header_blocks = (size + HEADER_CYCLES - 1) / HEADER_CYCLES;
    r = read_block(log, block + header_blocks, operation);
    if (r != 0)
        return r;
    if (length > (uint32_t)RECORD_BLOCKS_MAX * BLOCK) {
        clean_say(content, VARVE_CLEAN_UNKNOWN, "the log's last record makes no sense");
        return 0;
    }
    end = block + header_blocks + (length + BLOCK - 1) / BLOCK;
    if (be32_at(header + 40) == 1 && (operation[9] & UNMOUNT) != 0 &&
        end % log->blocks == head % log->blocks)
        clean_say(content, VARVE_CLEAN_YES, "");
    else
        clean_say(content, VARVE_CLEAN_NO, "log needs recovery: not unmounted");
    return 0;
}

/* Where the log lies, from the superblock that libblkid has already verified; false when it is
 * elsewhere or makes no sense. */
static bool locate_log(const struct range *range, const unsigned char super[BLOCK], struct log *log)
{
    uint64_t start = (uint64_t)be32_at(super + 48) << 32 | be32_at(super + 52);
    uint32_t block_size = be32_at(super + 4), group_blocks = be32_at(super + 84);
    uint32_t log_blocks = be32_at(super + 96);
    unsigned group_bits = super[124];

    if (start == 0 || block_size < BLOCK || block_size > 65536 || group_bits > 31 ||
        log_blocks == 0 || log_blocks > (1u << 31) / block_size)
        return false;
    log->range = range;
    log->start =
        ((start >> group_bits) * group_blocks + (start & ((1u << group_bits) - 1))) * block_size;
    log->blocks = log_blocks * (block_size / BLOCK);
    return true;
}

int clean_xfs(const struct range *range, struct varve_content *content)
{
    unsigned char super[BLOCK], header[BLOCK];
    uint32_t head = 0, block = 0;
    struct log log;
    bool found = false;
    int r = range_read(range, super, sizeof super, 0);

    if (r != 0)
        return r;
    if (!locate_log(range, super, &log)) {
        clean_say(content, VARVE_CLEAN_UNKNOWN, "the log is on another device");
        return 0;
    }
    r = find_head(&log, &head);
    if (r == 0)
        r = find_record(&log, head, header, &block, &found);
    if (r != 0)
        return r;
    if (!found || memcmp(header + 304, super + 32, 16) != 0) {
        clean_say(content, VARVE_CLEAN_UNKNOWN, "no record of this file system at the log's head");
        return 0;
    }
    return judge(&log, head, header, block, content);
}
