#include "tree_pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/limits.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <varve/error.h>

#include "client_upload.h"
#include "command.h"

enum { PIECE = 256 << 10, BLOCK = 64 << 10 };

/* The first name of a file that has several. */
struct first_name {
    dev_t device;
    ino_t inode;
    char path[];
};

struct packing {
    struct archive *archive;
    struct archive_entry *entry;
    int fd, failed; /* where it goes, and how that failed */
    char *bytes;    /* PIECE of them, and as many zeroes behind */
    const char *zeroes;
    char *names, *value; /* of extended attributes */
    void *first_names;
    size_t root;         /* bytes of a path that are no part of names */
    char path[PATH_MAX]; /* in the archive */
    unsigned long sockets;
};

static int failed(const char *doing, const char *path)
{
    const int number = errno;

    return varve_fail(number, "cannot %s '%.300s': %s", doing, path, strerror(number));
}

static int changed(const char *path)
{
    return varve_fail(
        EBUSY, "'%.300s' changed while it was sent; stop what writes it and try again", path);
}

static int archive_failed(const struct packing *packing)
{
    if (packing->failed < 0)
        return packing->failed;
    return varve_fail(EIO, "cannot pack '%.300s': %s", packing->path,
                      archive_error_string(packing->archive));
}

static la_ssize_t give(struct archive *archive, void *opaque, const void *bytes, size_t length)
{
    struct packing *packing = opaque;

    (void)archive;
    if (packing->failed == 0)
        packing->failed = client_upload_write(packing->fd, bytes, length);
    return packing->failed == 0 ? (la_ssize_t)length : -1;
}

static int by_inode(const void *a, const void *b)
{
    const struct first_name *one = a, *other = b;

    if (one->device != other->device)
        return one->device < other->device ? -1 : 1;
    return (one->inode > other->inode) - (one->inode < other->inode);
}

/* --- content ---------------------------------------------------------------------------------- */

/* The map of what is data; an archive without one takes all for data. */
static int add_map(struct packing *packing, int fd, const struct stat *stat, const char *path)
{
    off_t at = 0;
    bool any = false;

    if ((uint64_t)stat->st_blocks * 512 >= (uint64_t)stat->st_size)
        return 0;
    while (at < stat->st_size) {
        const off_t data = lseek(fd, at, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);

        if (data < 0 && errno == ENXIO)
            break;
        if (hole <= data)
            return hole < 0 ? failed("find the holes of", path) : changed(path);
        hole = hole > stat->st_size ? stat->st_size : hole;
        archive_entry_sparse_add_entry(packing->entry, data, hole - data);
        any = true;
        at = hole;
    }
    if (!any)
        archive_entry_sparse_add_entry(packing->entry, 0, 0);
    return 0;
}

static int write_data(struct packing *packing, const char *bytes, uint64_t length)
{
    while (length > 0) {
        const size_t piece = length < PIECE ? (size_t)length : PIECE;
        const la_ssize_t done = archive_write_data(packing->archive, bytes, piece);

        if (done <= 0)
            return archive_failed(packing);
        length -= (uint64_t)done;
        if (bytes != packing->zeroes)
            bytes += done;
    }
    return 0;
}

/* libarchive wants the holes too, and leaves them out by the entry's map. */
static int pack_run(struct packing *packing, int fd, off_t from, off_t to, const char *path)
{
    int r = 0;

    while (r == 0 && from < to) {
        const size_t piece = to - from < PIECE ? (size_t)(to - from) : PIECE;
        const ssize_t got = pread(fd, packing->bytes, piece, from);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? failed("read", path) : changed(path);
        r = write_data(packing, packing->bytes, (uint64_t)got);
        from += got;
    }
    return r;
}

static int pack_content(struct packing *packing, int fd, const struct stat *stat, const char *path)
{
    la_int64_t offset, length;
    off_t at = 0;
    int r = 0;

    if (archive_entry_sparse_reset(packing->entry) == 0)
        return pack_run(packing, fd, 0, stat->st_size, path);
    while (r == 0 && archive_entry_sparse_next(packing->entry, &offset, &length) == ARCHIVE_OK) {
        r = write_data(packing, packing->zeroes, (uint64_t)(offset - at));
        if (r == 0)
            r = pack_run(packing, fd, offset, offset + length, path);
        at = offset + length;
    }
    return r == 0 ? write_data(packing, packing->zeroes, (uint64_t)(stat->st_size - at)) : r;
}

static int write_header(struct packing *packing)
{
    return archive_write_header(packing->archive, packing->entry) == ARCHIVE_OK
               ? 0
               : archive_failed(packing);
}

static int pack_regular(struct packing *packing, const struct stat *stat, const char *path)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    struct stat now;
    int r, fd = open(path, flags | O_NOATIME);

    if (fd < 0 && errno == EPERM)
        fd = open(path, flags);
    if (fd < 0)
        return failed("open", path);
    r = fstat(fd, &now) < 0 ? failed("look at", path) : 0;
    if (r == 0 && (now.st_ino != stat->st_ino || now.st_size != stat->st_size))
        r = changed(path);
    if (r == 0)
        r = add_map(packing, fd, stat, path);
    if (r == 0)
        r = write_header(packing);
    if (r == 0)
        r = pack_content(packing, fd, stat, path);
    if (r == 0 && fstat(fd, &now) < 0)
        r = failed("look at", path);
    if (r == 0 && (now.st_size != stat->st_size || now.st_mtim.tv_sec != stat->st_mtim.tv_sec ||
                   now.st_mtim.tv_nsec != stat->st_mtim.tv_nsec))
        r = changed(path);
    close(fd);
    return r;
}

/* --- entries ---------------------------------------------------------------------------------- */

static int add_attributes(struct packing *packing, const char *path)
{
    const ssize_t length = llistxattr(path, packing->names, XATTR_LIST_MAX);

    if (length < 0)
        return errno == ENOTSUP ? 0 : failed("list the attributes of", path);
    for (const char *name = packing->names; name < packing->names + length;
         name += strlen(name) + 1) {
        const ssize_t size = lgetxattr(path, name, packing->value, XATTR_SIZE_MAX);

        if (size < 0 && errno != ENODATA)
            return failed("read the attributes of", path);
        if (size >= 0)
            archive_entry_xattr_add_entry(packing->entry, name, packing->value, (size_t)size);
    }
    return 0;
}

static int add_target(struct packing *packing, const char *path)
{
    char target[PATH_MAX];
    const ssize_t length = readlink(path, target, sizeof target - 1);

    if (length < 0)
        return failed("read the link", path);
    target[length] = '\0';
    archive_entry_copy_symlink(packing->entry, target);
    return 0;
}

/* Keeps a file's first name. *ret_first: the name that it already had, or NULL. */
static int remember(struct packing *packing, const struct stat *stat, const char **ret_first)
{
    const size_t length = strlen(packing->path) + 1;
    struct first_name *name = malloc(sizeof *name + length);
    struct first_name *const *found = NULL;

    if (name != NULL) {
        name->device = stat->st_dev;
        name->inode = stat->st_ino;
        memcpy(name->path, packing->path, length);
        found = tsearch(name, &packing->first_names, by_inode);
    }
    if (found == NULL) {
        free(name);
        return varve_no_memory("the hard links of a tree");
    }
    *ret_first = *found != name ? (*found)->path : NULL;
    if (*found != name)
        free(name);
    return 0;
}

static void set_entry(struct packing *packing, const struct stat *stat)
{
    struct archive_entry *entry = packing->entry;

    archive_entry_clear(entry);
    archive_entry_copy_pathname(entry, packing->path);
    archive_entry_set_mode(entry, stat->st_mode);
    archive_entry_set_uid(entry, stat->st_uid);
    archive_entry_set_gid(entry, stat->st_gid);
    archive_entry_set_mtime(entry, stat->st_mtim.tv_sec, stat->st_mtim.tv_nsec);
    archive_entry_set_atime(entry, stat->st_atim.tv_sec, stat->st_atim.tv_nsec);
    archive_entry_set_size(entry, S_ISREG(stat->st_mode) ? stat->st_size : 0);
    if (S_ISCHR(stat->st_mode) || S_ISBLK(stat->st_mode))
        archive_entry_set_rdev(entry, stat->st_rdev);
}

/* What packing->path is to be called. */
static int pack(struct packing *packing, const struct stat *stat, const char *path)
{
    const char *first = NULL;
    int r = 0;

    if (S_ISSOCK(stat->st_mode)) {
        packing->sockets++;
        return 0;
    }
    if (stat->st_nlink > 1 && !S_ISDIR(stat->st_mode))
        r = remember(packing, stat, &first);
    if (r < 0)
        return r;
    set_entry(packing, stat);
    if (first != NULL) {
        archive_entry_set_size(packing->entry, 0);
        archive_entry_copy_hardlink(packing->entry, first);
        return write_header(packing);
    }
    r = add_attributes(packing, path);
    if (r == 0 && S_ISLNK(stat->st_mode))
        r = add_target(packing, path);
    if (r == 0 && S_ISREG(stat->st_mode))
        return pack_regular(packing, stat, path);
    return r == 0 ? write_header(packing) : r;
}

/* --- the tree --------------------------------------------------------------------------------- */

static int by_bytes(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* The path in the archive: below the root's own, or below ".". */
static int name(struct packing *packing, const FTSENT *found)
{
    const char *rest = found->fts_path + packing->root;
    int n;

    rest += strspn(rest, "/");
    n = snprintf(packing->path, sizeof packing->path, "%s", rest[0] != '\0' ? rest : ".");
    return n < (int)sizeof packing->path
               ? 0
               : varve_fail(ENAMETOOLONG, "a path below '%.200s...' is longer than %d bytes", rest,
                            PATH_MAX - 1);
}

static int pack_found(struct packing *packing, const FTSENT *found)
{
    int r;

    switch (found->fts_info) {
    case FTS_DP:
        return 0;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        errno = found->fts_errno;
        return failed("read", found->fts_path);
    case FTS_DC:
        return varve_fail(ELOOP, "'%.300s' leads back to a folder above it", found->fts_path);
    default:
        r = name(packing, found);
        return r == 0 ? pack(packing, found->fts_statp, found->fts_accpath) : r;
    }
}

/* `path` with a slash at its end is a folder whose content is wanted. */
static int pack_tree(struct packing *packing, char *path)
{
    char *const roots[] = {path, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_bytes);
    FTSENT *found;
    int r = 0;

    if (tree == NULL)
        return failed("read", path);
    while (r == 0 && (errno = 0, found = fts_read(tree)) != NULL)
        r = pack_found(packing, found);
    if (r == 0 && errno != 0)
        r = failed("read", path);
    fts_close(tree);
    return r;
}

/* How much of the path is not in the archive: all before its last name, or all of a folder whose
 * content is wanted. "." and ".." are such, too. */
static int cut_root(struct packing *packing, const char *path, char *ret_path)
{
    const size_t length = strlen(path);
    const char *last = strrchr(path, '/');
    struct stat stat;

    if (length + 3 > PATH_MAX)
        return varve_fail(ENAMETOOLONG, "the path to send has %zu bytes", length);
    last = last != NULL ? last + 1 : path;
    memcpy(ret_path, path, length + 1);
    packing->root = (size_t)(last - path);
    if (*last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
        packing->root = length;
    if (packing->root < length)
        return lstat(path, &stat) < 0 ? failed("read", path) : 0;
    if (path[length - 1] != '/') /* a link is followed so */
        memcpy(ret_path + length, "/", 2);
    if (lstat(ret_path, &stat) < 0)
        return errno == ENOTDIR ? varve_fail(ENOTDIR, "'%.300s' is no folder", path)
                                : failed("read", path);
    return 0;
}

/* BINARY: names are bytes and not text of whatever locale this process has. */
static int open_archive(struct packing *packing)
{
    packing->archive = archive_write_new();
    packing->entry = archive_entry_new();
    packing->bytes = calloc(2, PIECE);
    packing->names = malloc(XATTR_LIST_MAX);
    packing->value = malloc(XATTR_SIZE_MAX);
    if (packing->archive == NULL || packing->entry == NULL || packing->bytes == NULL ||
        packing->names == NULL || packing->value == NULL)
        return varve_no_memory("an archive of files");
    packing->zeroes = packing->bytes + PIECE;
    if (archive_write_set_format_pax(packing->archive) != ARCHIVE_OK ||
        archive_write_set_options(packing->archive, "hdrcharset=BINARY") != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(packing->archive, BLOCK) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(packing->archive, 1) != ARCHIVE_OK ||
        archive_write_open(packing->archive, packing, NULL, give, NULL) != ARCHIVE_OK)
        return archive_failed(packing);
    return 0;
}

int tree_pack(const char *path, int fd)
{
    struct packing packing = {.fd = fd};
    char root[PATH_MAX];
    int r = cut_root(&packing, path, root);

    if (r == 0)
        r = open_archive(&packing);
    if (r == 0)
        r = pack_tree(&packing, root);
    if (r == 0 && archive_write_close(packing.archive) != ARCHIVE_OK)
        r = archive_failed(&packing);
    if (r < 0 && packing.failed == 0)
        packing.failed = r; /* freeing gives nothing more: no end that looks whole */
    archive_entry_free(packing.entry);
    archive_write_free(packing.archive);
    tdestroy(packing.first_names, free);
    free(packing.bytes);
    free(packing.names);
    free(packing.value);
    if (r == 0 && packing.sockets > 0)
        command_warn("%lu sockets are left out: an archive cannot hold them", packing.sockets);
    return r;
}
