/* Packs files of this machine as a tar stream, for tree_unpack and for files put. */
#ifndef TOOLS_TREE_PACK_H
#define TOOLS_TREE_PACK_H

/* Writes what `path` names to `fd` as a pax archive (client_upload_write): a file or a folder with
 * all in it under its last name, or, with a slash at the end, what is in the folder, which itself
 * is ".". Owners, permissions, times, links of both kinds, devices, holes, extended attributes and
 * ACLs are in it; links are not followed, but for one with a slash behind it. Sockets are left out,
 * with a warning. -EBUSY for a file that changes meanwhile, -ENOENT, -EACCES and so on. */
int tree_pack(const char *path, int fd);

#endif
