/* How sound the file systems in a content are, for the class of a version. */
#ifndef DATASET_CONTENT_CLASS_H
#define DATASET_CONTENT_CLASS_H

#include "store/store.h"

enum content_class { CONTENT_RAW, CONTENT_CLEAN, CONTENT_UNKNOWN, CONTENT_DIRTY };

/* "raw", "clean", "unknown", "dirty". */
const char *content_class_name(enum content_class class);

enum { CONTENT_REASON_MAX = 192 };
struct content_verdict {
    enum content_class class; /* the worst of all there is */
    unsigned dirty;           /* how many file systems are */
    /* All that are dirty: "partitions 1, 2, ext4: journal needs recovery; partition 5, xfs: ...".
     * Of more than fit it says how many more. */
    char reason[CONTENT_REASON_MAX];
};
int content_class_of(struct store *store, struct store_image *image,
                     struct content_verdict *ret_verdict);

#endif
