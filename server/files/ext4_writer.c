#include "files/ext4_writer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

enum {
    GATHER = 1 << 20, /* bytes */
    RESERVE = 8192,   /* blocks that are marked at once */
    IN_INODE = 4,     /* extents */
    EXTENT = 12,      /* bytes of one, of an index entry, and of the header */
    IN_BLOCK = (EXT4_BLOCK - EXTENT - 4) / EXTENT,
};

struct ext4_writer {
    ext2_filsys fs;
    blk64_t next, end;     /* marked, and not taken yet */
    blk64_t gathered;      /* the block of gather[0] */
    uint32_t fill;         /* blocks of gather */
    unsigned char *gather; /* GATHER bytes */
};

int ext4_writer_new(ext2_filsys fs, struct ext4_writer **ret_writer)
{
    struct ext4_writer *writer = calloc(1, sizeof *writer);

    if (writer != NULL)
        writer->gather = malloc(GATHER);
    if (writer == NULL || writer->gather == NULL) {
        free(writer);
        return varve_no_memory("the blocks of files");
    }
    writer->fs = fs;
    *ret_writer = writer;
    return 0;
}

void ext4_writer_free(struct ext4_writer *writer)
{
    if (writer != NULL)
        free(writer->gather);
    free(writer);
}

static int write_gathered(struct ext4_writer *writer)
{
    uint32_t blocks = writer->fill;

    writer->fill = 0;
    return blocks == 0 ? 0
                       : ext4_result(writer->fs,
                                     io_channel_write_blk64(writer->fs->io, writer->gathered,
                                                            (int)blocks, writer->gather),
                                     "write the content of files");
}

int ext4_writer_finish(struct ext4_writer *writer)
{
    int r = write_gathered(writer);

    if (writer->next < writer->end)
        ext2fs_block_alloc_stats_range(writer->fs, writer->next,
                                       (blk_t)(writer->end - writer->next), -1);
    writer->next = writer->end;
    return r;
}

static int reserve(struct ext4_writer *writer)
{
    blk64_t first = 0, count = 0, goal = writer->end;
    int r;

    if (goal == 0 || goal >= ext2fs_blocks_count(writer->fs->super))
        goal = writer->fs->super->s_first_data_block + 1;
    r = ext4_result(writer->fs,
                    ext2fs_new_range(writer->fs, 0, goal, RESERVE, NULL, &first, &count),
                    "find room for files");
    if (r != 0)
        return r;
    ext2fs_block_alloc_stats_range(writer->fs, first, (blk_t)count, +1);
    writer->next = first;
    writer->end = first + count;
    return 0;
}

int ext4_writer_take(struct ext4_writer *writer, uint64_t wanted, blk64_t *ret_first,
                     uint32_t *ret_blocks, unsigned char **ret_memory)
{
    const uint32_t room = GATHER / EXT4_BLOCK;
    uint64_t blocks;
    int r = writer->next == writer->end ? reserve(writer) : 0;

    if (r == 0 && (writer->fill == room || writer->next != writer->gathered + writer->fill))
        r = write_gathered(writer);
    if (r != 0)
        return r;
    if (writer->fill == 0)
        writer->gathered = writer->next;
    blocks = writer->end - writer->next;
    if (blocks > room - writer->fill)
        blocks = room - writer->fill;
    if (blocks > wanted)
        blocks = wanted;
    *ret_first = writer->next;
    *ret_blocks = (uint32_t)blocks;
    *ret_memory = writer->gather + (size_t)writer->fill * EXT4_BLOCK;
    writer->next += blocks;
    writer->fill += (uint32_t)blocks;
    return 0;
}

int ext4_layout_add(struct ext4_layout *layout, uint64_t logical, uint64_t physical,
                    uint32_t length)
{
    struct ext4_run *last = layout->count > 0 ? &layout->runs[layout->count - 1] : NULL;

    layout->blocks += length;
    if (last != NULL && last->logical + last->length == logical &&
        last->physical + last->length == physical && last->length + length <= EXT4_EXTENT_BLOCKS) {
        last->length += length;
        return 0;
    }
    if (layout->runs == NULL || layout->count == layout->room) {
        size_t room = layout->room == 0 ? 64 : 2 * layout->room;
        void *moved = realloc(layout->runs, room * sizeof *layout->runs);

        if (moved == NULL)
            return varve_no_memory("the extents of a file");
        layout->runs = moved;
        layout->room = room;
    }
    layout->runs[layout->count++] = (struct ext4_run){logical, physical, length};
    return 0;
}

void ext4_layout_clear(struct ext4_layout *layout)
{
    layout->count = 0;
    layout->blocks = 0;
}

void ext4_layout_free(struct ext4_layout *layout)
{
    free(layout->runs);
    *layout = (struct ext4_layout){0};
}

/* A node of the extent tree: depth 0 holds extents, others point at nodes. */
static void put_node(unsigned char *to, uint32_t max, uint16_t depth, const struct ext4_run *runs,
                     size_t count)
{
    struct ext3_extent_header header = {.eh_magic = ext2fs_cpu_to_le16(EXT3_EXT_MAGIC),
                                        .eh_entries = ext2fs_cpu_to_le16((uint16_t)count),
                                        .eh_max = ext2fs_cpu_to_le16((uint16_t)max),
                                        .eh_depth = ext2fs_cpu_to_le16(depth)};

    memcpy(to, &header, sizeof header);
    for (size_t i = 0; i < count; i++) {
        uint32_t low = ext2fs_cpu_to_le32((uint32_t)runs[i].physical);
        uint16_t high = ext2fs_cpu_to_le16((uint16_t)(runs[i].physical >> 32));
        struct ext3_extent extent = {.ee_block = ext2fs_cpu_to_le32((uint32_t)runs[i].logical),
                                     .ee_len = ext2fs_cpu_to_le16((uint16_t)runs[i].length),
                                     .ee_start_hi = high,
                                     .ee_start = low};
        struct ext3_extent_idx index = {
            .ei_block = extent.ee_block, .ei_leaf = low, .ei_leaf_hi = high};

        memcpy(to + EXTENT * (i + 1), depth == 0 ? (void *)&extent : (void *)&index, EXTENT);
    }
}

/* Writes one level into blocks; runs[] becomes what points at them. */
static int store_level(struct ext4_writer *writer, ext2_ino_t number, struct ext4_layout *layout,
                       uint16_t depth)
{
    size_t nodes = 0;

    assert(layout->runs != NULL);

    for (size_t at = 0, count; at < layout->count; at += count) {
        struct ext4_run node = {.logical = layout->runs[at].logical};
        unsigned char *memory;
        uint32_t one;
        blk64_t block;
        int r = ext4_writer_take(writer, 1, &block, &one, &memory);

        if (r != 0)
            return r;
        count = layout->count - at < IN_BLOCK ? layout->count - at : IN_BLOCK;
        memset(memory, 0, EXT4_BLOCK);
        put_node(memory, IN_BLOCK, depth, layout->runs + at, count);
        r = ext4_result(writer->fs,
                        ext2fs_extent_block_csum_set(writer->fs, number, (void *)memory),
                        "make an extent block");
        if (r != 0)
            return r;
        node.physical = block;
        layout->runs[nodes++] = node;
        layout->blocks++;
    }
    layout->count = nodes;
    return 0;
}

int ext4_layout_store(struct ext4_writer *writer, ext2_ino_t number, struct ext4_layout *layout,
                      struct ext2_inode_large *inode)
{
    uint64_t sectors;
    uint16_t depth = 0;

    while (layout->count > IN_INODE) {
        int r = store_level(writer, number, layout, depth++);

        if (r != 0)
            return r;
    }
    put_node((unsigned char *)inode->i_block, IN_INODE, depth, layout->runs, layout->count);
    sectors = layout->blocks * (EXT4_BLOCK / 512);
    inode->i_blocks = (uint32_t)sectors;
    inode->osd2.linux2.l_i_blocks_hi = (uint16_t)(sectors >> 32);
    inode->i_flags |= EXT4_EXTENTS_FL;
    return 0;
}
