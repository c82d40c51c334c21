#include "volume/usage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "volume/rows.h"
#include "volume/volume_ref.h"

const char *usage_kind(const struct catalog_image *row)
{
    return row->kind == CATALOG_IMAGE_VOLUME     ? "volume"
           : row->kind == CATALOG_IMAGE_SNAPSHOT ? "snapshot"
                                                 : "version";
}

enum { SHOW_RECLAIM_MILLISECONDS = 1000 };

int usage_finish_reclaim(struct varve *varve)
{
    uint64_t steps = 0;
    int r = 1;

    if (varve->read_only)
        return 0;
    while (r == 1) {
        r = varve_progress("reclaim", "steps", steps++, 0);
        if (r == 0)
            r = store_step(varve->store, STORE_RECLAIM);
    }
    return r;
}

int usage_of_images(struct varve *varve, uint64_t *images, size_t count,
                    struct store_usage *ret_usage)
{
    for (;;) {
        struct store_image_info info;
        size_t there = 0;
        int r = store_images_usage(varve->store, images, count, ret_usage);

        if (r != -ENOENT)
            return r;
        for (size_t i = 0; i < count; i++)
            if (store_image_stat(varve->store, images[i], &info) != -ENOENT)
                images[there++] = images[i];
        count = there;
    }
}

static bool is_thing(const struct catalog_image *row)
{
    return row->kind == CATALOG_IMAGE_VOLUME || row->kind == CATALOG_IMAGE_SNAPSHOT ||
           row->kind == CATALOG_IMAGE_VERSION;
}

/* The image of rows[i] and, of a version, its digests and list of files: together they go. */
static size_t images_of(const struct catalog_image *rows, size_t count, size_t i,
                        uint64_t images[3])
{
    size_t found = 0;

    images[found++] = rows[i].image;
    for (size_t j = 0; rows[i].kind == CATALOG_IMAGE_VERSION && j < count && found < 3; j++)
        if ((rows[j].kind == CATALOG_IMAGE_TREE || rows[j].kind == CATALOG_IMAGE_MANIFEST) &&
            strcmp(rows[j].dataset, rows[i].dataset) == 0 &&
            strcmp(rows[j].version, rows[i].version) == 0)
            images[found++] = rows[j].image;
    return found;
}

static int usage_of_row(struct varve *varve, const struct catalog_image *rows, size_t count,
                        size_t i, struct varve_usage *ret_usage)
{
    struct varve_usage usage = {.damaged = false};
    struct store_image_info info;
    struct store_usage own, all;
    uint64_t images[3];
    size_t image_count = images_of(rows, count, i, images);
    int r = store_image_stat(varve->store, rows[i].image, &info);

    snprintf(usage.kind, sizeof usage.kind, "%s", usage_kind(&rows[i]));
    snprintf(usage.ref, sizeof usage.ref, "%s", rows[i].ref);
    if (r == 0)
        r = store_images_usage(varve->store, images, 1, &own);
    if (r == 0)
        r = usage_of_images(varve, images, image_count, &all);
    if (r != 0 && r != -ENOENT)
        return r;
    usage.damaged = r == -ENOENT;
    if (r == 0) {
        usage.size = info.size;
        usage.mapped = own.mapped;
        /* The two were looked at one after the other while somebody may have written. */
        usage.unique = own.data < own.mapped ? own.data : own.mapped;
        usage.shared = own.mapped - usage.unique;
        usage.reclaimable = all.data + all.metadata;
    }
    *ret_usage = usage;
    return 0;
}

static int read_rows(struct varve *varve, struct catalog_image **ret_rows, size_t *ret_count)
{
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = catalog_images_read(catalog, ret_rows, ret_count);
    names_leave(varve);
    return r;
}

int varve_usage_list(struct varve *varve, varve_usage_visit visit, void *opaque)
{
    struct catalog_image *rows = NULL;
    size_t count = 0;
    int r = usage_finish_reclaim(varve);

    if (r == 0)
        r = read_rows(varve, &rows, &count);

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct varve_usage usage;

        if (!is_thing(&rows[i]))
            continue;
        r = varve_progress("usage", "images", i, count);
        if (r == 0)
            r = usage_of_row(varve, rows, count, i, &usage);
        if (r == 0)
            r = visit(opaque, &usage);
    }
    free(rows);
    return r;
}

static int resolve(struct varve *varve, const char *ref, struct resolved *ret_resolved)
{
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = volume_ref_resolve_locked(varve, catalog, ref, ret_resolved);
    names_leave(varve);
    return r;
}

int varve_usage_show(struct varve *varve, const char *ref, struct varve_usage *ret_usage)
{
    struct catalog_image *rows = NULL;
    struct resolved resolved;
    size_t count = 0, i = 0;
    int r = resolve(varve, ref, &resolved);

    /* who looks at one thing does not wait for ever because much was deleted */
    varve_reclaim(varve, SHOW_RECLAIM_MILLISECONDS);
    if (r == 0)
        r = read_rows(varve, &rows, &count);
    if (r == 0) {
        while (i < count && rows[i].image != resolved.image)
            i++;
        r = i < count ? usage_of_row(varve, rows, count, i, ret_usage)
                      : varve_fail(ENOENT, "'%s' was deleted just now", resolved.ref);
    }
    free(rows);
    return r;
}

static int by_bytes(const void *a, const void *b)
{
    const struct varve_sharer *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return strcmp(x->ref, y->ref);
}

static int collect_sharers(struct varve *varve, const struct resolved *resolved,
                           const struct catalog_image *rows, size_t count, struct rows *sharers)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct varve_sharer sharer = {.bytes = 0};

        if (!is_thing(&rows[i]) || rows[i].image == resolved->image)
            continue;
        r = varve_progress("sharers", "images", i, count);
        if (r == 0)
            r = store_images_shared(varve->store, resolved->image, rows[i].image, &sharer.bytes);
        if (r == -ENOENT)
            r = 0;
        snprintf(sharer.kind, sizeof sharer.kind, "%s", usage_kind(&rows[i]));
        snprintf(sharer.ref, sizeof sharer.ref, "%s", rows[i].ref);
        if (r == 0 && sharer.bytes > 0)
            r = rows_add(sharers, &sharer);
    }
    return r;
}

int varve_usage_sharers(struct varve *varve, const char *ref, varve_sharer_visit visit,
                        void *opaque)
{
    struct rows sharers = {.size = sizeof(struct varve_sharer)};
    struct catalog_image *rows = NULL;
    struct resolved resolved;
    size_t count = 0;
    int r = resolve(varve, ref, &resolved);

    if (r == 0)
        r = usage_finish_reclaim(varve);
    if (r == 0)
        r = read_rows(varve, &rows, &count);
    if (r == 0)
        r = collect_sharers(varve, &resolved, rows, count, &sharers);
    if (r == 0 && sharers.count > 0)
        qsort(sharers.rows, sharers.count, sharers.size, by_bytes);
    for (size_t i = 0; r == 0 && i < sharers.count; i++)
        r = visit(opaque, rows_at(&sharers, i));
    free(sharers.rows);
    free(rows);
    return r;
}
