/* Usage and delete previews through the public door, with a snapshot that shares blocks. */
#include <errno.h>
#include <stdlib.h>
#include <varve/export.h>
#include <varve/snapshot.h>
#include <varve/usage.h>

#include "trial_store.h"

static char seen[TRIAL_TEXT];

static int keep_sharer(void *opaque, const struct varve_sharer *sharer)
{
    char line[512];

    (void)opaque;
    snprintf(line, sizeof line, "%s %s %llu;", sharer->kind, sharer->ref,
             (unsigned long long)sharer->bytes);
    trial_append(seen, line);
    return 0;
}

static int keep_blockers(void *opaque, const struct varve_doomed *doomed)
{
    (void)opaque;
    trial_append(seen, doomed->ref);
    for (size_t i = 0; i < doomed->blocker_count; i++)
        trial_append(seen, doomed->blockers[i]);
    trial_append(seen, ";");
    return 0;
}

static struct varve *with_snapshot(const char *name)
{
    struct varve *varve = trial_open(trial_make(name), 0);
    const struct varve_snapshot_options options = {.name = "s", .hold = "audit"};
    const char *volumes[] = {"a"};
    struct varve_snapshot snapshot;
    struct varve_export *export = NULL;
    char *bytes = malloc(MIB);

    CHECK(bytes != NULL);
    memset(bytes, 'x', MIB);
    CHECK_EQ(trial_create(varve, "a", 4 * MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK_EQ(varve_export_write(export, bytes, MIB, 0, 0), 0);
    CHECK_EQ(varve_snapshot_create(varve, volumes, 1, &options, &snapshot), 0);
    CHECK_EQ(varve_export_write(export, bytes, MIB / 4, 0, 0), 0);
    varve_export_close(export);
    free(bytes);
    return varve;
}

static void shared_with_a_snapshot(void)
{
    struct varve *varve = with_snapshot("shared");
    struct varve_usage usage;

    CHECK_EQ(varve_usage_show(varve, "a", &usage), 0);
    CHECK_EQ(usage.mapped, MIB);
    CHECK_EQ(usage.unique, MIB / 4);
    CHECK_EQ(usage.shared, 3 * MIB / 4);
    CHECK(usage.reclaimable >= usage.unique && usage.reclaimable < MIB / 2);
    CHECK_EQ(varve_usage_show(varve, "a@s", &usage), 0);
    CHECK_EQ(usage.unique, MIB / 4);
    seen[0] = '\0';
    CHECK_EQ(varve_usage_sharers(varve, "a", keep_sharer, NULL), 0);
    CHECK_HAS(seen, "snapshot a@s 786432;");
    CHECK_EQ(varve_usage_show(varve, "absent", &usage), -ENOENT);
    CHECK_EQ(varve_close(varve), 0);
}

static void several_together(void)
{
    struct varve *varve = with_snapshot("together");
    const char *refs[] = {"a", "a@s", "a"}, *absent[] = {"a", "b"};
    struct varve_preview one, both;

    seen[0] = '\0';
    CHECK_EQ(varve_delete_preview(varve, refs, 1, keep_blockers, NULL, &one), 0);
    CHECK_EQ(one.count, 1);
    CHECK_EQ(one.blockers, 0);
    CHECK_EQ(varve_delete_preview(varve, refs, 3, keep_blockers, NULL, &both), 0);
    CHECK_EQ(both.count, 2);
    CHECK_EQ(both.blockers, 1);
    CHECK(both.reclaimable >= MIB + MIB / 4);
    CHECK_HAS(seen, "audit");
    CHECK_EQ(varve_delete_preview(varve, absent, 2, NULL, NULL, &both), -ENOENT);
    CHECK_EQ(varve_close(varve), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"shared with a snapshot", shared_with_a_snapshot},
        {"several together", several_together},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
