/*
 * Changes that the store holds, with their line of the history (catalog/catalog_announce.h):
 *
 *     change_announce_locked      the line, and the note of what will have been done: durable
 *     ... one change of the store ...
 *     change_end_locked           the change is made durable; the note goes, or note and line
 *
 * A crash, a COMMIT that failed and counts all the same, or a store that failed in the middle leave
 * the note. The next opening asks the image: has it the announced size, or does it share all its
 * blocks with the image that it was to be like? Nobody can have written to it meanwhile: whoever
 * changes an image has the names lock from the first step to the last, and clients open exports
 * under it.
 *
 * What will hurt: when the note cannot be taken away although the change was made (the catalog's
 * disk is full, or fails, between the two), clients go on writing. It is tried again each time that
 * the names lock is given back. If the process dies before that succeeds, the next opening finds an
 * image that is like neither, and takes the line of a rollback or a change of files away. A line is
 * lost then, never invented.
 */
#ifndef VOLUME_ANNOUNCE_H
#define VOLUME_ANNOUNCE_H

#include "catalog/catalog_announce.h"
#include "volume/served_store.h"

/* As catalog_announce. -EIO, with a line, while it is not known what became of the one before. */
int change_announce_locked(struct varve *varve, struct catalog *catalog, const char *kind,
                           const char *object, const char *what,
                           struct catalog_announcement *announcement);

/* `result` is what the store said to the change that was announced. Flushes the store if that is 0.
 * Returns the first failure, with its line. *ret_known (may be NULL) says whether it is certain,
 * and noted, what became of the change: if not, what the next opening compares with must stay. */
int change_end_locked(struct varve *varve, struct catalog *catalog, int result, bool *ret_known);

/* Tries again to take the note away, when it could not be. Expects the names lock. */
void announcement_settle_again_locked(struct varve *varve);

/* At opening: judges what a crash left. */
int announcement_judge(struct varve *varve, struct catalog *catalog);

#endif
