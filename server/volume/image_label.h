/*
 * The label that an image in the store carries, so that its name can be rebuilt when the catalog is
 * lost, and so that a crash between store and catalog leaves no doubt about what was meant:
 *
 *     "volume NAME"                    "volume NAME shared" when several clients may write
 *     "snap HEAD NAME"                 HEAD: the image that it was taken of, whose label tells the
 *                                      volume
 *     "version DATASET ID"             uncommitted; DATASET and ID are ids
 *     "version DATASET ID SEQUENCE"    committed
 *     "tree DATASET ID"                digests of a version's parts
 *     "manifest DATASET ID"            list of a version's files
 *     "catalog NUMBER"                 the copy of the catalog, after that many changes of it
 *
 * with "new " in front while it is being created (not yet named in the catalog, or just named) and
 * "deleted " while it is being deleted (perhaps still named there):
 *
 *      (none) --create--> new --named--> live --delete begins--> deleted --name forgotten--> (none)
 *
 * A commit of a version (server/dataset/dataset_commit.c) goes: the image is frozen; its tree is
 * made under "new tree DATASET ID" and frozen; its row says committed and names the tree; the
 * labels get the sequence number and lose the "new". So at opening
 *
 *   frozen, "version DATASET ID" without a number, row uncommitted    a crash before the row: the
 *                                   image is thawed (the flag STORE_IMAGE_FROZEN goes, others stay)
 *   any label, row committed        a crash behind it: version and tree are labelled from the row
 *   "new tree ..." without a row    deleted, as all that is new
 *
 * An image that the catalog does not name is deleted only when its label says "new" or "deleted".
 * With a live label the catalog must be older than the store, and the image gets its name back: a
 * lost name is a nuisance, a deleted volume a disaster. Labels of other forms are left alone. Pure.
 */
#ifndef VOLUME_IMAGE_LABEL_H
#define VOLUME_IMAGE_LABEL_H

#include <stdbool.h>
#include <stdint.h>
#include <varve/volume.h>

enum label_state { LABEL_NEW, LABEL_LIVE, LABEL_DELETED };

enum label_kind {
    LABEL_VOLUME,
    LABEL_SNAPSHOT,
    LABEL_VERSION,
    LABEL_TREE,
    LABEL_MANIFEST,
    LABEL_CATALOG
};

enum { DATASET_ID_LENGTH = 15, VERSION_ID_LENGTH = 7 };

/* What does not belong to the kind is zero or "". */
struct image_label {
    enum label_kind kind;
    bool shared;                         /* volume */
    char name[VARVE_NAME_MAX + 1];       /* volume, snapshot: the latter's own name */
    uint64_t head;                       /* snapshot: an image's number */
    char dataset[DATASET_ID_LENGTH + 1]; /* version, tree, manifest */
    char version[VERSION_ID_LENGTH + 1];
    uint64_t number; /* version: its sequence, 0 while uncommitted. Catalog: changes */
};

enum { IMAGE_LABEL_SIZE = 96 }; /* with the terminating zero; what the store keeps */

/* Names and ids are legal ones, and `head` is the number of an image: there is always room. */
void image_label_format(enum label_state state, const struct image_label *label,
                        char text[IMAGE_LABEL_SIZE]);

/* False when the text is none of these forms; then nothing is set. */
bool image_label_parse(const char *text, enum label_state *ret_state,
                       struct image_label *ret_label);

/* The label of a volume. */
struct image_label label_of_volume(const char *name, bool shared);
/* The label of a snapshot of image `head`. */
struct image_label label_of_snapshot(uint64_t head, const char *name);

/* ds and 13 of [0-9a-z]. */
bool dataset_id_is_valid(const char *id, size_t length);
/* 7 of [0-9a-z], the first a digit. */
bool version_id_is_valid(const char *id, size_t length);

#endif
