/* Taking snapshots: of several volumes at one point in time, all or none. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

#include "volume/image_name.h"
#include "volume/snapshot.h"
#include "volume/volume_name.h"
#include "volume/volume_ref.h"

/* Images that are being made. Arrays of `count`. */
struct group {
    struct varve *varve;
    struct catalog *catalog;
    size_t count;
    struct catalog_snapshot *rows;
    struct born_image *born;
    struct store_clone *clones;
    char (*labels)[IMAGE_LABEL_SIZE];
    const char *hold;
};

static void group_free(struct group *group)
{
    free(group->rows);
    free(group->born);
    free(group->clones);
    free(group->labels);
}

static int group_allocate(struct group *group, size_t count)
{
    group->count = count;
    group->rows = calloc(count, sizeof *group->rows);
    group->born = calloc(count, sizeof *group->born);
    group->clones = calloc(count, sizeof *group->clones);
    group->labels = calloc(count, sizeof *group->labels);
    if (group->rows == NULL || group->born == NULL || group->clones == NULL ||
        group->labels == NULL)
        return varve_no_memory("snapshots");
    return 0;
}

static int check_options(const struct varve_snapshot_options *options, size_t count)
{
    if (count < 1 || count > VARVE_SNAPSHOT_GROUP_MAX)
        return varve_fail(EINVAL, "snapshots of %zu volumes cannot be taken at once: 1 to %d can",
                          count, VARVE_SNAPSHOT_GROUP_MAX);
    if (options->message != NULL && strlen(options->message) > VARVE_MESSAGE_MAX)
        return varve_fail(EINVAL, "a message of %zu bytes is too long: it may have %d",
                          strlen(options->message), VARVE_MESSAGE_MAX);
    if (options->hold != NULL &&
        (options->hold[0] == '\0' || strlen(options->hold) > VARVE_REASON_MAX))
        return varve_fail(EINVAL, "the reason of a hold has 1 to %d bytes, not %zu",
                          VARVE_REASON_MAX, strlen(options->hold));
    return options->name != NULL ? name_check(options->name) : 0;
}

static int find_volume(struct group *group, const char *text, struct volume_ref *ret_ref,
                       struct catalog_volume *ret_volume)
{
    struct store_image_info info;
    int r = volume_ref_parse(text, ret_ref);

    if (r == 0 && ret_ref->kind == NAMED_VERSION)
        r = varve_fail(EINVAL,
                       "'%s' names no volume, and snapshots are of volumes: VOLUME or "
                       "VOLUME@SNAPSHOT",
                       show_text(text).text);
    if (r == 0)
        r = catalog_volume_find(group->catalog, ret_ref->name, ret_volume);
    if (r != 0)
        return r;
    r = store_image_stat(group->varve->store, ret_volume->image, &info);
    return r != -ENOENT ? r
                        : varve_fail(EIO,
                                     "volume '%s' is damaged: the store does not have its image "
                                     "%" PRIu64,
                                     ret_ref->name, ret_volume->image);
}

/* VOLUME or VOLUME@NAME, and the volume is there, whole, and not named before. */
static int add_volume(struct group *group, size_t i, const char *text,
                      const struct varve_snapshot_options *options)
{
    struct catalog_snapshot *row = &group->rows[i];
    struct catalog_volume volume;
    struct volume_ref ref;
    int r = find_volume(group, text, &ref, &volume);

    if (r != 0)
        return r;
    for (size_t j = 0; j < i; j++)
        if (group->rows[j].head == volume.image)
            return varve_fail(EINVAL, "volume '%s' is named twice", ref.name);
    snprintf(row->volume, sizeof row->volume, "%s", ref.name);
    if (ref.kind == NAMED_SNAPSHOT)
        snprintf(row->name, sizeof row->name, "%.*s", CATALOG_NAME_MAX, ref.which);
    else if (options->name != NULL)
        snprintf(row->name, sizeof row->name, "%s", options->name);
    snprintf(row->who, sizeof row->who, "%s", varve_actor());
    if (options->message != NULL)
        snprintf(row->message, sizeof row->message, "%s", options->message);
    row->head = volume.image;
    group->clones[i] = (struct store_clone){
        .source = volume.image, .flags = STORE_IMAGE_FROZEN, .label = group->labels[i]};
    return 0;
}

/* *ret_taken: a volume that waits for a name has a snapshot of this one. */
static int is_taken(const struct group *group, const char *name, bool *ret_taken)
{
    struct catalog_snapshot found;
    int r = -ENOENT;

    for (size_t i = 0; i < group->count && r == -ENOENT; i++)
        if (group->rows[i].name[0] == '\0')
            r = catalog_snapshot_find(group->catalog, group->rows[i].volume, name, &found);
    *ret_taken = r == 0;
    return r == -ENOENT ? 0 : r;
}

/* One name for all that have none: the time, in UTC. */
static int name_by_time(struct group *group, int64_t now)
{
    char stem[32], name[CATALOG_NAME_MAX + 1];
    time_t seconds = (time_t)now;
    bool taken = true;
    struct tm tm;
    int r = 0;

    if (gmtime_r(&seconds, &tm) == NULL || strftime(stem, sizeof stem, "%Y%m%d-%H%M%S", &tm) == 0)
        return varve_fail(EINVAL, "the clock shows no time that a snapshot could be named after");
    snprintf(name, sizeof name, "%s", stem);
    for (unsigned n = 2; (r = is_taken(group, name, &taken)) == 0 && taken; n++)
        snprintf(name, sizeof name, "%s-%u", stem, n);
    for (size_t i = 0; r == 0 && i < group->count; i++)
        if (group->rows[i].name[0] == '\0')
            memcpy(group->rows[i].name, name, sizeof name);
    return r;
}

static int check_names(const struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct catalog_snapshot *row = &group->rows[i];
        struct catalog_snapshot found;
        int r = catalog_snapshot_find(group->catalog, row->volume, row->name, &found);

        if (r == 0)
            return varve_fail(EEXIST, "snapshot '%s@%s' exists already; choose another name",
                              row->volume, row->name);
        if (r != -ENOENT)
            return r;
    }
    return 0;
}

static int name_them(void *opaque)
{
    const struct group *group = opaque;
    char what[64] = "taken";
    const struct catalog_change change = {varve_actor(), what};

    if (group->rows[0].schedule != 0)
        snprintf(what, sizeof what, "taken by the schedule of every %" PRId64 " seconds",
                 group->rows[0].schedule);
    return catalog_snapshots_insert(group->catalog, group->rows, group->count, group->hold,
                                    &change);
}

static int take(struct group *group)
{
    int r;

    for (size_t i = 0; i < group->count; i++) {
        group->born[i].label = label_of_snapshot(group->rows[i].head, group->rows[i].name);
        image_label_format(LABEL_NEW, &group->born[i].label, group->labels[i]);
    }
    r = store_image_clone(group->varve->store, group->clones, group->count);
    if (r != 0)
        return r;
    for (size_t i = 0; i < group->count; i++) {
        group->born[i].image = group->clones[i].image;
        group->rows[i].image = group->clones[i].image;
    }
    return images_name_locked(group->varve, group->born, group->count, name_them, group);
}

/* Each block that a reserved volume holds is shared by its snapshot and needs a new place when it
 * is written again: as much as it has for itself is set aside with the snapshot. The store makes
 * sure of that; here it is said in the words of who asked. */
static int check_room(const struct group *group)
{
    const struct catalog_snapshot *first = NULL;
    uint64_t wanted = 0, missing = 0;
    size_t reserved = 0;
    int r = 0;

    for (size_t i = 0; i < group->count; i++) {
        struct store_image_info info;

        r = store_image_stat(group->varve->store, group->clones[i].source, &info);
        if (r != 0)
            return r;
        if ((info.flags & STORE_IMAGE_RESERVED) == 0)
            continue;
        first = first == NULL ? &group->rows[i] : first;
        wanted += info.size > info.set_aside ? info.size - info.set_aside : 0;
        reserved++;
    }
    if (wanted > 0)
        r = store_aside_fits(group->varve->store, wanted, &missing);
    if (r != -ENOSPC)
        return r;
    return varve_fail(ENOSPC,
                      "volume '%s' is reserved%s, and a snapshot sets aside as much free space as "
                      "it has for itself, %s, for the writes that follow: %" PRIu64
                      " bytes are missing",
                      first->volume, reserved > 1 ? " and not the only one" : "",
                      show_size(wanted).text, missing);
}

static int make_group(struct group *group, const char *const *volumes, size_t count,
                      const struct varve_snapshot_options *options,
                      const struct snapshot_occasion *occasion)
{
    int r = group_allocate(group, count);

    group->hold = options->hold;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add_volume(group, i, volumes[i], options);
    if (r == 0)
        r = name_by_time(group, occasion->now);
    if (r == 0)
        r = check_names(group);
    for (size_t i = 0; r == 0 && i < count; i++) {
        group->rows[i].created = occasion->now;
        group->rows[i].schedule = occasion->schedule;
        group->rows[i].holds = group->hold != NULL;
    }
    if (r == 0)
        r = check_room(group);
    return r == 0 ? take(group) : r;
}

int snapshots_take_locked(struct varve *varve, struct catalog *catalog, const char *const *volumes,
                          size_t count, const struct varve_snapshot_options *options,
                          const struct snapshot_occasion *occasion,
                          struct varve_snapshot *ret_snapshots)
{
    struct group group = {.varve = varve, .catalog = catalog};
    int r = check_options(options, count);

    if (r == 0)
        r = make_group(&group, volumes, count, options, occasion);
    /* They are taken: that one cannot be looked at any more is no failure of that. */
    for (size_t i = 0; r == 0 && i < count; i++) {
        ret_snapshots[i] = (struct varve_snapshot){.image = group.rows[i].image};
        catalog_snapshot_ref(&group.rows[i], ret_snapshots[i].ref);
        (void)snapshot_stat_locked(varve, &group.rows[i], &ret_snapshots[i]);
    }
    group_free(&group);
    return r;
}

int varve_snapshot_create(struct varve *varve, const char *const *volumes, size_t count,
                          const struct varve_snapshot_options *options,
                          struct varve_snapshot *ret_snapshots)
{
    const struct snapshot_occasion occasion = {.now = (int64_t)time(NULL)};
    struct catalog *catalog;
    int r = names_enter_to_change(varve, &catalog);

    if (r != 0)
        return r;
    r = snapshots_take_locked(varve, catalog, volumes, count, options, &occasion, ret_snapshots);
    names_leave(varve);
    return r;
}
