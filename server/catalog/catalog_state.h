/*
 * The catalog as a whole: by what two of them are told apart, its bytes, and the file's replacement
 * from such bytes. For the copy that the store keeps (server/volume/catalog_copy.h).
 */
#ifndef CATALOG_CATALOG_STATE_H
#define CATALOG_CATALOG_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "catalog/catalog.h"

enum { CATALOG_IDENTITY_BYTES = 16 };

/* Drawn when a catalog is made; and from 1, one more with each transaction that changed it. */
struct catalog_state {
    unsigned char identity[CATALOG_IDENTITY_BYTES];
    uint64_t number;
};

void catalog_get_state(struct catalog *catalog, struct catalog_state *ret_state);

/* The database as it is between two changes: whole pages. Through SQLite's own file handle: closing
 * a second descriptor of the file would drop its locks. The state is the one of the bytes. */
int catalog_read_bytes(struct catalog *catalog, struct catalog_state *ret_state,
                       unsigned char **ret_bytes, size_t *ret_length);
unsigned char *catalog_bytes_new(size_t length); /* NULL: no memory */
void catalog_bytes_free(unsigned char *bytes);   /* takes NULL */

/* Opens such bytes in memory; they stay the caller's. `path` is for messages. */
int catalog_open_bytes(const char *path, const unsigned char *bytes, size_t length,
                       struct catalog **ret_catalog);

enum catalog_soundness { CATALOG_MISSING, CATALOG_DAMAGED, CATALOG_SOUND };

struct catalog_verdict {
    enum catalog_soundness soundness;
    char problem[128];          /* of a damaged one */
    struct catalog_state state; /* number 0: a sound one of before there was a state */
    unsigned char *bytes;       /* of a sound one, length of them at least; catalog_bytes_free */
    size_t length;
};

/* Judges the file in memory, thoroughly, and changes nothing. A later version's file is sound with
 * number 0: opening it refuses. Fails only when the file cannot be read: that says nothing about
 * what it holds. */
struct catalog_proven {
    struct catalog_state state;
    const unsigned char *bytes; /* of a catalog that was open when they were taken; NULL: none */
    size_t length;
};
/* A file that begins with the bytes of `proven` (NULL: none) is sound as they are: it is not looked
 * into again, which takes as long as all else of an opening together. */
int catalog_judge(const char *path, const struct catalog_proven *proven,
                  struct catalog_verdict *ret_verdict);

/* Moves the file, and what belongs to it, out of the way to PATH.damaged-TIME, which is a name that
 * nothing had; *ret_aside is that name, "" when there was nothing to move. */
enum { CATALOG_ASIDE_MAX = 4200 };
int catalog_set_aside(const char *path, char ret_aside[CATALOG_ASIDE_MAX]);

/* Writes the bytes beside, verifies them, sets the present file aside and takes its place. A crash
 * leaves the old file, none, or the new one. */
int catalog_replace(const char *path, const unsigned char *bytes, size_t length,
                    char ret_aside[CATALOG_ASIDE_MAX]);

#endif
