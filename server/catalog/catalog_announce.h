/*
 * Lines of the history for changes that the store holds: the size of an image, what is in it.
 *
 * The line and the change cannot be one transaction. So the line goes first, and in its transaction
 * a note of what the change will have done (property `announced`: "NUMBER IMAGE SIZE LIKE"). When
 * the change is known to be made, or not, the note goes, and with it the line of what was not made.
 * A crash leaves the note to the next opening, which looks at the image (volume/announce.h).
 *
 * Errors, threads and durability as in catalog.h.
 */
#ifndef CATALOG_CATALOG_ANNOUNCE_H
#define CATALOG_CATALOG_ANNOUNCE_H

#include "catalog/catalog.h"

struct catalog_announcement {
    int64_t event;  /* the line's number */
    uint64_t image; /* which changes */
    uint64_t size;  /* bytes that it will have, if `like` is 0 */
    uint64_t like;  /* the image whose content and size it will have, or 0 */
};

/* One at a time: -EEXIST, with no line, while there is another. `kind`, `object` and `change` make
 * the line; sets announcement->event. */
int catalog_announce(struct catalog *catalog, const char *kind, const char *object,
                     const struct catalog_change *change,
                     struct catalog_announcement *announcement);

/* What is announced; -ENOENT, with no line, when nothing is. */
int catalog_announced(struct catalog *catalog, struct catalog_announcement *ret_announcement);

/* The change is made, and its line stays; or it is not, and the line goes. */
int catalog_announcement_end(struct catalog *catalog, int64_t event, bool made);

#endif
