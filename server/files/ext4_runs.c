#include "files/ext4_runs.h"

#include <errno.h>
#include <stdlib.h>

#include <varve/error.h>

#include "files/ext4_io.h"

struct reading {
    ext2_filsys fs;
    ext2_ino_t number;
    struct ext4_runs runs;
    uint64_t size; /* of the file */
    uint64_t next; /* no further run may begin before this byte of the file */
    int failed;
};

static int make_room(struct ext4_runs *runs)
{
    const size_t room = 2 * runs->room + 16;
    struct ext4_run *list;

    if (runs->count < runs->room)
        return 0;
    list = realloc(runs->list, room * sizeof *list);
    if (list == NULL)
        return varve_no_memory("the extents of a file");
    runs->list = list;
    runs->room = room;
    return 0;
}

/* Adds a piece, which may continue the one before; what lies past the file's size is left out. */
static int add(struct reading *reading, uint64_t logical, uint64_t physical, uint64_t count)
{
    const ext2_filsys fs = reading->fs;
    struct ext4_runs *runs = &reading->runs;
    struct ext4_run *last = runs->count > 0 ? &runs->list[runs->count - 1] : NULL;
    struct ext4_run run = {.offset = logical * fs->blocksize,
                           .length = count * fs->blocksize,
                           .place = physical * fs->blocksize};

    if (count == 0 || run.offset < reading->next || physical < fs->super->s_first_data_block ||
        physical >= ext2fs_blocks_count(fs->super) ||
        count > ext2fs_blocks_count(fs->super) - physical)
        return ext4_damaged(fs, "the extents of inode %u overlap or lead outside",
                            (unsigned)reading->number);
    reading->next = run.offset + run.length;
    if (run.offset >= reading->size)
        return 0;
    if (run.length > reading->size - run.offset)
        run.length = reading->size - run.offset;
    if (last != NULL && last->offset + last->length == run.offset &&
        last->place + last->length == run.place) {
        last->length += run.length;
        return 0;
    }
    int r = make_room(runs);
    if (r == 0)
        runs->list[runs->count++] = run;
    return r;
}

static int read_extents(struct reading *reading, struct ext2_inode *inode)
{
    struct ext2fs_extent extent;
    ext2_extent_handle_t handle = NULL;
    errcode_t code = ext2fs_extent_open2(reading->fs, reading->number, inode, &handle);
    int r = 0;

    if (code == 0)
        code = ext2fs_extent_get(handle, EXT2_EXTENT_ROOT, &extent);
    while (code == 0 && r == 0) {
        if ((extent.e_flags & (EXT2_EXTENT_FLAGS_LEAF | EXT2_EXTENT_FLAGS_UNINIT)) ==
            EXT2_EXTENT_FLAGS_LEAF)
            r = add(reading, extent.e_lblk, extent.e_pblk, extent.e_len);
        else if (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF && extent.e_len > 0)
            r = extent.e_lblk * (uint64_t)reading->fs->blocksize < reading->next
                    ? ext4_damaged(reading->fs, "the extents of inode %u overlap",
                                   (unsigned)reading->number)
                    : 0;
        if (r == 0)
            code = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT_LEAF, &extent);
    }
    ext2fs_extent_free(handle);
    if (r == 0 && code != EXT2_ET_EXTENT_NO_NEXT && code != EXT2_ET_NO_CURRENT_NODE)
        r = ext4_result(reading->fs, code, "read the extents of inode %u",
                        (unsigned)reading->number);
    return r;
}

static int add_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t logical, blk64_t ref, int offset,
                     void *opaque)
{
    struct reading *reading = opaque;

    (void)fs;
    (void)ref;
    (void)offset;
    reading->failed = add(reading, (uint64_t)logical, *block, 1);
    return reading->failed < 0 ? BLOCK_ABORT : 0;
}

/* A map of the kind that ext2 has. */
static int read_map(struct reading *reading)
{
    errcode_t code = ext2fs_block_iterate3(reading->fs, reading->number,
                                           BLOCK_FLAG_DATA_ONLY | BLOCK_FLAG_READ_ONLY, NULL,
                                           add_block, reading);

    if (reading->failed < 0)
        return reading->failed;
    return ext4_result(reading->fs, code, "read the blocks of inode %u", (unsigned)reading->number);
}

int ext4_runs_read(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *inode,
                   struct ext4_runs *ret_runs)
{
    struct reading reading = {.fs = fs, .number = number, .size = EXT2_I_SIZE(inode)};
    int r = inode->i_flags & EXT4_EXTENTS_FL
                ? read_extents(&reading, (struct ext2_inode *)(void *)inode)
                : read_map(&reading);

    if (r < 0) {
        ext4_runs_release(&reading.runs);
        return r;
    }
    *ret_runs = reading.runs;
    return 0;
}

void ext4_runs_release(struct ext4_runs *runs)
{
    free(runs->list);
    *runs = (struct ext4_runs){.list = NULL};
}
