/*
 * The superblock: the root of everything, one block in four copies. FORMAT.md, "Superblock".
 */
#ifndef FORMAT_SUPERBLOCK_H
#define FORMAT_SUPERBLOCK_H

#include "format/ref.h"

#define SUPERBLOCK_VERSION 1

/* Read-only compatible: the records of reserved images say how many of their blocks are shared, and
 * what is set aside has room for these, too. */
#define SUPERBLOCK_SHARES ((uint64_t)1)

/* Feature bits that this build knows. An unknown incompatible bit refuses the store, an unknown
 * read-only compatible one opens it read-only, an unknown compatible one is kept and ignored. */
#define SUPERBLOCK_KNOWN_COMPAT    ((uint64_t)0)
#define SUPERBLOCK_KNOWN_RO_COMPAT SUPERBLOCK_SHARES
#define SUPERBLOCK_KNOWN_INCOMPAT  ((uint64_t)0)

enum superblock_flags {
    SUPERBLOCK_CLEAN = 1, /* the last stop was clean: the journal holds nothing that is needed */
};

struct superblock {
    uint32_t flags;
    uint64_t compat, ro_compat, incompat;
    uint8_t identity[16];
    uint64_t checkpoint;      /* number of the checkpoint, from 1 */
    uint64_t session;         /* counts the opens for writing */
    uint64_t limit_blocks;    /* the extents may grow to this */
    uint64_t journal_blocks;  /* size of the ring */
    uint64_t supergroups;     /* whose summary and count pages are in use; all behind is free */
    uint64_t lsn;             /* the journal's changes before this are contained */
    uint64_t journal_start;   /* block in the ring of the first batch that may be needed */
    uint64_t journal_seq;     /* and its number */
    uint64_t trash;           /* entries in the trash tree */
    uint64_t next_image;      /* number for the next image */
    uint64_t used_blocks;     /* allocatable blocks with a count above zero */
    uint64_t map_blocks;      /* those of them that hold pages */
    uint64_t mapped_blocks;   /* sum over all images of the blocks that they map */
    uint64_t reserved_blocks; /* set aside for reserved images */
    uint64_t shared_blocks;   /* sum over reserved images of the blocks that they share */
    uint64_t logical_bytes;   /* sum of their sizes */
    uint32_t summary_crc;     /* CRC-32C over the checksums of all summary pages, in order */
    struct ref table_root;    /* image 0: the image table */
    struct ref trash_root;
};

/* Fills the block for the copy at `at`. */
void superblock_encode(const struct superblock *super, struct pblock at, uint8_t *block);

/* NULL and *ret_super set when the block is a sound superblock for that place; else the reason, as
 * a static string that completes "superblock copy N ...". Feature bits are not judged here. */
const char *superblock_decode(const uint8_t *block, struct pblock at, struct superblock *ret_super);

#endif
