/* Unpacks a tar stream into a folder. */
#ifndef TOOLS_TREE_UNPACK_H
#define TOOLS_TREE_UNPACK_H

/* Reads `fd` up to the archive's end and makes what it holds below the folder, which nothing
 * leaves: no "..", no absolute path, no way through a symbolic link. Owners, and attributes other
 * than the user's own, are set only for root. Whether the stream was whole, only its giver knows.
 * Prints a warning when an attribute cannot be set there. 0, or -errno with a line. */
int tree_unpack(int fd, int folder);

#endif
