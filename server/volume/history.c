#include <varve/history.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "volume/rows.h"
#include "volume/served_store.h"
#include "volume/volume_name.h"
#include "volume/volume_ref.h"

/* A version may be asked for by a tag or as the latest; the history knows it by its id. What is not
 * there any more has a history, too, under the text as it is. */
static void object_of_locked(struct varve *varve, struct catalog *catalog, const char *text,
                             char object[CATALOG_OBJECT_MAX + 1])
{
    struct resolved resolved;
    bool found = strchr(text, ':') != NULL &&
                 volume_ref_resolve_locked(varve, catalog, text, &resolved) == 0;

    snprintf(object, CATALOG_OBJECT_MAX + 1, "%s", found ? resolved.ref : text);
}

static int collect_locked(struct varve *varve, struct catalog *catalog,
                          const struct varve_history_options *options, struct rows *rows)
{
    char object[CATALOG_OBJECT_MAX + 1] = "";
    const char *kind = options->kind != NULL ? options->kind : "";
    struct catalog_event event = {.number = INT64_MAX};
    int r = 0;

    if (options->object != NULL)
        object_of_locked(varve, catalog, options->object, object);
    while (options->limit == 0 || rows->count < options->limit) {
        r = catalog_history_before(catalog, event.number, object, kind, &event);
        if (r == 0)
            r = rows_add(rows, &event);
        if (r != 0)
            break;
    }
    return r == -ENOENT ? 0 : r;
}

static int visit_event(const struct catalog_event *row, varve_history_visit visit, void *opaque)
{
    struct varve_event event = {.number = row->number, .time = row->time};

    snprintf(event.who, sizeof event.who, "%s", row->who);
    snprintf(event.kind, sizeof event.kind, "%s", row->kind);
    snprintf(event.object, sizeof event.object, "%s", row->object);
    snprintf(event.what, sizeof event.what, "%s", row->what);
    return visit(opaque, &event);
}

/* Visited after the lock is dropped: the visitor may call anything. */
int varve_history_list(struct varve *varve, const struct varve_history_options *options,
                       varve_history_visit visit, void *opaque)
{
    struct rows rows = {.size = sizeof(struct catalog_event)};
    struct catalog *catalog;
    int r;

    if (options->object != NULL && strlen(options->object) > CATALOG_OBJECT_MAX)
        return varve_fail(EINVAL, "'%s' is too long for a ref", show_text(options->object).text);
    r = names_enter(varve, &catalog);
    if (r != 0)
        return r;
    r = collect_locked(varve, catalog, options, &rows);
    names_leave(varve);
    for (size_t i = 0; r == 0 && i < rows.count; i++)
        r = visit_event(rows_at(&rows, i), visit, opaque);
    free(rows.rows);
    return r;
}
