#include "play.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_compact.h"
#include "varve/error.h"

void play_failed(const struct play *play, const char *format, ...)
{
    va_list arguments;

    printf("FAIL at operation %llu, event %llu: ", (unsigned long long)play->operation,
           (unsigned long long)sim_disk_events(play->disk));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n     last message: %s\n     repeat with: %s\n", varve_error(), play->repeat);
    fflush(stdout);
    exit(1);
}

__attribute__((format(printf, 2, 3))) static void say(const struct play *play, const char *format,
                                                      ...)
{
    va_list arguments;

    if (!play->verbose)
        return;
    printf("%6llu %6llu  ", (unsigned long long)play->operation,
           (unsigned long long)sim_disk_events(play->disk));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static void open_store(struct play *play)
{
    int rc = store_open(sim_disk_io(play->disk), &play->options, &play->store);

    if (rc != 0)
        play_failed(play, "store_open says %d", rc);
}

void play_begin(struct play *play, const struct store_geometry *geometry)
{
    int rc = store_format(sim_disk_io(play->disk), geometry);

    if (rc != 0)
        play_failed(play, "store_format says %d", rc);
    play->history = model_history_new();
    open_store(play);
}

void play_begin_small(struct play *play, uint64_t seed, bool stale_cache)
{
    const struct sim_options disk = {
        .seed = seed, .journal_size = STORE_JOURNAL_MIN, .stale_cache = stale_cache};
    const struct store_geometry geometry = {.limit = STORE_LIMIT_MIN, .journal = STORE_JOURNAL_MIN};

    play->disk = sim_disk_new(&disk);
    play_begin(play, &geometry);
}

void play_end(struct play *play)
{
    store_close(play->store);
    play->store = NULL;
    if (sim_disk_memory(play->disk) != 0)
        play_failed(play, "%llu bytes of memory were not freed",
                    (unsigned long long)sim_disk_memory(play->disk));
    model_history_free(play->history);
    sim_disk_free(play->disk);
}

/* Which errors an operation may answer with, and go on. */
static bool may_refuse(const struct play *play, int rc)
{
    return rc == -ENOSPC || (play->forgiving && (rc == -ENOMEM || rc == -EIO));
}

/* What becomes of a change after the store answered `rc`. Returns whether it is done. */
static bool answered(struct play *play, const char *what, int rc, bool durable)
{
    if (sim_disk_is_dead(play->disk))
        return false; /* nobody heard the answer */
    if (rc == 0) {
        model_answered(play->history, durable);
        return true;
    }
    say(play, "  %s says %d: %s", what, rc, varve_error());
    if (!may_refuse(play, rc))
        play_failed(play, "%s says %d", what, rc);
    if (rc == -ENOSPC)
        play->refused_now = true;
    /* a write with FUA may have been done and not made durable */
    if (!store_failed(play->store) && rc != -EIO && rc != -ENOSPC && !durable)
        model_refused(play->history);
    return false;
}

/* After an error in a store that goes on: each block is old or new. For want of space nothing may
 * have happened. */
static void settle_failed(struct play *play)
{
    struct model_state found;
    char why[512];
    bool refused = play->refused_now;

    play->refused_now = false;

    if (sim_disk_is_dead(play->disk) || !model_under_way(play->history) ||
        store_failed(play->store))
        return;
    sim_disk_heal(play->disk);
    if (model_state_read(play->store, &play->chance, &found) != 0) {
        if (sim_disk_is_dead(play->disk))
            return; /* it was stopped meanwhile */
        play_failed(play, "reading after a failed write fails as well");
    }
    if (refused && !play->forgiving &&
        !model_state_is(&found, model_before(play->history), NULL, why, sizeof(why)))
        play_failed(play, "for want of space it failed, and did something: %s", why);
    if (!model_found(play->history, &found, MODEL_KILLED, why, sizeof(why)))
        play_failed(play, "after a failed write: %s", why);
}

static struct store_image *open_image(struct play *play, uint64_t number)
{
    struct store_image *open = NULL;
    int rc = store_image_open(play->store, number, &open);

    if (rc != 0 && !sim_disk_is_dead(play->disk) && !may_refuse(play, rc))
        play_failed(play, "store_image_open of %llu says %d", (unsigned long long)number, rc);
    return open;
}

/* Words of the operation's number and their place, so that wrong bytes say where they come from. */
static void fill(unsigned char *bytes, uint64_t operation, uint64_t offset, uint64_t length)
{
    for (uint64_t i = 0, some; i < length; i += some) {
        uint64_t at = offset + i, word = operation << 32 | ((at / 8) & UINT32_MAX);

        some = 8 - at % 8 < length - i ? 8 - at % 8 : length - i;
        memcpy(bytes + i, (unsigned char *)&word + at % 8, some);
    }
}

/* Frozen images must refuse; anything else is a change of the model. */
static bool must_refuse(struct play *play, uint64_t image, int rc, const char *what)
{
    if (!model_find(model_now(play->history), image)->frozen)
        return false;
    if (rc != -EPERM && !sim_disk_is_dead(play->disk) && !may_refuse(play, rc))
        play_failed(play, "%s to frozen image %llu says %d, not EPERM", what,
                    (unsigned long long)image, rc);
    return true;
}

static bool change_blocks(struct play *play, uint64_t image, unsigned char *bytes, uint64_t length,
                          uint64_t offset, bool fua)
{
    const char *what = bytes != NULL ? "write" : "zero";
    struct store_image *open = open_image(play, image);
    unsigned flags = fua ? STORE_FUA : 0;
    bool frozen = model_find(model_now(play->history), image)->frozen, done = false;
    int rc;

    if (open == NULL)
        return false;
    if (!frozen) {
        struct model_state *next = model_change(play->history, true);

        if (bytes != NULL)
            model_write(next, image, offset, bytes, (size_t)length);
        else
            model_zero(next, image, offset, length);
    }
    rc = bytes != NULL ? store_write(play->store, open, bytes, (size_t)length, offset, flags)
                       : store_zero(play->store, open, length, offset, flags);
    if (!must_refuse(play, image, rc, what)) {
        done = answered(play, what, rc, fua);
        settle_failed(play);
    }
    store_image_close(play->store, open);
    return done;
}

bool play_write(struct play *play, uint64_t image, uint64_t offset, uint64_t length, bool fua)
{
    unsigned char *bytes = malloc(length + 1);
    bool done;

    assert(bytes != NULL);
    play->operation++;
    say(play, "write image %llu, %llu bytes at %llu%s", (unsigned long long)image,
        (unsigned long long)length, (unsigned long long)offset, fua ? ", FUA" : "");
    fill(bytes, play->operation, offset, length);
    done = change_blocks(play, image, bytes, length, offset, fua);
    free(bytes);
    return done;
}

bool play_zero(struct play *play, uint64_t image, uint64_t offset, uint64_t length, bool fua)
{
    play->operation++;
    say(play, "zero image %llu, %llu bytes at %llu%s", (unsigned long long)image,
        (unsigned long long)length, (unsigned long long)offset, fua ? ", FUA" : "");
    return change_blocks(play, image, NULL, length, offset, fua);
}

bool play_flush(struct play *play)
{
    int rc;

    play->operation++;
    say(play, "flush");
    rc = store_flush(play->store);
    if (sim_disk_is_dead(play->disk))
        return false;
    if (rc == 0)
        model_flushed(play->history);
    else if (!play->forgiving)
        play_failed(play, "flush says %d", rc);
    return rc == 0;
}

/* Of the head that is made now. */
static unsigned head_flags(const struct play *play)
{
    return play->reserves && play->operation % 3 == 1 ? STORE_IMAGE_RESERVED : 0;
}

bool play_create(struct play *play, uint64_t size, uint64_t *ret_image)
{
    uint64_t image = 0;
    int rc;

    play->operation++;
    model_create(model_change(play->history, false), MODEL_NUMBER_UNKNOWN, size);
    rc = store_image_create(play->store, size, head_flags(play), "created", &image);
    say(play, "create image %llu of %llu bytes", (unsigned long long)image,
        (unsigned long long)size);
    if (rc == 0 && !sim_disk_is_dead(play->disk)) {
        if (model_find(model_now(play->history), image) != NULL)
            play_failed(play, "image number %llu is taken", (unsigned long long)image);
        model_find(model_now(play->history), MODEL_NUMBER_UNKNOWN)->number = image;
    }
    *ret_image = answered(play, "create", rc, false) ? image : 0;
    settle_failed(play);
    return *ret_image != 0;
}

bool play_clone(struct play *play, uint64_t source, bool frozen, uint64_t *ret_image)
{
    struct store_clone clone = {.source = source, .label = "cloned"};
    int rc;

    play->operation++;
    clone.flags = frozen ? STORE_IMAGE_FROZEN : head_flags(play);
    model_clone(model_change(play->history, false), MODEL_NUMBER_UNKNOWN, source, frozen);
    rc = store_image_clone(play->store, &clone, 1);
    say(play, "%s image %llu of %llu", frozen ? "snapshot" : "clone",
        (unsigned long long)clone.image, (unsigned long long)source);
    if (rc == 0 && !sim_disk_is_dead(play->disk)) {
        if (model_find(model_now(play->history), clone.image) != NULL)
            play_failed(play, "image number %llu is taken", (unsigned long long)clone.image);
        model_find(model_now(play->history), MODEL_NUMBER_UNKNOWN)->number = clone.image;
    }
    *ret_image = answered(play, "clone", rc, false) ? clone.image : 0;
    settle_failed(play);
    return *ret_image != 0;
}

bool play_delete(struct play *play, uint64_t image)
{
    bool done;
    int rc;

    play->operation++;
    say(play, "delete image %llu", (unsigned long long)image);
    model_delete(model_change(play->history, false), image);
    rc = store_image_delete(play->store, image);
    if (rc == -ENOSPC && !play->forgiving)
        play_failed(play, "delete says ENOSPC");
    done = answered(play, "delete", rc, false);
    settle_failed(play);
    return done;
}

bool play_resize(struct play *play, uint64_t image, uint64_t size)
{
    int rc;
    bool frozen = model_find(model_now(play->history), image)->frozen, done;

    play->operation++;
    say(play, "resize image %llu to %llu bytes", (unsigned long long)image,
        (unsigned long long)size);
    if (!frozen)
        model_resize(model_change(play->history, false), image, size);
    rc = store_image_resize(play->store, image, size);
    if (must_refuse(play, image, rc, "resize"))
        return false;
    done = answered(play, "resize", rc, false);
    settle_failed(play);
    return done;
}

bool play_rollback(struct play *play, uint64_t image, uint64_t source)
{
    int rc;
    bool frozen = model_find(model_now(play->history), image)->frozen, done;

    play->operation++;
    say(play, "rollback image %llu to %llu", (unsigned long long)image, (unsigned long long)source);
    if (!frozen)
        model_rollback(model_change(play->history, false), image, source);
    rc = store_image_rollback(play->store, image, source, 0);
    if (must_refuse(play, image, rc, "rollback"))
        return false;
    done = answered(play, "rollback", rc, false);
    settle_failed(play);
    return done;
}

bool play_freeze(struct play *play, uint64_t image)
{
    bool done;

    play->operation++;
    say(play, "freeze image %llu", (unsigned long long)image);
    model_freeze(model_change(play->history, false), image);
    done = answered(play, "freeze", store_image_set_flags(play->store, image, STORE_IMAGE_FROZEN),
                    false);
    settle_failed(play);
    return done;
}

bool play_compact(struct play *play, uint64_t image)
{
    struct store_compaction *compaction = NULL;
    int rc = store_compact_open(play->store, image, &compaction);

    play->operation++;
    while (rc == 0 && (rc = store_compact_step(compaction)) == 1 &&
           !chance_hit(&play->chance, 1, 8))
        rc = 0;
    if (compaction != NULL) {
        struct store_compaction_state state = store_compact_state(compaction);

        say(play, "compact image %llu: %llu bytes moved, %llu in order, %llu shared, says %d",
            (unsigned long long)image, (unsigned long long)state.moved,
            (unsigned long long)state.in_order, (unsigned long long)state.shared, rc);
        play->moved += state.moved;
    }
    store_compact_close(compaction);
    if (rc < 0 && !sim_disk_is_dead(play->disk) && !may_refuse(play, rc))
        play_failed(play, "compact says %d", rc);
    return rc >= 0;
}

bool play_read(struct play *play, uint64_t image, uint64_t offset, uint64_t length)
{
    unsigned char *found = malloc(2 * length + 2), *wanted = found + length;
    struct store_image *open = open_image(play, image);
    int rc = -EIO;

    assert(found != NULL);
    if (open != NULL) {
        memset(found, 0xcd, length);
        rc = store_read(play->store, open, found, (size_t)length, offset);
        store_image_close(play->store, open);
    }
    if (rc == 0) { /* right even while the disk is dead: what is answered is true */
        model_read(model_find(model_now(play->history), image), offset, wanted, (size_t)length);
        for (uint64_t i = 0; i < length; i++)
            if (found[i] != wanted[i])
                play_failed(play, "read of image %llu: byte %llu is %02x, not %02x",
                            (unsigned long long)image, (unsigned long long)(offset + i), found[i],
                            wanted[i]);
    } else if (!sim_disk_is_dead(play->disk) && !may_refuse(play, rc)) {
        play_failed(play, "read of image %llu says %d", (unsigned long long)image, rc);
    }
    free(found);
    return rc == 0;
}

static void check_work(struct play *play, const char *what, int rc)
{
    if (rc < 0 && !sim_disk_is_dead(play->disk) &&
        !(play->forgiving && (rc == -EIO || rc == -ENOMEM || rc == -ENOSPC)))
        play_failed(play, "%s says %d", what, rc);
}

void play_step(struct play *play, enum store_work work)
{
    static const char *const names[] = {"write-out", "commit", "checkpoint", "reclaim", "discard"};
    int rc = store_step(play->store, work);

    say(play, "  step of %s says %d", names[work], rc);
    check_work(play, names[work], rc);
}

bool play_checkpoint(struct play *play)
{
    int rc = store_checkpoint(play->store);

    say(play, "  checkpoint says %d", rc);
    check_work(play, "checkpoint", rc);
    return rc == 0;
}

bool play_settle(struct play *play)
{
    int rc = store_settle(play->store);

    say(play, "  settle says %d", rc);
    check_work(play, "settle", rc);
    return rc == 0;
}
