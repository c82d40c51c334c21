/* What a delete would do. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_holds.h"
#include "catalog/catalog_tags.h"
#include "volume/guard.h"
#include "volume/rows.h"
#include "volume/usage.h"
#include "volume/volume_name.h"

enum { BLOCKER_MAX = 640 };

struct blocker {
    size_t row; /* of which one */
    char line[BLOCKER_MAX];
};

struct plan {
    struct varve *varve;
    struct catalog *catalog; /* under the names lock */
    struct rows rows;        /* struct catalog_image, each once */
    struct rows images;      /* uint64_t: with digests and lists of files */
    struct rows blockers;
};

__attribute__((format(printf, 2, 3))) static int block(struct plan *plan, const char *format, ...)
{
    struct blocker blocker = {.row = plan->rows.count - 1};
    va_list args;

    va_start(args, format);
    (void)vsnprintf(blocker.line, sizeof blocker.line, format, args);
    va_end(args);
    return rows_add(&plan->blockers, &blocker);
}

static int add_holds(struct plan *plan, const struct catalog_image *row)
{
    struct catalog_hold hold = {.number = 0};
    int r;

    while ((r = catalog_hold_next(plan->catalog, hold.number, row->image, &hold)) == 0) {
        r = block(plan, "held by %s: %s (hold %" PRId64 ")", show_text(hold.who).text,
                  show_text(hold.reason).text, hold.number);
        if (r != 0)
            break;
    }
    return r == -ENOENT ? 0 : r;
}

static int add_tags(struct plan *plan, const struct catalog_image *row)
{
    struct catalog_tag tag = {.name = ""};
    int r;

    while ((r = catalog_tag_next(plan->catalog, row->dataset, tag.name, &tag)) == 0) {
        if (strcmp(tag.version, row->version) == 0)
            r = block(plan, "tagged '%s'", tag.name);
        if (r != 0)
            break;
    }
    return r == -ENOENT ? 0 : r;
}

static int add_blockers(struct plan *plan, const struct catalog_image *row)
{
    struct attendance attendance;
    int r = 0;

    attendance_of(plan->varve->attachments, row->image, &attendance);
    if (attendance.seats > 0)
        r = block(
            plan, "attached (%u connection%s, by %s%s)", attendance.seats,
            attendance.seats == 1 ? "" : "s",
            show_text(attendance.writer[0] != '\0' ? attendance.writer : attendance.client).text,
            attendance.clients > 1 ? " and others" : "");
    if (r == 0)
        r = add_holds(plan, row);
    if (r == 0 && row->kind == CATALOG_IMAGE_VERSION)
        r = add_tags(plan, row);
    return r;
}

static int add_parts(struct plan *plan, const struct catalog_image *row)
{
    struct catalog_version version;
    int r = catalog_version_find(plan->catalog, row->dataset, row->version, &version);

    if (r == 0 && version.tree_image != 0)
        r = rows_add(&plan->images, &version.tree_image);
    if (r == 0 && version.manifest_image != 0)
        r = rows_add(&plan->images, &version.manifest_image);
    return r;
}

static int add_image(struct plan *plan, uint64_t image)
{
    struct catalog_image row;
    int r = catalog_image_find(plan->catalog, image, &row);

    for (size_t i = 0; r == 0 && i < plan->rows.count; i++)
        if (((const struct catalog_image *)rows_at(&plan->rows, i))->image == image)
            return 0;
    if (r == 0)
        r = rows_add(&plan->rows, &row);
    if (r == 0)
        r = rows_add(&plan->images, &image);
    if (r == 0 && row.kind == CATALOG_IMAGE_VERSION)
        r = add_parts(plan, &row);
    return r == 0 ? add_blockers(plan, &row) : r;
}

/* "DATASET:*" */
static int add_versions(struct plan *plan, const char *ref, size_t length)
{
    char text[2 * VARVE_NAME_MAX + 2];
    struct catalog_version version = {.id = ""};
    struct catalog_dataset dataset;
    struct volume_ref parsed;
    int r;

    if (length >= sizeof text)
        return varve_fail(EINVAL, "'%s' is too long for a ref", show_text(ref).text);
    snprintf(text, sizeof text, "%.*s", (int)length, ref);
    r = volume_ref_parse(text, &parsed);
    if (r == 0)
        r = catalog_dataset_find(plan->catalog, parsed.team, parsed.name, &dataset);
    if (r != 0)
        return r;
    snprintf(version.dataset, sizeof version.dataset, "%s", dataset.id);
    while ((r = catalog_version_next(plan->catalog, version.dataset, version.id, &version)) == 0 &&
           strcmp(version.dataset, dataset.id) == 0) {
        r = add_image(plan, version.image);
        if (r != 0)
            break;
    }
    return r == -ENOENT ? 0 : r;
}

static int add_ref(struct plan *plan, const char *ref)
{
    static const char all[] = ":*";
    size_t length = strlen(ref);
    struct resolved resolved;
    int r;

    if (length > 2 && strcmp(ref + length - 2, all) == 0)
        return add_versions(plan, ref, length - 2);
    r = volume_ref_resolve_locked(plan->varve, plan->catalog, ref, &resolved);
    return r == 0 ? add_image(plan, resolved.image) : r;
}

static int make_plan(struct plan *plan, const char *const *refs, size_t count)
{
    int r = names_enter(plan->varve, &plan->catalog);

    if (r != 0)
        return r;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add_ref(plan, refs[i]);
    names_leave(plan->varve);
    return r;
}

static int visit_row(struct plan *plan, size_t i, varve_doomed_visit visit, void *opaque)
{
    const struct catalog_image *row = rows_at(&plan->rows, i);
    struct rows lines = {.size = sizeof(const char *)};
    struct varve_doomed doomed = {.size = 0};
    struct store_image_info info;
    int r = 0;

    if (store_image_stat(plan->varve->store, row->image, &info) == 0) {
        doomed.size = info.size;
        doomed.mapped = info.mapped;
    }
    snprintf(doomed.kind, sizeof doomed.kind, "%s", usage_kind(row));
    snprintf(doomed.ref, sizeof doomed.ref, "%s", row->ref);
    for (size_t j = 0; r == 0 && j < plan->blockers.count; j++) {
        const struct blocker *blocker = rows_at(&plan->blockers, j);
        const char *line = blocker->line;

        if (blocker->row == i)
            r = rows_add(&lines, &line);
    }
    doomed.blockers = lines.rows;
    doomed.blocker_count = lines.count;
    if (r == 0)
        r = visit(opaque, &doomed);
    free(lines.rows);
    return r;
}

int varve_delete_preview(struct varve *varve, const char *const *refs, size_t count,
                         varve_doomed_visit visit, void *opaque, struct varve_preview *ret_preview)
{
    struct plan plan = {.varve = varve,
                        .rows = {.size = sizeof(struct catalog_image)},
                        .images = {.size = sizeof(uint64_t)},
                        .blockers = {.size = sizeof(struct blocker)}};
    struct store_usage usage = {.data = 0};
    int r = usage_finish_reclaim(varve);

    if (r == 0)
        r = make_plan(&plan, refs, count);
    if (r == 0 && plan.images.count > 0)
        r = usage_of_images(varve, plan.images.rows, plan.images.count, &usage);
    for (size_t i = 0; r == 0 && visit != NULL && i < plan.rows.count; i++)
        r = visit_row(&plan, i, visit, opaque);
    if (r == 0)
        *ret_preview = (struct varve_preview){.count = plan.rows.count,
                                              .reclaimable = usage.data + usage.metadata,
                                              .blockers = plan.blockers.count};
    free(plan.rows.rows);
    free(plan.images.rows);
    free(plan.blockers.rows);
    return r;
}
