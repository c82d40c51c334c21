/*
 * A full store under threads: clients that write, zero and trim volumes larger than the store,
 * while snapshots and clones of them come and go, a filler takes all that is left and gives it
 * back, the background compacts and checks, and, in the second case, the file system below is full
 * now and then. What was refused for want of space has changed nothing; what needs no space is
 * never refused; all of it comes back.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <varve/compact.h>
#include <varve/export.h>
#include <varve/snapshot.h>

#include "trial_store.h"

enum {
    BLOCK = 4096,
    LIMIT = 32 * MIB,
    WRITERS = 3,
    SIZE = 16 * MIB,         /* of a volume: all of them are some twice of what the store holds */
    OWN = 2 * MIB,           /* of the two volumes that nothing is shared with */
    SURE = WRITERS + 2,      /* writers, with those who are never refused */
    SLOT = 25 * BLOCK + 512, /* of the first writer: it writes whole slots, of one byte */
    LENGTH_MAX = 300 << 10,
    SNAPSHOTS = 5,
    SECONDS = 3,
    PAGES = 6, /* that stay when all is deleted */
};

struct writer {
    unsigned number, seed;
    bool reserved;
    struct varve_export *export;
    unsigned char *shadow; /* what was answered */
    unsigned char *buffer, *found;
};

static const char *const names[SURE] = {"w-0", "w-1", "w-2", "own", "kept"};

static struct varve *varve;
static _Atomic int stop, failures, refused, answered, frozen, refills;
static _Atomic int below_is_full;
static bool is_full_below; /* at times, in this case */

int __real_fallocate(int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t length);

int __wrap_fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (below_is_full && mode == 0) {
        errno = ENOSPC;
        return -1;
    }
    return __real_fallocate(fd, mode, offset, length);
}

static void failed(const char *what)
{
    if (failures++ < 5)
        printf("%s: %s\n", what, varve_error());
}

/* True when it was done. What may lack space may be refused, with this errno alone. */
static bool done(int r, const char *what)
{
    if (r == -ENOSPC)
        refused++;
    else if (r != 0)
        failed(what);
    else
        answered++;
    return r == 0;
}

static void must(int r, const char *what)
{
    if (r != 0)
        failed(what);
}

/* --- writers ---- */

static void choose_range(struct writer *writer, uint64_t *ret_offset, uint64_t *ret_length)
{
    unsigned kind = (unsigned)rand_r(&writer->seed) % 4;

    if (writer->number == 0) {
        *ret_length = SLOT;
        *ret_offset = (uint64_t)(rand_r(&writer->seed) % (SIZE / SLOT)) * SLOT;
        return;
    }
    *ret_length = kind == 0 ? BLOCK : 1 + (uint64_t)rand_r(&writer->seed) % LENGTH_MAX;
    *ret_offset = (uint64_t)rand_r(&writer->seed) % (SIZE - *ret_length);
    if (kind < 2) {
        *ret_offset -= *ret_offset % BLOCK;
        *ret_length -= *ret_length > BLOCK ? *ret_length % BLOCK : 0;
    }
}

/* The blocks around the range are looked at, too. */
static void verify(struct writer *writer, uint64_t offset, uint64_t length, const char *what)
{
    uint64_t start = offset - offset % BLOCK;
    uint64_t end = (offset + length + BLOCK - 1) / BLOCK * BLOCK;

    must(varve_export_read(writer->export, writer->found, end - start, start), "read");
    if (memcmp(writer->found, writer->shadow + start, end - start) != 0)
        failed(what);
}

static void one_request(struct writer *writer)
{
    unsigned kind = (unsigned)rand_r(&writer->seed) % 16;
    unsigned flags = rand_r(&writer->seed) % 9 == 0 ? VARVE_FUA : 0;
    int byte = kind < 12 ? 1 + rand_r(&writer->seed) % 255 : 0;
    uint64_t offset, length;
    bool is_done;

    choose_range(writer, &offset, &length);
    if (kind < 12) {
        memset(writer->buffer, byte, length);
        is_done = done(varve_export_write(writer->export, writer->buffer, length, offset, flags),
                       "write");
    } else if (kind < 14) {
        is_done = done(varve_export_zero(writer->export, length, offset, flags), "zero");
    } else if (writer->number == 0) {
        must(varve_export_flush(writer->export), "a full store does not flush");
        return;
    } else {
        /* of whole leaves: no edge needs a block of its own */
        offset -= offset % MIB;
        length = MIB;
        is_done = true;
        must(varve_export_trim(writer->export, length, offset, flags),
             "a full store does not trim");
    }
    if (is_done)
        memset(writer->shadow + offset, byte, length);
    verify(writer, offset, length,
           is_done ? "read other bytes than were written" : "a refused request changed something");
}

static void *write_and_verify(void *opaque)
{
    struct writer *writer = opaque;

    while (!stop)
        one_request(writer);
    return NULL;
}

/* What an image has for itself can be written again, and a reserved one anywhere, however full the
 * store is. What is set aside of the store is not set aside below it. */
static void *write_for_sure(void *opaque)
{
    struct writer *writer = opaque;

    while (!stop) {
        uint64_t length = BLOCK * (1 + (uint64_t)rand_r(&writer->seed) % 64);
        uint64_t offset = (uint64_t)rand_r(&writer->seed) % ((OWN - length) / BLOCK) * BLOCK;
        bool is_trim = writer->reserved && rand_r(&writer->seed) % 8 == 0;
        int byte = is_trim ? 0 : rand_r(&writer->seed) % 256;
        int r;

        memset(writer->buffer, byte, length);
        r = is_trim ? varve_export_trim(writer->export, length, offset, 0)
                    : varve_export_write(writer->export, writer->buffer, length, offset, 0);
        if (r == 0)
            memset(writer->shadow + offset, byte, length);
        else if (r != -ENOSPC || !writer->reserved || !is_full_below)
            failed(writer->reserved ? "a reserved volume has no space"
                                    : "overwriting an image's own blocks is refused");
        verify(writer, offset, length, "other bytes than were written for sure");
    }
    return NULL;
}

/* --- those who come and go ---- */

/* Takes all that is left, and gives it back by trim or by delete. */
static void *fill(void *opaque)
{
    unsigned seed = 11;
    static unsigned char bytes[256 << 10];

    memset(bytes, 3, sizeof bytes);
    while (!stop) {
        struct varve_export *export = NULL;
        uint64_t at = 0;

        if (!done(trial_create(varve, "filler", SIZE), "create the filler"))
            continue;
        must(varve_export_open(varve, "filler", "filler", false, &export), "open the filler");
        for (int laps = rand_r(&seed) % 4; laps >= 0 && !stop; laps--) {
            for (at = 0; at < SIZE && !stop; at += sizeof bytes)
                if (!done(varve_export_write(export, bytes, sizeof bytes, at, 0), "fill"))
                    break;
            nanosleep(&(struct timespec){.tv_nsec = rand_r(&seed) % 30000000}, NULL);
            must(varve_export_trim(export, SIZE, 0, 0), "a full store does not trim the filler");
            refills++;
        }
        varve_export_close(export);
        must(varve_volume_delete(varve, "filler"), "a full store does not delete");
    }
    return opaque;
}

/* Whole requests only: each slot has one byte. */
static void verify_slots(const char *ref)
{
    static unsigned char bytes[SLOT];
    struct varve_export *export = NULL;

    must(varve_export_open(varve, ref, "freezer", true, &export), "open a snapshot");
    for (unsigned slot = 0; slot < SIZE / SLOT && export != NULL; slot++) {
        must(varve_export_read(export, bytes, SLOT, (uint64_t)slot * SLOT), "read a snapshot");
        if (memcmp(bytes, bytes + 1, SLOT - 1) != 0)
            failed("a snapshot holds half a request");
    }
    varve_export_close(export);
}

/* A clone of a snapshot is written until there is no room, and deleted. */
static void clone_and_write(const char *ref, unsigned *seed)
{
    const struct varve_volume_options from = {.from = ref};
    struct varve_export *export = NULL;
    static unsigned char bytes[64 << 10];

    if (!done(varve_volume_create(varve, "clone", &from), "clone"))
        return;
    memset(bytes, 5, sizeof bytes);
    must(varve_export_open(varve, "clone", "cloner", false, &export), "open a clone");
    for (int i = 0; i < 20; i++)
        done(varve_export_write(export, bytes, 1 + (size_t)rand_r(seed) % sizeof bytes,
                                (uint64_t)rand_r(seed) % (SIZE - sizeof bytes), 0),
             "write a clone");
    varve_export_close(export);
    must(varve_volume_delete(varve, "clone"), "a full store does not delete a clone");
}

static void delete_snapshots(unsigned slot)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        char ref[32];

        snprintf(ref, sizeof ref, "%s@s-%u", names[i], slot);
        must(varve_snapshot_delete(varve, ref), "a full store does not delete a snapshot");
    }
}

static void *freeze(void *opaque)
{
    bool is_there[SNAPSHOTS] = {false};
    unsigned seed = 5;

    while (!stop) {
        unsigned slot = (unsigned)rand_r(&seed) % SNAPSHOTS;
        struct varve_snapshot taken[WRITERS];
        char name[8], ref[32];

        snprintf(name, sizeof name, "s-%u", slot);
        if (is_there[slot]) {
            snprintf(ref, sizeof ref, "w-0@%s", name);
            verify_slots(ref);
            delete_snapshots(slot);
            is_there[slot] = false;
            continue;
        }
        is_there[slot] =
            done(varve_snapshot_create(varve, names, WRITERS,
                                       &(struct varve_snapshot_options){.name = name}, taken),
                 "snapshot");
        frozen += is_there[slot];
        if (is_there[slot])
            clone_and_write(taken[(unsigned)rand_r(&seed) % WRITERS].ref, &seed);
    }
    for (unsigned slot = 0; slot < SNAPSHOTS; slot++)
        if (is_there[slot])
            delete_snapshots(slot);
    return opaque;
}

static void problem(void *opaque, const char *line)
{
    (void)opaque;
    printf("problem: %s\n", line);
    failures++;
}

static void *compact_and_check(void *opaque)
{
    struct varve_compact_result compacted;
    struct varve_check_result checked;

    for (unsigned i = 0; !stop; i++) {
        done(varve_compact(varve, i % 2 == 0 ? "own" : "w-1", 0, &compacted), "compact");
        must(varve_check(varve, 0, problem, NULL, &checked), "check");
        must(varve_sync(varve), "a full store does not flush");
    }
    return opaque;
}

/* Full below for some tens of milliseconds, again and again. */
static void *fill_below(void *opaque)
{
    unsigned seed = 21;

    while (!stop) {
        below_is_full = 1;
        nanosleep(&(struct timespec){.tv_nsec = rand_r(&seed) % 100000000}, NULL);
        below_is_full = 0;
        nanosleep(&(struct timespec){.tv_nsec = rand_r(&seed) % 100000000}, NULL);
    }
    return opaque;
}

/* --- the case ---- */

/* Without the copies of the catalog, which grow with its history. */
static uint64_t used(void)
{
    struct varve_stats stats;

    varve_get_stats(varve, &stats);
    return stats.used_bytes - stats.catalog_bytes;
}

static void begin_writer(struct writer *writer, unsigned number, const char *name, uint64_t size,
                         bool reserved)
{
    struct varve_volume_options options = {.size = size, .reserved = reserved};
    char client[16];

    snprintf(client, sizeof client, "pid %u", number);
    *writer = (struct writer){.number = number, .seed = number + 1, .reserved = reserved};
    writer->shadow = calloc(1, size);
    writer->buffer = malloc(LENGTH_MAX);
    writer->found = malloc(MIB + 2 * BLOCK);
    CHECK_EQ(varve_volume_create(varve, name, &options), 0);
    CHECK_EQ(varve_export_open(varve, name, client, false, &writer->export), 0);
}

static void end_writer(struct writer *writer, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += MIB)
        verify(writer, at, MIB, "at the end other bytes than were written");
    varve_export_close(writer->export);
    free(writer->shadow);
    free(writer->buffer);
    free(writer->found);
}

static void recount(unsigned flags)
{
    struct varve_check_result result;

    CHECK_EQ(varve_check(varve, flags, problem, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
}

/* Everything is deleted, and no more is in use than in the empty store but pages: a root and a leaf
 * each of the tables of images and of what is to be reclaimed, and those of the catalog's copies.
 */
static void all_comes_back(const char *dir, uint64_t empty)
{
    for (unsigned i = 0; i < SURE; i++)
        CHECK_EQ(varve_volume_delete(varve, names[i]), 0);
    varve_reclaim(varve, 60000);
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(dir, VARVE_OPEN_READ_ONLY);
    recount(VARVE_CHECK_DATA);
    if (used() > empty + PAGES * BLOCK)
        check_failed(__FILE__, __LINE__, "all is deleted, and %llu bytes are in use, not %llu",
                     (unsigned long long)used(), (unsigned long long)empty);
    CHECK_EQ(varve_close(varve), 0);
}

static void run_threads(struct writer *writers)
{
    enum { THREADS = SURE + 4 };
    void *(*const others[])(void *) = {write_for_sure, write_for_sure,    fill,
                                       freeze,         compact_and_check, fill_below};
    unsigned count = is_full_below ? THREADS : THREADS - 1;
    pthread_t threads[THREADS];

    stop = refused = answered = frozen = refills = 0;
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL,
                                i < WRITERS ? write_and_verify : others[i - WRITERS],
                                i < SURE ? &writers[i] : NULL),
                 0);
    nanosleep(&(struct timespec){.tv_sec = trial_seconds(SECONDS)}, NULL);
    stop = 1;
    for (unsigned i = 0; i < count; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    below_is_full = 0;
    printf("%d answered, %d refused, %d snapshots, filled %d times\n", answered, refused, frozen,
           refills);
}

static void write_all(struct writer *writer)
{
    for (uint64_t at = 0; at < OWN; at += 64 * BLOCK) {
        memset(writer->buffer, 7, 64 * BLOCK);
        CHECK_EQ(varve_export_write(writer->export, writer->buffer, 64 * BLOCK, at, 0), 0);
        memset(writer->shadow + at, 7, 64 * BLOCK);
    }
}

static void run_store(const char *name, bool below)
{
    const struct varve_init_options options = {.limit = LIMIT, .journal_size = MIB};
    char dir[512];
    struct writer writers[SURE];
    uint64_t empty;

    snprintf(dir, sizeof dir, "%s", scratch_path(name));
    CHECK_EQ(varve_init(dir, &options), 0);
    varve = trial_open(dir, 0);
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(dir, 0);
    empty = used();
    CHECK_EQ(varve_start(varve), 0);
    is_full_below = below;
    for (unsigned i = 0; i < SURE; i++)
        begin_writer(&writers[i], i, names[i], i < WRITERS ? SIZE : OWN, i == WRITERS + 1);
    write_all(&writers[WRITERS]);
    run_threads(writers);
    recount(VARVE_CHECK_DATA);
    for (unsigned i = 0; i < SURE; i++)
        end_writer(&writers[i], i < WRITERS ? SIZE : OWN);
    CHECK_EQ(failures, 0);
    CHECK(refused > 0);
    CHECK(answered > 0);
    CHECK(frozen > 0);
    CHECK(refills > 0);
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(dir, 0);
    recount(VARVE_CHECK_DATA);
    all_comes_back(dir, empty);
}

static void a_full_store(void)
{
    run_store("full", false);
}

static void a_full_file_system_below(void)
{
    run_store("below", true);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"a full store", a_full_store}, {"a full file system below", a_full_file_system_below}};

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
