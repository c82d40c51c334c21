/* Extended attributes, ACLs among them, that an archive brings. */
#include <errno.h>
#include <string.h>

#include <varve/error.h>

#include "files/ext4_io.h"
#include "files/ext4_unpack_internal.h"

enum {
    IN_INODE = 64, /* bytes of attributes that need no block */
    ENTRY = 16,    /* of them for each, beside its name and value */
    ACL_HEAD = 4,  /* bytes, as the kernel's calls have it */
    ACL_ENTRY = 8,
    ACL_KINDS = ARCHIVE_ENTRY_ACL_TYPE_POSIX1E | ARCHIVE_ENTRY_ACL_TYPE_NFS4,
};

static const char acl[] = "system.posix_acl_";

static int check(const struct unpacking *unpacking, const char *name, size_t length)
{
    static const char *const kept[] = {"user.", "trusted.", "security.", acl};
    bool known = false;

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        known |= strncmp(name, kept[i], strlen(kept[i])) == 0;
    if (!known)
        return varve_fail(EOPNOTSUPP, "ext4 cannot hold the attribute '%.100s' of '%.200s'", name,
                          unpacking->path);
    if (strncmp(name, acl, strlen(acl)) == 0 &&
        (length < ACL_HEAD || (length - ACL_HEAD) % ACL_ENTRY != 0))
        return varve_fail(EINVAL, "the attribute '%.100s' of '%.200s' is no ACL", name,
                          unpacking->path);
    return 0;
}

static int set_all(struct unpacking *unpacking, struct ext2_xattr_handle *handle)
{
    const char *name;
    const void *value;
    size_t length;
    int r = 0;

    archive_entry_xattr_reset(unpacking->entry);
    while (r == 0 &&
           archive_entry_xattr_next(unpacking->entry, &name, &value, &length) == ARCHIVE_OK) {
        r = check(unpacking, name, length);
        if (r == 0)
            r = ext4_result(unpacking->fs, ext2fs_xattr_set(handle, name, value, length),
                            "store the attribute '%.100s' of '%.200s'", name, unpacking->path);
    }
    return r;
}

/* What they take, more or less. */
static size_t bytes_of_all(struct archive_entry *entry)
{
    const char *name;
    const void *value;
    size_t length, sum = 0;

    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &length) == ARCHIVE_OK)
        sum += ENTRY + strlen(name) + length;
    return sum;
}

int unpack_attributes(struct unpacking *unpacking, ext2_ino_t number)
{
    struct ext2_xattr_handle *handle = NULL;
    int r = 0;

    if (archive_entry_acl_types(unpacking->entry) & ACL_KINDS)
        return varve_fail(
            EOPNOTSUPP,
            "the archive has the ACL of '%.200s' as text, which is not taken; pack it "
            "as an extended attribute",
            unpacking->path);
    if (archive_entry_xattr_count(unpacking->entry) == 0)
        return 0;
    if (unpacking->writer != NULL && bytes_of_all(unpacking->entry) > IN_INODE)
        r = ext4_writer_finish(unpacking->writer); /* libext2fs takes blocks */
    if (r == 0)
        r = ext4_result(unpacking->fs, ext2fs_xattrs_open(unpacking->fs, number, &handle),
                        "store the attributes of '%.200s'", unpacking->path);
    if (r == 0) /* content may lie among them */
        r = ext4_result(unpacking->fs, ext2fs_xattrs_read(handle),
                        "read the attributes of '%.200s'", unpacking->path);
    if (r == 0)
        r = set_all(unpacking, handle);
    if (r == 0)
        r = ext4_result(unpacking->fs, ext2fs_xattrs_write(handle),
                        "store the attributes of '%.200s'", unpacking->path);
    if (handle != NULL)
        (void)ext2fs_xattrs_close(&handle);
    return r;
}
