/*
 * Names and images together: histories of datasets and their versions (even seeds; each fourth
 * changes what these hold more often, as files are put), of the names of volumes and snapshots, or
 * (each fourth seed, from 3) of what these hold: writes, sizes, clones, rollbacks, beside a flat
 * model. Store and catalog are on the same simulated disk.
 *
 *   volume_histories [--seed N] [--histories N]
 *
 * A history is run again and again: the power goes at the first, second, third ... event of either
 * (and sometimes again while it is opened). Opened again, everything is as before or as after the
 * verb that was under way (with or without a write that was not flushed, in the store's order),
 * nothing is left over, what was committed has its digest, the history says what is there and no
 * more, and the check is clean. Then the same
 * with each error of SQLite's at each of its calls: the verb fails whole, and data is written and
 * read on.
 */
#include <errno.h>
#include <getopt.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>
#include <varve/export.h>
#include <varve/volume.h>

#include "counts.h"
#include "dataset_verbs.h"
#include "history_lines.h"
#include "sim_disk.h"
#include "sim_vfs.h"
#include "store/store.h"
#include "volume/image_label.h"
#include "volume/served_store.h"
#include "volume_verbs.h"
#include "whole_store.h"

enum { VERBS = 10, NAME_VERBS = 7, TEXT = 4096, ALSO = 3, MIB = 1 << 20, NTH_MAX = 3000 };

/* What a history has shown behind each verb, without a cut. */
struct history {
    char with[VERBS][TEXT], without[VERBS][TEXT]; /* the write that is not flushed */
    enum verb_order order[VERBS];
    int answer[VERBS];
    struct history_lines lines[VERBS];
};

static struct {
    struct sim_disk *disk;
    struct varve *varve;
    struct chance chance;
    struct volume_play play;
    struct model_state model;
    char before[TEXT], after[TEXT]; /* the verb that is under way */
    char also[ALSO][TEXT];          /* what else may be found now, or "" */
    struct history_lines lines_before, lines_after, lines;
    char repeat[200];
} test;

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

static int see(char *text)
{
    int rc;

    text[0] = '\0';
    rc = volumes_see(test.varve, text, TEXT);
    if (rc == 0)
        rc = datasets_see(test.varve, text, TEXT);
    return rc == 0 ? history_lines_see(test.varve, &test.lines) : rc;
}

/* --- histories ---- */

static bool holds_content(uint64_t seed)
{
    return seed % 4 == 3;
}

static unsigned verbs_of(uint64_t seed)
{
    return holds_content(seed) ? VERBS : NAME_VERBS;
}

static int verb_of(uint64_t seed, unsigned i, struct chance *chance, enum verb_order *ret_order)
{
    *ret_order = VERB_STORE;
    test.play.varve = test.varve;
    if (holds_content(seed))
        return volume_content_verb(&test.play, i, chance, ret_order);
    if (seed % 2 == 1)
        return volume_name_verb(test.varve, chance);
    return i < 2 ? dataset_begin(test.varve, i) : dataset_verb(test.varve, seed % 4 == 0, chance);
}

static void begin(uint64_t seed)
{
    test.disk = whole_store_begin(seed);
    snprintf(test.before, TEXT, "|");
    snprintf(test.after, TEXT, "|");
    memset(test.also, 0, sizeof(test.also));
    memset(&test.lines_before, 0, sizeof(test.lines_before));
    memset(&test.lines_after, 0, sizeof(test.lines_after));
    test.play = (struct volume_play){.varve = NULL};
    test.varve = NULL;
}

static int open_all(void)
{
    return whole_store_open(&test.varve);
}

static void end(void)
{
    uint64_t left;

    varve_close(test.varve);
    test.varve = NULL;
    left = whole_store_end();
    if (left != 0)
        failed("%llu bytes were not freed", (unsigned long long)left);
}

/* May a write that was not flushed be lost when the power goes during that verb? */
static bool may_lose(const struct history *history, unsigned verb)
{
    for (unsigned i = verb; i > 0; i--) {
        if (history->answer[i - 1] == 0 && history->order[i - 1] != VERB_NAMES)
            return history->order[i - 1] == VERB_LOOSE;
    }
    return false;
}

/* What may be found when the power goes during that verb. */
static void expect(const struct history *history, unsigned verb)
{
    bool lose = may_lose(history, verb);

    memset(test.also, 0, sizeof(test.also));
    if (verb > 0)
        memcpy(test.before, history->with[verb - 1], TEXT);
    if (verb > 0)
        test.lines_before = history->lines[verb - 1];
    memcpy(test.after, history->with[verb], TEXT);
    test.lines_after = history->lines[verb];
    if (lose)
        memcpy(test.also[0], history->without[verb - 1], TEXT);
    if (lose && history->order[verb] == VERB_NAMES)
        memcpy(test.also[1], history->without[verb], TEXT);
    if (history->order[verb] == VERB_SAVES) /* the volumes as before, the snapshots as behind it */
        snprintf(test.also[2], TEXT, "%.*s%s", (int)(strchr(test.before, '|') - test.before),
                 test.before, strchr(test.after, '|'));
}

/* The verbs of a seed, until the power goes. */
static void play(uint64_t seed, const struct history *history)
{
    struct chance chance = {.state = seed};
    enum verb_order order;

    for (unsigned i = 0; i < verbs_of(seed); i++) {
        expect(history, i);
        (void)verb_of(seed, i, &chance, &order);
        if (sim_disk_is_dead(test.disk))
            return;
    }
    memset(test.also, 0, sizeof(test.also));
    memcpy(test.before, test.after, TEXT);
    test.lines_before = test.lines_after;
}

/* The same without a cut: what they show goes into `seen`, what they hold is compared with the
 * model. */
static void play_whole(uint64_t seed, struct history *history, char (*seen)[TEXT])
{
    struct chance chance = {.state = seed};

    test.play.model = &test.model;
    test.model.keeps_zeroes = true;
    for (unsigned i = 0; i < verbs_of(seed); i++) {
        int rc = verb_of(seed, i, &chance, &history->order[i]);

        history->answer[i] = rc;
        if (see(seen[i]) != 0)
            failed("the names cannot be listed");
        history->lines[i] = test.lines;
        if (rc != 0 && rc != -ENOENT && rc != -EEXIST && rc != -EBUSY && rc != -EINVAL &&
            rc != -EPERM)
            failed("a verb says %d", rc);
        if (volumes_compare(&test.play) != 0)
            failed("verb %u left what the model does not hold", i);
        memcpy(test.before, seen[i], TEXT);
    }
    memcpy(test.after, test.before, TEXT);
    test.lines_before = test.lines_after = test.lines;
    test.play.model = NULL;
    model_state_drop(&test.model);
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
        bool known = image_label_parse(info.label, &state, &label);

        copies += known && label.kind == LABEL_CATALOG;
        trees += known && label.kind == LABEL_TREE;
        images++;
    }
    if (trees != committed)
        failed("%s %u trees of digests and %u committed versions are there", when, trees,
               committed);
    if (copies > 2)
        failed("%s %u copies of the catalog are there", when, copies);
    return images - copies - trees;
}

/* With its lines of history. A snapshot saved for nothing was there for a moment. */
static bool may_be(const char *found)
{
    const struct history_lines *before = &test.lines_before, *after = &test.lines_after;
    bool was_before = strcmp(found, test.before) == 0 || strcmp(found, test.also[0]) == 0;
    bool was_after = strcmp(found, test.after) == 0 || strcmp(found, test.also[1]) == 0;
    bool for_nothing = test.also[2][0] != '\0' && history_lines_undo(&test.lines, before);

    if (was_before && (history_lines_are_first(&test.lines, before, before->count) || for_nothing))
        return true;
    if (was_after && history_lines_are_first(&test.lines, after, after->count))
        return true;
    return strcmp(found, test.also[2]) == 0 &&
           history_lines_are_first(&test.lines, after, before->count + 1);
}

static void must_be_whole(const char *when)
{
    struct varve_check_result result = {0};
    char found[TEXT];
    unsigned named = 0, committed = 0, images;
    int wrong;

    if (see(found) != 0)
        failed("%s the names cannot be listed", when);
    if (!may_be(found))
        failed("%s there is [%s], %u lines to '%s', and neither [%s], %u nor [%s], %u", when, found,
               test.lines.count, test.lines.last, test.before, test.lines_before.count, test.after,
               test.lines_after.count);
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

static void reboot(enum sim_outcome outcome)
{
    varve_close(test.varve);
    test.varve = NULL;
    whole_store_reboot(outcome, &test.chance);
}

/* False when the history came to its end. */
static bool cut_at(uint64_t seed, uint64_t at, const struct history *history)
{
    enum sim_outcome outcome = (enum sim_outcome)chance_below(&test.chance, 3);
    bool cut;

    begin(seed + at);
    sim_disk_cut_at(test.disk, sim_disk_events(test.disk) + at, outcome);
    if (open_all() == 0)
        play(seed, history);
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

/* An error of SQLite's at a call of a verb: of the first one that makes so many, or of `only`. */
struct sqlite_error {
    int code;
    unsigned nth;
    bool forever;
    int only; /* or -1 */
};

static void arm(const struct sqlite_error *error, unsigned verb)
{
    if (error->only < 0 || (unsigned)error->only == verb)
        sim_vfs_fail(error->code, error->nth, error->forever);
}

/* False when nothing was left to fail. */
static bool fail_at(uint64_t seed, const struct sqlite_error *error, const struct history *history)
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
    for (unsigned i = 0; i < verbs_of(seed); i++) {
        enum verb_order order;
        int rc;

        if (see(test.before) != 0)
            failed("the names cannot be listed");
        test.lines_before = test.lines;
        arm(error, i);
        rc = verb_of(seed, i, &chance, &order);
        struck = sim_vfs_struck();
        sim_vfs_fail(0, 0, false);
        data_goes_on(image);
        if (struck > 0) {
            /* it may count all the same, when the last write of it failed */
            expect(history, i);
            memset(test.also[0], 0, 2 * TEXT); /* nothing was cut */
            if (rc == 0) {                     /* it was tried again, or did not matter */
                memcpy(test.before, test.after, TEXT);
                test.lines_before = test.lines_after;
                test.also[2][0] = '\0';
            }
            break;
        }
        if (i + 1 < verbs_of(seed))
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

static void fail_everywhere(uint64_t seed, int code, bool forever, int only,
                            const struct history *history)
{
    struct sqlite_error error = {.code = code, .forever = forever, .only = only};

    for (error.nth = 1; error.nth < 400; error.nth++) {
        snprintf(test.repeat, sizeof(test.repeat),
                 "volume_histories --seed %llu (code %d of SQLite's at call %u%s of verb %d)",
                 (unsigned long long)seed, code, error.nth, forever ? " and after" : "", only);
        if (!fail_at(seed, &error, history))
            break;
        count_case(COUNT_IO_ERRORS, 1);
    }
}

static void run_errors(uint64_t seed)
{
    static struct history history;
    static const struct varve_volume_options options = {.size = MIB};
    static const int codes[] = {SQLITE_IOERR_WRITE, SQLITE_FULL, SQLITE_BUSY,    SQLITE_NOMEM,
                                SQLITE_CORRUPT,     SQLITE_PERM, SQLITE_READONLY};

    begin(seed);
    if (open_all() != 0 || varve_volume_create(test.varve, "data", &options) != 0)
        failed("a volume cannot be made");
    play_whole(seed, &history, history.with);
    end();
    for (size_t i = 0; i < 2 * sizeof(codes) / sizeof(codes[0]); i++)
        fail_everywhere(seed, codes[i / 2], i % 2 == 1, -1, &history);
    for (unsigned verb = 1; verb < verbs_of(seed); verb++)
        fail_everywhere(seed, SQLITE_IOERR_WRITE, false, (int)verb, &history);
}

static void run_whole(uint64_t seed, bool without, struct history *history)
{
    begin(seed);
    test.play.without_loose = without;
    if (open_all() != 0)
        failed("opening fails");
    play_whole(seed, history, without ? history->without : history->with);
    must_be_whole("without a cut");
    end();
}

static void run_history(uint64_t seed)
{
    static struct history history;
    bool more = true;

    snprintf(test.repeat, sizeof(test.repeat), "volume_histories --seed %llu",
             (unsigned long long)seed);
    test.chance.state = seed;
    run_whole(seed, false, &history);
    if (holds_content(seed))
        run_whole(seed, true, &history);
    for (uint64_t at = 1; more; at++) {
        snprintf(test.repeat, sizeof(test.repeat), "volume_histories --seed %llu (cut at %llu)",
                 (unsigned long long)seed, (unsigned long long)at);
        if (at > NTH_MAX)
            failed("the history does not end");
        more = cut_at(seed, at, &history);
    }
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
    if (whole_store_prepare() != 0) {
        printf("FAIL no store: %s\n", varve_error());
        return 1;
    }
    for (unsigned long long i = 0; i < histories; i++) {
        run_history(seed + i);
        if (i % 60 < 3)
            run_errors(seed + i);
    }
    whole_store_remove();
    printf("ok %llu histories from seed %llu\n", histories, seed);
    count_print();
    return 0;
}
