#include "dataset/file_change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <varve/error.h>

#include "catalog/catalog_images.h"
#include "dataset/file_content.h"
#include "volume/announce.h"
#include "volume/guard.h"
#include "volume/image_label.h"
#include "volume/served_store.h"
#include "volume/volume_ref.h"

/* A version while its files change. */
struct change {
    struct varve *varve;
    struct resolved version;
    struct seat seat;
    struct store_image *image; /* the clone */
    uint64_t clone;
    bool unknown; /* whether the version is the clone: then the clone must stay */
    char said[FILE_CHANGE_SAID];
};

static int read_clone(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    const struct change *change = opaque;

    return store_read(change->varve->store, change->image, buffer, length, offset);
}

static int write_clone(void *opaque, const void *buffer, size_t length, uint64_t offset)
{
    const struct change *change = opaque;

    return store_write(change->varve->store, change->image, buffer, length, offset, 0);
}

static int zero_clone(void *opaque, uint64_t length, uint64_t offset)
{
    const struct change *change = opaque;

    return store_zero(change->varve->store, change->image, length, offset, 0);
}

static int check_locked(struct change *change)
{
    const struct guarded guarded = {.image = change->version.image,
                                    .kind = change->version.kind,
                                    .ref = change->version.ref,
                                    .then = "change its files"};

    if (change->version.kind != NAMED_VERSION)
        return varve_fail(EPERM,
                          "%s '%s' is no version of a dataset: attach it to change its files",
                          named_name(change->version.kind), change->version.ref);
    if (change->version.frozen)
        return varve_fail(EPERM,
                          "version '%s' is committed and never changes; make a new one from "
                          "it",
                          change->version.ref);
    return guard_attached_locked(change->varve, &guarded);
}

static int sit_down(struct change *change, const char *ref)
{
    struct catalog *catalog;
    int r = changes_are_allowed(change->varve);

    if (r == 0)
        r = names_enter(change->varve, &catalog);
    if (r != 0)
        return r;
    r = volume_ref_resolve_locked(change->varve, catalog, ref, &change->version);
    if (r == 0)
        r = check_locked(change);
    if (r == 0)
        r = seat_take(change->varve->attachments, change->version.image, change->version.ref, false,
                      "varve files", &change->seat);
    if (r == -ENOENT && change->version.image != 0)
        r = varve_fail(EIO, "version '%s' is damaged: the store does not have its image %" PRIu64,
                       change->version.ref, change->version.image);
    names_leave(change->varve);
    return r;
}

static int make_clone(struct change *change)
{
    struct image_label label = {.kind = LABEL_VERSION};
    char text[IMAGE_LABEL_SIZE];
    struct store_clone clone = {.source = change->version.image, .label = text};
    int r;

    snprintf(label.dataset, sizeof label.dataset, "%s", change->version.dataset);
    snprintf(label.version, sizeof label.version, "%s", change->version.version);
    image_label_format(LABEL_DELETED, &label, text);
    r = store_image_clone(change->varve->store, &clone, 1);
    if (r != 0)
        return r;
    change->clone = clone.image;
    return store_image_open(change->varve->store, clone.image, &change->image);
}

/* Everything between the clone and the swap. */
static int change_clone(struct change *change, file_change_make make, void *opaque)
{
    const struct files_target target = {
        .read = read_clone,
        .write = write_clone,
        .zero = zero_clone,
        .opaque = change,
        .size = store_image_size(change->varve->store, change->image),
    };

    return make(opaque, &target, change->version.ref, change->said);
}

/* The line goes first, because it can be taken back; what the version held cannot. The version may
 * be called otherwise by now. */
static int swap_locked(struct change *change, struct catalog *catalog)
{
    struct catalog_announcement announcement = {.image = change->version.image,
                                                .like = change->clone};
    struct catalog_image row;
    bool known = true;
    int r = catalog_image_find(catalog, change->version.image, &row);

    if (r == -ENOENT)
        return varve_fail(ENOENT, "version '%s' was deleted meanwhile", change->version.ref);
    if (r == 0)
        r = change_announce_locked(change->varve, catalog, "version", row.ref, change->said,
                                   &announcement);
    if (r != 0)
        return r;
    r = store_image_rollback(change->varve->store, change->version.image, change->clone, 0);
    if (r == -EPERM)
        (void)varve_fail(EPERM, "version '%s' was committed meanwhile, as it was before", row.ref);
    r = change_end_locked(change->varve, catalog, r, &known);
    change->unknown = !known;
    return r;
}

static int swap(struct change *change)
{
    struct catalog *catalog;
    int r = names_enter(change->varve, &catalog);

    if (r != 0)
        return r;
    r = swap_locked(change, catalog);
    names_leave(change->varve);
    return r;
}

int file_change(struct varve *varve, const char *ref, file_change_make make, void *opaque)
{
    struct change change = {.varve = varve};
    int r = sit_down(&change, ref);

    if (r != 0)
        return r;
    r = lease_enter(varve->attachments, &change.seat);
    if (r == 0) {
        r = make_clone(&change);
        if (r == 0)
            r = change_clone(&change, make, opaque);
        store_image_close(varve->store, change.image);
        if (r == 0)
            r = swap(&change);
        if (change.clone != 0 && !change.unknown)
            (void)store_image_delete(varve->store, change.clone);
        lease_leave(varve->attachments, &change.seat);
    }
    seat_leave(varve->attachments, &change.seat);
    return r == -EMEDIUMTYPE ? file_content_refuse(varve, ref) : r;
}

void file_change_say(const char *verb, const struct files_changed *changed, const char *others,
                     char said[FILE_CHANGE_SAID])
{
    const char *ending = changed->bytes == 1 ? "" : "s";

    if (changed->names > 1)
        snprintf(said, FILE_CHANGE_SAID,
                 "%s %s and %" PRIu64 " %s (files and folders, %" PRIu64 " byte%s)", verb,
                 changed->path, changed->names - 1, others, changed->bytes, ending);
    else
        snprintf(said, FILE_CHANGE_SAID, "%s %s (%" PRIu64 " byte%s)", verb, changed->path,
                 changed->bytes, ending);
}
