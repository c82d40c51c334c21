/* How sound the file systems in a content are, for the class of a version. */
#ifndef DATASET_CONTENT_CLASS_H
#define DATASET_CONTENT_CLASS_H

#include "store/store.h"

enum content_class { CONTENT_RAW, CONTENT_CLEAN, CONTENT_UNKNOWN, CONTENT_DIRTY };

/* "raw", "clean", "unknown", "dirty". */
const char *content_class_name(enum content_class class);

enum { CONTENT_REASON_MAX = 256 };
/* `ret_reason` names what is dirty: "partition 2 (ext4): journal needs recovery"; else "". */
int content_class_of(struct store *store, struct store_image *image, enum content_class *ret_class,
                     char ret_reason[CONTENT_REASON_MAX]);

#endif
