/*
 * The label that an image in the store carries, so that its name can be rebuilt when the catalog is
 * lost, and so that a crash between store and catalog leaves no doubt about what was meant:
 *
 *     "new volume NAME"       being created: not yet named in the catalog, or just named
 *     "volume NAME"           named; " shared" follows when several clients may write
 *     "deleted volume NAME"   being deleted: perhaps still named in the catalog
 *
 *      (none) --create--> new --named--> live --delete begins--> deleted --name forgotten--> image
 * deleted
 *
 * An image that the catalog does not name is deleted only when its label says "new" or "deleted".
 * With "volume" the catalog must be older than the store, and the image gets its name back: a lost
 * name is a nuisance, a deleted volume a disaster. Labels of other kinds are left alone. Pure.
 */
#ifndef VOLUME_VOLUME_LABEL_H
#define VOLUME_VOLUME_LABEL_H

#include <stdbool.h>
#include <varve/volume.h>

enum label_state { LABEL_NEW, LABEL_LIVE, LABEL_DELETED };

struct volume_label {
    enum label_state state;
    bool shared;
    char name[VARVE_NAME_MAX + 1];
};

enum { VOLUME_LABEL_SIZE = 96 }; /* with the terminating zero; what the store keeps */

void volume_label_format(enum label_state state, const char *name, bool shared,
                         char text[VOLUME_LABEL_SIZE]);

/* False when the text is no label of a volume. */
bool volume_label_parse(const char *text, struct volume_label *ret_label);

#endif
