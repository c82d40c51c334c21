#include "catalog/catalog_announce.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

static int note_it(struct catalog *catalog, const struct catalog_announcement *announcement)
{
    char value[96];

    snprintf(value, sizeof value, "%" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
             announcement->event, announcement->image, announcement->size, announcement->like);
    return catalog_do_locked(catalog, "INSERT INTO property VALUES ('announced', ?1)", "t", value);
}

int catalog_announce(struct catalog *catalog, const char *kind, const char *object,
                     const struct catalog_change *change, struct catalog_announcement *announcement)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = catalog_history_insert_locked(catalog, kind, object, change);
    announcement->event = sqlite3_last_insert_rowid(catalog->db);
    if (r == 0)
        r = note_it(catalog, announcement);
    return catalog_end_change(catalog, r);
}

static int read_note(struct catalog *catalog, sqlite3_stmt *statement, void *ret_announcement)
{
    struct catalog_announcement announcement;
    char value[96];
    int r = catalog_column_text(catalog, statement, 0, value, sizeof value);

    if (r != 0)
        return r;
    if (sscanf(value, "%" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &announcement.event,
               &announcement.image, &announcement.size, &announcement.like) != 4)
        return varve_fail(EIO, "catalog '%s' is damaged: it announces '%s', which is no change",
                          catalog->path, value);
    *(struct catalog_announcement *)ret_announcement = announcement;
    return 0;
}

int catalog_announced(struct catalog *catalog, struct catalog_announcement *ret_announcement)
{
    return catalog_find(catalog, read_note, ret_announcement,
                        "SELECT value FROM property WHERE key = 'announced'", "");
}

int catalog_announcement_end(struct catalog *catalog, int64_t event, bool made)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = catalog_do_locked(catalog, "DELETE FROM property WHERE key = 'announced'", "");
    if (r == 0 && !made)
        r = catalog_do_locked(catalog, "DELETE FROM history WHERE number = ?1", "n", event);
    return catalog_end_change(catalog, r);
}
