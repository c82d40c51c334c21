/* Moves files that are complete to where they are wanted, by renames within one file system. */
#ifndef TOOLS_TREE_PLACE_H
#define TOOLS_TREE_PLACE_H

/* Moves `from`/`name` to `to`/`new_name`. A folder that is there keeps its attributes and what else
 * is in it; a file that is there is replaced. Before anything moves: -EISDIR where a file would
 * replace a folder, -ENOTDIR for the reverse. */
int tree_place(int from, const char *name, int to, const char *new_name);
/* The same for all that is in the folder `from`/`name`. */
int tree_place_content(int from, const char *name, int to);

/* The name of something in the folder `from`/`name`: -ENOENT when it is empty. */
int tree_place_first(int from, const char *name, char ret_name[256]);

/* Removes a file, or a folder with all that is in it, whatever its permissions; as far as it goes.
 */
void tree_remove(int folder, const char *name);

#endif
