/* What a ref holds instead of an ext4 file system, for the refusal of whoever asked for files. */
#ifndef DATASET_FILE_CONTENT_H
#define DATASET_FILE_CONTENT_H

struct varve;

/* Looks at what the ref names and sets the line, in place of that of server/files, which sees only
 * that no ext4 is there. Returns -EMEDIUMTYPE, or what looking at it failed with. */
int file_content_refuse(struct varve *varve, const char *ref);

#endif
