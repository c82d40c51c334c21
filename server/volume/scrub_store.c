/*
 * The scrub in the user's words: what is damaged is told with the refs of what is lost, and a pace.
 * In the foreground it is one pass with progress; in the background of a server one pass a day.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>
#include <varve/progress.h>
#include <varve/scrub.h>

#include "catalog/catalog_images.h"
#include "volume/scrub_store.h"

#define SECOND ((uint64_t)1000 * 1000 * 1000)
enum { SLICE = 100 * 1000 * 1000 }; /* nanoseconds without a look at progress */

/* --- a line for each damaged block ---- */

struct line {
    char text[VARVE_SCRUB_LINE_MAX];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->text - line->used;
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(line->text + line->used, room, format, args);
    va_end(args);
    if (length > 0)
        line->used += (size_t)length < room ? (size_t)length : room - 1;
}

static const char *kind_name(enum catalog_image_kind kind)
{
    switch (kind) {
    case CATALOG_IMAGE_VOLUME:
        return "volume";
    case CATALOG_IMAGE_SNAPSHOT:
        return "snapshot";
    case CATALOG_IMAGE_VERSION:
        return "version";
    case CATALOG_IMAGE_TREE:
        return "digests of version";
    case CATALOG_IMAGE_MANIFEST:
        return "list of files of version";
    }
    return "image";
}

/* An image without a name is the catalog's copy, or was just made or deleted. */
static void add_images(struct line *line, struct varve *varve, const struct store_damage *damage)
{
    struct catalog *catalog;
    bool named = names_enter(varve, &catalog) == 0;

    for (size_t i = 0; i < damage->image_count && i < STORE_DAMAGE_IMAGES_MAX; i++) {
        struct catalog_image row;

        add(line, "%s", i == 0 ? "" : ", ");
        if (named && catalog_image_find(catalog, damage->images[i], &row) == 0)
            add(line, "%s '%s'", kind_name(row.kind), row.ref);
        else
            add(line, "image %" PRIu64 " of the store itself", damage->images[i]);
    }
    if (named)
        names_leave(varve);
    if (damage->image_count > STORE_DAMAGE_IMAGES_MAX)
        add(line, " and %" PRIu64 " more", damage->image_count - STORE_DAMAGE_IMAGES_MAX);
    if (damage->image_count == 0)
        add(line, "an image that was just deleted");
}

static const char *what(enum store_damage_kind kind)
{
    switch (kind) {
    case STORE_DAMAGED_SUPERBLOCK:
        return "a copy of the superblock";
    case STORE_DAMAGED_SUMMARY:
        return "a summary page";
    case STORE_DAMAGED_COUNTS:
        return "a count page";
    case STORE_DAMAGED_TABLE:
        return "a page of the image table";
    case STORE_DAMAGED_TRASH:
        return "a page of the trash";
    case STORE_DAMAGED_MAP:
        return "a map page";
    case STORE_DAMAGED_DATA:
        return "data";
    }
    return "a block";
}

void scrub_describe(struct varve *varve, const struct store_damage *damage,
                    char text[VARVE_SCRUB_LINE_MAX])
{
    struct line line = {.used = 0};

    if (damage->kind >= STORE_DAMAGED_MAP) {
        add_images(&line, varve, damage);
        add(&line, ", offset %" PRIu64 ": ", damage->offset);
    }
    add(&line, "block %" PRIu64 " of the extents (%s", damage->block, what(damage->kind));
    if (damage->kind == STORE_DAMAGED_MAP)
        add(&line, " of %" PRIu64 " bytes", damage->length);
    add(&line, ") %s", damage->reason);
    snprintf(text, VARVE_SCRUB_LINE_MAX, "%s", line.text);
}

/* --- the pace ---- */

uint64_t scrub_ahead(struct scrub_pace *pace, uint64_t now, uint64_t bytes)
{
    double due = pace->rate == 0 ? 0 : (double)(bytes - pace->bytes) / (double)pace->rate;
    uint64_t at = pace->start + (uint64_t)(due * (double)SECOND);

    if (at > now)
        return at - now;
    /* what was missed is not caught up with */
    pace->start = now;
    pace->bytes = bytes;
    return 0;
}

/* --- in the foreground ---- */

struct pass {
    struct varve *varve;
    varve_scrub_report report;
    void *opaque;
};

static void tell(void *opaque, const struct store_damage *damage)
{
    struct pass *pass = opaque;
    char text[VARVE_SCRUB_LINE_MAX];

    scrub_describe(pass->varve, damage, text);
    pass->report(pass->opaque, text);
}

static int say_progress(struct store_scrub *scrub, struct store_scrub_state *ret_state)
{
    store_scrub_get(scrub, ret_state);
    return varve_progress("scrubbing", "bytes", ret_state->pass_bytes,
                          ret_state->total_bytes > ret_state->pass_bytes ? ret_state->total_bytes
                                                                         : ret_state->pass_bytes);
}

/* Sleeps as long as the pace wants, and looks up now and then. */
static int keep_pace(struct varve *varve, struct store_scrub *scrub, struct scrub_pace *pace)
{
    struct store_scrub_state state;
    int r = say_progress(scrub, &state);

    while (r == 0) {
        uint64_t wait = scrub_ahead(pace, varve->io->ops->now(varve->io), state.bytes_read);
        struct timespec time = {.tv_nsec = (long)(wait < SLICE ? wait : SLICE)};

        if (wait == 0)
            break;
        nanosleep(&time, NULL);
        r = say_progress(scrub, &state);
    }
    return r;
}

int varve_scrub(struct varve *varve, uint64_t rate, varve_scrub_report report, void *opaque,
                struct varve_scrub_result *ret_result)
{
    struct pass pass = {.varve = varve, .report = report, .opaque = opaque};
    struct scrub_pace pace = {.rate = rate, .start = varve->io->ops->now(varve->io)};
    struct store_scrub *scrub;
    struct store_scrub_state state;
    int r = store_scrub_open(varve->store, &scrub);

    if (r < 0)
        return r;
    while ((r = store_scrub_step(scrub, tell, &pass)) > 0 &&
           (r = keep_pace(varve, scrub, &pace)) == 0) {
    }
    store_scrub_get(scrub, &state);
    store_scrub_close(scrub);
    if (r == 0)
        *ret_result = (struct varve_scrub_result){.bytes_read = state.pass_bytes,
                                                  .damaged = state.pass_damaged};
    return r;
}
