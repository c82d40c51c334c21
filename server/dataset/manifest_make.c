/* Making a manifest: a walk of the file system, and of the manifest before it beside. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "base/block.h"
#include "dataset/manifest_image.h"
#include "files/contents.h"
#include "volume/rows.h"

enum { BUFFER = 1 << 20, DIFFERENCES = 64 };
/* What the image is made as large as before it is cut. */
#define MANIFEST_SIZE_MAX ((uint64_t)1 << 44)

struct range {
    uint64_t first, end; /* bytes */
};
struct piece {
    uint64_t logical, physical, length; /* bytes */
};

struct making {
    struct store *store;
    struct store_image *image, *manifest;
    struct manifest_reader *before;  /* NULL: none */
    const struct manifest_line *old; /* its line at hand; NULL after the last */
    struct rows changed;             /* struct range: what the base does not share */
    struct rows pieces;              /* struct piece: of the file at hand */
    struct manifest_line line;
    bool inlined;
    uint64_t files, hashed, written;
    size_t fill; /* of text */
    char *text;
    unsigned char *leaf;
    int failed; /* of the store: not to be taken for damage of the file system */
};

/* --- text ------------------------------------------------------------------------------------ */

static int write_out(struct making *making, size_t length)
{
    int r = store_write(making->store, making->manifest, making->text, length, making->written, 0);

    making->written += length;
    making->fill = 0;
    return r;
}

static int write_line(struct making *making)
{
    if (making->fill + MANIFEST_LINE_MAX > BUFFER) {
        /* whole blocks, so that the edges of pieces are written once */
        size_t whole = making->fill / BLOCK_SIZE * BLOCK_SIZE, rest = making->fill - whole;
        int r = write_out(making, whole);

        if (r != 0)
            return r;
        memmove(making->text, making->text + whole, rest);
        making->fill = rest;
    }
    making->fill += manifest_line_print(&making->line, making->text + making->fill);
    making->files++;
    return 0;
}

static int finish(struct making *making, uint64_t number)
{
    size_t length = (making->fill + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
    int r;

    memset(making->text + making->fill, 0, length - making->fill);
    r = write_out(making, length);
    return r == 0 ? store_image_resize(making->store, number, making->written) : r;
}

/* --- digests --------------------------------------------------------------------------------- */

static int read_leaf(struct making *making, size_t *piece, uint64_t offset, size_t length)
{
    memset(making->leaf, 0, length);
    for (; *piece < making->pieces.count; ++*piece) {
        const struct piece *one = rows_at(&making->pieces, *piece);
        uint64_t from = max_u64(one->logical, offset);
        uint64_t to = min_u64(one->logical + one->length, offset + length);
        int r;

        if (from < to) {
            r = store_read(making->store, making->image, making->leaf + (from - offset),
                           (size_t)(to - from), one->physical + (from - one->logical));
            if (r != 0)
                return making->failed = r;
        }
        if (one->logical + one->length > offset + length)
            break;
    }
    return 0;
}

static int hash_small(struct making *making, struct digest *ret_digest)
{
    const size_t size = (size_t)making->line.size;
    size_t piece = 0;
    int r = making->inlined || size == 0 ? 0 : read_leaf(making, &piece, 0, size);

    return r == 0 ? digest_small(making->leaf, size, ret_digest) : r;
}

/* Leaves from `leaf` on in which no piece begins or goes on. */
static uint64_t empty_leaves(const struct making *making, const struct digest_shape *shape,
                             size_t piece, uint64_t leaf)
{
    uint64_t next = shape->leaves;

    if (piece < making->pieces.count) {
        const struct piece *one = rows_at(&making->pieces, piece);

        next = min_u64(next, one->logical >> DIGEST_LEAF_SHIFT);
    }
    return next > leaf ? next - leaf : 0;
}

static int hash_large(struct making *making, struct digest *ret_digest)
{
    struct digest_shape shape;
    struct digest_fold fold;
    size_t piece = 0;
    int r = digest_shape_of(DIGEST_FLAT, making->line.size, &shape);

    digest_fold_begin(&fold, &shape);
    for (uint64_t leaf = 0; r == 0 && leaf < shape.leaves;) {
        uint64_t empty = empty_leaves(making, &shape, piece, leaf);
        size_t length = (size_t)digest_leaf_length(&shape, leaf);
        struct digest digest;

        if (empty > 0) {
            r = digest_fold_zeroes(&fold, empty);
            leaf += empty;
            continue;
        }
        r = read_leaf(making, &piece, leaf << DIGEST_LEAF_SHIFT, length);
        if (r == 0)
            r = digest_leaf(&shape, leaf, making->leaf, &digest);
        if (r == 0)
            r = digest_fold_leaf(&fold, &digest);
        making->hashed += length;
        if (r == 0)
            r = varve_progress("manifest", "bytes", making->hashed, 0);
        leaf++;
    }
    return r == 0 ? digest_fold_end(&fold, ret_digest) : r;
}

/* --- what the base knows --------------------------------------------------------------------- */

static int find_changes(struct making *making, struct store_image *base)
{
    struct store_difference found[DIFFERENCES];
    uint64_t size = store_image_size(making->store, making->image), offset = 0;

    while (offset < size) {
        int n = store_compare(making->store, base, making->image, size - offset, offset, found,
                              DIFFERENCES);
        int r = n < 0 ? n : varve_progress("manifest", "bytes", 0, 0);

        for (int i = 0; r == 0 && i < n; i++) {
            const struct range range = {found[i].offset, found[i].offset + found[i].length};

            if (found[i].what != STORE_SAME)
                r = rows_add(&making->changed, &range);
        }
        if (r != 0)
            return r;
        offset = found[n - 1].offset + found[n - 1].length;
    }
    return 0;
}

static bool is_shared(const struct making *making, const struct piece *piece)
{
    size_t low = 0, high = making->changed.count;

    while (low < high) { /* the first range that ends behind the piece's start */
        size_t middle = low + (high - low) / 2;
        const struct range *range = rows_at(&making->changed, middle);

        if (range->end <= piece->physical)
            low = middle + 1;
        else
            high = middle;
    }
    return low == making->changed.count ||
           ((const struct range *)rows_at(&making->changed, low))->first >=
               piece->physical + piece->length;
}

/* Moves on in the manifest before to the line's path. Where that is damaged, it is of no more use.
 */
static bool is_known(struct making *making)
{
    const struct manifest_line *line = &making->line, *old;
    int order = 1;

    while (making->old != NULL &&
           (order = manifest_path_compare(making->old->path, line->path)) < 0)
        if (manifest_next(making->before, &making->old) != 0)
            making->old = NULL;
    old = making->old;
    if (old == NULL || order != 0 || making->inlined || old->type != 'f' ||
        old->digest[0] == '\0' || old->inode != line->inode ||
        old->generation != line->generation || old->size != line->size ||
        old->mtime != line->mtime || old->mtime_nanoseconds != line->mtime_nanoseconds ||
        old->ctime != line->ctime || old->ctime_nanoseconds != line->ctime_nanoseconds)
        return false;
    for (size_t i = 0; i < making->pieces.count; i++)
        if (!is_shared(making, rows_at(&making->pieces, i)))
            return false;
    return true;
}

/* --- the walk -------------------------------------------------------------------------------- */

static char type_of(uint32_t mode)
{
    return S_ISREG(mode)    ? 'f'
           : S_ISDIR(mode)  ? 'd'
           : S_ISLNK(mode)  ? 'l'
           : S_ISBLK(mode)  ? 'b'
           : S_ISCHR(mode)  ? 'c'
           : S_ISFIFO(mode) ? 'p'
                            : 's';
}

static int on_file(void *opaque, const struct varve_file *file, const struct contents_stamp *stamp)
{
    struct making *making = opaque;
    struct manifest_line *line = &making->line;

    line->type = type_of(file->mode);
    line->mode = file->mode & 07777;
    line->uid = file->uid;
    line->gid = file->gid;
    line->inode = file->inode;
    line->generation = stamp->generation;
    line->size = file->size;
    line->mtime = file->mtime;
    line->mtime_nanoseconds = file->mtime_nanoseconds;
    line->ctime = stamp->ctime;
    line->ctime_nanoseconds = stamp->ctime_nanoseconds;
    line->digest[0] = line->target[0] = '\0';
    (void)snprintf(line->path, sizeof line->path, "%s", file->path);
    if (file->target != NULL)
        (void)snprintf(line->target, sizeof line->target, "%s", file->target);
    else if (line->type == 'b' || line->type == 'c')
        (void)snprintf(line->target, sizeof line->target, "%u:%u", stamp->device_major,
                       stamp->device_minor);
    making->pieces.count = 0;
    making->inlined = false;
    return 0;
}

static int on_run(void *opaque, uint64_t logical, uint64_t physical, uint64_t length)
{
    struct making *making = opaque;
    const struct piece piece = {logical, physical, length};

    return rows_add(&making->pieces, &piece);
}

static int on_bytes(void *opaque, const void *bytes, size_t length)
{
    struct making *making = opaque;

    memcpy(making->leaf, bytes, length);
    making->inlined = true;
    return 0;
}

static int on_end(void *opaque)
{
    struct making *making = opaque;
    struct digest digest;
    int r = 0;

    if (making->line.type == 'f' && is_known(making)) {
        memcpy(making->line.digest, making->old->digest, sizeof making->line.digest);
    } else if (making->line.type == 'f') {
        r = making->line.size <= DIGEST_LEAF ? hash_small(making, &digest)
                                             : hash_large(making, &digest);
        if (r == 0)
            digest_print(&digest, making->line.digest);
    }
    if (r == 0)
        r = making->failed = write_line(making);
    return r;
}

static int read_image(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    struct making *making = opaque;
    int r = store_read(making->store, making->image, buffer, length, offset);

    if (r != 0)
        making->failed = r;
    return r;
}

static int refuse_write(void *opaque, const void *buffer, size_t length, uint64_t offset)
{
    (void)opaque, (void)buffer, (void)length, (void)offset;
    return varve_fail(EPERM, "a version that is committed does not change");
}

static int refuse_zero(void *opaque, uint64_t length, uint64_t offset)
{
    return refuse_write(opaque, NULL, (size_t)length, offset);
}

static int make(struct making *making, const char *what, uint64_t number, bool *ret_made)
{
    const struct files_target target = {.read = read_image,
                                        .write = refuse_write,
                                        .zero = refuse_zero,
                                        .opaque = making,
                                        .size = store_image_size(making->store, making->image)};
    const struct contents_visitor visitor = {making, on_file, on_run, on_bytes, on_end};
    int r;

    making->fill = sizeof MANIFEST_HEAD - 1;
    memcpy(making->text, MANIFEST_HEAD, making->fill);
    r = contents_walk(&target, what, &visitor);
    *ret_made = r == 0;
    if (r == 0)
        return finish(making, number);
    return making->failed != 0 || r == -ECANCELED || r == -ENOMEM ? r : 0;
}

int manifest_make(struct store *store, struct store_image *image, const char *what,
                  struct store_image *base, uint64_t base_manifest, uint64_t manifest,
                  uint64_t *ret_files, bool *ret_made)
{
    struct making making = {.store = store,
                            .image = image,
                            .changed = {.size = sizeof(struct range)},
                            .pieces = {.size = sizeof(struct piece)}};
    int r = store_image_resize(store, manifest, MANIFEST_SIZE_MAX);

    making.text = malloc(BUFFER);
    making.leaf = malloc(DIGEST_LEAF);
    if (r == 0 && (making.text == NULL || making.leaf == NULL))
        r = varve_no_memory("a list of files");
    if (r == 0)
        r = store_image_open(store, manifest, &making.manifest);
    if (r == 0 && base != NULL && base_manifest != 0) {
        r = find_changes(&making, base);
        /* a damaged one is of no use, and no harm */
        if (r == 0 && manifest_open(store, base_manifest, &making.before) == 0 &&
            manifest_next(making.before, &making.old) != 0)
            making.old = NULL;
    }
    if (r == 0)
        r = make(&making, what, manifest, ret_made);
    if (r == 0)
        *ret_files = making.files;
    manifest_close(making.before);
    if (making.manifest != NULL)
        store_image_close(store, making.manifest);
    free(making.changed.rows);
    free(making.pieces.rows);
    free(making.text);
    free(making.leaf);
    return r;
}
