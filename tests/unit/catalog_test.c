#include "catalog/catalog.h"
#include "catalog/catalog_announce.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <varve/error.h>

#include "catalog/catalog_group.h"
#include "catalog/catalog_state.h"
#include "check.h"
#include "scratch.h"

static const struct catalog_change change = {"ada", "tried"};

/* A fresh one in the scratch directory, under a name of its own. */
static const char *fresh(const char *name)
{
    const char *path = scratch_path(name);

    CHECK_EQ(catalog_create(path), 0);
    return path;
}

static struct catalog *opened(const char *path, unsigned flags)
{
    struct catalog *catalog = NULL;

    CHECK_EQ(catalog_open(path, flags, &catalog), 0);
    return catalog;
}

static int insert(struct catalog *catalog, const char *name, uint64_t image)
{
    struct catalog_volume volume = {.image = image, .created = 7, .shared = image % 2 == 1};

    snprintf(volume.name, sizeof volume.name, "%s", name);
    return catalog_volume_insert(catalog, &volume, &change);
}

static void rows_survive(void)
{
    const char *path = fresh("survive.db");
    struct catalog *catalog = opened(path, 0);
    struct catalog_volume volume = {.name = ""};

    CHECK_EQ(insert(catalog, "b", 2), 0);
    CHECK_EQ(insert(catalog, "a", 1), 0);
    CHECK_EQ(insert(catalog, "c", 3), 0);
    CHECK_EQ(catalog_volume_rename(catalog, "c", "0c", &change), 0);
    CHECK_EQ(catalog_volume_set_shared(catalog, "b", true, &change), 0);
    CHECK_EQ(catalog_volume_delete(catalog, "a", &change), 0);
    catalog_close(catalog);

    catalog = opened(path, 0);
    CHECK_EQ(catalog_volume_next(catalog, "", &volume), 0);
    CHECK(strcmp(volume.name, "0c") == 0 && volume.image == 3 && volume.created == 7);
    CHECK_EQ(catalog_volume_next(catalog, volume.name, &volume), 0);
    CHECK(strcmp(volume.name, "b") == 0 && volume.image == 2 && volume.shared);
    CHECK_EQ(catalog_volume_next(catalog, volume.name, &volume), -ENOENT);
    catalog_close(catalog);
}

static void taken_and_missing_names(void)
{
    struct catalog *catalog = opened(fresh("names.db"), 0);
    struct catalog_volume volume;

    CHECK_EQ(insert(catalog, "a", 1), 0);
    CHECK_EQ(insert(catalog, "b", 2), 0);
    CHECK_EQ(insert(catalog, "a", 3), -EEXIST);
    CHECK_HAS(varve_error(), "volume 'a' exists");
    CHECK_EQ(insert(catalog, "c", 1), -EEXIST);
    CHECK_EQ(catalog_volume_rename(catalog, "a", "b", &change), -EEXIST);
    CHECK_EQ(catalog_volume_rename(catalog, "z", "y", &change), -ENOENT);
    CHECK_EQ(catalog_volume_delete(catalog, "z", &change), -ENOENT);
    CHECK_EQ(catalog_volume_set_shared(catalog, "z", true, &change), -ENOENT);
    CHECK_EQ(catalog_volume_find(catalog, "z", &volume), -ENOENT);
    CHECK_HAS(varve_error(), "no volume 'z'");
    CHECK_EQ(catalog_volume_find(catalog, "a' OR '1'='1", &volume), -ENOENT);
    /* No way in leads around the pattern of names. */
    CHECK_EQ(insert(catalog, "A", 9), -EIO);
    CHECK_EQ(insert(catalog, "", 9), -EIO);
    CHECK_EQ(insert(catalog, "a/b", 9), -EIO);
    catalog_close(catalog);
}

static void named_images(void)
{
    struct catalog *catalog = opened(fresh("named.db"), 0);
    bool named = true;

    CHECK_EQ(catalog_image_is_named(catalog, 5, &named), 0);
    CHECK(!named);
    CHECK_EQ(insert(catalog, "a", 5), 0);
    CHECK_EQ(catalog_image_is_named(catalog, 5, &named), 0);
    CHECK(named);
    catalog_close(catalog);
}

static unsigned count_events(struct catalog *catalog)
{
    struct catalog_event event = {.number = 0};
    unsigned count = 0;

    while (catalog_history_next(catalog, event.number, &event) == 0)
        count++;
    return count;
}

static void history_is_written_with_each_change(void)
{
    struct catalog *catalog = opened(fresh("history.db"), 0);
    struct catalog_event event = {.number = 0};

    CHECK_EQ(insert(catalog, "a", 1), 0);
    CHECK_EQ(catalog_volume_rename(catalog, "a", "b", &change), 0);
    CHECK_EQ(catalog_volume_set_shared(catalog, "b", false, &change), 0);
    CHECK_EQ(catalog_history_append(catalog, "volume", "b", &change), 0);
    CHECK_EQ(catalog_volume_delete(catalog, "b", &change), 0);
    CHECK_EQ(count_events(catalog), 5);
    CHECK_EQ(insert(catalog, "A", 1), -EIO);
    CHECK_EQ(catalog_volume_delete(catalog, "b", &change), -ENOENT);
    CHECK_EQ(count_events(catalog), 5);
    CHECK_EQ(catalog_history_next(catalog, 0, &event), 0);
    CHECK(strcmp(event.who, "ada") == 0 && strcmp(event.what, "tried") == 0);
    CHECK(strcmp(event.kind, "volume") == 0 && strcmp(event.object, "a") == 0);
    CHECK(event.time > 1000000000);
    catalog_close(catalog);
}

/* One at a time, found again by who opens the file next; its line goes when nothing came of it. */
static void changes_are_announced(void)
{
    const char *path = fresh("announced.db");
    struct catalog *catalog = opened(path, 0);
    struct catalog_announcement one = {.image = UINT64_MAX >> 18, .size = 512},
                                two = {.image = 7, .like = 8}, found;

    CHECK_EQ(catalog_announced(catalog, &found), -ENOENT);
    CHECK_EQ(catalog_announce(catalog, "volume", "a", &change, &one), 0);
    CHECK_EQ(catalog_announce(catalog, "volume", "b", &change, &two), -EEXIST);
    CHECK_EQ(count_events(catalog), 1);
    catalog_close(catalog);
    catalog = opened(path, 0);
    CHECK_EQ(catalog_announced(catalog, &found), 0);
    CHECK(memcmp(&found, &one, sizeof found) == 0);
    CHECK_EQ(catalog_announcement_end(catalog, one.event, true), 0);
    CHECK_EQ(catalog_announced(catalog, &found), -ENOENT);
    CHECK_EQ(count_events(catalog), 1);
    CHECK_EQ(catalog_announce(catalog, "volume", "b", &change, &two), 0);
    CHECK(two.event > one.event);
    CHECK_EQ(count_events(catalog), 2);
    CHECK_EQ(catalog_announcement_end(catalog, two.event, false), 0);
    CHECK_EQ(count_events(catalog), 1);
    CHECK_EQ(catalog_announced(catalog, &found), -ENOENT);
    catalog_close(catalog);
}

/* A user may be called anything; the cut falls between characters. */
static void long_names_of_users_are_cut(void)
{
    struct catalog *catalog = opened(fresh("long.db"), 0);
    struct catalog_event event = {.number = 0};
    char who[200];

    for (size_t i = 0; i + 1 < sizeof who; i += 2)
        memcpy(who + i, "\xc3\xa9", 2);
    who[sizeof who - 2] = '\0';
    CHECK_EQ(catalog_history_append(catalog, "volume", "a", &(struct catalog_change){who, "x"}), 0);
    CHECK_EQ(catalog_history_next(catalog, 0, &event), 0);
    CHECK_EQ(strlen(event.who), 62);
    catalog_close(catalog);
}

static void overwrite(const char *path, off_t at, const char *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_EQ(pwrite(fd, bytes, length, at), (ssize_t)length);
    close(fd);
}

static void refused(const char *path, int error, const char *part)
{
    struct catalog *catalog = NULL;

    for (unsigned flags = 0; flags <= CATALOG_READ_ONLY; flags++) {
        CHECK_EQ(catalog_open(path, flags, &catalog), error);
        CHECK_HAS(varve_error(), part);
        CHECK(catalog == NULL);
    }
}

static void missing_or_damaged_is_never_replaced(void)
{
    const char *path = scratch_path("none.db");
    struct stat about;

    refused(path, -ENOENT, "none.db");
    CHECK(access(path, F_OK) != 0);

    path = fresh("damaged.db");
    overwrite(path, 0, "not a database", 14);
    refused(path, -EIO, "move the file away");

    path = fresh("torn.db");
    overwrite(path, 4096, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    refused(path, -EIO, "move the file away");

    path = fresh("short.db");
    CHECK_EQ(truncate(path, 4096), 0);
    refused(path, -EIO, "move the file away");

    path = fresh("empty.db");
    CHECK_EQ(truncate(path, 0), 0);
    refused(path, -EIO, "is empty");
    CHECK_EQ(stat(path, &about), 0);
    CHECK_EQ(about.st_size, 0);
}

/* Offsets of SQLite's file header: user_version at 60, application_id at 68. */
static void of_others_or_of_the_future(void)
{
    const char *path = fresh("other.db");

    overwrite(path, 68, "abcd", 4);
    refused(path, -EIO, "not a varve catalog");
    path = fresh("future.db");
    overwrite(path, 60, "\0\0\3\0", 4);
    refused(path, -EIO, "later version");
}

static void python(const char *program, const char *path)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        execl("/usr/bin/python3", "python3", "-c", program, path, (char *)NULL);
        _exit(127);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

static long long checksum(const char *path)
{
    long long sum = 0;
    int c;
    FILE *file = fopen(path, "re");

    CHECK(file != NULL);
    while ((c = getc(file)) != EOF)
        sum = (sum * 31 + c) % 1000000007;
    fclose(file);
    return sum;
}

/* A crash in the middle of a change leaves half of it in the file, and a journal. */
static void read_only_sees_a_crash_rolled_back_and_writes_nothing(void)
{
    const char *path = fresh("hot.db"), *journal = scratch_path("hot.db-journal");
    struct catalog *catalog = opened(path, 0);
    struct catalog_volume volume = {.name = ""};
    long long before_db, before_journal;
    char name[32];

    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "volume-%03u", i);
        CHECK_EQ(insert(catalog, name, i + 1), 0);
    }
    catalog_close(catalog);
    python("import sqlite3, sys, os\n"
           "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
           "db.execute('PRAGMA cache_size = 2')\n"
           "db.execute('BEGIN')\n"
           "db.execute(\"UPDATE history SET who = 'half', what = 'half' || what\")\n"
           "db.execute(\"UPDATE volume SET name = 'half-' || name\")\n"
           "os._exit(0)\n",
           path);
    before_db = checksum(path);
    before_journal = checksum(journal);
    CHECK(before_journal != 0);

    /* What is rolled back is in memory only: a file elsewhere would outlive a process that dies. */
    CHECK_EQ(setenv("TMPDIR", "/no/such/folder", 1), 0);
    catalog = opened(path, CATALOG_READ_ONLY);
    CHECK_EQ(catalog_volume_next(catalog, "", &volume), 0);
    CHECK_HAS(volume.name, "volume-000");
    CHECK_EQ(catalog_check(catalog, NULL, NULL), 0);
    /* Changes stay in memory. */
    CHECK_EQ(insert(catalog, "a", 1000), 0);
    catalog_close(catalog);
    CHECK_EQ(checksum(path), before_db);
    CHECK_EQ(checksum(journal), before_journal);

    catalog = opened(path, 0);
    CHECK_EQ(catalog_volume_next(catalog, "", &volume), 0);
    CHECK_HAS(volume.name, "volume-000");
    catalog_close(catalog);
}

/* A journal that a lost catalog left must not be rolled back into its successor. */
static void a_new_catalog_takes_no_old_journal(void)
{
    const char *path = fresh("successor.db"), *journal = scratch_path("successor.db-journal");
    struct catalog *catalog = opened(path, 0);
    unsigned i;

    for (i = 0; i < 300; i++) {
        char name[32];

        snprintf(name, sizeof name, "v%u", i);
        CHECK_EQ(insert(catalog, name, i + 1), 0);
    }
    catalog_close(catalog);
    python("import sqlite3, sys, os\n"
           "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
           "db.execute('PRAGMA cache_size = 2')\n"
           "db.execute('BEGIN')\n"
           "db.execute(\"UPDATE history SET what = 'half' || what\")\n"
           "os._exit(0)\n",
           path);
    CHECK_EQ(access(journal, F_OK), 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(catalog_create(path), 0);
    catalog = opened(path, 0);
    CHECK_EQ(count_events(catalog), 0);
    catalog_close(catalog);
}

static void remember(void *opaque, const char *line)
{
    snprintf(opaque, 200, "%s", line);
}

static void check_finds_damage(void)
{
    const char *path = fresh("checked.db");
    struct catalog *catalog = opened(path, 0);
    char line[200] = "";

    CHECK_EQ(insert(catalog, "a", 1), 0);
    CHECK_EQ(catalog_check(catalog, remember, line), 0);
    catalog_close(catalog);
    /* An index that disagrees with its table: only the thorough check compares the two. */
    python("import sqlite3, sys\n"
           "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
           "root = db.execute(\"SELECT rootpage FROM sqlite_schema WHERE name = "
           "'history_of_object'\").fetchone()[0]\n"
           "db.close()\n"
           "f = open(sys.argv[1], 'r+b')\n"
           "f.seek((root - 1) * 4096)\n"
           "page = f.read(4096)\n"
           "f.seek((root - 1) * 4096)\n"
           "f.write(page.replace(b'volume', b'volumf'))\n",
           path);
    CHECK_EQ(catalog_open(path, 0, &catalog), 0);
    CHECK(catalog_check(catalog, remember, line) > 0);
    CHECK_HAS(line, "history_of_object");
    catalog_close(catalog);
}

static unsigned count_volumes(struct catalog *catalog)
{
    struct catalog_volume volume = {.name = ""};
    unsigned count = 0;

    while (catalog_volume_next(catalog, volume.name, &volume) == 0)
        count++;
    return count;
}

/* One change that fails takes no other with it; the group goes as a whole, its count of changes
 * too. */
static void a_group_is_one_change(void)
{
    const char *path = fresh("group.db");
    struct catalog *catalog = opened(path, 0);
    struct catalog_state first, state;

    CHECK_EQ(insert(catalog, "a", 1), 0);
    catalog_get_state(catalog, &first);

    CHECK_EQ(catalog_group_begin(catalog), 0);
    CHECK_EQ(insert(catalog, "b", 2), 0);
    CHECK_EQ(insert(catalog, "a", 3), -EEXIST);
    CHECK_EQ(insert(catalog, "c", 3), 0);
    CHECK_EQ(count_volumes(catalog), 3);
    CHECK_EQ(catalog_group_end(catalog, -EIO), -EIO);
    CHECK_EQ(count_volumes(catalog), 1);
    catalog_get_state(catalog, &state);
    CHECK_EQ(state.number, first.number);

    CHECK_EQ(catalog_group_begin(catalog), 0);
    CHECK_EQ(insert(catalog, "b", 2), 0);
    CHECK_EQ(insert(catalog, "a", 3), -EEXIST);
    CHECK_EQ(insert(catalog, "c", 3), 0);
    CHECK_EQ(catalog_group_end(catalog, 0), 0);
    CHECK_EQ(insert(catalog, "d", 4), 0);
    catalog_close(catalog);

    catalog = opened(path, 0);
    CHECK_EQ(count_volumes(catalog), 4);
    catalog_get_state(catalog, &state);
    CHECK_EQ(state.number, first.number + 3);
    catalog_close(catalog);
}

/* Until its end nothing of it is there for who opens the file after a crash. */
static void a_group_that_is_cut_is_none(void)
{
    const char *path = fresh("cut.db");
    struct catalog *catalog = opened(path, 0);
    pid_t child;
    int status = 0;

    CHECK_EQ(insert(catalog, "a", 1), 0);
    catalog_close(catalog);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        catalog = opened(path, 0);
        CHECK_EQ(catalog_group_begin(catalog), 0);
        for (uint64_t i = 2; i < 500; i++) {
            char name[16];

            snprintf(name, sizeof name, "v%llu", (unsigned long long)i);
            CHECK_EQ(insert(catalog, name, i), 0);
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    catalog = opened(path, 0);
    CHECK_EQ(count_volumes(catalog), 1);
    catalog_close(catalog);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"rows survive", rows_survive},
        {"taken and missing names", taken_and_missing_names},
        {"named images", named_images},
        {"history is written with each change", history_is_written_with_each_change},
        {"changes are announced", changes_are_announced},
        {"long names of users are cut", long_names_of_users_are_cut},
        {"missing or damaged is never replaced", missing_or_damaged_is_never_replaced},
        {"of others or of the future", of_others_or_of_the_future},
        {"read-only sees a crash rolled back and writes nothing",
         read_only_sees_a_crash_rolled_back_and_writes_nothing},
        {"a new catalog takes no old journal", a_new_catalog_takes_no_old_journal},
        {"check finds damage", check_finds_damage},
        {"a group is one change", a_group_is_one_change},
        {"a group that is cut is none", a_group_that_is_cut_is_none},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
