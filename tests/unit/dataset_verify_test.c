/* Verify on a disk that fails to read: not damage that a checksum finds, but EIO from below. */
#include <errno.h>
#include <varve/commit.h>
#include <varve/dataset.h>

#include "io/io.h"
#include "trial_store.h"
#include "volume/served_store.h"

enum { BLOCK = 4096, PIECES = 4, SIZE = PIECES * MIB };

/* --- a disk with bad places ------------------------------------------------------------------ */

/* Blocks that begin with these bytes cannot be read while the disk fails. */
static const char bad[] = "this place fails";

static struct io_ops failing_ops;
static const struct io_ops *sound_ops;
static unsigned failed;

static int perform(struct io *io, struct io_request *requests, size_t count)
{
    int r = sound_ops->perform(io, requests, count);

    for (size_t i = 0; i < count; i++) {
        struct io_request *request = &requests[i];

        if (request->op != IO_READ || request->file != IO_EXTENTS || request->result != 0)
            continue;
        for (size_t at = 0; at < request->length; at += BLOCK)
            if (memcmp((char *)request->buffer + at, bad, sizeof bad) == 0)
                request->result = -EIO;
        if (request->result != 0) {
            memset(request->buffer, 0xee, request->length);
            failed++;
            r = r != 0 ? r : -EIO;
        }
    }
    return r;
}

static void fail_from_now_on(struct varve *varve)
{
    sound_ops = varve->io->ops;
    failing_ops = *sound_ops;
    failing_ops.perform = perform;
    varve->io->ops = &failing_ops;
    failed = 0;
}

static void fail_no_more(struct varve *varve)
{
    varve->io->ops = sound_ops;
}

/* --- the cases ------------------------------------------------------------------------------- */

struct found {
    unsigned count;
    struct varve_damage damages[PIECES];
};

static int keep(void *opaque, const struct varve_damage *damage)
{
    struct found *found = opaque;

    CHECK(found->count < PIECES);
    found->damages[found->count++] = *damage;
    return 0;
}

static void put(struct varve *varve, uint64_t image, uint64_t block, const char *bytes)
{
    struct store_image *open;
    char content[BLOCK] = "";

    (void)snprintf(content, sizeof content, "%s", bytes);
    content[BLOCK - 1] = (char)block;
    CHECK_EQ(store_image_open(varve->store, image, &open), 0);
    CHECK_EQ(store_write(varve->store, open, content, sizeof content, block * BLOCK, 0), 0);
    store_image_close(varve->store, open);
}

/* A committed version whose blocks `places` are bad ones, in a store that has written all out. */
static struct varve *make(const char *name, const uint64_t *places, size_t count)
{
    const struct varve_dataset_options dataset = {.name = "ds"};
    const struct varve_version_options options = {.size = SIZE};
    const char *path = trial_make(name);
    struct varve *varve = trial_open(path, 0);
    struct varve_version version;
    struct varve_commit made;

    CHECK_EQ(varve_dataset_create(varve, &dataset, NULL), 0);
    CHECK_EQ(varve_version_create(varve, "ds", &options, &version), 0);
    for (uint64_t block = 0; block < SIZE / BLOCK; block += 3)
        put(varve, version.image, block, "readable");
    for (size_t i = 0; i < count; i++)
        put(varve, version.image, places[i], bad);
    CHECK_EQ(varve_version_commit(varve, version.ref, 0, &made), 0);
    CHECK_EQ(varve_close(varve), 0);
    return trial_open(path, 0);
}

static void each_place_is_named(void)
{
    const uint64_t places[] = {0, 7, 8, 700};
    static const uint64_t offsets[] = {0, 7 * BLOCK, 700 * BLOCK};
    struct varve *varve = make("places", places, 4);
    struct varve_verification verification;
    struct found found = {.count = 0};

    CHECK_EQ(varve_version_verify(varve, "ds:latest", keep, &found, &verification), 0);
    CHECK(verification.sound && found.count == 0);
    fail_from_now_on(varve);
    CHECK_EQ(varve_version_verify(varve, "ds:latest", keep, &found, &verification), 0);
    CHECK(failed > 0);
    CHECK(!verification.sound && !verification.record_damaged);
    CHECK(verification.found[0] == '\0');
    CHECK_EQ(found.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(found.damages[i].offset, offsets[i]);
        CHECK_EQ(found.damages[i].length, i == 1 ? 2 * BLOCK : BLOCK);
        CHECK_EQ(found.damages[i].kind, VARVE_DAMAGE_UNREADABLE);
    }
    CHECK_EQ(verification.damages, 3);
    CHECK_EQ(verification.damaged, 4 * BLOCK);
    /* the store goes on, and a disk that reads again is believed */
    fail_no_more(varve);
    found.count = 0;
    CHECK_EQ(varve_version_verify(varve, "ds:latest", keep, &found, &verification), 0);
    CHECK(verification.sound && found.count == 0);
    CHECK_EQ(varve_close(varve), 0);
}

/* Nothing is committed with a digest of bytes that could not be read. */
static void a_commit_fails_and_can_be_made_again(void)
{
    const uint64_t place = 300;
    const struct varve_version_options options = {.from = "ds:latest"};
    struct varve *varve = make("commit", &place, 1);
    struct varve_version version;
    struct varve_commit made;
    struct varve_verification verification;

    CHECK_EQ(varve_version_create(varve, "ds", &options, &version), 0);
    put(varve, version.image, place + 1, "changed"); /* its leaf is read again */
    fail_from_now_on(varve);
    CHECK_EQ(varve_version_commit(varve, version.ref, 0, &made), -EIO);
    CHECK_HAS(varve_error(), "offset 1228800");
    fail_no_more(varve);
    CHECK_EQ(varve_version_show(varve, version.ref, &version), 0);
    CHECK_EQ(version.sequence, 0);
    put(varve, version.image, place + 2, "and can be written");
    CHECK_EQ(varve_version_commit(varve, version.ref, 0, &made), 0);
    CHECK_EQ(varve_version_verify(varve, version.ref, NULL, NULL, &verification), 0);
    CHECK(verification.sound);
    CHECK_EQ(varve_close(varve), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"each place is named", each_place_is_named},
        {"a commit fails and can be made again", a_commit_fails_and_can_be_made_again},
    };

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
