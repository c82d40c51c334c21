/*
 * What forbids to delete an image, or to put other content in its place: a client that has it open,
 * or a hold.
 */
#ifndef VOLUME_GUARD_H
#define VOLUME_GUARD_H

#include "volume/served_store.h"
#include "volume/volume_ref.h"

/* The image, and how the line of a refusal speaks of it: "volume 'a' is attached (...); detach it
 * first, then delete it". */
struct guarded {
    uint64_t image;
    enum named kind;
    const char *ref;
    const char *then; /* "delete it" */
};

/* 0, or -EBUSY with a line that says who is attached. Opens wait for the names lock, which the
 * caller holds. */
int guard_attached_locked(struct varve *varve, const struct guarded *guarded);
/* 0, or -EBUSY with a line that gives the oldest hold's reason and owner. */
int guard_held_locked(struct catalog *catalog, const struct guarded *guarded);
/* Both. */
int guard_locked(struct varve *varve, struct catalog *catalog, const struct guarded *guarded);

#endif
