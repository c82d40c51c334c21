/*
 * Volumes by name: what `varve volumes` can do. Names are [a-z0-9][a-z0-9._-]{0,62}; a name is
 * never a path. Sizes are bytes, multiples of 512, from 512 to VARVE_VOLUME_SIZE_MAX.
 *
 * Each function is atomic: after a failure nothing has changed. The catalog row and the image in
 * the store are kept in step by order alone: create in the store first, then name it; forget the
 * name first, then delete in the store.
 *
 * The name of an image is also in its label in the store. When the catalog is lost, or older than
 * the store, opening the store names such images again and says so (varve_notes); no volume is
 * deleted for want of a name.
 *
 * Threads: any, at once. None of these is called on a read, write or flush.
 */
#ifndef VARVE_VOLUME_H
#define VARVE_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct varve;

#define VARVE_NAME_MAX        63
#define VARVE_VOLUME_SIZE_MAX ((uint64_t)1 << 54) /* 16 PiB */

struct varve_volume_options {
    uint64_t size; /* with `from`: at least the source's, or 0 for the source's */
    const char
        *from;     /* the ref of a snapshot, a version or a volume: the new volume is a clone of
                      what that holds now, at once and whatever it holds; NULL: it reads as zeroes */
    bool shared;   /* several clients may write at once */
    bool reserved; /* its space is set aside when it is created (ENOSPC if it is not there) */
    const char *imported_from; /* for the history: the file whose content a client writes to it
                                  next (see varve_volume_imported), or NULL; not with `from` */
};

enum { VARVE_HOLDER_MAX = 160 };

struct varve_volume {
    char name[VARVE_NAME_MAX + 1];
    uint64_t image;           /* number in the store */
    uint64_t size;            /* bytes */
    uint64_t mapped_bytes;    /* bytes that hold data, shared with others or not */
    uint64_t set_aside_bytes; /* of a reserved one: free space that is kept for its writes, its size
                                 less what it has for itself; map pages come on top */
    int64_t created;          /* seconds since 1970, for people; order never comes from it */
    bool shared, reserved;
    bool damaged; /* the catalog names an image that the store does not have: cannot be opened, only
                     shown and deleted; size and mapped_bytes are 0 */
    unsigned connections;          /* open exports of it now; one client may have several */
    char writer[VARVE_HOLDER_MAX]; /* the client that holds the write lease, or "" */
};

/* A name of which a deleted volume left snapshots goes only to a clone of one of these (-EEXIST);
 * then all of them are that one's. */
int varve_volume_create(struct varve *varve, const char *name,
                        const struct varve_volume_options *options);
int varve_volume_show(struct varve *varve, const char *name, struct varve_volume *ret_volume);

/* Calls `visit` for each volume in the order of names; a nonzero return of it stops and is
 * returned. */
typedef int (*varve_volume_visit)(void *opaque, const struct varve_volume *volume);
int varve_volume_list(struct varve *varve, varve_volume_visit visit, void *opaque);

/* Growing an attached volume is legal (clients see it when they connect again); shrinking it is
 * refused with EBUSY. */
int varve_volume_resize(struct varve *varve, const char *name, uint64_t size);
int varve_volume_rename(struct varve *varve, const char *name, const char *new_name);
/* All of `file` is in the volume: it gets its own name, and the history says what it is. `file` is
 * the client's, and no more than words to this process. */
int varve_volume_imported(struct varve *varve, const char *name, const char *new_name,
                          const char *file);
/* No longer to share is refused with EBUSY while more than one client is connected. */
int varve_volume_set_shared(struct varve *varve, const char *name, bool shared);

/* EBUSY while a client is connected. The space comes back in the background. */
int varve_volume_delete(struct varve *varve, const char *name);

/* The volume gets the content and the size of `snapshot`, which is one of its own (VOLUME@NAME).
 * With `save` a snapshot is taken first of what it holds now; *ret_saved (may be NULL) says which.
 * -EBUSY while a client is connected or a hold keeps the volume. Snapshots stay as they are. */
struct varve_snapshot;
int varve_volume_rollback(struct varve *varve, const char *name, const char *snapshot, bool save,
                          struct varve_snapshot *ret_saved);

/* Takes the write lease away from whoever holds it. All its connections are fenced: every later
 * write of theirs fails, reads go on. Returns when none of their writes is under way any more, so
 * that what the next client writes stays. Without `force` only says who holds it (EBUSY), or 0 when
 * nobody does. */
int varve_volume_release(struct varve *varve, const char *name, bool force);

#endif
