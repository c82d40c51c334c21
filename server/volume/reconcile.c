/*
 * Store and catalog are changed one after the other, and a crash may fall between. Which of the two
 * is right follows from the order in which they are changed, and from the image's label
 * (image_label.h), for images of all kinds:
 *
 *   image, no row, "new"       a crash while creating: undone. In a catalog that had to be made
 *                              anew: named, since it may have been named before
 *   image, no row, "deleted"   a crash while deleting: finished
 *   image, no row, live        the catalog is older than the store, or lost: the image gets its
 *                              name back (reconcile_unnamed.c)
 *   image, no row, else        not ours to judge: left alone, and said
 *   image, row, other label    a crash while renaming, committing or deleting: the row holds
 *   row, no image              damage: said, and listed as damaged
 *   an announced change        a crash while the store was changed: its line of the history stays
 *                              if the image shows that it was made (announce.h)
 *
 * Both sides are read once, in the order of images: 10,000 of them take some megabytes and less
 * than a second. Read-only, the same in memory: nothing in the store is changed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "volume/announce.h"
#include "volume/catalog_copy.h"
#include "volume/reconcile.h"
#include "volume/rows.h"

static struct image_label label_of_row(const struct catalog_image *row)
{
    static const enum label_kind kinds[] = {[CATALOG_IMAGE_VOLUME] = LABEL_VOLUME,
                                            [CATALOG_IMAGE_SNAPSHOT] = LABEL_SNAPSHOT,
                                            [CATALOG_IMAGE_VERSION] = LABEL_VERSION,
                                            [CATALOG_IMAGE_TREE] = LABEL_TREE,
                                            [CATALOG_IMAGE_MANIFEST] = LABEL_MANIFEST};
    struct image_label label = {.kind = kinds[row->kind],
                                .shared = row->shared,
                                .head = row->head,
                                .number = row->sequence};

    snprintf(label.name, sizeof label.name, "%s", row->name);
    snprintf(label.dataset, sizeof label.dataset, "%s", row->dataset);
    snprintf(label.version, sizeof label.version, "%s", row->version);
    return label;
}

static void say_missing(struct varve *varve, const struct catalog_image *row)
{
    static const char *const kinds[] = {[CATALOG_IMAGE_VOLUME] = "volume",
                                        [CATALOG_IMAGE_SNAPSHOT] = "snapshot",
                                        [CATALOG_IMAGE_VERSION] = "version",
                                        [CATALOG_IMAGE_TREE] = "digests of version",
                                        [CATALOG_IMAGE_MANIFEST] = "list of files of version"};

    note(varve,
         "%s '%s' is damaged: the catalog gives it image %" PRIu64
         ", which the store does not have; delete it, or put the right catalog back",
         kinds[row->kind], row->ref, row->image);
}

static int check_label(struct varve *varve, const struct catalog_image *row,
                       const struct store_image_info *info)
{
    const struct image_label words = label_of_row(row);
    char label[IMAGE_LABEL_SIZE];

    image_label_format(LABEL_LIVE, &words, label);
    if (varve->read_only || strcmp(label, info->label) == 0)
        return 0;
    return store_image_set_label(varve->store, row->image, label);
}

/* A commit that did not reach its row is taken back: the version can be written again. A label with
 * a sequence number says that it did reach it, in a catalog that is newer than this one: then it
 * stays frozen. */
static int check_named(struct varve *varve, const struct catalog_image *row,
                       const struct store_image_info *info)
{
    struct image_label label;
    enum label_state state;
    int r;

    if (row->kind != CATALOG_IMAGE_VERSION || row->sequence != 0 || varve->read_only ||
        (info->flags & STORE_IMAGE_FROZEN) == 0)
        return check_label(varve, row, info);
    if (image_label_parse(info->label, &state, &label) && label.number != 0) {
        note(varve,
             "version '%s' was committed, and the catalog does not say so: it is older than the "
             "store; the version stays frozen",
             row->ref);
        return 0;
    }
    r = store_image_change_flags(varve->store, row->image, 0, STORE_IMAGE_FROZEN);
    return r == 0 ? check_label(varve, row, info) : r;
}

static int add_unnamed(struct varve *varve, const struct store_image_info *info,
                       struct rows *unnamed)
{
    struct unnamed_image image = {.info = *info};

    if (image_label_parse(info->label, &image.state, &image.label))
        return rows_add(unnamed, &image);
    note(varve,
         "image %" PRIu64 " has no name in the catalog and a label that this version of varve "
         "does not know; it is left alone",
         info->image);
    return 0;
}

/* Both lists side by side, in the order of images. */
static int compare(struct reconciliation *all, struct rows *unnamed)
{
    struct store_image_info info = {.image = 0};
    const struct catalog_image *row = all->rows, *end = all->rows + all->row_count;
    int r;

    while ((r = store_image_next(all->varve->store, info.image, &info)) == 0) {
        for (; row != end && row->image < info.image; row++)
            say_missing(all->varve, row);
        if (row != end && row->image == info.image)
            r = check_named(all->varve, row++, &info);
        else
            r = add_unnamed(all->varve, &info, unnamed);
        if (r != 0)
            return r;
    }
    for (; r == -ENOENT && row != end; row++)
        say_missing(all->varve, row);
    return r == -ENOENT ? 0 : r;
}

static int compare_and_settle(struct reconciliation *all)
{
    struct rows unnamed = {.size = sizeof(struct unnamed_image)};
    struct catalog_image *rows = NULL;
    int r = catalog_images_read(all->catalog, &rows, &all->row_count);

    all->rows = rows;
    if (r == 0)
        r = compare(all, &unnamed);
    all->unnamed = unnamed.rows;
    all->unnamed_count = unnamed.count;
    if (r == 0)
        r = reconcile_unnamed(all);
    free(unnamed.rows);
    free(rows);
    return r;
}

int reconcile(struct varve *varve)
{
    struct reconciliation all = {.varve = varve};
    int r = catalog_copy_load(varve, &varve->copy);

    if (r == 0)
        r = catalog_restore(varve, &all.catalog, &all.made);
    if (r == 0) /* before what it compares with is deleted */
        r = announcement_judge(varve, all.catalog);
    if (r == 0)
        r = compare_and_settle(&all);
    if (r == 0 && !varve->read_only)
        catalog_copy_follow(varve, all.catalog);
    if (r == 0 && varve->read_only)
        varve->catalog = all.catalog;
    else
        catalog_close(all.catalog);
    return r;
}
