/*
 * The catalog: what users name, in SQLite, in the file catalog.db of a store. The store knows
 * images by number only; the catalog gives them names, and keeps a history of who changed what.
 *
 * The catalog decides nothing: it does not know whether an image exists. Two rules, followed by
 * server/volume, keep the two consistent: create in the store first, then name it here; forget the
 * name here first, then delete in the store.
 *
 * One connection, and no other process: the store's lock sees to that. Each change is one
 * transaction with its row of history; when it returns 0 it is durable, when it fails nothing has
 * changed. After an I/O error in a commit, or a failed sync, that is not known: no change is taken
 * any more until the catalog is opened again (catalog_is_in_doubt).
 *
 * Rollback journal, not a write-ahead log: there are few changes, each small; between two of them
 * catalog.db alone is the whole truth and can be copied; and no SQLite release has lost data in
 * this mode with one connection, which cannot be said of WAL before 3.51.3 once there is a second
 * one.
 *
 * Errors: 0 or -errno with a line in varve_error(). -EIO: the file cannot be read or written, or is
 * damaged (the line says what to do). -ENOSPC, -ENOMEM. -EROFS: opened read-only. -ENOENT and
 * -EEXIST: of a name.
 *
 * Threads: any, at once; one mutex, held across SQLite's I/O. Not to be carried over fork(), unless
 * it was opened read-only. Never called from a read, write or flush.
 */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

struct catalog;

enum {
    CATALOG_NAME_MAX = 63,
    CATALOG_WHO_MAX = 63,
    CATALOG_WHAT_MAX = 1151,    /* holds a whole message */
    CATALOG_OBJECT_MAX = 256,   /* a ref in full */
    CATALOG_MESSAGE_MAX = 1023, /* bytes of a message or description */
    CATALOG_REASON_MAX = 255,   /* bytes of a hold's reason */
};

enum catalog_open_flags {
    CATALOG_READ_ONLY = 1, /* reads the file into memory, once; writes nothing, not even what a
                              crash left to roll back; changes stay in memory */
};

/* Makes an empty catalog that appears under its name whole or not at all. Replaces one that is
 * there: the caller knows that it is missing. */
int catalog_create(const char *path);

/* Opens and verifies. -ENOENT when there is no file (an empty one is damage): whether a new one may
 * take its place only the store can say. */
int catalog_open(const char *path, unsigned flags, struct catalog **ret_catalog);

/* An empty catalog in memory. For a store that is only read and has lost its file. */
int catalog_open_memory(struct catalog **ret_catalog);

void catalog_close(struct catalog *catalog); /* takes NULL */

/* Who changes what, for the history: the user, and the change in a few words that make sense beside
 * the object's name, e.g. "resized from 1073741824 to 2147483648 bytes". */
struct catalog_change {
    const char *who;
    const char *what;
};

/* --- volumes --------------------------------------------------------------------------------- */

struct catalog_volume {
    char name[CATALOG_NAME_MAX + 1];
    uint64_t image;  /* number in the store, above 0 */
    int64_t created; /* seconds since 1970 */
    bool shared, reserved;
};

/* -EEXIST when the name is taken. The snapshots that a deleted volume of that name left become this
 * one's. */
int catalog_volume_insert(struct catalog *catalog, const struct catalog_volume *volume,
                          const struct catalog_change *change);
int catalog_volume_find(struct catalog *catalog, const char *name,
                        struct catalog_volume *ret_volume);
/* The volume with the first name after `after` ("" to begin); -ENOENT, with no line, after the
 * last. */
int catalog_volume_next(struct catalog *catalog, const char *after,
                        struct catalog_volume *ret_volume);
/* With its snapshots and schedules. -EEXIST when the new name is taken, by a volume or by snapshots
 * that one left. */
int catalog_volume_rename(struct catalog *catalog, const char *name, const char *new_name,
                          const struct catalog_change *change);
int catalog_volume_set_shared(struct catalog *catalog, const char *name, bool shared,
                              const struct catalog_change *change);
/* With its schedules; its snapshots stay. */
int catalog_volume_delete(struct catalog *catalog, const char *name,
                          const struct catalog_change *change);

/* The last change may be there or not when the catalog is opened again: what it names, or would no
 * longer name, must be left for the next opening to judge. */
bool catalog_is_in_doubt(struct catalog *catalog);

/* *ret_named says whether any row, of whatever kind, names the image. */
int catalog_image_is_named(struct catalog *catalog, uint64_t image, bool *ret_named);

/* --- history --------------------------------------------------------------------------------- */

/* For what has happened and the catalog itself does not hold. `object` is a name of `kind`
 * ("volume"). What the store has yet to do is announced: catalog_announce.h. */
int catalog_history_append(struct catalog *catalog, const char *kind, const char *object,
                           const struct catalog_change *change);

struct catalog_event {
    int64_t number; /* order of the changes: time may jump, this does not */
    int64_t time;   /* seconds since 1970, for people */
    char who[CATALOG_WHO_MAX + 1];
    char kind[32];
    char object[CATALOG_OBJECT_MAX + 1];
    char what[CATALOG_WHAT_MAX + 1];
};
/* The first event after number `after` (0 to begin); -ENOENT, with no line, after the last. */
int catalog_history_next(struct catalog *catalog, int64_t after, struct catalog_event *ret_event);
/* The last event before number `before`; `object` and `kind` choose, if not "": events of that
 * object and of what is named behind it with '@' or ':', events of that kind. -ENOENT, with no
 * line, before the first. */
int catalog_history_before(struct catalog *catalog, int64_t before, const char *object,
                           const char *kind, struct catalog_event *ret_event);

/* --- checking -------------------------------------------------------------------------------- */

/* Verifies the whole file: calls `report` for each problem. Returns how many, or -errno. */
typedef void (*catalog_report)(void *opaque, const char *line);
int catalog_check(struct catalog *catalog, catalog_report report, void *opaque);

#endif
