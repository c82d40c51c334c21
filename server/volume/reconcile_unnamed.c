/*
 * Images that no row names: those that a crash left are deleted, all others get a row again. The
 * kinds go one after another: a snapshot is called after its volume, digests and lists of files
 * belong to their version.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

#include "catalog/catalog_group.h"
#include "catalog/catalog_snapshots.h"
#include "volume/reconcile.h"
#include "volume/tree_head.h"

enum { ATTEMPTS_MAX = 1000 };

static const struct catalog_change change = {"varve", "named again, from the label in the store"};

/* What a committed version has for a digest when the image of its digests does not say it. */
static const char digest_unknown[] =
    "0000000000000000000000000000000000000000000000000000000000000000";

static bool is_alive(const struct reconciliation *all, const struct unnamed_image *image)
{
    return image->state == LABEL_LIVE || (image->state == LABEL_NEW && all->made);
}

static int relabel(struct reconciliation *all, const struct unnamed_image *image,
                   const struct image_label *label)
{
    char text[IMAGE_LABEL_SIZE];

    if (all->varve->read_only)
        return 0;
    image_label_format(LABEL_LIVE, label, text);
    if (strcmp(text, image->info.label) == 0)
        return 0;
    return store_image_set_label(all->varve->store, image->info.image, text);
}

/* The name in the label, or one like it when that is taken. */
static void name_attempt(const struct unnamed_image *image, int attempt,
                         char name[CATALOG_NAME_MAX + 1])
{
    if (attempt == 0)
        snprintf(name, CATALOG_NAME_MAX + 1, "%s", image->label.name);
    else
        snprintf(name, CATALOG_NAME_MAX + 1, "image-%" PRIu64 "-%d", image->info.image, attempt);
}

static int adopt_volume(struct reconciliation *all, const struct unnamed_image *image)
{
    struct catalog_volume row = {.image = image->info.image,
                                 .created = (int64_t)time(NULL),
                                 .shared = image->label.shared,
                                 .reserved = (image->info.flags & STORE_IMAGE_RESERVED) != 0};
    struct image_label label;
    int r = -EEXIST;

    for (int attempt = 0; r == -EEXIST && attempt <= ATTEMPTS_MAX; attempt++) {
        name_attempt(image, attempt, row.name);
        r = catalog_volume_insert(all->catalog, &row, &change);
    }
    if (r != 0)
        return r;
    note(all->varve,
         "volume '%s' was not in the catalog: named again from the store (image %" PRIu64 ")",
         row.name, row.image);
    label = label_of_volume(row.name, row.shared);
    return relabel(all, image, &label);
}

/* The volume of a snapshot is called as its head is; when that is gone, as other snapshots of it
 * are; and else after the head's number. */
static int find_volume(struct reconciliation *all, uint64_t head, char name[CATALOG_NAME_MAX + 1])
{
    struct catalog_image row;
    int r = catalog_image_find(all->catalog, head, &row);

    if (r == 0 && row.kind == CATALOG_IMAGE_VOLUME) {
        snprintf(name, CATALOG_NAME_MAX + 1, "%s", row.name);
        return 0;
    }
    if (r != 0 && r != -ENOENT)
        return r;
    for (size_t i = 0; i < all->row_count; i++) {
        if (all->rows[i].kind == CATALOG_IMAGE_SNAPSHOT && all->rows[i].head == head) {
            snprintf(name, CATALOG_NAME_MAX + 1, "%.*s", (int)strcspn(all->rows[i].ref, "@"),
                     all->rows[i].ref);
            return 0;
        }
    }
    snprintf(name, CATALOG_NAME_MAX + 1, "image-%" PRIu64, head);
    return 0;
}

static int adopt_snapshot(struct reconciliation *all, const struct unnamed_image *image)
{
    struct catalog_snapshot row = {.image = image->info.image,
                                   .head = image->label.head,
                                   .created = (int64_t)time(NULL),
                                   .who = "varve"};
    struct image_label label = image->label;
    int r = find_volume(all, row.head, row.volume);

    if (r == 0)
        r = -EEXIST;
    for (int attempt = 0; r == -EEXIST && attempt <= ATTEMPTS_MAX; attempt++) {
        name_attempt(image, attempt, row.name);
        r = catalog_snapshots_insert(all->catalog, &row, 1, NULL, &change);
    }
    if (r != 0)
        return r;
    note(all->varve,
         "snapshot '%s@%s' was not in the catalog: named again from the store (image %" PRIu64
         "); its message is lost",
         row.volume, row.name, row.image);
    snprintf(label.name, sizeof label.name, "%s", row.name);
    return relabel(all, image, &label);
}

static int compare_parts(const void *a, const void *b)
{
    const struct image_label *left = &(*(struct unnamed_image *const *)a)->label;
    const struct image_label *right = &(*(struct unnamed_image *const *)b)->label;
    int r = strcmp(left->dataset, right->dataset);

    if (r == 0)
        r = strcmp(left->version, right->version);
    return r != 0 ? r : (left->kind > right->kind) - (left->kind < right->kind);
}

/* Digests and lists of files, so that those of a version are found without looking at all. */
static int sort_parts(struct reconciliation *all)
{
    if (all->unnamed_count == 0)
        return 0;
    all->parts = calloc(all->unnamed_count, sizeof(all->parts[0]));
    if (all->parts == NULL)
        return varve_no_memory("images without names");
    for (size_t i = 0; i < all->unnamed_count; i++) {
        struct unnamed_image *part = &all->unnamed[i];

        if ((part->label.kind == LABEL_TREE || part->label.kind == LABEL_MANIFEST) &&
            is_alive(all, part))
            all->parts[all->part_count++] = part;
    }
    qsort(all->parts, all->part_count, sizeof(all->parts[0]), compare_parts);
    return 0;
}

/* The version's digests or list of files among the unnamed; NULL without one. */
static struct unnamed_image *part_of(struct reconciliation *all, const struct image_label *version,
                                     enum label_kind kind)
{
    struct unnamed_image wanted = {.label = *version};
    struct unnamed_image *key = &wanted, **found;

    wanted.label.kind = kind;
    found = all->part_count == 0
                ? NULL
                : bsearch(&key, all->parts, all->part_count, sizeof(all->parts[0]), compare_parts);
    return found == NULL ? NULL : *found;
}

static int relabel_part(struct reconciliation *all, struct unnamed_image *part)
{
    return part == NULL ? 0 : relabel(all, part, &part->label);
}

/* *ret_known false: there is no such image, or it is damaged, or of a construction that this
 * version of varve does not know. Its checksums vouch for the rest: it was frozen before the row.
 */
static int find_digest(struct reconciliation *all, const struct unnamed_image *version,
                       const struct unnamed_image *tree, char text[CATALOG_DIGEST_TEXT + 1],
                       bool *ret_known)
{
    struct store *store = all->varve->store;
    struct store_image *image = NULL;
    uint8_t bytes[TREE_HEAD_SIZE] = {0};
    struct tree_head head;
    int r = 0;

    *ret_known = false;
    memcpy(text, digest_unknown, sizeof digest_unknown);
    if (tree == NULL || tree->info.size < sizeof bytes)
        return 0;
    r = store_image_open(store, tree->info.image, &image);
    if (r == 0)
        r = store_read(store, image, bytes, sizeof bytes, 0);
    store_image_close(store, image);
    if (r == -ENOMEM)
        return r;
    *ret_known = r == 0 && tree_head_decode(bytes, &head) && head.size == version->info.size;
    for (size_t i = 0; *ret_known && i < sizeof head.digest; i++)
        snprintf(text + 2 * i, 3, "%02x", head.digest[i]);
    return 0;
}

static int adopt_version(struct reconciliation *all, const struct unnamed_image *image)
{
    const struct image_label *label = &image->label;
    struct unnamed_image *tree = NULL, *manifest = NULL;
    struct catalog_version row = {
        .image = image->info.image, .created = (int64_t)time(NULL), .who = "varve"};
    bool known = true;
    int r = 0;

    snprintf(row.dataset, sizeof row.dataset, "%s", label->dataset);
    snprintf(row.id, sizeof row.id, "%s", label->version);
    if (label->number != 0) {
        tree = part_of(all, label, LABEL_TREE);
        manifest = part_of(all, label, LABEL_MANIFEST);
        row.sequence = (int64_t)label->number;
        row.committed = row.created;
        snprintf(row.committer, sizeof row.committer, "varve");
        r = find_digest(all, image, tree, row.digest, &known);
        snprintf(row.class, sizeof row.class, "unknown");
        row.tree_image = tree != NULL ? tree->info.image : 0;
        row.manifest_image = manifest != NULL ? manifest->info.image : 0;
    }
    if (r == 0)
        r = catalog_version_adopt(all->catalog, &row, &change);
    if (r == -EEXIST) {
        note(all->varve,
             "image %" PRIu64 " says that it is version %s of dataset %s, and so does another; it "
             "is left alone",
             row.image, row.id, row.dataset);
        return 0;
    }
    if (r != 0)
        return r;
    note(all->varve,
         "version %s of dataset %s was not in the catalog: named again from the store (image "
         "%" PRIu64 "); its message is lost%s",
         row.id, row.dataset, row.image,
         known ? ""
               : ", and its digest too, because the image with its digests is lost or damaged: "
                 "'varve datasets versions verify' computes it");
    r = relabel_part(all, tree);
    if (r == 0)
        r = relabel_part(all, manifest);
    return r == 0 ? relabel(all, image, label) : r;
}

static int adopt_kind(struct reconciliation *all, enum label_kind kind,
                      int (*adopt)(struct reconciliation *all, const struct unnamed_image *image))
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < all->unnamed_count; i++)
        if (all->unnamed[i].label.kind == kind && is_alive(all, &all->unnamed[i]))
            r = adopt(all, &all->unnamed[i]);
    return r;
}

/* What a crash left, and parts that no version took. Live parts without a version are left alone:
 * only a label that says so makes an image one to delete. */
static int settle_rest(struct reconciliation *all, const struct unnamed_image *image)
{
    bool is_part = image->label.kind == LABEL_TREE || image->label.kind == LABEL_MANIFEST;
    bool named = false;
    int r = catalog_image_is_named(all->catalog, image->info.image, &named);

    if (r != 0 || named)
        return r;
    if (image->state == LABEL_LIVE) {
        if (is_part)
            note(all->varve,
                 "image %" PRIu64 " (\"%s\") belongs to no version that the catalog knows; it is "
                 "left alone",
                 image->info.image, image->info.label);
        return 0;
    }
    return all->varve->read_only ? 0 : store_image_delete(all->varve->store, image->info.image);
}

/* In one transaction: a catalog that is lost has as many rows as the store has images, and each of
 * its own would wait for the disk. Labels that are set meanwhile say what a second try would say.
 */
static int adopt_all(struct reconciliation *all)
{
    int r = all->unnamed_count == 0 ? 0 : catalog_group_begin(all->catalog);

    if (r != 0 || all->unnamed_count == 0)
        return r;
    r = adopt_kind(all, LABEL_VOLUME, adopt_volume);
    if (r == 0)
        r = adopt_kind(all, LABEL_SNAPSHOT, adopt_snapshot);
    if (r == 0)
        r = adopt_kind(all, LABEL_VERSION, adopt_version);
    return catalog_group_end(all->catalog, r);
}

int reconcile_unnamed(struct reconciliation *all)
{
    int r = sort_parts(all);

    if (r == 0)
        r = adopt_all(all);
    free(all->parts);
    all->parts = NULL;
    for (size_t i = 0; r == 0 && i < all->unnamed_count; i++)
        r = settle_rest(all, &all->unnamed[i]);
    return r;
}
