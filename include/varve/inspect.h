/*
 * What is on a volume: partition table, partitions, file systems, and whether a file system was
 * left clean. Read straight from the store, attached or not; no mount, no root, nothing is written.
 *
 * A volume that is being written is read while it changes: the answer is then only as good as the
 * moment. What libblkid does not know, or finds ambiguous, is said so and never guessed.
 */
#ifndef VARVE_INSPECT_H
#define VARVE_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct varve;

/* Whether a mount would find work left: a journal to replay, a dirty flag. */
enum varve_clean {
    VARVE_CLEAN_UNKNOWN,        /* the type has such a state, and it could not be read soundly */
    VARVE_CLEAN_YES,            /* nothing to replay or repair, as the file system itself says */
    VARVE_CLEAN_NO,             /* mounted, crashed, or marked with errors: see clean_reason */
    VARVE_CLEAN_NOT_APPLICABLE, /* swap, read-only formats, nothing there */
};
/* "unknown", "clean", "not clean", "n/a". */
const char *varve_clean_name(enum varve_clean clean);

/* What one range of bytes holds: the whole volume, or one partition. Strings are UTF-8 without
 * control characters, "" where there is nothing to say. */
struct varve_content {
    char type[32]; /* libblkid's name: ext4, xfs, btrfs, vfat, swap, LVM2_member, crypto_LUKS ... */
    char usage[16];   /* filesystem, raid, crypto, other */
    char version[32]; /* of the format, where it has one */
    char label[256];
    char uuid[64];
    bool ambiguous; /* signatures of more than one type: type is "" */
    enum varve_clean clean;
    char clean_reason[96]; /* one phrase for unknown and not clean, e.g. "journal needs recovery" */
};

struct varve_partition {
    int number;           /* as the kernel counts: 1 for /dev/X1 */
    uint64_t start, size; /* bytes */
    char type[64];        /* GPT: the type's GUID; DOS: "0x83" */
    char type_name[64];   /* for people, "" when not known: "Linux filesystem" */
    char name[256];       /* GPT only */
    char uuid[64];
    struct varve_content content;
};

struct varve_inspection {
    char ref[260];       /* what was inspected, in full and for good: VOLUME, VOLUME@SNAPSHOT,
                            TEAM/DATASET:VERSION */
    bool frozen;         /* a snapshot or a committed version */
    uint64_t size;       /* bytes of the volume */
    bool blank;          /* no block of it was ever written, or all were trimmed: reads as zeroes */
    char table_type[16]; /* "gpt", "dos", ..., or "" without a partition table */
    char table_id[64];   /* GPT: the disk's GUID; DOS: the signature */
    unsigned table_sector; /* bytes in which the table counts: 512, or 4096 when it came from
                              such a disk; a client, which sees sectors of 512, is blind to it */
    struct varve_content
        content; /* of the volume as a whole; usually empty with a partition table */
    size_t partition_count;
    struct varve_partition *partitions; /* in the order of their numbers */
};

enum { VARVE_PARTITIONS_MAX = 1024 };

/* ENOENT: no such ref. E2BIG: more than VARVE_PARTITIONS_MAX partitions. EIO: damage where
 * something had to be read. ENOMEM. */
int varve_inspect(struct varve *varve, const char *ref, struct varve_inspection **ret_inspection);
void varve_inspection_free(struct varve_inspection *inspection); /* takes NULL */

#endif
