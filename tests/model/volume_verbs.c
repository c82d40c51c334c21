#include "volume_verbs.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>
#include <varve/snapshot.h>
#include <varve/usage.h>
#include <varve/volume.h>

#include "model_space.h"
#include "store/store.h"
#include "volume/served_store.h"

enum { NAMES = 4, BLOCK = 4096, MIB = 1 << 20, AT_ONCE = 256 << 10 };

static const char *const names[NAMES] = {"a", "b", "c", "d"};

/* --- what users see ---- */

struct text {
    struct varve *varve;
    char *text;
    size_t size;
};

int image_fingerprint(struct varve *varve, uint64_t number, uint64_t size, uint64_t *ret_number)
{
    static uint64_t words[AT_ONCE / sizeof(uint64_t)];
    struct store_image *image;
    int rc = store_image_open(varve->store, number, &image);

    *ret_number = 0;
    if (rc != 0)
        return rc;
    for (uint64_t at = 0; rc == 0 && at < size; at += sizeof(words)) {
        size_t some = size - at < sizeof(words) ? (size_t)(size - at) : sizeof(words);

        rc = store_read(varve->store, image, words, some, at); /* sizes are multiples of 512 */
        for (size_t i = 0; rc == 0 && i < some / sizeof(words[0]); i++)
            if (words[i] != 0)
                *ret_number = fingerprint_add(*ret_number, words[i] ^ (at / sizeof(words[0]) + i));
    }
    store_image_close(varve->store, image);
    return rc;
}

static int add_volume(void *opaque, const struct varve_volume *volume)
{
    const struct text *out = opaque;
    size_t used = strlen(out->text);
    uint64_t content = 0;
    int rc = 0;

    if (!volume->damaged && strcmp(volume->name, "data") != 0)
        rc = image_fingerprint(out->varve, volume->image, volume->size, &content);
    snprintf(out->text + used, out->size - used, "%s %llu %llx%s%s; ", volume->name,
             (unsigned long long)volume->size, (unsigned long long)content,
             volume->shared ? " shared" : "", volume->damaged ? " DAMAGED" : "");
    return rc;
}

static int add_snapshot(void *opaque, const struct varve_snapshot *snapshot)
{
    const struct text *out = opaque;
    bool saved = isdigit((unsigned char)snapshot->name[0]) != 0;
    size_t used = strlen(out->text);
    uint64_t content = 0;
    int rc = 0;

    if (!snapshot->damaged)
        rc = image_fingerprint(out->varve, snapshot->image, snapshot->size, &content);
    snprintf(out->text + used, out->size - used, "%s@%s %llu %llx%s; ", snapshot->volume,
             saved ? "saved" : snapshot->name, (unsigned long long)snapshot->size,
             (unsigned long long)content, snapshot->damaged ? " DAMAGED" : "");
    return rc;
}

int volumes_see(struct varve *varve, char *text, size_t size)
{
    struct text out = {varve, text, size};
    int rc = varve_volume_list(varve, add_volume, &out);
    size_t used = strlen(text);

    snprintf(text + used, size - used, "|");
    return rc == 0 ? varve_snapshot_list(varve, NULL, add_snapshot, &out) : rc;
}

static int compare_image(struct varve *varve, const struct model_image *wanted)
{
    static unsigned char found[AT_ONCE], want[AT_ONCE];
    struct store_image *image;
    int rc = store_image_open(varve->store, wanted->number, &image);

    if (rc != 0)
        return rc;
    if (store_image_size(varve->store, image) != wanted->size)
        rc = varve_fail(EPROTO, "image %llu has %llu bytes, and not %llu",
                        (unsigned long long)wanted->number,
                        (unsigned long long)store_image_size(varve->store, image),
                        (unsigned long long)wanted->size);
    for (uint64_t at = 0; rc == 0 && at < wanted->size; at += AT_ONCE) {
        size_t some = wanted->size - at < AT_ONCE ? (size_t)(wanted->size - at) : AT_ONCE;

        rc = store_read(varve->store, image, found, some, at);
        model_read(wanted, at, want, some);
        if (rc == 0 && memcmp(found, want, some) != 0)
            rc = varve_fail(EPROTO, "image %llu holds something else at %llu or soon after",
                            (unsigned long long)wanted->number, (unsigned long long)at);
    }
    store_image_close(varve->store, image);
    return rc;
}

static int number_of(struct varve *varve, const char *ref, uint64_t *ret_image)
{
    struct varve_snapshot snapshot;
    struct varve_volume volume;
    bool is_snapshot = strchr(ref, '@') != NULL;
    int rc = is_snapshot ? varve_snapshot_show(varve, ref, &snapshot)
                         : varve_volume_show(varve, ref, &volume);

    if (rc == 0)
        *ret_image = is_snapshot ? snapshot.image : volume.image;
    return rc;
}

static int compare_usage(void *opaque, const struct varve_usage *usage)
{
    const struct volume_play *play = opaque;
    const struct model_image *image;
    uint64_t number, alone;
    int rc;

    if (strcmp(usage->ref, "data") == 0) /* no part of the history */
        return 0;
    rc = number_of(play->varve, usage->ref, &number);
    if (rc != 0)
        return rc;
    image = model_find(play->model, number);
    if (image == NULL)
        return varve_fail(EPROTO, "'%s' is in the list of usage only", usage->ref);
    alone = model_alone(play->model, &number, 1);
    if (usage->size != image->size || usage->mapped != model_mapped(image) ||
        usage->unique != alone || usage->shared != usage->mapped - alone ||
        usage->reclaimable < alone)
        return varve_fail(
            EPROTO,
            "usage of '%s': %llu bytes mapped, %llu alone, %llu shared, and not %llu, "
            "%llu alone",
            usage->ref, (unsigned long long)usage->mapped, (unsigned long long)usage->unique,
            (unsigned long long)usage->shared, (unsigned long long)model_mapped(image),
            (unsigned long long)alone);
    return 0;
}

int volumes_compare(struct volume_play *play)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < play->model->count; i++)
        rc = compare_image(play->varve, &play->model->images[i]);
    return rc == 0 && play->model->count > 0 ? varve_usage_list(play->varve, compare_usage, play)
                                             : rc;
}

/* --- names ---- */

int volume_name_verb(struct varve *varve, struct chance *chance)
{
    const char *name = names[chance_below(chance, NAMES)],
               *other = names[chance_below(chance, NAMES)];
    uint64_t size = (1 + chance_below(chance, 4)) * MIB;
    struct varve_volume_options options = {.size = size, .shared = chance_hit(chance, 1, 3)};
    struct varve_snapshot_options snapshot = {.name = chance_hit(chance, 1, 2) ? "one" : "two"};
    struct varve_snapshot made[2];
    const char *group[2] = {name, other};
    char ref[32];

    snprintf(ref, sizeof(ref), "%s@%s", name, snapshot.name);
    switch (chance_below(chance, 9)) {
    case 0:
    case 1:
    case 2:
        return varve_volume_create(varve, name, &options);
    case 3:
        return varve_volume_rename(varve, name, other);
    case 4:
        return varve_volume_set_shared(varve, name, options.shared);
    case 5:
        return varve_volume_delete(varve, name);
    case 6:
        return varve_snapshot_create(varve, group, strcmp(name, other) == 0 ? 1 : 2, &snapshot,
                                     made);
    case 7:
        return varve_snapshot_create(varve, group, 1, &snapshot, made);
    default:
        return varve_snapshot_delete(varve, ref);
    }
}

/* --- content: each verb draws the same chance whether it succeeds or not ---- */

/* Around the borders that matter: of blocks, of what one leaf of the map covers. */
static uint64_t any_size(struct chance *chance)
{
    static const uint64_t sizes[] = {512, BLOCK, 3 * BLOCK + 1536, MIB, MIB + 512, 3 * MIB};

    return chance_hit(chance, 1, 2) ? sizes[chance_below(chance, 6)]
                                    : (1 + chance_below(chance, 4096)) * 512;
}

static int create(struct volume_play *play, const char *name, uint64_t size)
{
    const struct varve_volume_options options = {.size = size};
    struct varve_volume made;
    int rc = varve_volume_create(play->varve, name, &options);

    if (rc == 0 && play->model != NULL && (rc = varve_volume_show(play->varve, name, &made)) == 0)
        model_create(play->model, made.image, size);
    return rc;
}

/* At most one block, so that it is there or not. */
static int write_some(struct volume_play *play, const char *name, struct chance *chance,
                      enum verb_order *order)
{
    unsigned char bytes[BLOCK];
    uint64_t where = chance_below(chance, 4), draw = chance_draw(chance);
    uint64_t start = chance_hit(chance, 1, 2) ? 0 : chance_below(chance, BLOCK);
    uint64_t length = start == 0 ? BLOCK : 1 + chance_below(chance, BLOCK - start), last, at;
    bool durable = chance_hit(chance, 1, 2), leave = false;
    struct store_image *image;
    struct varve_volume volume;
    int rc;

    memset(bytes, 1 + (int)chance_below(chance, 255), sizeof(bytes));
    rc = varve_volume_show(play->varve, name, &volume);
    if (rc != 0)
        return rc;
    last = (volume.size - 1) / BLOCK;
    at = (where == 0 ? 0 : where == 1 ? last : draw % (last + 1)) * BLOCK;
    if (at + start >= volume.size)
        start = 0;
    if (length > volume.size - at - start)
        length = volume.size - at - start;
    if (!durable && !play->loose) {
        *order = VERB_LOOSE;
        play->loose = true;
        leave = play->without_loose;
    }
    rc = store_image_open(play->varve->store, volume.image, &image);
    if (rc != 0)
        return rc;
    if (!leave)
        rc = store_write(play->varve->store, image, bytes, (size_t)length, at + start,
                         *order == VERB_LOOSE ? 0 : STORE_FUA);
    store_image_close(play->varve->store, image);
    if (rc == 0 && play->model != NULL && !leave)
        model_write(play->model, volume.image, at + start, bytes, (size_t)length);
    return rc;
}

static int resize(struct volume_play *play, const char *name, uint64_t size)
{
    struct varve_volume volume;
    int rc = varve_volume_resize(play->varve, name, size);

    if (rc == 0 && play->model != NULL && (rc = varve_volume_show(play->varve, name, &volume)) == 0)
        model_resize(play->model, volume.image, size);
    return rc;
}

static int take_snapshot(struct volume_play *play, const char *name, const char *called)
{
    const struct varve_snapshot_options options = {.name = called};
    struct varve_snapshot made;
    struct varve_volume volume;
    int rc = varve_snapshot_create(play->varve, &name, 1, &options, &made);

    if (rc == 0 && play->model != NULL && (rc = varve_volume_show(play->varve, name, &volume)) == 0)
        model_clone(play->model, made.image, volume.image, true);
    return rc;
}

/* One of the volume's snapshots. */
struct choice {
    uint64_t left;
    struct varve_snapshot snapshot;
};

static int choose(void *opaque, const struct varve_snapshot *snapshot)
{
    struct choice *choice = opaque;

    choice->snapshot = *snapshot;
    return choice->left-- == 0;
}

static int count_one(void *opaque, const struct varve_snapshot *snapshot)
{
    (void)snapshot;
    ++*(uint64_t *)opaque;
    return 0;
}

static int any_snapshot(struct varve *varve, const char *name, uint64_t draw,
                        struct varve_snapshot *ret_snapshot)
{
    struct choice choice = {0};
    uint64_t count = 0;
    int rc = varve_snapshot_list(varve, name, count_one, &count);

    if (rc != 0 || count == 0)
        return rc != 0 ? rc : -ENOENT;
    choice.left = draw % count;
    rc = varve_snapshot_list(varve, name, choose, &choice);
    *ret_snapshot = choice.snapshot;
    return rc < 0 ? rc : 0;
}

static int roll_back(struct volume_play *play, const char *name, bool save, uint64_t draw,
                     enum verb_order *order)
{
    struct varve_snapshot to, saved;
    struct varve_volume volume;
    int rc = any_snapshot(play->varve, name, draw, &to);

    if (rc == 0)
        rc = varve_volume_rollback(play->varve, name, to.ref, save, &saved);
    if (rc == 0 && play->model != NULL &&
        (rc = varve_volume_show(play->varve, name, &volume)) == 0) {
        if (save)
            model_clone(play->model, saved.image, volume.image, true);
        model_rollback(play->model, volume.image, to.image);
    }
    *order = save ? VERB_SAVES : VERB_STORE;
    return rc;
}

static int delete_snapshot(struct volume_play *play, const char *name, uint64_t draw)
{
    struct varve_snapshot snapshot;
    int rc = any_snapshot(play->varve, name, draw, &snapshot);

    if (rc == 0)
        rc = varve_snapshot_delete(play->varve, snapshot.ref);
    if (rc == 0 && play->model != NULL)
        model_delete(play->model, snapshot.image);
    return rc;
}

static int clone_to(struct volume_play *play, const char *name, const char *other, uint64_t draw)
{
    struct varve_volume_options options = {0};
    struct varve_snapshot from;
    struct varve_volume made;
    int rc = any_snapshot(play->varve, name, draw, &from);

    options.from = from.ref;
    if (rc == 0)
        rc = varve_volume_create(play->varve, other, &options);
    if (rc == 0 && play->model != NULL && (rc = varve_volume_show(play->varve, other, &made)) == 0)
        model_clone(play->model, made.image, from.image, false);
    return rc;
}

static int delete_volume(struct volume_play *play, const char *name)
{
    struct varve_volume volume;
    int rc = varve_volume_show(play->varve, name, &volume);

    if (rc == 0)
        rc = varve_volume_delete(play->varve, name);
    if (rc == 0 && play->model != NULL)
        model_delete(play->model, volume.image);
    return rc;
}

int volume_content_verb(struct volume_play *play, unsigned step, struct chance *chance,
                        enum verb_order *ret_order)
{
    bool first = chance_hit(chance, 3, 4), save = chance_hit(chance, 1, 2);
    const char *name = names[first ? 0 : 1], *other = names[first ? 1 : 0];
    uint64_t size = any_size(chance), draw = chance_draw(chance), kind = chance_below(chance, 20);

    *ret_order = VERB_STORE;
    if (step == 0)
        return create(play, names[0], size);
    if (step == 1 || kind < 6)
        return write_some(play, step == 1 ? names[0] : name, chance, ret_order);
    if (kind < 10)
        return resize(play, name, size);
    if (step == 2 || kind < 13)
        return take_snapshot(play, name, save ? "one" : "two");
    if (kind < 17)
        return roll_back(play, name, save, draw, ret_order);
    if (kind == 17)
        return clone_to(play, name, other, draw);
    if (kind == 18) {
        *ret_order = VERB_NAMES;
        return varve_volume_set_shared(play->varve, name, save);
    }
    return draw % 2 == 0 ? delete_snapshot(play, name, draw / 2) : delete_volume(play, name);
}
