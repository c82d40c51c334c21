/*
 * Names and images together: histories of volumes and snapshots (odd seeds) or of datasets and
 * their versions (even seeds), with store and catalog on the same simulated disk.
 *
 *   volume_histories [--seed N] [--histories N]
 *
 * A history is run again and again: the power goes at the first, second, third ... event of either
 * (and sometimes again while it is opened). Opened again, everything is as before or as after the
 * verb that was under way, nothing is left over, what was committed has its digest, and the check
 * is clean. Then the same with each error of SQLite's at each of its calls: the verb fails whole,
 * and data is written and read on.
 *
 * The linker puts the functions __wrap_... here in place of io_open and its like (meson.build).
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <varve/error.h>
#include <varve/export.h>
#include <varve/server.h>
#include <varve/snapshot.h>
#include <varve/volume.h>

#include "catalog/catalog.h"
#include "counts.h"
#include "dataset_verbs.h"
#include "sim_disk.h"
#include "sim_vfs.h"
#include "store/store.h"
#include "volume/image_label.h"
#include "volume/served_store.h"

enum { VERBS = 7, NAMES = 4, TEXT = 4096, MIB = 1 << 20, NTH_MAX = 3000 };

int __wrap_io_open(const char *directory, unsigned flags, struct io **ret_io);
void __wrap_io_close(struct io *io);

static struct {
    char folder[64];
    unsigned char *catalog; /* an empty one */
    size_t catalog_length;
    struct sim_disk *empty; /* a formatted store */
    struct sim_disk *disk;
    struct varve *varve;
    struct chance chance;
    char before[TEXT], after[TEXT]; /* the verb that is under way */
    char repeat[200];
} test;

int __wrap_io_open(const char *directory, unsigned flags, struct io **ret_io)
{
    (void)directory;
    (void)flags;
    *ret_io = sim_disk_io(test.disk);
    return 0;
}

void __wrap_io_close(struct io *io)
{
    (void)io;
}

__attribute__((format(printf, 1, 2), noreturn)) static void failed(const char *format, ...)
{
    va_list arguments;

    printf("FAIL at event %llu: ", (unsigned long long)sim_disk_events(test.disk));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n     last message: %s\n     repeat with: %s\n", varve_error(), test.repeat);
    exit(1);
}

/* --- what users see, as a text ---- */

static int add_volume(void *opaque, const struct varve_volume *volume)
{
    char *text = opaque;
    size_t used = strlen(text);

    snprintf(text + used, TEXT - used, "%s %llu%s%s; ", volume->name,
             (unsigned long long)volume->size, volume->shared ? " shared" : "",
             volume->damaged ? " DAMAGED" : "");
    return 0;
}

static int add_snapshot(void *opaque, const struct varve_snapshot *snapshot)
{
    char *text = opaque;
    size_t used = strlen(text);

    snprintf(text + used, TEXT - used, "%s %llu%s; ", snapshot->ref,
             (unsigned long long)snapshot->size, snapshot->damaged ? " DAMAGED" : "");
    return 0;
}

static int see(char *text)
{
    int rc;

    text[0] = '\0';
    rc = varve_volume_list(test.varve, add_volume, text);
    if (rc == 0)
        rc = varve_snapshot_list(test.varve, NULL, add_snapshot, text);
    return rc == 0 ? datasets_see(test.varve, text, TEXT) : rc;
}

/* --- histories ---- */

static int one_verb(struct chance *chance)
{
    static const char *const names[NAMES] = {"a", "b", "c", "d"};
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
        return varve_volume_create(test.varve, name, &options);
    case 3:
        return varve_volume_rename(test.varve, name, other);
    case 4:
        return varve_volume_set_shared(test.varve, name, options.shared);
    case 5:
        return varve_volume_delete(test.varve, name);
    case 6:
        return varve_snapshot_create(test.varve, group, strcmp(name, other) == 0 ? 1 : 2, &snapshot,
                                     made);
    case 7:
        return varve_snapshot_create(test.varve, group, 1, &snapshot, made);
    default:
        return varve_snapshot_delete(test.varve, ref);
    }
}

static int verb_of(uint64_t seed, unsigned i, struct chance *chance)
{
    if (seed % 2 == 1)
        return one_verb(chance);
    return i < 2 ? dataset_begin(test.varve, i) : dataset_verb(test.varve, chance);
}

static void begin(uint64_t seed)
{
    test.disk = sim_disk_copy(test.empty, seed);
    sim_vfs_use(test.disk);
    sim_vfs_clear();
    sim_vfs_put("catalog.db", test.catalog, test.catalog_length);
    test.before[0] = test.after[0] = '\0';
    test.varve = NULL;
}

static int open_all(void)
{
    return varve_open(test.folder, 0, NULL, &test.varve);
}

static void end(void)
{
    varve_close(test.varve);
    test.varve = NULL;
    if (sim_disk_memory(test.disk) != 0)
        failed("%llu bytes were not freed", (unsigned long long)sim_disk_memory(test.disk));
    sim_disk_free(test.disk);
}

/* The verbs of a seed, until the power goes. `after` is what the whole history without a cut has
 * shown behind each verb. */
static void play(uint64_t seed, char (*after)[TEXT], bool record)
{
    struct chance chance = {.state = seed};

    for (unsigned i = 0; i < VERBS; i++) {
        int rc;

        if (!record)
            memcpy(test.after, after[i], TEXT);
        rc = verb_of(seed, i, &chance);
        if (record && see(after[i]) != 0)
            failed("the names cannot be listed");
        if (sim_disk_is_dead(test.disk))
            return;
        if (record && rc != 0 && rc != -ENOENT && rc != -EEXIST && rc != -EBUSY && rc != -EINVAL &&
            rc != -EPERM)
            failed("a verb says %d", rc);
        memcpy(test.before, after[i], TEXT);
    }
    memcpy(test.after, test.before, TEXT);
}

static void no_report(void *opaque, const char *line)
{
    (void)opaque;
    printf("     check: %s\n", line);
}

/* Images that have names; the two copies of the catalog have none, and a committed version has one
 * more, its tree of digests. */
static unsigned count_images(const char *when, unsigned committed)
{
    struct store_image_info info = {0};
    struct image_label label;
    enum label_state state;
    unsigned images = 0, copies = 0, trees = 0;

    while (store_image_next(test.varve->store, info.image, &info) == 0) {
        if (image_label_parse(info.label, &state, &label) && label.kind == LABEL_CATALOG)
            copies++;
        else if (image_label_parse(info.label, &state, &label) && label.kind == LABEL_TREE)
            trees++;
        else
            images++;
    }
    if (trees != committed)
        failed("%s %u trees of digests and %u committed versions are there", when, trees,
               committed);
    if (copies > 2)
        failed("%s %u copies of the catalog are there", when, copies);
    return images;
}

static void must_be_whole(const char *when)
{
    struct varve_check_result result = {0};
    char found[TEXT];
    unsigned named = 0, committed = 0, images;
    int wrong;

    if (see(found) != 0)
        failed("%s the names cannot be listed", when);
    if (strcmp(found, test.before) != 0 && strcmp(found, test.after) != 0)
        failed("%s there is [%s], and neither [%s] nor [%s]", when, found, test.before, test.after);
    for (const char *c = found; (c = strchr(c, ';')) != NULL; c++)
        named++;
    for (const char *c = found; (c = strstr(c, ", digest")) != NULL; c++)
        committed++;
    images = count_images(when, committed);
    if (images != named)
        failed("%s %u images and %u names are there", when, images, named);
    wrong = datasets_verify(test.varve);
    if (wrong != 0)
        failed("%s %d committed versions do not have their digest", when, wrong);
    if (varve_check(test.varve, VARVE_CHECK_DATA, no_report, NULL, &result) != 0 ||
        result.problems != 0)
        failed("%s the check finds %llu problems", when, (unsigned long long)result.problems);
}

/* Both files lose their power together. */
static void reboot(enum sim_outcome outcome)
{
    varve_close(test.varve);
    test.varve = NULL;
    sim_vfs_reboot(outcome, &test.chance);
    sim_disk_reboot(test.disk);
}

/* False when the history came to its end. */
static bool cut_at(uint64_t seed, uint64_t at, char (*after)[TEXT])
{
    enum sim_outcome outcome = (enum sim_outcome)chance_below(&test.chance, 3);
    bool cut;

    begin(seed + at);
    sim_disk_cut_at(test.disk, sim_disk_events(test.disk) + at, outcome);
    if (open_all() == 0)
        play(seed, after, false);
    cut = sim_disk_is_dead(test.disk);
    if (cut)
        reboot(outcome);
    else
        sim_disk_cut_at(test.disk, 0, SIM_NONE);
    for (unsigned again = 0; cut && again < 3 && chance_hit(&test.chance, 1, 3); again++) {
        sim_disk_cut_at(test.disk, sim_disk_events(test.disk) + 1 + chance_below(&test.chance, 60),
                        outcome);
        if (open_all() != 0 && !sim_disk_is_dead(test.disk))
            failed("opening again fails");
        if (!sim_disk_is_dead(test.disk))
            break;
        count_case(COUNT_CATALOG_CUTS, 1);
        reboot(outcome);
    }
    sim_disk_cut_at(test.disk, 0, SIM_NONE);
    if (test.varve == NULL && open_all() != 0)
        failed("opening after a power cut fails");
    must_be_whole("after a power cut");
    end();
    count_case(COUNT_CATALOG_CUTS, cut);
    return cut;
}

/* --- SQLite's errors ---- */

static void data_goes_on(struct store_image *image)
{
    static unsigned char bytes[512], found[512];

    memset(bytes, (int)chance_below(&test.chance, 256), sizeof(bytes));
    if (store_write(test.varve->store, image, bytes, sizeof(bytes), 4096, STORE_FUA) != 0 ||
        store_read(test.varve->store, image, found, sizeof(found), 4096) != 0 ||
        memcmp(bytes, found, sizeof(bytes)) != 0)
        failed("while the catalog fails, data is not written and read");
}

/* False when nothing was left to fail. */
static bool fail_at(uint64_t seed, int code, unsigned nth, bool forever, char (*after)[TEXT])
{
    static const struct varve_volume_options options = {.size = MIB};
    struct chance chance = {.state = seed};
    struct store_image *image;
    struct varve_volume volume;
    unsigned struck;

    begin(seed);
    if (open_all() != 0 || varve_volume_create(test.varve, "data", &options) != 0 ||
        varve_volume_show(test.varve, "data", &volume) != 0 ||
        store_image_open(test.varve->store, volume.image, &image) != 0)
        failed("a volume cannot be made");
    sim_vfs_fail(code, nth, forever);
    for (unsigned i = 0; i < VERBS && sim_vfs_struck() == 0; i++) {
        int rc;

        sim_vfs_fail(0, 0, false);
        if (see(test.before) != 0)
            failed("the names cannot be listed");
        sim_vfs_fail(code, nth, forever);
        rc = verb_of(seed, i, &chance);
        struck = sim_vfs_struck();
        sim_vfs_fail(0, 0, false);
        data_goes_on(image);
        if (struck > 0) {
            /* it may count all the same, when the last write of it failed */
            memcpy(test.after, after[i], TEXT);
            if (rc == 0) /* it was tried again, or did not matter */
                memcpy(test.before, test.after, TEXT);
            break;
        }
        if (i + 1 < VERBS)
            continue;
        store_image_close(test.varve->store, image);
        end();
        return false;
    }
    store_image_close(test.varve->store, image);
    varve_close(test.varve);
    test.varve = NULL;
    sim_disk_reboot(test.disk);
    if (open_all() != 0)
        failed("opening after an error of SQLite's fails");
    must_be_whole("after an error of SQLite's");
    end();
    return true;
}

static void run_errors(uint64_t seed)
{
    static char after[VERBS][TEXT];
    static const struct varve_volume_options options = {.size = MIB};
    static const int codes[] = {SQLITE_IOERR_WRITE, SQLITE_FULL, SQLITE_BUSY,    SQLITE_NOMEM,
                                SQLITE_CORRUPT,     SQLITE_PERM, SQLITE_READONLY};

    begin(seed);
    if (open_all() != 0 || varve_volume_create(test.varve, "data", &options) != 0)
        failed("a volume cannot be made");
    play(seed, after, true);
    end();
    for (size_t i = 0; i < 2 * sizeof(codes) / sizeof(codes[0]); i++)
        for (unsigned nth = 1; nth < 400; nth++) {
            snprintf(test.repeat, sizeof(test.repeat),
                     "volume_histories --seed %llu (code %d of SQLite's at call %u%s)",
                     (unsigned long long)seed, codes[i / 2], nth, i % 2 ? " and after" : "");
            if (!fail_at(seed, codes[i / 2], nth, i % 2 == 1, after))
                break;
            count_case(COUNT_IO_ERRORS, 1);
        }
}

static void run_history(uint64_t seed)
{
    static char after[VERBS][TEXT];
    bool more = true;

    snprintf(test.repeat, sizeof(test.repeat), "volume_histories --seed %llu",
             (unsigned long long)seed);
    test.chance.state = seed;
    begin(seed);
    if (open_all() != 0)
        failed("opening fails");
    play(seed, after, true);
    must_be_whole("without a cut");
    end();
    for (uint64_t at = 1; more; at++) {
        snprintf(test.repeat, sizeof(test.repeat), "volume_histories --seed %llu (cut at %llu)",
                 (unsigned long long)seed, (unsigned long long)at);
        if (at > NTH_MAX)
            failed("the history does not end");
        more = cut_at(seed, at, after);
    }
}

/* An empty catalog, made by the real thing in a real folder, and an empty store. */
static void prepare(void)
{
    struct store_geometry geometry = {.limit = 16 * MIB, .journal = MIB};
    struct sim_options options = {.seed = 1, .journal_size = MIB};
    const char *base = getenv("TMPDIR");
    char path[96];
    FILE *file;
    int rc;

    snprintf(test.folder, sizeof(test.folder), "%s/histories.XXXXXX", base ? base : "/tmp");
    if (mkdtemp(test.folder) == NULL)
        exit(1);
    snprintf(path, sizeof(path), "%s/catalog.db", test.folder);
    test.disk = test.empty = sim_disk_new(&options);
    rc = catalog_create(path);
    if (rc != 0)
        failed("the catalog cannot be made");
    test.catalog = calloc(1, MIB);
    file = fopen(path, "rb");
    assert(test.catalog != NULL && file != NULL);
    test.catalog_length = fread(test.catalog, 1, MIB, file);
    fclose(file);
    if (store_format(sim_disk_io(test.empty), &geometry) != 0)
        failed("the store cannot be made");
    sim_vfs_register(test.empty);
}

/* What SQLite and a restored catalog leave in the real file system: names without content. */
static void remove_folder(void)
{
    DIR *folder = opendir(test.folder);
    const struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder != NULL)
        closedir(folder);
    rmdir(test.folder);
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"seed", required_argument, NULL, 's'}, {"histories", required_argument, NULL, 'n'}, {0}};
    unsigned long long seed = 1, histories = 1;
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'n')
            histories = strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    prepare();
    for (unsigned long long i = 0; i < histories; i++) {
        run_history(seed + i);
        if (i % 40 < 2)
            run_errors(seed + i);
    }
    remove_folder();
    printf("ok %llu histories from seed %llu\n", histories, seed);
    count_print();
    return 0;
}
