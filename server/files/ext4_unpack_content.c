/* The content of regular files. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <varve/error.h>
#include <varve/progress.h>

#include "files/ext4_io.h"
#include "files/ext4_unpack_internal.h"

int unpack_failed(const struct unpacking *unpacking)
{
    const char *words = archive_error_string(unpacking->archive);

    if (unpacking->failed < 0)
        return unpacking->failed;
    return varve_fail(EINVAL, "the archive is no sound tar archive%s%.200s: %s",
                      unpacking->path != NULL ? " at " : "",
                      unpacking->path != NULL ? unpacking->path : "",
                      words != NULL ? words : "it cannot be read");
}

/* Whole blocks, into places of the writer. */
static int place_blocks(struct unpacking *unpacking)
{
    struct unpack_gather *gather = &unpacking->gather;
    const size_t padded = (gather->fill + EXT4_BLOCK - 1) / EXT4_BLOCK * EXT4_BLOCK;
    uint64_t left = padded / EXT4_BLOCK, logical = gather->at / EXT4_BLOCK;
    const unsigned char *from = gather->bytes;
    int r = 0;

    memset(gather->bytes + gather->fill, 0, padded - gather->fill);
    while (r == 0 && left > 0) {
        unsigned char *memory;
        uint32_t taken;
        blk64_t first;

        r = ext4_writer_take(unpacking->writer, left, &first, &taken, &memory);
        if (r < 0)
            return r;
        memcpy(memory, from, (size_t)taken * EXT4_BLOCK);
        r = ext4_layout_add(&unpacking->layout, logical, first, taken);
        from += (size_t)taken * EXT4_BLOCK;
        logical += taken;
        left -= taken;
    }
    return r;
}

static int write_file(struct unpacking *unpacking)
{
    struct unpack_gather *gather = &unpacking->gather;
    errcode_t code = ext2fs_file_llseek(gather->file, gather->at, EXT2_SEEK_SET, NULL);

    for (size_t done = 0; code == 0 && done < gather->fill;) {
        unsigned wrote = 0;

        code = ext2fs_file_write(gather->file, gather->bytes + done,
                                 (unsigned)(gather->fill - done), &wrote);
        done += wrote;
    }
    return ext4_result(unpacking->fs, code, "write '%.200s'", unpacking->path);
}

static int flush(struct unpacking *unpacking)
{
    struct unpack_gather *gather = &unpacking->gather;
    int r = 0;

    if (gather->fill > 0)
        r = unpacking->writer != NULL ? place_blocks(unpacking) : write_file(unpacking);
    gather->at += gather->fill;
    gather->fill = 0;
    return r;
}

/* What is gathered goes out before a hole, unless the hole ends in the block where it begins. */
static int skip_to(struct unpacking *unpacking, uint64_t offset)
{
    struct unpack_gather *gather = &unpacking->gather;
    const uint64_t block = unpacking->fs->blocksize, end = gather->at + gather->fill;
    int r = 0;

    if (gather->fill > 0 && offset < (end + block - 1) / block * block) {
        memset(gather->bytes + gather->fill, 0, (size_t)(offset - end));
        gather->fill = (size_t)(offset - gather->at);
        return 0;
    }
    r = flush(unpacking);
    gather->at = offset / block * block;
    gather->fill = (size_t)(offset - gather->at);
    memset(gather->bytes, 0, gather->fill);
    return r;
}

static int take(struct unpacking *unpacking, const unsigned char *bytes, size_t length,
                uint64_t offset)
{
    struct unpack_gather *gather = &unpacking->gather;
    int r = 0;

    if (offset != gather->at + gather->fill)
        r = skip_to(unpacking, offset);
    while (r == 0 && length > 0) {
        const size_t room = UNPACK_GATHER - gather->fill, piece = length < room ? length : room;

        memcpy(gather->bytes + gather->fill, bytes, piece);
        gather->fill += piece;
        bytes += piece;
        length -= piece;
        if (gather->fill == UNPACK_GATHER)
            r = flush(unpacking);
    }
    return r;
}

static int take_all(struct unpacking *unpacking, uint64_t size)
{
    const void *bytes;
    size_t length;
    la_int64_t offset;
    int result, r = 0;

    while (r == 0 && (result = archive_read_data_block(unpacking->archive, &bytes, &length,
                                                       &offset)) == ARCHIVE_OK) {
        if (length == 0)
            continue;
        if (offset < 0 || (uint64_t)offset < unpacking->gather.end || length > size ||
            (uint64_t)offset > size - length)
            return varve_fail(EINVAL, "the archive has content of '%.200s' out of its place",
                              unpacking->path);
        r = varve_progress("put", "bytes", unpacking->changed.bytes, 0);
        if (r == 0)
            r = take(unpacking, bytes, length, (uint64_t)offset);
        unpacking->gather.end = (uint64_t)offset + length;
        unpacking->changed.bytes += length;
    }
    if (r == 0 && result != ARCHIVE_EOF)
        r = unpack_failed(unpacking);
    return r == 0 ? flush(unpacking) : r;
}

static int finish_quickly(struct unpacking *unpacking, ext2_ino_t number, uint64_t size,
                          union unpack_inode *inode)
{
    int r = ext4_layout_store(unpacking->writer, number, &unpacking->layout, &inode->large);

    if (r == 0)
        r = ext4_result(unpacking->fs,
                        ext2fs_inode_size_set(unpacking->fs, &inode->small, (ext2_off64_t)size),
                        "make '%.200s'", unpacking->path);
    return r == 0 ? unpack_inode_write(unpacking, number, inode) : r;
}

static int content_slowly(struct unpacking *unpacking, ext2_ino_t number, uint64_t size)
{
    ext2_file_t *file = &unpacking->gather.file;
    errcode_t code, closed;
    int r =
        ext4_result(unpacking->fs, ext2fs_file_open(unpacking->fs, number, EXT2_FILE_WRITE, file),
                    "write '%.200s'", unpacking->path);

    if (r < 0)
        return r;
    /* the size first: it says whether the file can have it */
    code = ext2fs_file_set_size2(*file, (ext2_off64_t)size);
    r = code == 0 ? take_all(unpacking, size) : 0;
    closed = ext2fs_file_close(*file);
    return r == 0 ? ext4_result(unpacking->fs, code != 0 ? code : closed, "write '%.200s'",
                                unpacking->path)
                  : r;
}

int unpack_content(struct unpacking *unpacking, ext2_ino_t number, union unpack_inode *inode)
{
    const la_int64_t size = archive_entry_size(unpacking->entry);
    const uint64_t most = (uint64_t)UINT32_MAX * unpacking->fs->blocksize;
    int r;

    if (size < 0 || (uint64_t)size > most)
        return varve_fail(EFBIG, "'%.200s' has %lld bytes, more than a file of its file system",
                          unpacking->path, (long long)size);
    unpacking->gather.at = unpacking->gather.fill = unpacking->gather.end = 0;
    if (unpacking->writer == NULL)
        return content_slowly(unpacking, number, (uint64_t)size);
    ext4_layout_clear(&unpacking->layout);
    r = take_all(unpacking, (uint64_t)size);
    return r == 0 ? finish_quickly(unpacking, number, (uint64_t)size, inode) : r;
}
