#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>
#include <varve/snapshot.h>

#include "catalog/catalog_snapshots.h"
#include "volume/image_name.h"
#include "volume/name_taken.h"
#include "volume/volume_name.h"
#include "volume/volume_ref.h"

/* A volume that is being made. */
struct birth {
    struct varve *varve;
    struct catalog *catalog;
    const struct varve_volume_options *options;
    struct catalog_volume row;
    struct resolved source; /* of a clone */
    bool adopts;            /* snapshots that an earlier volume of the name left */
    char what[CATALOG_WHAT_MAX + 1];
};

static int name_it(void *opaque)
{
    const struct birth *birth = opaque;
    const struct catalog_change change = {varve_actor(), birth->what};

    return catalog_volume_insert(birth->catalog, &birth->row, &change);
}

static unsigned store_flags(const struct varve_volume_options *options)
{
    return options->reserved ? STORE_IMAGE_RESERVED : 0;
}

static int make_empty(struct birth *birth, const char *label)
{
    const struct varve_volume_options *options = birth->options;

    snprintf(birth->what, sizeof birth->what, "created with %" PRIu64 " bytes%s%s%s%s",
             options->size, options->shared ? ", shared" : "",
             options->reserved ? ", reserved" : "",
             options->imported_from != NULL ? ", to import " : "",
             options->imported_from != NULL ? options->imported_from : "");
    return store_image_create(birth->varve->store, options->size, store_flags(options), label,
                              &birth->row.image);
}

static int check_clone(struct birth *birth)
{
    const struct resolved *source = &birth->source;
    const uint64_t size = birth->options->size;
    struct store_image_info info;
    int r = store_image_stat(birth->varve->store, source->image, &info);

    if (r == -ENOENT)
        return varve_fail(EIO, "%s '%s' is damaged: the store does not have its image %" PRIu64,
                          named_name(source->kind), source->ref, source->image);
    if (r == 0 && size != 0 && size < info.size)
        return varve_fail(EINVAL,
                          "%s '%s' has %s and does not fit into %s; clone it in full, and shrink "
                          "the clone",
                          named_name(source->kind), source->ref, show_size(info.size).text,
                          show_size(size).text);
    return r;
}

static int make_clone(struct birth *birth, const char *label)
{
    struct store *store = birth->varve->store;
    const uint64_t size = birth->options->size;
    struct store_clone clone = {
        .source = birth->source.image, .flags = store_flags(birth->options), .label = label};
    int r = check_clone(birth);

    if (r == 0)
        r = image_clone_sized(store, &clone, size);
    if (r != 0)
        return r;
    snprintf(birth->what, sizeof birth->what, "cloned from %s%s%s", birth->source.ref,
             birth->options->shared ? ", shared" : "",
             birth->options->reserved ? ", reserved" : "");
    birth->row.image = clone.image;
    return 0;
}

/* A name whose snapshots are still there goes to none but a clone of one of them: no ref may
 * silently come to mean another disk's past. */
static int check_heritage(struct birth *birth)
{
    int r = catalog_volume_has_snapshots(birth->catalog, birth->row.name, &birth->adopts);

    if (r != 0 || !birth->adopts)
        return r;
    if (birth->options->from != NULL && birth->source.kind == NAMED_SNAPSHOT) {
        struct volume_ref ref;

        r = volume_ref_parse(birth->source.ref, &ref);
        if (r != 0 || strcmp(ref.name, birth->row.name) == 0)
            return r;
    }
    return name_has_no_past_locked(birth->catalog, birth->row.name);
}

/* Where a label cannot be set, the next opening does it. */
static void relabel_snapshots(struct birth *birth)
{
    struct catalog_snapshot row = {.id = 0};
    char text[IMAGE_LABEL_SIZE];

    snprintf(row.volume, sizeof row.volume, "%s", birth->row.name);
    while (catalog_snapshot_next(birth->catalog, row.volume, row.id, &row) == 0 &&
           strcmp(row.volume, birth->row.name) == 0) {
        const struct image_label label = label_of_snapshot(row.head, row.name);

        image_label_format(LABEL_LIVE, &label, text);
        (void)store_image_set_label(birth->varve->store, row.image, text);
    }
}

static int create_locked(struct birth *birth)
{
    struct born_image born = {.label = label_of_volume(birth->row.name, birth->row.shared)};
    char label[IMAGE_LABEL_SIZE];
    int r = name_is_free_locked(birth->catalog, birth->row.name);

    if (r == 0 && birth->options->from != NULL)
        r = volume_ref_resolve_locked(birth->varve, birth->catalog, birth->options->from,
                                      &birth->source);
    if (r == 0)
        r = check_heritage(birth);
    if (r != 0)
        return r;
    image_label_format(LABEL_NEW, &born.label, label);
    r = birth->options->from != NULL ? make_clone(birth, label) : make_empty(birth, label);
    born.image = birth->row.image;
    if (r == 0)
        r = images_name_locked(birth->varve, &born, 1, name_it, birth);
    if (r == 0 && birth->adopts)
        relabel_snapshots(birth);
    return r;
}

int varve_volume_create(struct varve *varve, const char *name,
                        const struct varve_volume_options *options)
{
    struct birth birth = {.varve = varve,
                          .options = options,
                          .row = {.created = (int64_t)time(NULL),
                                  .shared = options->shared,
                                  .reserved = options->reserved}};
    int r = name_check(name);

    if (r == 0 && (options->from == NULL || options->size != 0))
        r = size_check(options->size);
    if (r == 0 && options->from != NULL && options->imported_from != NULL)
        r = varve_fail(EINVAL, "a volume is a clone of '%s' or imported from '%s', not both",
                       show_text(options->from).text, show_text(options->imported_from).text);
    if (r == 0)
        r = text_check("file's name", options->imported_from, VARVE_MESSAGE_MAX);
    if (r == 0)
        r = names_enter_to_change(varve, &birth.catalog);
    if (r != 0)
        return r;
    snprintf(birth.row.name, sizeof birth.row.name, "%s", name);
    r = create_locked(&birth);
    names_leave(varve);
    return r;
}
