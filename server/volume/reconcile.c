/*
 * Store and catalog are changed one after the other, and a crash may fall between. Which of the two
 * is right follows from the order in which they are changed, and from the image's label
 * (image_label.h).
 *
 *   image, no row, "new"       a crash while creating: undone. In a catalog that had to be made
 * anew: named, since it may have been named before image, no row, "deleted"   a crash while
 * deleting: finished image, no row, "volume"    the catalog is older than the store, or lost: the
 * image gets its name back image, no row, else        not ours to judge: left alone, and said
 *   image, row, other label    a crash while renaming or deleting: the row holds
 *   row, no image              damage: said, and the volume is listed as damaged
 *
 * Read-only, the same in memory: nothing in the store is changed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

#include "volume/image_label.h"
#include "volume/served_store.h"

static int open_catalog(struct varve *varve, struct catalog **ret_catalog, bool *ret_made)
{
    struct store_image_info first;
    unsigned flags = varve->read_only ? CATALOG_READ_ONLY : 0;
    int r = catalog_open(varve->catalog_path, flags, ret_catalog);

    *ret_made = false;
    if (r != -ENOENT)
        return r;
    *ret_made = true;
    r = store_image_next(varve->store, 0, &first);
    if (r != 0 && r != -ENOENT)
        return r;
    if (r == 0)
        note(varve,
             "catalog '%s' was missing: the names of volumes are rebuilt from the store; their "
             "history is lost",
             varve->catalog_path);
    if (varve->read_only)
        return catalog_open_memory(ret_catalog);
    r = catalog_create(varve->catalog_path);
    return r == 0 ? catalog_open(varve->catalog_path, 0, ret_catalog) : r;
}

static int check_row(struct varve *varve, const struct catalog_volume *row)
{
    const struct image_label words = label_of_volume(row->name, row->shared);
    char label[IMAGE_LABEL_SIZE];
    struct store_image_info info;
    int r = store_image_stat(varve->store, row->image, &info);

    if (r == -ENOENT) {
        note(varve,
             "volume '%s' is damaged: the catalog gives it image %" PRIu64
             ", which the store does not have; delete the volume, or put the right catalog back",
             row->name, row->image);
        return 0;
    }
    image_label_format(LABEL_LIVE, &words, label);
    if (r != 0 || varve->read_only || strcmp(label, info.label) == 0)
        return r;
    return store_image_set_label(varve->store, row->image, label);
}

static int check_rows(struct varve *varve, struct catalog *catalog)
{
    struct catalog_volume row = {.name = ""};
    int r;

    while ((r = catalog_volume_next(catalog, row.name, &row)) == 0) {
        r = check_row(varve, &row);
        if (r != 0)
            return r;
    }
    return r == -ENOENT ? 0 : r;
}

/* Gives an image the name in its label, or one like it when that is taken. */
static int adopt(struct varve *varve, struct catalog *catalog, const struct store_image_info *info,
                 const struct image_label *label)
{
    enum { ATTEMPTS_MAX = 1000 };
    struct catalog_volume row = {.image = info->image,
                                 .created = (int64_t)time(NULL),
                                 .shared = label->shared,
                                 .reserved = (info->flags & STORE_IMAGE_RESERVED) != 0};
    const struct catalog_change change = {"varve", "named again, from the label in the store"};
    struct image_label words;
    char text[IMAGE_LABEL_SIZE];
    int r;

    snprintf(row.name, sizeof row.name, "%s", label->name);
    r = catalog_volume_insert(catalog, &row, &change);
    for (int attempt = 1; r == -EEXIST && attempt <= ATTEMPTS_MAX; attempt++) {
        snprintf(row.name, sizeof row.name, "image-%" PRIu64 "-%d", info->image, attempt);
        r = catalog_volume_insert(catalog, &row, &change);
    }
    if (r != 0)
        return r;
    note(varve,
         "volume '%s' was not in the catalog: named again from the store (image %" PRIu64 ")",
         row.name, info->image);
    if (varve->read_only)
        return 0;
    words = label_of_volume(row.name, row.shared);
    image_label_format(LABEL_LIVE, &words, text);
    return store_image_set_label(varve->store, info->image, text);
}

static int check_unnamed(struct varve *varve, struct catalog *catalog, bool made,
                         const struct store_image_info *info)
{
    struct image_label label;
    enum label_state state;

    if (!image_label_parse(info->label, &state, &label) || label.kind != LABEL_VOLUME) {
        note(varve,
             "image %" PRIu64 " has no name in the catalog and a label that this version of varve "
             "does not know; it is left alone",
             info->image);
        return 0;
    }
    if (state == LABEL_LIVE || (state == LABEL_NEW && made))
        return adopt(varve, catalog, info, &label);
    return varve->read_only ? 0 : store_image_delete(varve->store, info->image);
}

static int check_images(struct varve *varve, struct catalog *catalog, bool made)
{
    struct store_image_info info = {.image = 0};
    int r;

    while ((r = store_image_next(varve->store, info.image, &info)) == 0) {
        bool named = false;

        r = catalog_image_is_named(catalog, info.image, &named);
        if (r == 0 && !named)
            r = check_unnamed(varve, catalog, made, &info);
        if (r != 0)
            return r;
    }
    return r == -ENOENT ? 0 : r;
}

int reconcile(struct varve *varve)
{
    struct catalog *catalog = NULL;
    bool made = false;
    int r = open_catalog(varve, &catalog, &made);

    if (r == 0)
        r = check_rows(varve, catalog);
    if (r == 0)
        r = check_images(varve, catalog, made);
    if (r == 0 && varve->read_only)
        varve->catalog = catalog;
    else
        catalog_close(catalog);
    return r;
}
