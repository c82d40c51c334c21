#include "files/ext4_unpack.h"

#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <varve/error.h>
#include <varve/progress.h>

#include "files/ext4_delete.h"
#include "files/ext4_io.h"
#include "files/ext4_unpack_internal.h"

enum { PIECE = 64 << 10 };

static la_ssize_t give_piece(struct archive *archive, void *opaque, const void **ret_bytes)
{
    struct unpacking *unpacking = opaque;
    ssize_t length = unpacking->failed;

    *ret_bytes = unpacking->piece;
    if (length == 0)
        length = unpacking->source(unpacking->opaque, unpacking->piece, PIECE);
    if (length >= 0)
        return length;
    unpacking->failed = (int)length;
    archive_set_error(archive, -(int)length, "it broke off");
    return ARCHIVE_FATAL;
}

/* Behind the archive's end there may be padding; whoever sends is heard to the end, so that what
 * breaks off is not taken for whole. */
static int read_to_the_end(struct unpacking *unpacking)
{
    ssize_t length;

    do
        length = unpacking->source(unpacking->opaque, unpacking->piece, PIECE);
    while (length > 0);
    return (int)length;
}

/* --- entries ---------------------------------------------------------------------------------- */

static int check_kind(const struct unpacking *unpacking, mode_t type)
{
    switch (type) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return 0;
    default:
        return varve_fail(EINVAL, "the archive has '%.200s', which is of no kind that ext4 knows",
                          unpacking->path);
    }
}

/* One that stood there stays as it is; one that is new may have come up before its own entry. */
static int unpack_folder(struct unpacking *unpacking, const struct unpack_spot *spot)
{
    struct put_folder *folder = spot->folder;
    int r = 0;

    assert(folder != NULL);
    if (spot->name[0] != '\0')
        r = unpack_go_into(unpacking, spot->folder, spot->name, true, &folder);
    return r == 0 && folder->made ? unpack_dress_folder(unpacking, folder->inode) : r;
}

static int unpack_hard_link(struct unpacking *unpacking, const struct unpack_spot *spot)
{
    const char *path = archive_entry_hardlink(unpacking->entry);
    struct unpack_spot first;
    const struct put_name *name = NULL;
    int r = unpack_find(unpacking, path, false, &first);

    if (r == 0)
        name = put_folder_find(first.folder, first.name);
    if (r == 0 && name == NULL)
        r = varve_fail(ENOENT, "'%.200s' would be a hard link to '%.200s', which is not there",
                       unpacking->path, path);
    return r == 0 ? unpack_link(unpacking, spot, name->inode) : r;
}

/* The only file goes to the target's name, whatever it is called in the archive. */
static int find_spot(struct unpacking *unpacking, struct unpack_spot *ret_spot)
{
    int r;

    if (!unpacking->only)
        return unpack_find(unpacking, unpacking->path, true, ret_spot);
    if (unpacking->only_name[0] == '\0')
        return varve_fail(
            EINVAL,
            "more than one file cannot become '%s'; put a slash at its end to make it "
            "a folder",
            unpacking->target);
    r = put_names_folder(&unpacking->names, unpacking->fs, unpacking->into, &ret_spot->folder);
    memcpy(ret_spot->name, unpacking->only_name, sizeof ret_spot->name);
    unpacking->only_name[0] = '\0';
    return r;
}

/* Of the first file; of folders alone the first one, which others below it follow. */
static void keep_path(struct unpacking *unpacking, bool folder)
{
    if (unpacking->kept_file || (folder && unpacking->changed.path[0] != '\0'))
        return;
    unpacking->kept_file = !folder;
    files_changed_path(&unpacking->changed, unpacking->target,
                       unpacking->only ? "" : unpacking->path);
}

static int unpack_entry(struct unpacking *unpacking)
{
    const bool link = archive_entry_hardlink(unpacking->entry) != NULL;
    const mode_t type = archive_entry_filetype(unpacking->entry);
    struct unpack_spot spot = {.folder = NULL};
    int r = link ? 0 : check_kind(unpacking, type);

    if (r == 0 && !unpacking->begun) {
        const char *path = unpacking->path;

        r = unpack_begin(unpacking, type == S_IFDIR);
        unpacking->path = path;
    }
    if (r == 0)
        r = varve_progress("put", "bytes", unpacking->changed.bytes, 0);
    if (r == 0)
        r = find_spot(unpacking, &spot);
    if (r < 0)
        return r;
    keep_path(unpacking, type == S_IFDIR && !link);
    if (type == S_IFDIR && !link)
        return unpack_folder(unpacking, &spot);
    if (spot.name[0] == '\0')
        return varve_fail(EINVAL, "the archive has a file without a name");
    return link ? unpack_hard_link(unpacking, &spot) : unpack_make_file(unpacking, &spot);
}

static int unpack_all(struct unpacking *unpacking)
{
    int result = ARCHIVE_OK, r = 0;

    if (archive_read_support_format_tar(unpacking->archive) != ARCHIVE_OK ||
        archive_read_open(unpacking->archive, unpacking, NULL, give_piece, NULL) != ARCHIVE_OK)
        return unpack_failed(unpacking);
    while (r == 0 && (result = archive_read_next_header(unpacking->archive, &unpacking->entry)) ==
                         ARCHIVE_OK) {
        unpacking->path = archive_entry_pathname(unpacking->entry);
        r = unpacking->path != NULL ? unpack_entry(unpacking)
                                    : varve_fail(EINVAL, "the archive has a file without a name");
        unpacking->path = NULL; /* the next header overwrites it */
    }
    if (r == 0 && result != ARCHIVE_EOF)
        r = unpack_failed(unpacking);
    if (r == 0)
        r = read_to_the_end(unpacking);
    if (r == 0 && !unpacking->begun)
        r = varve_fail(EINVAL, "the archive has no files in it");
    return r == 0 ? unpack_folders(unpacking) : r;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* What ext4_writer.h and ext4_directory.h write is right for these only. */
static bool is_as_made(ext2_filsys fs)
{
    return fs->blocksize == EXT4_BLOCK && EXT2FS_CLUSTER_RATIO(fs) == 1 &&
           ext2fs_has_feature_extents(fs->super) && ext2fs_has_feature_metadata_csum(fs->super) &&
           ext2fs_has_feature_filetype(fs->super) && ext2fs_has_feature_dir_index(fs->super);
}

static int begin(struct unpacking *unpacking)
{
    put_names_begin(&unpacking->names);
    clock_gettime(CLOCK_REALTIME, &unpacking->now);
    unpacking->archive = archive_read_new();
    unpacking->piece = malloc(PIECE);
    unpacking->gather.bytes = malloc(UNPACK_GATHER);
    if (unpacking->archive == NULL || unpacking->piece == NULL || unpacking->gather.bytes == NULL)
        return varve_no_memory("an archive of files");
    return is_as_made(unpacking->fs) ? ext4_writer_new(unpacking->fs, &unpacking->writer) : 0;
}

static void end(struct unpacking *unpacking)
{
    archive_read_free(unpacking->archive);
    put_names_release(&unpacking->names);
    ext4_writer_free(unpacking->writer);
    ext4_layout_free(&unpacking->layout);
    free(unpacking->gather.bytes);
    free(unpacking->piece);
    free(unpacking);
}

/* libarchive turns names that an archive has as UTF-8 into the locale's bytes: this thread's are
 * UTF-8 meanwhile, whatever the process has. */
static int unpack_as_utf8(struct unpacking *unpacking)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before;
    int r;

    if (utf8 == (locale_t)0)
        return unpack_all(unpacking);
    before = uselocale(utf8);
    r = unpack_all(unpacking);
    uselocale(before);
    freelocale(utf8);
    return r;
}

int ext4_unpack(ext2_filsys fs, const char *path, varve_file_source source, void *opaque,
                struct files_changed *ret_changed)
{
    struct unpacking *unpacking = calloc(1, sizeof *unpacking);
    ext2fs_block_bitmap before = NULL;
    int r;

    if (unpacking == NULL)
        return varve_no_memory("an archive of files");
    unpacking->fs = fs;
    unpacking->target = path;
    unpacking->source = source;
    unpacking->opaque = opaque;
    r = begin(unpacking);
    if (r == 0)
        r = ext4_result(fs, ext2fs_copy_bitmap(fs->block_map, &before), "copy its bitmap");
    if (r == 0)
        r = unpack_as_utf8(unpacking);
    if (r == 0)
        r = ext4_give_back(fs, before);
    if (before != NULL)
        ext2fs_free_block_bitmap(before);
    if (r == 0)
        *ret_changed = unpacking->changed;
    end(unpacking);
    return r;
}
