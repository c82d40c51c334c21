/* The check of everything: the store's own recount, the catalog's file, and that the two agree. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <varve/error.h>
#include <varve/server.h>

#include "catalog/catalog_images.h"
#include "volume/image_label.h"
#include "volume/served_store.h"

struct check {
    varve_check_report report;
    void *opaque;
    uint64_t problems;
};

__attribute__((format(printf, 2, 3))) static void say(struct check *check, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    check->problems++;
    if (check->report != NULL)
        check->report(check->opaque, line);
}

static void catalog_problem(void *opaque, const char *line)
{
    say(opaque, "catalog: %s", line);
}

static int check_rows_locked(struct varve *varve, struct catalog *catalog, struct check *check)
{
    struct catalog_image *rows = NULL;
    size_t count = 0;
    int r = catalog_images_read(catalog, &rows, &count);

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct store_image_info info;

        r = store_image_stat(varve->store, rows[i].image, &info);
        if (r == -ENOENT) {
            say(check, "%s '%s' has image %" PRIu64 ", which is not in the store",
                rows[i].kind == CATALOG_IMAGE_VOLUME     ? "volume"
                : rows[i].kind == CATALOG_IMAGE_SNAPSHOT ? "snapshot"
                                                         : "version",
                rows[i].ref, rows[i].image);
            r = 0;
        }
    }
    free(rows);
    return r;
}

static int check_images_locked(struct varve *varve, struct catalog *catalog, struct check *check)
{
    struct store_image_info info = {.image = 0};
    int r;

    while ((r = store_image_next(varve->store, info.image, &info)) == 0) {
        struct image_label label;
        enum label_state state;
        bool named = false;

        r = catalog_image_is_named(catalog, info.image, &named);
        if (r != 0)
            return r;
        /* One that is new or deleted is the trace of a crash, which the next opening removes. */
        if (!named && (!image_label_parse(info.label, &state, &label) ||
                       (state == LABEL_LIVE && label.kind != LABEL_CATALOG)))
            say(check, "image %" PRIu64 " (\"%s\") is in the store and has no name", info.image,
                info.label);
    }
    return r == -ENOENT ? 0 : r;
}

static int check_names(struct varve *varve, struct check *check)
{
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = catalog_check(catalog, catalog_problem, check);
    if (r >= 0)
        r = check_rows_locked(varve, catalog, check);
    if (r == 0)
        r = check_images_locked(varve, catalog, check);
    names_leave(varve);
    return r;
}

int varve_check(struct varve *varve, unsigned flags, varve_check_report report, void *opaque,
                struct varve_check_result *ret_result)
{
    struct check check = {.report = report, .opaque = opaque};
    struct store_check_result result = {.images = 0};
    int r = check_names(varve, &check);

    if (r == 0)
        r = store_check(varve->store, (flags & VARVE_CHECK_DATA) != 0 ? STORE_CHECK_DATA : 0,
                        report, opaque, &result);
    if (r != 0)
        return r;
    *ret_result = (struct varve_check_result){.images = result.images,
                                              .map_pages = result.map_pages,
                                              .data_blocks = result.data_blocks,
                                              .problems = result.problems + check.problems};
    return 0;
}
