#include <varve/hold.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_holds.h"
#include "catalog/catalog_images.h"
#include "volume/rows.h"
#include "volume/served_store.h"
#include "volume/volume_name.h"
#include "volume/volume_ref.h"

_Static_assert((int)VARVE_REASON_MAX == (int)CATALOG_REASON_MAX, "a reason fits the catalog");
_Static_assert((int)VARVE_REF_MAX == (int)CATALOG_OBJECT_MAX, "a ref fits the history");

static int check_reason(const char *reason)
{
    if (reason[strspn(reason, " \t\r\n")] == '\0')
        return varve_fail(EINVAL, "why is it to be kept? A hold needs a reason");
    if (strlen(reason) > VARVE_REASON_MAX)
        return varve_fail(EINVAL, "the reason has %zu bytes; at most %d are kept", strlen(reason),
                          VARVE_REASON_MAX);
    return 0;
}

/* What the hold's image is called now. A hold whose image lost its row is shown all the same, so
 * that it can be released. */
static int describe_locked(struct catalog *catalog, const struct catalog_hold *row,
                           struct varve_hold *ret_hold)
{
    struct varve_hold hold = {.number = row->number, .created = row->created};
    struct catalog_image named;
    int r = catalog_image_find(catalog, row->image, &named);

    if (r != 0 && r != -ENOENT)
        return r;
    if (r == 0) {
        snprintf(hold.kind, sizeof hold.kind, "%s",
                 named.kind == CATALOG_IMAGE_VOLUME     ? "volume"
                 : named.kind == CATALOG_IMAGE_SNAPSHOT ? "snapshot"
                                                        : "version");
        snprintf(hold.ref, sizeof hold.ref, "%s", named.ref);
    } else {
        snprintf(hold.kind, sizeof hold.kind, "image");
        snprintf(hold.ref, sizeof hold.ref, "image %" PRIu64, row->image);
    }
    snprintf(hold.reason, sizeof hold.reason, "%s", row->reason);
    snprintf(hold.who, sizeof hold.who, "%s", row->who);
    *ret_hold = hold;
    return 0;
}

static int add_locked(struct varve *varve, struct catalog *catalog, const char *ref,
                      const char *reason, struct varve_hold *ret_hold)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    struct catalog_hold row;
    struct resolved resolved;
    int64_t number = 0;
    int r = volume_ref_resolve_locked(varve, catalog, ref, &resolved);

    if (r != 0)
        return r;
    snprintf(what, sizeof what, "held: %s", reason);
    r = catalog_hold_insert(catalog, resolved.image, reason, named_name(resolved.kind),
                            resolved.ref, &change, &number);
    if (r == 0 && ret_hold != NULL)
        r = catalog_hold_find(catalog, number, &row);
    if (r == 0 && ret_hold != NULL)
        r = describe_locked(catalog, &row, ret_hold);
    return r;
}

int varve_hold_add(struct varve *varve, const char *ref, const char *reason,
                   struct varve_hold *ret_hold)
{
    struct catalog *catalog;
    int r = check_reason(reason);

    if (r == 0)
        r = names_enter_to_change(varve, &catalog);
    if (r != 0)
        return r;
    r = add_locked(varve, catalog, ref, reason, ret_hold);
    names_leave(varve);
    return r;
}

static int release_one_locked(struct catalog *catalog, const struct catalog_hold *row)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    struct varve_hold hold;
    int r = describe_locked(catalog, row, &hold);

    if (r != 0)
        return r;
    snprintf(what, sizeof what, "hold %" PRId64 " released: %s", row->number, row->reason);
    return catalog_hold_delete(catalog, row->number, hold.kind, hold.ref, &change);
}

static int release_all_locked(struct varve *varve, struct catalog *catalog, const char *ref,
                              unsigned *ret_count)
{
    struct catalog_hold row = {.number = 0};
    struct resolved resolved;
    unsigned count = 0;
    int r = volume_ref_resolve_locked(varve, catalog, ref, &resolved);

    if (r != 0)
        return r;
    while ((r = catalog_hold_next(catalog, row.number, resolved.image, &row)) == 0) {
        r = release_one_locked(catalog, &row);
        if (r != 0)
            return r;
        count++;
    }
    if (r != -ENOENT)
        return r;
    if (count == 0)
        return varve_fail(ENOENT, "nothing holds %s '%s'", named_name(resolved.kind), resolved.ref);
    *ret_count = count;
    return 0;
}

/* A number is a hold's where there is one; else it may be a volume's name. */
static int release_locked(struct varve *varve, struct catalog *catalog, const char *what,
                          unsigned *ret_count)
{
    bool is_number = what[0] != '\0' && strspn(what, "0123456789") == strlen(what);
    struct resolved resolved;
    struct catalog_hold row;
    int r = is_number ? catalog_hold_find(catalog, (int64_t)strtoll(what, NULL, 10), &row) : 0;

    if (!is_number ||
        (r == -ENOENT && volume_ref_resolve_locked(varve, catalog, what, &resolved) == 0))
        return release_all_locked(varve, catalog, what, ret_count);
    if (r == 0)
        r = release_one_locked(catalog, &row);
    if (r == 0)
        *ret_count = 1;
    return r;
}

int varve_hold_release(struct varve *varve, const char *what, unsigned *ret_count)
{
    struct catalog *catalog;
    int r = names_enter_to_change(varve, &catalog);

    if (r != 0)
        return r;
    r = release_locked(varve, catalog, what, ret_count);
    names_leave(varve);
    return r;
}

static int collect_locked(struct varve *varve, struct catalog *catalog, const char *ref,
                          struct rows *rows)
{
    struct catalog_hold row = {.number = 0};
    struct resolved resolved = {.image = 0};
    int r = ref == NULL ? 0 : volume_ref_resolve_locked(varve, catalog, ref, &resolved);

    if (r != 0)
        return r;
    while ((r = catalog_hold_next(catalog, row.number, resolved.image, &row)) == 0) {
        struct varve_hold hold;

        r = describe_locked(catalog, &row, &hold);
        if (r == 0)
            r = rows_add(rows, &hold);
        if (r != 0)
            break;
    }
    return r == -ENOENT ? 0 : r;
}

/* Visited after the lock is dropped: the visitor may call anything. */
int varve_hold_list(struct varve *varve, const char *ref, varve_hold_visit visit, void *opaque)
{
    struct rows rows = {.size = sizeof(struct varve_hold)};
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = collect_locked(varve, catalog, ref, &rows);
    names_leave(varve);
    for (size_t i = 0; r == 0 && i < rows.count; i++)
        r = visit(opaque, rows_at(&rows, i));
    free(rows.rows);
    return r;
}
