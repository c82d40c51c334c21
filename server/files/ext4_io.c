#include "files/ext4_io.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "files/ext4_channel.h"

enum {
    GROUP_BLOCKS_MIN = 256, /* as mke2fs; a smaller one only makes tables large */
    LINE = 400,
};

static void load_texts(void)
{
    initialize_ext2_error_table();
}

static const char *words_of(errcode_t code)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, load_texts);
    return error_message(code);
}

/* What a code of libext2fs is among errnos; EIO: the file system contradicts itself. */
static int errno_of(errcode_t code)
{
    switch (code) {
    case EXT2_ET_NO_MEMORY:
        return ENOMEM;
    case EXT2_ET_FILE_NOT_FOUND:
    case EXT2_ET_EA_KEY_NOT_FOUND:
        return ENOENT;
    case EXT2_ET_FILE_EXISTS:
    case EXT2_ET_DIR_EXISTS:
        return EEXIST;
    case EXT2_ET_NO_DIRECTORY:
        return ENOTDIR;
    case EXT2_ET_SYMLINK_LOOP:
        return ELOOP;
    case EXT2_ET_BLOCK_ALLOC_FAIL:
    case EXT2_ET_INODE_ALLOC_FAIL:
    case EXT2_ET_DIR_NO_SPACE:
    case EXT2_ET_EXTENT_NO_SPACE:
    case EXT2_ET_EA_NO_SPACE:
    case EXT2_ET_TOOSMALL:
    case EXT2_ET_TOO_MANY_INODES:
        return ENOSPC;
    case EXT2_ET_FILE_TOO_BIG:
        return EFBIG;
    case EXT2_ET_TOO_MANY_REFS:
        return EMLINK;
    case EXT2_ET_RO_FILSYS:
    case EXT2_ET_FILE_RO:
        return EROFS;
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
    case EXT2_ET_REV_TOO_HIGH:
    case EXT2_ET_UNIMPLEMENTED:
    case EXT2_ET_OP_NOT_SUPPORTED:
    case EXT2_ET_EXTERNAL_JOURNAL_NOSUPP:
        return EOPNOTSUPP;
    case EXT2_ET_CANCEL_REQUESTED:
        return ECANCELED;
    case EXT2_ET_INVALID_ARGUMENT:
        return EINVAL;
    default:
        return code > 0 && code < 4096 ? (int)code : EIO;
    }
}

static int fail_with(const char *what, errcode_t code, const char *doing)
{
    int number = errno_of(code);

    if (number == ENOMEM)
        return varve_no_memory("a file system");
    if (number == ENOSPC)
        return varve_fail(ENOSPC, "%s: cannot %s: its file system is full (%s)", what, doing,
                          words_of(code));
    if (number == EIO)
        return varve_fail(EIO,
                          "%s: cannot %s: its file system is damaged: %s; check it with e2fsck",
                          what, doing, words_of(code));
    return varve_fail(number, "%s: cannot %s: %s", what, doing, words_of(code));
}

int ext4_result(ext2_filsys fs, errcode_t code, const char *doing, ...)
{
    const struct ext4_channel *channel;
    char text[LINE];
    va_list arguments;

    if (code == 0)
        return 0;
    channel = ext4_channel_of(fs);
    if (channel->failed != 0)
        return varve_fail(-channel->failed, "%s", channel->line);
    va_start(arguments, doing);
    (void)vsnprintf(text, sizeof text, doing, arguments);
    va_end(arguments);
    return fail_with(fs->device_name, code, text);
}

int ext4_damaged(ext2_filsys fs, const char *format, ...)
{
    char text[LINE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return varve_fail(EIO, "%s: its file system is damaged: %s; check it with e2fsck",
                      fs->device_name, text);
}

const char *ext4_what(ext2_filsys fs)
{
    return fs->device_name;
}

struct page_buffer *ext4_buffer(ext2_filsys fs)
{
    return ext4_channel_of(fs)->buffer;
}

io_manager ext4_manager_enter(const struct files_target *target)
{
    ext4_channel_next(target);
    return ext4_channel_manager();
}

int ext4_manager_leave(errcode_t code, const char *what)
{
    const char *line;
    int r = ext4_channel_open_failed(&line);

    if (code == 0)
        return 0;
    return r != 0 ? varve_fail(-r, "%s", line) : fail_with(what, code, "make a file system");
}

/* What libext2fs takes from a superblock and multiplies before it looks at it. */
static int check_super(const struct ext2_super_block *super, uint64_t size, const char *what)
{
    uint64_t blocks = ext2fs_le32_to_cpu(super->s_blocks_count);
    uint32_t log = ext2fs_le32_to_cpu(super->s_log_block_size);

    if (ext2fs_le16_to_cpu(super->s_magic) != EXT2_SUPER_MAGIC)
        return varve_fail(EMEDIUMTYPE, "%s holds no ext4 file system, so it has no files to show",
                          what);
    if (ext2fs_le32_to_cpu(super->s_feature_incompat) & EXT4_FEATURE_INCOMPAT_64BIT)
        blocks |= (uint64_t)ext2fs_le32_to_cpu(super->s_blocks_count_hi) << 32;
    if (log > EXT2_MAX_BLOCK_LOG_SIZE - EXT2_MIN_BLOCK_LOG_SIZE)
        return varve_fail(EIO, "%s: its file system is damaged: block size 2^%" PRIu32, what,
                          log + EXT2_MIN_BLOCK_LOG_SIZE);
    if (blocks == 0 || blocks > size >> (log + EXT2_MIN_BLOCK_LOG_SIZE))
        return varve_fail(EIO,
                          "%s: its file system is damaged or cut off: %" PRIu64
                          " blocks of %u bytes, where %" PRIu64 " bytes are",
                          what, blocks, 1024u << log, size);
    if (ext2fs_le32_to_cpu(super->s_blocks_per_group) < GROUP_BLOCKS_MIN)
        return varve_fail(EIO, "%s: its file system is damaged: %" PRIu32 " blocks in a group",
                          what, ext2fs_le32_to_cpu(super->s_blocks_per_group));
    return 0;
}

static int check_clean(const struct ext2_super_block *super, unsigned flags, const char *what)
{
    uint16_t state = ext2fs_le16_to_cpu(super->s_state);

    if (flags & EXT4_LEFT_UNCLEAN)
        return 0;
    if (ext2fs_le32_to_cpu(super->s_feature_incompat) & EXT3_FEATURE_INCOMPAT_RECOVER)
        return varve_fail(EUCLEAN,
                          "%s: its file system was not unmounted: its journal has to be replayed; "
                          "mount it once",
                          what);
    if ((flags & EXT4_WRITE) &&
        (state & EXT2_ERROR_FS || !(state & EXT2_VALID_FS) || super->s_last_orphan != 0 ||
         (ext2fs_le32_to_cpu(super->s_feature_ro_compat) & EXT4_FEATURE_RO_COMPAT_ORPHAN_PRESENT)))
        return varve_fail(EUCLEAN, "%s: its file system is marked as not clean; run e2fsck on it",
                          what);
    return 0;
}

/* What has to be kept true by whoever changes files, and libext2fs does not. */
static int check_features(const struct ext2_super_block *super, const char *what)
{
    static const struct {
        const char *name;
        uint32_t incompat, ro_compat;
    } kept[] = {{"quota", 0, EXT4_FEATURE_RO_COMPAT_QUOTA},
                {"project", 0, EXT4_FEATURE_RO_COMPAT_PROJECT},
                {"shared_blocks", 0, EXT4_FEATURE_RO_COMPAT_SHARED_BLOCKS},
                {"read-only", 0, EXT4_FEATURE_RO_COMPAT_READONLY},
                {"encrypt", EXT4_FEATURE_INCOMPAT_ENCRYPT, 0},
                {"casefold", EXT4_FEATURE_INCOMPAT_CASEFOLD, 0}};
    const uint32_t incompat = ext2fs_le32_to_cpu(super->s_feature_incompat),
                   ro_compat = ext2fs_le32_to_cpu(super->s_feature_ro_compat);

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if ((incompat & kept[i].incompat) || (ro_compat & kept[i].ro_compat))
            return varve_fail(EOPNOTSUPP,
                              "%s: its file system has the feature '%s', which would not stay true "
                              "if files were changed here; attach it and change them there",
                              what, kept[i].name);
    return 0;
}

int ext4_open(const struct files_target *target, unsigned flags, const char *what,
              ext2_filsys *ret_fs)
{
    struct ext2_super_block super;
    ext2_filsys fs = NULL;
    const char *line;
    errcode_t code;
    int r;

    if (target->size < SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE)
        return varve_fail(EMEDIUMTYPE, "%s is too small for a file system", what);
    r = target->read(target->opaque, &super, sizeof super, SUPERBLOCK_OFFSET);
    if (r == 0)
        r = check_super(&super, target->size, what);
    if (r == 0)
        r = check_clean(&super, flags, what);
    if (r == 0 && (flags & EXT4_WRITE))
        r = check_features(&super, what);
    if (r != 0)
        return r;
    ext4_channel_next(target);
    code = ext2fs_open(
        what, EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP | (flags & EXT4_WRITE ? EXT2_FLAG_RW : 0), 0, 0,
        ext4_channel_manager(), &fs);
    if (code != 0) {
        r = ext4_channel_open_failed(&line);
        return r != 0 ? varve_fail(-r, "%s", line) : fail_with(what, code, "open it");
    }
    if (flags & EXT4_WRITE)
        r = ext4_result(fs, ext2fs_read_bitmaps(fs), "read its bitmaps");
    if (r != 0) {
        ext4_abandon(fs);
        return r;
    }
    *ret_fs = fs;
    return 0;
}

int ext4_close(ext2_filsys fs)
{
    int r = 0;

    if (fs == NULL)
        return 0;
    if (fs->flags & EXT2_FLAG_RW) {
        r = ext4_result(fs, ext2fs_write_bitmaps(fs), "write its bitmaps");
        if (r == 0 && fs->flags & EXT2_FLAG_DIRTY)
            r = ext4_result(fs, ext2fs_flush(fs), "write its superblock");
        if (r == 0)
            r = ext4_result(fs, io_channel_flush(fs->io), "write it");
    }
    ext4_abandon(fs);
    return r;
}

void ext4_abandon(ext2_filsys fs)
{
    if (fs != NULL)
        ext2fs_free(fs);
}
