#include "volume/announce.h"

#include <errno.h>
#include <stdio.h>
#include <varve/error.h>

static int settle_locked(struct varve *varve, struct catalog *catalog)
{
    struct announced_change *announced = &varve->announced;
    int r = catalog_announcement_end(catalog, announced->event, announced->fate == CHANGE_MADE);

    if (r == 0)
        announced->fate = CHANGE_NONE;
    return r;
}

int change_announce_locked(struct varve *varve, struct catalog *catalog, const char *kind,
                           const char *object, const char *what,
                           struct catalog_announcement *announcement)
{
    const struct catalog_change change = {varve_actor(), what};
    struct announced_change *announced = &varve->announced;
    int r = 0;

    if (announced->fate == CHANGE_MADE || announced->fate == CHANGE_NOT_MADE)
        r = settle_locked(varve, catalog);
    if (announced->fate == CHANGE_UNKNOWN)
        r = varve_fail(EIO, "the store failed in the middle of a change of which it is not known "
                            "whether it is made; stop and start the server");
    if (r == 0)
        r = catalog_announce(catalog, kind, object, &change, announcement);
    if (r != 0)
        return r;
    announced->event = announcement->event;
    announced->fate = CHANGE_UNKNOWN;
    return 0;
}

int change_end_locked(struct varve *varve, struct catalog *catalog, int result, bool *ret_known)
{
    struct announced_change *announced = &varve->announced;
    const bool made = result == 0;
    char line[512];

    if (made)
        result = store_flush(varve->store);
    snprintf(line, sizeof line, "%s", varve_error());
    if (!store_failed(varve->store)) {
        announced->fate = made ? CHANGE_MADE : CHANGE_NOT_MADE;
        if (settle_locked(varve, catalog) != 0)
            note(varve, "the history could not be finished, which is tried again: %s",
                 varve_error());
    }
    if (ret_known != NULL)
        *ret_known = announced->fate == CHANGE_NONE;
    return result == 0 ? 0 : varve_fail(-result, "%s", line);
}

void announcement_settle_again_locked(struct varve *varve)
{
    char line[512];

    if (varve->announced.fate != CHANGE_MADE && varve->announced.fate != CHANGE_NOT_MADE)
        return;
    snprintf(line, sizeof line, "%s", varve_error());
    if (settle_locked(varve, varve->catalog) != 0)
        (void)varve_fail(EIO, "%s", line);
}

/* --- at opening ------------------------------------------------------------------------------ */

static int compare(struct store *store, struct store_image *image, struct store_image *like,
                   bool *ret_same)
{
    struct store_difference difference = {.what = STORE_SAME};
    const uint64_t size = store_image_size(store, image);
    int r = 1;

    *ret_same = false;
    if (size != store_image_size(store, like))
        return 0;
    for (uint64_t at = 0; r > 0 && at < size && difference.what == STORE_SAME;
         at += difference.length)
        r = store_compare(store, like, image, size - at, at, &difference, 1);
    *ret_same = difference.what == STORE_SAME;
    return r < 0 ? r : 0;
}

static int is_like(struct store *store, const struct catalog_announcement *announcement,
                   bool *ret_same)
{
    struct store_image *image = NULL, *like = NULL;
    int r = store_image_open(store, announcement->image, &image);

    if (r == 0) {
        r = store_image_open(store, announcement->like, &like);
        if (r == 0)
            r = compare(store, image, like, ret_same);
        else if (r == -ENOENT) /* a clone that was not durable: nothing behind it can be */
            r = 0;
    }
    store_image_close(store, like);
    store_image_close(store, image);
    return r;
}

/* An image that is gone was there when the change was announced: what took it away came later, and
 * the line stays. */
static int judge(struct store *store, const struct catalog_announcement *announcement,
                 bool *ret_made)
{
    struct store_image_info info;
    int r = announcement->like != 0 ? is_like(store, announcement, ret_made)
                                    : store_image_stat(store, announcement->image, &info);

    if (r == 0 && announcement->like == 0)
        *ret_made = info.size == announcement->size;
    if (r == -ENOENT)
        *ret_made = true;
    return r == -ENOENT ? 0 : r;
}

/* First the store is durable as it was found: what is judged by must not be lost after that. */
int announcement_judge(struct varve *varve, struct catalog *catalog)
{
    struct catalog_announcement announcement;
    bool made = false;
    int r = catalog_announced(catalog, &announcement);

    if (r != 0)
        return r == -ENOENT ? 0 : r;
    if (!varve->read_only)
        r = store_flush(varve->store);
    if (r == 0)
        r = judge(varve->store, &announcement, &made);
    if (r != 0)
        return r;
    varve->announced.event = announcement.event;
    varve->announced.fate = made ? CHANGE_MADE : CHANGE_NOT_MADE;
    if (settle_locked(varve, catalog) != 0)
        note(varve, "the history could not be finished, which is tried again: %s", varve_error());
    return 0;
}
