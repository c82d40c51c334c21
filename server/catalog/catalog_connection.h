/*
 * The inside of the catalog: the connection, and the few steps each statement goes through. Only
 * for the files of this folder.
 *
 * A function that reads a row calls catalog_find; one that changes something looks like this:
 *
 *     r = catalog_begin_change(catalog);
 *     if (r != 0)
 *         return r;
 *     r = catalog_do_locked(catalog, "...?1...?2...", "tn", text, number);
 *     if (r == 0)
 *         r = catalog_history_insert_locked(catalog, kind, object, change);
 *     return catalog_end_change(catalog, r);   commits when r is 0, else rolls back
 *
 * Values reach SQL only as bound parameters.
 */
#ifndef CATALOG_CATALOG_CONNECTION_H
#define CATALOG_CATALOG_CONNECTION_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "catalog/catalog.h"
#include "catalog/catalog_state.h"

/* Preparing a statement takes far longer than running most of ours: they are kept. */
enum { CATALOG_KEPT_STATEMENTS = 48 };
struct kept_statement {
    const char *sql;
    sqlite3_stmt *statement;
    bool in_use; /* between prepare and finish */
};

struct catalog {
    sqlite3 *db;
    pthread_mutex_t lock; /* one statement or transaction at a time */
    bool in_memory;       /* nothing reaches a file */
    bool failed; /* a sync failed, or a change may be half undone: what is on disk is not known
                    until the next open */
    int trouble; /* primary code of SQLite's last error in this change, or 0 */
    struct catalog_state state;
    bool grouped;          /* between catalog_group_begin and its end */
    uint64_t before_group; /* state.number then */
    struct kept_statement kept[CATALOG_KEPT_STATEMENTS];
    unsigned next_kept;
    char *path; /* for messages: the file, also when it was read into memory */
};

void catalog_lock(struct catalog *catalog);
void catalog_unlock(struct catalog *catalog);

/* Sets the line for what SQLite just said, and returns -errno. `doing` completes "cannot ...". */
int catalog_fail(struct catalog *catalog, int code, const char *doing);

/* Takes the lock, and begins a transaction; on failure the lock is not held. */
int catalog_begin_change(struct catalog *catalog);
/* Ends both. `result` is what the transaction came to: 0 commits, anything else rolls back and is
 * returned. */
int catalog_end_change(struct catalog *catalog, int result);
/* The same for what is no change of the catalog's content: it is not counted. */
int catalog_begin_locked(struct catalog *catalog);
int catalog_commit_locked(struct catalog *catalog, int result);

/* *ret_statement is NULL on failure. Each statement goes back with catalog_finish. */
int catalog_prepare_locked(struct catalog *catalog, const char *sql, sqlite3_stmt **ret_statement);
void catalog_finish(struct catalog *catalog, sqlite3_stmt *statement); /* takes NULL */
/* Frees all that are kept; none is in use. */
void catalog_drop_statements(struct catalog *catalog);
/* Prepares and binds in one go: one letter of `kinds` for each value, in order from ?1: t a text
 * (const char *), which must stay until the statement is finished; n a number (int64_t); m the
 * same, with 0 as NULL. *ret_statement is NULL on failure. */
int catalog_query_locked(struct catalog *catalog, sqlite3_stmt **ret_statement, const char *sql,
                         const char *kinds, ...);
/* 1: a row is there; 0: done; -errno. A broken constraint is -EEXIST, with no line. */
int catalog_step_locked(struct catalog *catalog, sqlite3_stmt *statement);
/* Reads the row that the statement is at. *ret_row is set only with 0. */
typedef int (*catalog_read_row)(struct catalog *catalog, sqlite3_stmt *statement, void *ret_row);
/* The first row of a statement, which it finishes; `r` is what preparing it came to. -ENOENT, with
 * no line, without one. */
int catalog_read_first_locked(struct catalog *catalog, sqlite3_stmt *statement, int r,
                              catalog_read_row read, void *ret_row);
/* The lock, catalog_query_locked and catalog_read_first_locked in one go. */
int catalog_find(struct catalog *catalog, catalog_read_row read, void *ret_row, const char *sql,
                 const char *kinds, ...);
/* catalog_read_first_locked of all rows, each of `size` bytes, in new memory: free(*ret_rows). */
int catalog_read_all_locked(struct catalog *catalog, sqlite3_stmt *statement, int r,
                            catalog_read_row read, size_t size, void **ret_rows, size_t *ret_count);
/* Prepares, binds, steps once and finishes, for a change or the question whether there is a row:
 * returns what catalog_step_locked does. */
int catalog_do_locked(struct catalog *catalog, const char *sql, const char *kinds, ...);
/* A plain statement of ours, without values. */
int catalog_execute_locked(struct catalog *catalog, const char *sql);

/* Copies a column's text, "" for none; -EIO when it does not fit: no row of ours is that long. */
int catalog_column_text(struct catalog *catalog, sqlite3_stmt *statement, int column, char *text,
                        size_t size);

/* Brings a fresh or older file to this program's schema; refuses a later one or another
 * application's. */
int catalog_schema_upgrade_locked(struct catalog *catalog);

int catalog_history_insert_locked(struct catalog *catalog, const char *kind, const char *object,
                                  const struct catalog_change *change);

/* The volume, with its schedules. */
int catalog_volume_delete_locked(struct catalog *catalog, const char *name,
                                 const struct catalog_change *change);

/* Holds the image of a row that the same transaction makes. */
int catalog_hold_insert_locked(struct catalog *catalog, uint64_t image, const char *reason,
                               const char *who);

/* A file in memory that belongs to SQLite (sqlite3_malloc64). */
struct catalog_file {
    unsigned char *bytes;
    int64_t size;
};

/* Reads the file, with what a crash left to roll back rolled back, and touches nothing on any disk.
 * -EBADMSG: what is to be rolled back is damaged. */
int catalog_read_image(const char *path, struct catalog_file *ret_image);
/* Rolls `journal` back into `image`. Both may move and change, also when it fails. */
int catalog_roll_back(const char *path, struct catalog_file *image, struct catalog_file *journal);

/* A connection to bytes in memory, which it takes over, also when it fails. Nothing is verified. */
int catalog_connect_bytes(const char *path, unsigned char *bytes, int64_t size,
                          struct catalog **ret_catalog);
/* Verifies the pages and rows. `pragma` says how thoroughly. Returns how many problems, or -errno.
 */
int catalog_verify_locked(struct catalog *catalog, const char *pragma, catalog_report report,
                          void *opaque);
/* Keeps the first line of the first report, in 128 bytes. */
void catalog_keep_problem(void *opaque, const char *line);
/* Reads identity and number. -EIO when they are not there. */
int catalog_read_state_locked(struct catalog *catalog, struct catalog_state *ret_state);
int catalog_read_number_locked(struct catalog *catalog, const char *sql, int64_t *ret_number);
bool catalog_application_is_ours(int64_t application);
/* Syncs the directory of a file. */
int catalog_sync_directory(const char *path);

#endif
