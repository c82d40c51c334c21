/*
 * Reading a committed version again: first whether the digests of its leaves are what the catalog's
 * digest was made of, then each leaf beside its digest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/commit.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "base/block.h"
#include "dataset/content_digest.h"
#include "dataset/dataset_ref.h"
#include "volume/served_store.h"

struct verify {
    struct varve *varve;
    struct store *store;
    struct catalog_version row;
    struct seat seat;
    struct tree_image *tree; /* NULL: not sound */
    struct digest_shape shape;
    struct digest_fold found;
    bool all_read;
    uint8_t *buffer;
    varve_damage_visit visit;
    void *opaque;
    struct varve_damage pending; /* length 0: none */
    struct varve_verification result;
};

/* --- damage ---------------------------------------------------------------------------------- */

static int tell_pending(struct verify *verify)
{
    struct varve_damage damage = verify->pending;

    verify->pending.length = 0;
    if (damage.length == 0)
        return 0;
    verify->result.damages++;
    verify->result.damaged += damage.length;
    return verify->visit != NULL ? verify->visit(verify->opaque, &damage) : 0;
}

/* Neighbours of one kind are one. */
static int damaged(struct verify *verify, uint64_t offset, uint64_t length,
                   enum varve_damage_kind kind)
{
    struct varve_damage *pending = &verify->pending;
    int r = 0;

    if (pending->length > 0 && pending->kind == kind &&
        pending->offset + pending->length == offset) {
        pending->length += length;
        return 0;
    }
    r = tell_pending(verify);
    *pending = (struct varve_damage){offset, length, kind};
    return r;
}

/* Which blocks of a leaf that cannot be read are the ones. */
static int find_unreadable(struct verify *verify, uint64_t leaf)
{
    uint64_t offset = leaf << DIGEST_LEAF_SHIFT;
    uint64_t end = offset + digest_leaf_length(&verify->shape, leaf);
    int r = 0;

    verify->all_read = false;
    for (; r == 0 && offset < end; offset += BLOCK_SIZE) {
        size_t length = (size_t)min_u64(BLOCK_SIZE, end - offset);

        r = store_read(verify->store, verify->seat.image, verify->buffer, length, offset);
        if (r == -EIO)
            r = damaged(verify, offset, length, VARVE_DAMAGE_UNREADABLE);
    }
    return r;
}

/* --- the tree -------------------------------------------------------------------------------- */

static int fold_tree(struct verify *verify, struct digest_fold *fold)
{
    int r = 0;

    digest_fold_begin(fold, &verify->shape);
    while (r == 0 && fold->done < verify->shape.leaves) {
        struct digest digest = {{0}};
        uint64_t next = 0;

        r = varve_progress("list of digests", "leaves", fold->done, verify->shape.leaves);
        if (r == 0)
            r = tree_image_next(verify->tree, fold->done, &next);
        if (r == 0 && next > fold->done)
            r = digest_fold_zeroes(fold, next - fold->done);
        if (r != 0 || fold->done == verify->shape.leaves)
            break;
        r = tree_image_get(verify->tree, 0, fold->done, &digest);
        if (r == 0)
            r = digest_fold_leaf(fold, &digest);
    }
    return r;
}

static int judge_tree(struct verify *verify, bool *ret_sound)
{
    struct digest_fold fold;
    struct digest digest = {{0}};
    char text[DIGEST_TEXT + 1];
    int r = tree_image_is_of(verify->tree, verify->row.digest, ret_sound);

    if (r != 0 || !*ret_sound)
        return r;
    r = fold_tree(verify, &fold);
    if (r == 0)
        r = digest_fold_end(&fold, &digest);
    digest_print(&digest, text);
    *ret_sound = r == 0 && strcmp(text, verify->row.digest) == 0;
    return r;
}

/* Opens the tree when it is sound. */
static int open_tree(struct verify *verify)
{
    bool sound = false;
    int r = tree_image_open(verify->store, verify->row.tree_image, &verify->shape, &verify->tree);

    if (r == 0)
        r = judge_tree(verify, &sound);
    if (r != 0 && r != -EIO && r != -ENOENT)
        return r;
    if (!sound) {
        tree_image_close(verify->tree);
        verify->tree = NULL;
        verify->result.record_damaged = true;
    }
    return 0;
}

/* --- the content ----------------------------------------------------------------------------- */

static int verify_leaf(struct verify *verify, uint64_t leaf)
{
    struct digest found, wanted = {{0}};
    uint64_t length = digest_leaf_length(&verify->shape, leaf);
    bool was_read = false;
    int r = content_leaf(verify->store, verify->seat.image, &verify->shape, leaf, verify->buffer,
                         &found, &was_read);

    verify->result.read += was_read ? length : 0;
    if (r == -EIO) {
        r = find_unreadable(verify, leaf);
        return r == 0 ? digest_fold_zeroes(&verify->found, 1) : r;
    }
    if (r == 0)
        r = digest_fold_leaf(&verify->found, &found);
    if (r == 0 && verify->tree != NULL)
        r = tree_image_get(verify->tree, 0, leaf, &wanted);
    if (r == 0 && verify->tree != NULL && !digest_equal(&found, &wanted))
        r = damaged(verify, leaf << DIGEST_LEAF_SHIFT, length, VARVE_DAMAGE_DIFFERS);
    return r;
}

/* Where both the content and its digests are holes there is nothing to do. */
static int verify_content(struct verify *verify)
{
    const struct digest_shape *shape = &verify->shape;
    int r = 0;

    digest_fold_begin(&verify->found, shape);
    while (r == 0 && verify->found.done < shape->leaves) {
        uint64_t leaf = verify->found.done, data = 0, digest = shape->leaves;

        r = varve_progress("verify", "bytes", leaf << DIGEST_LEAF_SHIFT, shape->size);
        if (r == 0)
            r = content_next(verify->store, verify->seat.image, shape, leaf, &data);
        if (r == 0 && verify->tree != NULL)
            r = tree_image_next(verify->tree, leaf, &digest);
        data = min_u64(data, digest);
        if (r == 0)
            r = data > leaf ? digest_fold_zeroes(&verify->found, data - leaf)
                            : verify_leaf(verify, leaf);
    }
    return r == 0 ? tell_pending(verify) : r;
}

static int begin(struct verify *verify, const char *ref)
{
    struct catalog *catalog;
    int r = names_enter(verify->varve, &catalog);

    if (r != 0)
        return r;
    r = version_find_locked(catalog, ref, &verify->row);
    if (r == 0 && verify->row.sequence == 0)
        r = varve_fail(EINVAL,
                       "version '%s' is not committed, so it has no digest to be compared with; "
                       "commit it first ('varve datasets versions commit')",
                       verify->row.ref);
    if (r == 0)
        r = version_seat_locked(verify->varve, &verify->row, "varve verify", &verify->seat);
    names_leave(verify->varve);
    return r;
}

/* Reads the whole content. With its tree lost, nothing says which construction it has: `found` is
 * then of the one that the shape has. */
static int read_all(struct verify *verify)
{
    struct digest digest = {{0}};
    int r = verify_content(verify);

    if (r == 0)
        r = digest_fold_end(&verify->found, &digest);
    if (r == 0 && verify->all_read)
        digest_print(&digest, verify->result.found);
    return r;
}

static bool is_found(const struct verify *verify)
{
    return verify->all_read && strcmp(verify->result.found, verify->row.digest) == 0;
}

/* A version whose tree is not sound may have been made by the older construction. */
static int try_flat(struct verify *verify)
{
    char found[DIGEST_TEXT + 1];
    int r = digest_shape_of(DIGEST_FLAT, verify->shape.size, &verify->shape);

    memcpy(found, verify->result.found, sizeof found);
    if (r == 0)
        r = read_all(verify);
    if (r == 0 && !is_found(verify))
        memcpy(verify->result.found, found, sizeof found);
    return r;
}

static int run(struct verify *verify)
{
    enum digest_construction construction = 0;
    int r = tree_image_construction(verify->store, verify->row.tree_image, &construction);

    if (r == 0 || r == -EIO || r == -ENOENT)
        r = digest_shape_of(construction == 0 ? DIGEST_BLOCKS : construction,
                            store_image_size(verify->store, verify->seat.image), &verify->shape);
    verify->buffer = malloc(DIGEST_LEAF);
    if (r == 0 && verify->buffer == NULL)
        r = varve_no_memory("a version's content");
    if (r == 0)
        r = open_tree(verify);
    if (r == 0)
        r = read_all(verify);
    if (r == 0 && verify->tree == NULL && verify->all_read && !is_found(verify))
        r = try_flat(verify);
    tree_image_close(verify->tree);
    free(verify->buffer);
    return r;
}

int varve_version_verify(struct varve *varve, const char *ref, varve_damage_visit visit,
                         void *opaque, struct varve_verification *ret_verification)
{
    struct verify verify = {
        .varve = varve, .store = varve->store, .all_read = true, .visit = visit, .opaque = opaque};
    struct varve_verification *result = &verify.result;
    int r = begin(&verify, ref);

    if (r != 0)
        return r;
    varve_operation_describe("verification of %s", verify.row.ref);
    r = run(&verify);
    seat_leave(varve->attachments, &verify.seat);
    if (r != 0)
        return r;
    snprintf(result->ref, sizeof result->ref, "%s", verify.row.ref);
    snprintf(result->digest, sizeof result->digest, "%s", verify.row.digest);
    result->size = verify.shape.size;
    result->sound = is_found(&verify);
    *ret_verification = *result;
    return 0;
}
