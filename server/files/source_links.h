/* Which names of a tree are the same file: those that were found with more than one link, by device
 * and inode. For one thread. */
#ifndef FILES_SOURCE_LINKS_H
#define FILES_SOURCE_LINKS_H

#include "files/source_tree.h"

struct source_links;

int source_links_new(struct source_links **ret_links);
void source_links_free(struct source_links *links); /* takes NULL */

/* The entry that was found first with the device and inode of `entry`, which may be itself: then it
 * is remembered. */
int source_links_find(struct source_links *links, const struct source_tree *tree, uint32_t entry,
                      uint32_t *ret_same);

#endif
