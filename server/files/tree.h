/*
 * The files on a target, whatever library reads them: what other folders see of this one.
 * See varve/file_tree.h for what these functions do and how they fail; `what` names the target in
 * their lines.
 *
 * Threads: any, at once, but one at a time on one target that is changed.
 */
#ifndef FILES_TREE_H
#define FILES_TREE_H

#include <varve/file_tree.h>

#include "files/target.h"

int tree_list(const struct files_target *target, const char *what, const char *path, bool recursive,
              varve_file_visit visit, void *opaque);

int tree_get(const struct files_target *target, const char *what, const char *path,
             varve_file_sink sink, void *opaque);

/* What a change came to, for the history. */
enum { FILES_PATH_SHOWN = 512 };
struct files_changed {
    uint64_t names; /* files and folders that came or went */
    uint64_t bytes; /* of content, without holes where files came */
    /* The path in the file system of what came or went, of several files the first one's; a long
     * one is cut, and ends in "...". */
    char path[FILES_PATH_SHOWN];
};
void files_changed_path(struct files_changed *changed, const char *folder, const char *name);

/* After a failure of these a part may have changed: the target is to be thrown away. */
int tree_put(const struct files_target *target, const char *what, const char *path,
             varve_file_source source, void *opaque, struct files_changed *ret_changed);
int tree_delete(const struct files_target *target, const char *what, const char *path,
                struct files_changed *ret_changed);

#endif
