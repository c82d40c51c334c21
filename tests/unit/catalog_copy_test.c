/*
 * The copy of the catalog in the store: whatever happens to catalog.db, names, tags, messages and
 * holds are there after the next opening. The linker puts the functions below in place of the
 * store's (see meson.build), to die between two steps of the copy's renewal.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <varve/commit.h>
#include <varve/dataset.h>
#include <varve/export.h>
#include <varve/hold.h>
#include <varve/snapshot.h>
#include <varve/tag.h>
#include <varve/usage.h>

#include "store/store.h"
#include "trial_store.h"

/* --- dying at a step ------------------------------------------------------------------------- */

static int steps_to_live = -1; /* below 0: for ever */

static void step(void)
{
    if (steps_to_live == 0)
        _exit(9);
    if (steps_to_live > 0)
        steps_to_live--;
}

#define STEP(name, parameters, arguments)                                                          \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        step();                                                                                    \
        return __real_##name arguments;                                                            \
    }

STEP(store_image_create,
     (struct store * store, uint64_t size, unsigned flags, const char *label, uint64_t *ret_image),
     (store, size, flags, label, ret_image))
STEP(store_image_resize, (struct store * store, uint64_t image, uint64_t size),
     (store, image, size))
STEP(store_image_set_label, (struct store * store, uint64_t image, const char *label),
     (store, image, label))
STEP(store_image_change_flags, (struct store * store, uint64_t image, unsigned set, unsigned clear),
     (store, image, set, clear))
STEP(store_write,
     (struct store * store, struct store_image *image, const void *buffer, size_t length,
      uint64_t offset, unsigned flags),
     (store, image, buffer, length, offset, flags))
STEP(store_flush, (struct store * store), (store))

/* --- a store with something of each kind ----------------------------------------------------- */

static char notes[TRIAL_TEXT];

static void keep_lines(void *opaque, const char *line)
{
    trial_append(opaque, line);
    trial_append(opaque, "\n");
}

static struct varve *reopen(const char *dir, unsigned flags)
{
    struct varve *varve = trial_open(dir, flags);

    notes[0] = '\0';
    varve_notes(varve, keep_lines, notes);
    return varve;
}

static int add_volume(void *opaque, const struct varve_volume *volume)
{
    trial_append(opaque, volume->name);
    trial_append(opaque, volume->damaged ? "! " : " ");
    return 0;
}

static int add_snapshot(void *opaque, const struct varve_snapshot *snapshot)
{
    trial_append(opaque, snapshot->ref);
    trial_append(opaque, snapshot->message);
    trial_append(opaque, snapshot->damaged ? "! " : " ");
    return 0;
}

static int add_hold(void *opaque, const struct varve_hold *hold)
{
    trial_append(opaque, hold->ref);
    trial_append(opaque, hold->reason);
    trial_append(opaque, " ");
    return 0;
}

static int add_tag(void *opaque, const struct varve_tag *tag)
{
    trial_append(opaque, tag->name);
    trial_append(opaque, tag->version);
    trial_append(opaque, " ");
    return 0;
}

static int add_version(void *opaque, const struct varve_version *version)
{
    trial_append(opaque, version->ref);
    trial_append(opaque, version->message);
    trial_append(opaque, version->digest);
    trial_append(opaque, version->damaged ? "! " : " ");
    return 0;
}

static void describe(struct varve *varve, char text[TRIAL_TEXT])
{
    text[0] = '\0';
    CHECK_EQ(varve_volume_list(varve, add_volume, text), 0);
    CHECK_EQ(varve_snapshot_list(varve, NULL, add_snapshot, text), 0);
    CHECK_EQ(varve_hold_list(varve, NULL, add_hold, text), 0);
    CHECK_EQ(varve_tag_list(varve, "data", add_tag, text), 0);
    CHECK_EQ(varve_version_list(varve, "data", true, add_version, text), 0);
}

static const char *catalog_of(const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "%s/catalog.db", name);
    return scratch_path(path);
}

static const char *with_all(const char *name, char text[TRIAL_TEXT])
{
    const char *dir = trial_make(name), *const volumes[] = {"a"};
    const struct varve_snapshot_options snapshot = {
        .name = "s", .message = "before the storm", .hold = "the audit"};
    const struct varve_dataset_options dataset = {.name = "data", .size = MIB};
    const struct varve_version_options options = {.message = "first harvest"};
    struct varve_snapshot taken;
    struct varve_commit commit;
    struct varve_version version;
    struct varve *varve = trial_open(dir, 0);

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_snapshot_create(varve, volumes, 1, &snapshot, &taken), 0);
    CHECK_EQ(varve_dataset_create(varve, &dataset, NULL), 0);
    CHECK_EQ(varve_version_create(varve, "data", &options, &version), 0);
    CHECK_EQ(varve_version_commit(varve, version.ref, VARVE_COMMIT_ALLOW_DIRTY, &commit), 0);
    CHECK_EQ(varve_tag_set(varve, version.ref, "prod", NULL, NULL), 0);
    CHECK_EQ(varve_hold_add(varve, "a", "still needed", NULL), 0);
    describe(varve, text);
    CHECK_EQ(varve_close(varve), 0);
    CHECK_HAS(text, "before the storm");
    CHECK_HAS(text, "the audit");
    CHECK_HAS(text, "first harvest");
    CHECK_HAS(text, "prod");
    return dir;
}

static void is_as_before(const char *dir, unsigned flags, const char *wanted)
{
    char found[TRIAL_TEXT];
    struct varve *varve = reopen(dir, flags);

    describe(varve, found);
    if (strcmp(found, wanted) != 0)
        check_failed(__FILE__, __LINE__, "the store has\n%s\nnot\n%s\nnotes: %s", found, wanted,
                     notes);
    CHECK_EQ(varve_close(varve), 0);
}

/* Restored, said so, whole for the check, and quiet at the opening after. */
static void is_restored(const char *dir, const char *wanted, const char *why)
{
    struct varve_check_result result;
    struct varve *varve;

    is_as_before(dir, VARVE_OPEN_READ_ONLY, wanted);
    CHECK_HAS(notes, why);
    is_as_before(dir, 0, wanted);
    CHECK_HAS(notes, why);
    CHECK_HAS(notes, "restored from the copy in the store");
    is_as_before(dir, 0, wanted);
    CHECK_EQ(strlen(notes), 0);
    varve = trial_open(dir, 0);
    CHECK_EQ(varve_check(varve, VARVE_CHECK_DATA, NULL, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    CHECK_EQ(varve_close(varve), 0);
}

/* --- files ----------------------------------------------------------------------------------- */

struct content {
    unsigned char *bytes;
    size_t length;
};

static struct content read_file(const char *path)
{
    struct content content = {.bytes = malloc(4 * MIB)};
    FILE *file = fopen(path, "re");

    CHECK(file != NULL && content.bytes != NULL);
    content.length = fread(content.bytes, 1, 4 * MIB, file);
    fclose(file);
    return content;
}

static void write_file(const char *path, const unsigned char *bytes, size_t length)
{
    FILE *file;

    (void)unlink(path); /* the one that is kept aside must not change with it */
    file = fopen(path, "we");
    CHECK(file != NULL);
    CHECK_EQ(fwrite(bytes, 1, length, file), length);
    CHECK_EQ(fclose(file), 0);
}

static unsigned count_kept(const char *dir)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;
    unsigned count = 0;

    CHECK(stream != NULL);
    while ((entry = readdir(stream)) != NULL)
        count += strncmp(entry->d_name, "catalog.db.damaged-", 19) == 0 &&
                 strstr(entry->d_name, "-journal") == NULL;
    closedir(stream);
    return count;
}

/* The same places in each run. */
static uint32_t draws;

static uint32_t draw(void)
{
    draws = draws * 1664525 + 1013904223;
    return draws >> 8;
}

/* --- cases ----------------------------------------------------------------------------------- */

static void a_lost_file(void)
{
    char text[TRIAL_TEXT];
    const char *dir = with_all("lost", text);

    CHECK_EQ(unlink(catalog_of("lost")), 0);
    is_restored(dir, text, "was missing");
}

static void a_truncated_file(void)
{
    char text[TRIAL_TEXT];
    const char *dir = with_all("short", text), *path = catalog_of("short");
    struct content good = read_file(path);

    for (size_t length = 0; length < good.length; length += length < 1024 ? 93 : 4091) {
        write_file(path, good.bytes, length);
        is_as_before(dir, 0, text);
    }
    write_file(path, good.bytes, 4096);
    is_restored(dir, text, "was damaged");
    free(good.bytes);
}

static void flipped_bits(void)
{
    char text[TRIAL_TEXT];
    const char *dir = with_all("flips", text), *path = catalog_of("flips");
    struct content good = read_file(path);
    unsigned restored = 0, kept;

    draws = 11;
    for (unsigned i = 0; i < 400; i++) {
        /* The head of the file, every byte of which means something, more often than the rest. */
        size_t at = i < 100 ? i : draw() % good.length;
        unsigned char bit = (unsigned char)(1U << (draw() % 8));

        good.bytes[at] ^= bit;
        write_file(path, good.bytes, good.length);
        good.bytes[at] ^= bit;
        is_as_before(dir, i % 3 != 0 ? VARVE_OPEN_READ_ONLY : 0, text);
        restored += strlen(notes) > 0 && i % 3 == 0;
    }
    kept = count_kept(dir);
    CHECK_EQ(kept, restored);
    CHECK(restored > 50);
    free(good.bytes);
}

/* A letter in a message is no damage for SQLite. */
static void a_flipped_letter(void)
{
    char text[TRIAL_TEXT];
    const char *dir = with_all("letter", text), *path = catalog_of("letter");
    struct content good = read_file(path);
    unsigned char *at = memmem(good.bytes, good.length, "before the storm", 16);

    CHECK(at != NULL);
    at[0] ^= 1;
    write_file(path, good.bytes, good.length);
    is_restored(dir, text, "was altered");
    free(good.bytes);
}

static void garbage_and_zeroes(void)
{
    char text[TRIAL_TEXT];
    const char *dir = with_all("garbage", text), *path = catalog_of("garbage");
    struct content good = read_file(path), kept;

    memset(good.bytes, 0, good.length);
    write_file(path, good.bytes, good.length);
    is_restored(dir, text, "was damaged");
    draws = 12;
    for (size_t i = 0; i < good.length; i++)
        good.bytes[i] = (unsigned char)draw();
    write_file(path, good.bytes, good.length);
    is_restored(dir, text, "was damaged");
    CHECK_EQ(count_kept(dir), 2);
    kept = read_file(path);
    CHECK(memcmp(kept.bytes, "SQLite format 3", 15) == 0);
    free(kept.bytes);
    free(good.bytes);
}

static void an_older_file(void)
{
    char text[TRIAL_TEXT];
    const char *dir = with_all("old", text), *path = catalog_of("old");
    struct content old = read_file(path);
    struct varve *varve = trial_open(dir, 0);

    CHECK_EQ(varve_volume_rename(varve, "a", "b"), 0);
    CHECK_EQ(varve_hold_add(varve, "b", "one more", NULL), 0);
    describe(varve, text);
    CHECK_EQ(varve_close(varve), 0);
    write_file(path, old.bytes, old.length);
    is_restored(dir, text, "was older than the store");
    free(old.bytes);
}

static void the_file_of_another_store(void)
{
    char text[TRIAL_TEXT], other[TRIAL_TEXT];
    const char *dir = with_all("mine", text), *path = catalog_of("mine");
    struct content content;
    struct varve *varve = trial_open(with_all("yours", other), 0);

    /* It has seen more changes, too. */
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(varve_hold_add(varve, "a", "of the other", NULL), 0);
    CHECK_EQ(varve_close(varve), 0);
    content = read_file(catalog_of("yours"));
    write_file(path, content.bytes, content.length);
    is_restored(dir, text, "belongs to another store");
    free(content.bytes);
}

/* Changes of one kind in a child that dies at the given step; true when it lived. */
static bool run_and_die(const char *dir, int steps)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        struct varve *varve = NULL;

        if (varve_open(dir, 0, NULL, &varve) != 0)
            _exit(1);
        steps_to_live = steps;
        if (varve_hold_add(varve, "a", "one more", NULL) != 0)
            _exit(1);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
    return WEXITSTATUS(status) == 0;
}

/* With the file: the change is there. Without it: there or not, and all else is. */
static void killed_between_two_steps(void)
{
    char text[TRIAL_TEXT], after[TRIAL_TEXT];
    const char *dir = with_all("killed", text), *path = catalog_of("killed");
    struct varve *varve;
    bool lived = false;
    int steps = 0;

    for (; !lived && steps < 50; steps++) {
        unsigned count = 0;

        lived = run_and_die(dir, steps);
        if (steps % 2 == 1)
            CHECK_EQ(unlink(path), 0);
        varve = reopen(dir, 0);
        if (steps % 2 == 1)
            CHECK_HAS(notes, "restored from the copy");
        describe(varve, after);
        if (steps % 2 == 0)
            CHECK_HAS(after, "one more");
        if (strstr(after, "aone more ") != NULL) {
            CHECK_EQ(varve_hold_release(varve, "a", &count), 0);
            CHECK_EQ(count, 2);
            CHECK_EQ(varve_hold_add(varve, "a", "still needed", NULL), 0);
        }
        describe(varve, after);
        CHECK_EQ(strcmp(after, text), 0);
        CHECK_EQ(varve_close(varve), 0);
    }
    CHECK(lived && steps > 4);
}

static int ignore_usage(void *opaque, const struct varve_usage *usage)
{
    (void)opaque;
    (void)usage;
    return 0;
}

/* Writes on until nothing is taken any more. */
static uint64_t fill(struct varve_export *export, uint64_t at)
{
    static unsigned char bytes[64 << 10];
    size_t length = sizeof bytes;

    while (length >= 4096) {
        int r;

        memset(bytes, (int)(at / 4096 % 251) + 1, sizeof bytes);
        r = varve_export_write(export, bytes, length, at, 0);
        CHECK(r == 0 || r == -ENOSPC);
        if (r == 0)
            at += length;
        else
            length /= 2;
    }
    return at;
}

/* The command works, the note says what does not, and the copy follows when there is room. */
static void a_full_store(void)
{
    char text[TRIAL_TEXT];
    const char *dir = with_all("full", text);
    struct varve *varve = trial_open(dir, 0);
    struct varve_export *export = NULL;
    char reason[VARVE_REASON_MAX + 1];
    uint64_t at = 0;

    /* Pages that are replaced need no room: the catalog has to grow. */
    memset(reason, 'r', VARVE_REASON_MAX);
    reason[VARVE_REASON_MAX] = '\0';
    CHECK_EQ(trial_create(varve, "big", 256 * (uint64_t)MIB), 0);
    CHECK_EQ(varve_export_open(varve, "big", "me", false, &export), 0);
    notes[0] = '\0';
    for (unsigned i = 0; i < 200 && notes[0] == '\0'; i++) {
        at = fill(export, at);
        CHECK_EQ(varve_hold_add(varve, "a", reason, NULL), 0);
        varve_notes(varve, keep_lines, notes);
    }
    varve_export_close(export);
    CHECK_HAS(notes, "the copy of the catalog in the store could not be renewed");
    CHECK_EQ(varve_hold_add(varve, "a", "while it was full", NULL), 0);
    CHECK_EQ(varve_volume_delete(varve, "big"), 0);
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(dir, 0);
    CHECK_EQ(varve_usage_list(varve, ignore_usage, NULL), 0);
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(dir, 0);
    describe(varve, text);
    CHECK_HAS(text, "while it was full");
    CHECK_EQ(varve_close(varve), 0);
    CHECK_EQ(unlink(catalog_of("full")), 0);
    is_restored(dir, text, "was missing");
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"a lost file", a_lost_file},
        {"a truncated file", a_truncated_file},
        {"flipped bits", flipped_bits},
        {"a flipped letter", a_flipped_letter},
        {"garbage and zeroes", garbage_and_zeroes},
        {"an older file", an_older_file},
        {"the file of another store", the_file_of_another_store},
        {"killed between two steps", killed_between_two_steps},
        {"a full store", a_full_store},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
