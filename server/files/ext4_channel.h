/*
 * The I/O manager that libext2fs reads and writes a target through. Only for ext4_io.c.
 */
#ifndef FILES_EXT4_CHANNEL_H
#define FILES_EXT4_CHANNEL_H

#include <ext2fs/ext2fs.h>
#include <stdbool.h>

#include "files/page_buffer.h"

/* Behind io_channel.private_data. */
struct ext4_channel {
    struct page_buffer *buffer;
    uint64_t size;     /* bytes of the target */
    int failed;        /* -errno of the first request that the target failed, or 0 */
    char line[512];    /* and its line */
    errcode_t failing; /* what libext2fs got for it */
    unsigned long long bytes_read, bytes_written;
};

/* libext2fs opens by name; the manager opens the target given here last on this thread. */
void ext4_channel_next(const struct files_target *target);
io_manager ext4_channel_manager(void);
struct ext4_channel *ext4_channel_of(ext2_filsys fs);
/* When opening failed, the channel is gone; this is how the target failed then, or 0. */
int ext4_channel_open_failed(const char **ret_line);

#endif
