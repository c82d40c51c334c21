/* The inside of the independent recount; only for store_check*.c. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/internal.h"

struct recount {
    uint16_t expected[LAYOUT_GROUP_BLOCKS];
    uint16_t found[LAYOUT_GROUP_BLOCKS];
};

struct check {
    struct store *store;
    struct superblock super;
    unsigned flags;
    store_check_report report;
    void *opaque;
    struct store_check_result result;
    struct recount **groups; /* by number; NULL: not written, all zero */
    uint64_t group_count;
    uint64_t image;             /* being walked; 0: the table or the trash */
    uint8_t *data;              /* a leaf's worth of data blocks */
    uint64_t set_aside, shared; /* blocks of reserved images, as their records say */
    int stopped;                /* -ECANCELED: the walk goes back up, and nothing is compared */
};

/* Counts a problem and reports its line. */
void check_problem(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A page's bytes: from memory in a read-only store that has it, else from the device, verified.
 * False: a problem was reported. */
bool check_page_bytes(struct check *c, struct ref ref, const char *what, uint8_t *buffer);

/* store_check_shares.c: adds up what the record says is set aside. */
void check_note_record(struct check *c, const struct image_record *record);
/* Is as much set aside as has to be, and as the superblock says? */
void check_shares(struct check *c);

/* Do the four copies, of which `refusal` says what is wrong with each, look as when the power was
 * cut while they were written? */
bool check_superblocks_interrupted(const struct superblock *super, const char *const *refusal);

/* Reads and decodes all copies of the superblock. Uses c->data. */
void check_superblocks(struct check *c);

#endif
