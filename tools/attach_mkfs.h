/* File systems made on a fresh device. */
#ifndef TOOLS_ATTACH_MKFS_H
#define TOOLS_ATTACH_MKFS_H

/* Both return EXIT_DONE, or print one sentence and return another exit code. */

/* Whether the type is a name, and there is a program for it. */
int attach_check_mkfs(const char *type);

/* Whether something is on the device was settled before: it is overwritten. */
int attach_mkfs(const char *type, const char *device);

#endif
