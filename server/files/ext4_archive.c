#include "files/ext4_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <varve/error.h>
#include <varve/progress.h>

#include "files/ext4_io.h"
#include "files/ext4_list.h"
#include "files/ext4_path.h"
#include "files/ext4_runs.h"

enum {
    PIECE = 1 << 20, /* bytes of content that are read at once */
    BLOCK = 64 << 10,
};

/* The first name of a file that has several: the further ones are links to it. */
struct first_name {
    ext2_ino_t inode;
    char path[];
};

struct packing {
    ext2_filsys fs;
    struct archive *archive;
    struct archive_entry *entry;
    void *first_names; /* tsearch(3) */
    char *bytes;       /* PIECE */
    char *zeroes;
    varve_file_sink sink;
    void *opaque;
    int failed; /* what the sink returned */
    bool root;
    uint64_t done; /* bytes */
    size_t length; /* of the part of path that stays */
    char path[EXT2_NAME_LEN + 1 + EXT4_PATH_MAX];
};

static int by_inode(const void *a, const void *b)
{
    const struct first_name *one = a, *other = b;

    return (one->inode > other->inode) - (one->inode < other->inode);
}

/* What libarchive has to say, unless the sink failed. */
static int archive_failed(const struct packing *packing)
{
    if (packing->failed < 0)
        return packing->failed;
    return varve_fail(EIO, "%s: cannot pack '%.200s': %s", ext4_what(packing->fs), packing->path,
                      archive_error_string(packing->archive));
}

static la_ssize_t give(struct archive *archive, void *opaque, const void *bytes, size_t length)
{
    struct packing *packing = opaque;

    (void)archive;
    if (packing->failed == 0)
        packing->failed = packing->sink(packing->opaque, bytes, length);
    return packing->failed == 0 ? (la_ssize_t)length : -1;
}

/* --- what an entry says ----------------------------------------------------------------------- */

struct attributes {
    struct packing *packing;
    struct ext2_xattr_handle *handle;
    int r;
};

static int add_attribute(char *name, char *value, size_t length, void *opaque)
{
    struct attributes *attributes = opaque;
    const ext2_filsys fs = attributes->packing->fs;
    void *text = NULL;
    size_t size = 0;

    (void)value;
    (void)length;
    if (strcmp(name, "system.data") == 0) /* the content of a small file */
        return 0;
    /* ACLs have another form on disk than in the kernel's calls; this gives the latter */
    attributes->r = ext4_result(fs, ext2fs_xattr_get(attributes->handle, name, &text, &size),
                                "read attribute '%.100s'", name);
    if (attributes->r < 0)
        return XATTR_ABORT;
    archive_entry_xattr_add_entry(attributes->packing->entry, name, text, size);
    ext2fs_free_mem(&text);
    return 0;
}

static int add_attributes(struct packing *packing, ext2_ino_t number)
{
    struct attributes attributes = {.packing = packing};
    errcode_t code = ext2fs_xattrs_open(packing->fs, number, &attributes.handle);

    if (code == 0)
        code = ext2fs_xattrs_read(attributes.handle);
    if (code == 0)
        code = ext2fs_xattrs_iterate(attributes.handle, add_attribute, &attributes);
    if (attributes.handle != NULL)
        ext2fs_xattrs_close(&attributes.handle);
    if (attributes.r < 0)
        return attributes.r;
    return ext4_result(packing->fs, code, "read the attributes of '%.200s'", packing->path);
}

/* The kernel's two forms: 8 and 8 bits, or 12 and 20. */
static dev_t device_of(const struct ext2_inode_large *inode)
{
    const uint32_t old = inode->i_block[0], new = inode->i_block[1];

    if (old != 0)
        return makedev(old >> 8 & 0xff, old & 0xff);
    return makedev(new >> 8 & 0xfff, (new & 0xff) | (new >> 12 & 0xfff00));
}

/* The map of what is data; an archive without one takes all for data. */
static void add_map(struct archive_entry *entry, const struct ext4_runs *runs, uint64_t size)
{
    if (size > 0 && runs->count == 0)
        archive_entry_sparse_add_entry(entry, 0, 0);
    for (size_t i = 0; i < runs->count; i++)
        archive_entry_sparse_add_entry(entry, (la_int64_t)runs->list[i].offset,
                                       (la_int64_t)runs->list[i].length);
}

static void set_entry(struct packing *packing, const struct varve_file *file,
                      const struct ext2_inode_large *inode)
{
    struct archive_entry *entry = packing->entry;

    archive_entry_clear(entry);
    archive_entry_copy_pathname(entry, packing->path);
    archive_entry_set_mode(entry, (__LA_MODE_T)file->mode);
    archive_entry_set_uid(entry, file->uid);
    archive_entry_set_gid(entry, file->gid);
    archive_entry_set_mtime(entry, file->mtime, (long)file->mtime_nanoseconds);
    archive_entry_set_size(entry, S_ISREG(file->mode) ? (la_int64_t)file->size : 0);
    if (S_ISLNK(file->mode))
        archive_entry_copy_symlink(entry, file->target);
    if (S_ISCHR(file->mode) || S_ISBLK(file->mode))
        archive_entry_set_rdev(entry, device_of(inode));
}

/* --- content ---------------------------------------------------------------------------------- */

/* libarchive wants the holes too, and leaves them out by the entry's map. */
static int write_content(struct packing *packing, const char *bytes, uint64_t length)
{
    while (length > 0) {
        const size_t piece = length < PIECE ? (size_t)length : PIECE;
        la_ssize_t done = archive_write_data(packing->archive, bytes, piece);

        if (done <= 0)
            return archive_failed(packing);
        length -= (uint64_t)done;
        if (bytes != packing->zeroes)
            bytes += done;
    }
    return 0;
}

static int pack_run(struct packing *packing, const struct ext4_run *run)
{
    int r = 0;

    for (uint64_t at = 0; r == 0 && at < run->length;) {
        const uint64_t left = run->length - at;
        const size_t piece = left < PIECE ? (size_t)left : PIECE;

        r = varve_progress("get", "bytes", packing->done, 0);
        if (r == 0)
            r = page_buffer_read_through(ext4_buffer(packing->fs), packing->bytes, piece,
                                         run->place + at);
        if (r == 0)
            r = write_content(packing, packing->bytes, piece);
        at += piece;
        packing->done += piece;
    }
    return r;
}

static int pack_runs(struct packing *packing, const struct ext4_runs *runs, uint64_t size)
{
    uint64_t at = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < runs->count; i++) {
        r = write_content(packing, packing->zeroes, runs->list[i].offset - at);
        if (r == 0)
            r = pack_run(packing, &runs->list[i]);
        at = runs->list[i].offset + runs->list[i].length;
    }
    return r == 0 ? write_content(packing, packing->zeroes, size - at) : r;
}

/* What lies in the inode. */
static int pack_inline(struct packing *packing, ext2_ino_t number, uint64_t size)
{
    ext2_file_t file = NULL;
    unsigned got = 0;
    errcode_t code =
        size > PIECE ? EXT2_ET_INODE_CORRUPTED : ext2fs_file_open(packing->fs, number, 0, &file);

    if (code == 0)
        code = ext2fs_file_read(file, packing->bytes, (unsigned)size, &got);
    if (file != NULL)
        ext2fs_file_close(file);
    if (code == 0 && got != size)
        code = EXT2_ET_SHORT_READ;
    if (code != 0)
        return ext4_result(packing->fs, code, "read '%.200s'", packing->path);
    return write_content(packing, packing->bytes, size);
}

static int write_header(struct packing *packing)
{
    return archive_write_header(packing->archive, packing->entry) == ARCHIVE_OK
               ? 0
               : archive_failed(packing);
}

static int pack_regular(struct packing *packing, const struct varve_file *file,
                        struct ext2_inode_large *inode)
{
    const bool inside = (inode->i_flags & EXT4_INLINE_DATA_FL) != 0;
    struct ext4_runs runs = {.list = NULL};
    int r;

    if (inode->i_flags & EXT4_ENCRYPT_FL)
        return varve_fail(EOPNOTSUPP, "%s: '%.200s' is encrypted", ext4_what(packing->fs),
                          packing->path);
    r = inside ? 0 : ext4_runs_read(packing->fs, file->inode, inode, &runs);
    if (r == 0) {
        if (!inside)
            add_map(packing->entry, &runs, file->size);
        r = write_header(packing);
    }
    if (r == 0)
        r = inside ? pack_inline(packing, file->inode, file->size)
                   : pack_runs(packing, &runs, file->size);
    ext4_runs_release(&runs);
    if (r == 0 && archive_write_finish_entry(packing->archive) != ARCHIVE_OK)
        r = archive_failed(packing);
    return r;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* Keeps a file's first name. *ret_first: the name that it already had, or NULL. */
static int remember(struct packing *packing, ext2_ino_t number, const char **ret_first)
{
    const size_t length = strlen(packing->path) + 1;
    struct first_name *name = malloc(sizeof *name + length);
    struct first_name *const *found;

    if (name == NULL)
        return varve_no_memory("the hard links of a tree");
    name->inode = number;
    memcpy(name->path, packing->path, length);
    found = tsearch(name, &packing->first_names, by_inode);
    *ret_first = found != NULL && *found != name ? (*found)->path : NULL;
    if (found == NULL || *found != name)
        free(name);
    return found == NULL ? varve_no_memory("the hard links of a tree") : 0;
}

/* What packing->path is to be called. */
static int pack(struct packing *packing, const struct varve_file *file)
{
    struct ext2_inode_large inode = {.i_mode = 0};
    const char *first = NULL;
    int r;

    if (S_ISSOCK(file->mode))
        return 0;
    r = ext4_inode_read(packing->fs, file->inode, &inode);
    if (r == 0 && file->links > 1 && !S_ISDIR(file->mode))
        r = remember(packing, file->inode, &first);
    if (r < 0)
        return r;
    set_entry(packing, file, &inode);
    if (first != NULL) {
        archive_entry_set_size(packing->entry, 0);
        archive_entry_copy_hardlink(packing->entry, first);
        return write_header(packing);
    }
    r = add_attributes(packing, file->inode);
    if (r == 0 && S_ISREG(file->mode))
        return pack_regular(packing, file, &inode);
    return r == 0 ? write_header(packing) : r;
}

static bool is_empty_lost_found(const struct packing *packing, const struct varve_file *file)
{
    struct ext4_names names = {.list = NULL};
    bool empty = false;

    if (!packing->root || !S_ISDIR(file->mode) || strcmp(file->path, "lost+found") != 0)
        return false;
    if (ext4_names_read(packing->fs, file->inode, &names) == 0)
        empty = names.count == 0;
    ext4_names_release(&names);
    return empty;
}

static int pack_visited(void *opaque, const struct varve_file *file)
{
    struct packing *packing = opaque;

    if (is_empty_lost_found(packing, file))
        return 0;
    memcpy(packing->path + packing->length, file->path, strlen(file->path) + 1);
    return pack(packing, file);
}

static int pack_all(struct packing *packing, const char *path)
{
    const size_t length = strlen(path);
    struct ext2_inode_large inode = {.i_mode = 0};
    struct varve_file file = {.path = NULL};
    struct ext4_place place;
    char *target = NULL;
    bool content;
    int r = ext4_path_find(packing->fs, path, 0, &place);

    if (r == 0)
        r = ext4_inode_read(packing->fs, place.inode, &inode);
    if (r < 0)
        return r;
    packing->root = place.inode == EXT2_ROOT_INO;
    content = packing->root || (length > 0 && path[length - 1] == '/');
    snprintf(packing->path, sizeof packing->path, "%s", content ? "." : place.name);
    r = ext4_file_describe(packing->fs, packing->path, place.inode, &inode, &file, &target);
    if (r == 0)
        r = pack(packing, &file);
    free(target);
    if (r < 0 || !S_ISDIR(inode.i_mode))
        return r;
    packing->length = 0;
    if (!content) {
        packing->length = strlen(place.name) + 1;
        packing->path[packing->length - 1] = '/';
    }
    return ext4_list(packing->fs, path, true, pack_visited, packing);
}

/* BINARY: names are bytes and not text of whatever locale this process has. */
static int open_archive(struct packing *packing)
{
    packing->archive = archive_write_new();
    packing->entry = archive_entry_new();
    packing->bytes = malloc(PIECE);
    packing->zeroes = calloc(1, PIECE);
    if (packing->archive == NULL || packing->entry == NULL || packing->bytes == NULL ||
        packing->zeroes == NULL)
        return varve_no_memory("an archive of files");
    if (archive_write_set_format_pax(packing->archive) != ARCHIVE_OK ||
        archive_write_set_options(packing->archive, "hdrcharset=BINARY") != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(packing->archive, BLOCK) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(packing->archive, 1) != ARCHIVE_OK ||
        archive_write_open(packing->archive, packing, NULL, give, NULL) != ARCHIVE_OK)
        return archive_failed(packing);
    return 0;
}

int ext4_archive(ext2_filsys fs, const char *path, varve_file_sink sink, void *opaque)
{
    struct packing *packing = calloc(1, sizeof *packing);
    int r;

    if (packing == NULL)
        return varve_no_memory("an archive of files");
    packing->fs = fs;
    packing->sink = sink;
    packing->opaque = opaque;
    r = open_archive(packing);
    if (r == 0)
        r = pack_all(packing, path);
    if (r == 0 && archive_write_close(packing->archive) != ARCHIVE_OK)
        r = archive_failed(packing);
    if (r < 0 && packing->failed == 0)
        packing->failed = r; /* freeing gives the sink nothing more: no end that looks whole */
    archive_entry_free(packing->entry);
    archive_write_free(packing->archive);
    tdestroy(packing->first_names, free);
    free(packing->bytes);
    free(packing->zeroes);
    free(packing);
    return r;
}
