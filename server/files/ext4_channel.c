#include "files/ext4_channel.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <varve/error.h>

#include "files/ext4_io.h"

enum { THROUGH = 64 << 10 }; /* bytes from which on a request goes past the memory */

static _Thread_local struct files_target next;
static _Thread_local struct {
    int failed;
    char line[512];
} last;

static struct ext4_channel *channel_of(io_channel channel)
{
    return channel->private_data;
}

/* Keeps what the target said, and gives libext2fs its errno. */
static errcode_t passed(struct ext4_channel *channel, int r)
{
    if (r < 0 && channel->failed == 0) {
        channel->failed = last.failed = r;
        channel->failing = -r;
        (void)snprintf(channel->line, sizeof channel->line, "%s", varve_error());
        (void)snprintf(last.line, sizeof last.line, "%s", varve_error());
    }
    return r < 0 ? -r : 0;
}

/* A negative count is bytes, as everywhere in libext2fs. */
static bool bytes_of_request(io_channel channel, unsigned long long block, int count,
                             uint64_t *ret_offset, size_t *ret_length)
{
    uint64_t size = (uint64_t)channel->block_size;

    if (block > UINT64_MAX / size || count == INT_MIN)
        return false;
    *ret_offset = block * size;
    *ret_length = count < 0 ? (size_t)-count : (size_t)count * (size_t)size;
    return true;
}

static errcode_t read_blocks(io_channel channel, unsigned long long block, int count, void *data)
{
    struct ext4_channel *mine = channel_of(channel);
    uint64_t offset;
    size_t length;

    if (!bytes_of_request(channel, block, count, &offset, &length))
        return EXT2_ET_BAD_BLOCK_NUM;
    mine->bytes_read += length;
    /* A file system that points past its end is damaged, not the target. */
    if (length > mine->size || offset > mine->size - length)
        return EXT2_ET_BAD_BLOCK_NUM;
    return passed(mine, length >= THROUGH
                            ? page_buffer_read_through(mine->buffer, data, length, offset)
                            : page_buffer_read(mine->buffer, data, length, offset));
}

static errcode_t write_blocks(io_channel channel, unsigned long long block, int count,
                              const void *data)
{
    struct ext4_channel *mine = channel_of(channel);
    uint64_t offset;
    size_t length;

    if (!bytes_of_request(channel, block, count, &offset, &length))
        return EXT2_ET_BAD_BLOCK_NUM;
    mine->bytes_written += length;
    if (length > mine->size || offset > mine->size - length)
        return EXT2_ET_BAD_BLOCK_NUM;
    return passed(mine, length >= THROUGH
                            ? page_buffer_write_through(mine->buffer, data, length, offset)
                            : page_buffer_write(mine->buffer, data, length, offset));
}

static errcode_t read_blocks_32(io_channel channel, unsigned long block, int count, void *data)
{
    return read_blocks(channel, block, count, data);
}

static errcode_t write_blocks_32(io_channel channel, unsigned long block, int count,
                                 const void *data)
{
    return write_blocks(channel, block, count, data);
}

static errcode_t write_bytes(io_channel channel, unsigned long offset, int count, const void *data)
{
    struct ext4_channel *mine = channel_of(channel);

    if (count < 0)
        return EXT2_ET_INVALID_ARGUMENT;
    mine->bytes_written += (unsigned)count;
    return passed(mine, page_buffer_write(mine->buffer, data, (size_t)count, offset));
}

static errcode_t flush(io_channel channel)
{
    return passed(channel_of(channel), page_buffer_flush(channel_of(channel)->buffer));
}

static errcode_t zero_blocks(io_channel channel, unsigned long long block, unsigned long long count)
{
    struct ext4_channel *mine = channel_of(channel);
    uint64_t size = (uint64_t)channel->block_size, blocks = mine->size / size;

    if (count > blocks || block > blocks - count)
        return EXT2_ET_BAD_BLOCK_NUM;
    return passed(mine, page_buffer_zero(mine->buffer, count * size, block * size));
}

static errcode_t set_block_size(io_channel channel, int size)
{
    if (size < EXT2_MIN_BLOCK_SIZE || size > EXT2_MAX_BLOCK_SIZE)
        return EXT2_ET_UNEXPECTED_BLOCK_SIZE;
    channel->block_size = size;
    return 0;
}

static errcode_t set_option(io_channel channel, const char *option, const char *value)
{
    (void)channel, (void)option, (void)value;
    return EXT2_ET_INVALID_ARGUMENT;
}

static errcode_t no_readahead(io_channel channel, unsigned long long block,
                              unsigned long long count)
{
    (void)channel, (void)block, (void)count;
    return EXT2_ET_OP_NOT_SUPPORTED;
}

static errcode_t statistics(io_channel channel, io_stats *ret_stats)
{
    static _Thread_local struct struct_io_stats stats;

    stats = (struct struct_io_stats){.num_fields = 2,
                                     .bytes_read = channel_of(channel)->bytes_read,
                                     .bytes_written = channel_of(channel)->bytes_written};
    *ret_stats = &stats;
    return 0;
}

static errcode_t close_channel(io_channel channel)
{
    if (--channel->refcount > 0)
        return 0;
    page_buffer_free(channel_of(channel)->buffer);
    free(channel_of(channel));
    free(channel->name);
    free(channel);
    return 0;
}

static errcode_t open_channel(const char *name, int flags, io_channel *ret_channel)
{
    io_channel channel = calloc(1, sizeof *channel);
    struct ext4_channel *mine = calloc(1, sizeof *mine);
    char *copy = strdup(name);

    (void)flags;
    last.failed = 0;
    if (channel == NULL || mine == NULL || copy == NULL ||
        page_buffer_new(&next, EXT4_BUFFER_BYTES, &mine->buffer) != 0) {
        free(channel);
        free(mine);
        free(copy);
        return EXT2_ET_NO_MEMORY;
    }
    mine->size = next.size;
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = ext4_channel_manager();
    channel->name = copy;
    channel->block_size = EXT2_MIN_BLOCK_SIZE;
    channel->refcount = 1;
    channel->flags = CHANNEL_FLAGS_DISCARD_ZEROES;
    channel->private_data = mine;
    *ret_channel = channel;
    return 0;
}

io_manager ext4_channel_manager(void)
{
    static __typeof__(*(io_manager)NULL) manager = {
        .magic = EXT2_ET_MAGIC_IO_MANAGER,
        .name = "varve",
        .open = open_channel,
        .close = close_channel,
        .set_blksize = set_block_size,
        .read_blk = read_blocks_32,
        .write_blk = write_blocks_32,
        .flush = flush,
        .write_byte = write_bytes,
        .set_option = set_option,
        .get_stats = statistics,
        .read_blk64 = read_blocks,
        .write_blk64 = write_blocks,
        .discard = zero_blocks,
        .cache_readahead = no_readahead,
        .zeroout = zero_blocks,
    };

    return &manager;
}

void ext4_channel_next(const struct files_target *target)
{
    next = *target;
    last.failed = 0;
}

struct ext4_channel *ext4_channel_of(ext2_filsys fs)
{
    assert(fs->io->manager == ext4_channel_manager());
    return channel_of(fs->io);
}

int ext4_channel_open_failed(const char **ret_line)
{
    *ret_line = last.line;
    return last.failed;
}
