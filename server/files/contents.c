#include "files/contents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <varve/error.h>

#include "files/ext4_io.h"
#include "files/ext4_list.h"
#include "files/ext4_path.h"

struct walk {
    ext2_filsys fs;
    const struct contents_visitor *visitor;
    const char *path;
    uint64_t budget; /* blocks that the files to come may have */
    uint64_t next;   /* the logical block behind the last run */
    struct contents_run {
        uint64_t logical, physical, length; /* blocks; length 0: none */
    } pending;
    int failed;
};

static int tell(struct walk *walk)
{
    const struct contents_run run = walk->pending;
    const uint64_t block = walk->fs->blocksize;

    walk->pending.length = 0;
    return run.length == 0 ? 0
                           : walk->visitor->run(walk->visitor->opaque, run.logical * block,
                                                run.physical * block, run.length * block);
}

/* Blocks of a file, in its order. */
static int add(struct walk *walk, uint64_t logical, uint64_t physical, uint64_t length)
{
    const uint64_t blocks = ext2fs_blocks_count(walk->fs->super);
    struct contents_run *pending = &walk->pending;
    int r;

    if (length == 0 || logical < walk->next || physical == 0 || physical >= blocks ||
        length > blocks - physical || length > walk->budget)
        return ext4_damaged(walk->fs, "the blocks of '%.200s' make no sense", walk->path);
    walk->budget -= length;
    walk->next = logical + length;
    if (pending->length > 0 && pending->logical + pending->length == logical &&
        pending->physical + pending->length == physical) {
        pending->length += length;
        return 0;
    }
    r = tell(walk);
    *pending = (struct contents_run){logical, physical, length};
    return r;
}

static int walk_extents(struct walk *walk, ext2_ino_t number, struct ext2_inode *inode)
{
    ext2_extent_handle_t handle = NULL;
    struct ext2fs_extent extent;
    /* index blocks too: each has at least one entry */
    uint64_t steps = 2 * ext2fs_blocks_count(walk->fs->super);
    errcode_t code = ext2fs_extent_open2(walk->fs, number, inode, &handle);
    int r = ext4_result(walk->fs, code, "read the extents of '%s'", walk->path);

    for (int move = EXT2_EXTENT_ROOT; r == 0; move = EXT2_EXTENT_NEXT) {
        code = ext2fs_extent_get(handle, move, &extent);
        if (code == EXT2_ET_EXTENT_NO_NEXT || code == EXT2_ET_NO_CURRENT_NODE)
            break;
        r = ext4_result(walk->fs, code, "read the extents of '%s'", walk->path);
        if (r == 0 && steps-- == 0)
            r = ext4_damaged(walk->fs, "the extents of '%.200s' have no end", walk->path);
        if (r == 0 && (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF) &&
            !(extent.e_flags & (EXT2_EXTENT_FLAGS_UNINIT | EXT2_EXTENT_FLAGS_SECOND_VISIT)))
            r = add(walk, extent.e_lblk, extent.e_pblk, extent.e_len);
    }
    if (handle != NULL)
        ext2fs_extent_free(handle);
    return r;
}

static int each_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t logical, blk64_t from, int at,
                      void *opaque)
{
    struct walk *walk = opaque;

    (void)fs, (void)from, (void)at;
    if (logical >= 0 && walk->failed == 0)
        walk->failed = add(walk, (uint64_t)logical, *block, 1);
    return walk->failed != 0 ? BLOCK_ABORT : 0;
}

static int walk_content(struct walk *walk, ext2_ino_t number, struct ext2_inode_large *large)
{
    struct ext2_inode *inode = (struct ext2_inode *)large;
    int r;

    walk->next = 0;
    walk->failed = 0;
    if (inode->i_flags & EXT4_INLINE_DATA_FL) {
        char *bytes = calloc(1, EXT4_INODE_SIZE);
        size_t size = 0;

        if (bytes == NULL)
            return varve_no_memory("the content of a file");
        r = ext4_result(walk->fs, ext2fs_inline_data_get(walk->fs, number, inode, bytes, &size),
                        "read '%s'", walk->path);
        /* there is room for more than the file's bytes */
        if (r == 0 && (size > EXT4_INODE_SIZE || size < EXT2_I_SIZE(inode)))
            r = ext4_damaged(walk->fs, "'%.200s' has another size inside its inode", walk->path);
        if (r == 0)
            r = walk->visitor->bytes(walk->visitor->opaque, bytes, EXT2_I_SIZE(inode));
        free(bytes);
        return r;
    }
    if (inode->i_flags & EXT4_EXTENTS_FL) {
        r = walk_extents(walk, number, inode);
    } else {
        r = ext4_result(walk->fs,
                        ext2fs_block_iterate3(walk->fs, number,
                                              BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, NULL,
                                              each_block, walk),
                        "read the blocks of '%s'", walk->path);
        r = walk->failed != 0 ? walk->failed : r;
    }
    return r == 0 ? tell(walk) : r;
}

static struct contents_stamp stamp_of(const struct ext2_inode_large *inode)
{
    struct contents_stamp stamp = {.generation = inode->i_generation,
                                   .ctime = (int32_t)inode->i_ctime};
    const uint32_t wide = inode->i_block[1], narrow = inode->i_block[0];

    if (inode->i_extra_isize >= 8) { /* up to i_ctime_extra */
        stamp.ctime += (int64_t)(inode->i_ctime_extra & 3) << 32;
        stamp.ctime_nanoseconds = inode->i_ctime_extra >> 2;
    }
    if (!S_ISCHR(inode->i_mode) && !S_ISBLK(inode->i_mode))
        return stamp;
    stamp.device_major = narrow != 0 ? narrow >> 8 & 0xff : wide >> 8 & 0xfff;
    stamp.device_minor = narrow != 0 ? narrow & 0xff : (wide & 0xff) | (wide >> 12 & 0xfff00);
    return stamp;
}

static int on_file(void *opaque, const struct varve_file *file)
{
    struct walk *walk = opaque;
    struct ext2_inode_large inode = {.i_mode = 0};
    struct contents_stamp stamp;
    int r = ext4_inode_read(walk->fs, file->inode, &inode);

    if (r != 0)
        return r;
    stamp = stamp_of(&inode);
    walk->path = file->path;
    walk->pending.length = 0;
    r = walk->visitor->file(walk->visitor->opaque, file, &stamp);
    if (r == 0 && S_ISREG(inode.i_mode))
        r = walk_content(walk, file->inode, &inode);
    return r == 0 ? walk->visitor->end(walk->visitor->opaque) : r;
}

int contents_walk(const struct files_target *target, const char *what,
                  const struct contents_visitor *visitor)
{
    struct walk walk = {.visitor = visitor};
    int r = ext4_open(target, 0, what, &walk.fs);

    if (r != 0)
        return r;
    /* Hard links are walked once for each name. */
    walk.budget = ext2fs_blocks_count(walk.fs->super) * 64;
    r = ext4_list(walk.fs, "/", true, on_file, &walk);
    ext4_abandon(walk.fs);
    return r;
}
