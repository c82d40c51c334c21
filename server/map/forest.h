/*
 * The forest: the trees of all images, the trash and the image table, in pages that trees may
 * share. Pure: it works on pages and counts in memory. Where something is missing, a function
 * returns FOREST_NEED and says in forest->need what; the caller provides that (reads a page, loads
 * a group, takes places for new pages) with the mutex let go, and begins again from the top.
 * Whatever such a function did before is a sound tree with the same contents.
 *
 * Copy-on-write: a page may be changed in place when it was born in the present epoch and is
 * referred to once. Otherwise forest_writable makes a copy at a new place; when the page was
 * shared, the children of the copy gain a reference. An epoch ends when a checkpoint freezes the
 * forest.
 *
 * Checksums: a ref to a dirty page has checksum 0 until the checkpoint that writes the page fills
 * it in.
 *
 * Locking: the store's mutex for everything.
 */
#ifndef MAP_FOREST_H
#define MAP_FOREST_H

#include "format/image_record.h"
#include "map/page_cache.h"
#include "space/space.h"

enum { FOREST_NEED = 1, FOREST_LEVELS = IMAGE_LEVEL_MAX + 1 };

/* The table tree has room for 16 * 256^3 images, the trash for 256^4 subtrees. */
enum { FOREST_TABLE_LEVEL = 3, FOREST_TRASH_LEVEL = 3 };

enum need_kind {
    NEED_PAGE = 1, /* read the page `ref`, of rank `rank`, and add it to the cache */
    NEED_GROUP,    /* load the counts of group `group` */
    NEED_PLACE,    /* call forest_give_places */
    NEED_COPY, /* count of the block `ref` is at its limit: the page `rank` of it wants a copy */
};

struct need {
    enum need_kind kind;
    struct ref ref;
    uint8_t rank;
    uint64_t group;
};

struct forest {
    struct page_cache *cache;
    struct space *space;
    struct page *super;  /* refs to the roots of the table (0) and the trash (1) */
    uint64_t trash;      /* entries in the trash */
    uint64_t map_blocks; /* blocks in use for pages */
    struct pblock place; /* taken places for new pages ... */
    uint64_t places;     /* ... and how many */
    struct need need;
};

/* Where a ref stands: in a page, at an offset. */
struct slot {
    struct page *page;
    unsigned offset;
};

static inline struct ref slot_load(struct slot slot)
{
    return ref_load(slot.page->bytes + slot.offset);
}

static inline void slot_store(struct slot slot, struct ref ref)
{
    ref_store(slot.page->bytes + slot.offset, ref);
}

/* A tree: where its root stands and how deep it is. `slot.page` must be writable for calls that
 * change the tree. */
struct tree {
    struct slot root;
    uint8_t level; /* of the root page */
    uint8_t rank;  /* RANK_IMAGE, RANK_TRASH or RANK_TABLE */
};

/* The pages of a tree from its root to level `bottom`, all writable. */
struct path {
    struct tree tree;
    struct page *pages[FOREST_LEVELS];
    uint64_t key;
};

struct tree forest_table(const struct forest *forest);
struct tree forest_trash_tree(const struct forest *forest);

/* The places from which new pages come; the blocks are taken. */
void forest_give_places(struct forest *forest, struct pblock first, uint64_t count);

/* --- lookup ---- */

/* A tree that is only read. */
struct forest_root {
    struct ref ref; /* of the root page */
    uint8_t level;  /* of the root page */
};

/* The leaf for a key, reading only. *ret_page is NULL in a hole; *ret_span is
 * then the number of keys from `key` on that the hole certainly covers. */
int forest_find(struct forest *forest, struct ref root, uint8_t level, uint8_t rank, uint64_t key,
                struct page **ret_page, uint64_t *ret_span);

/* The same for the page of level `bottom`, at most the root's. */
int forest_find_level(struct forest *forest, struct forest_root root, uint8_t rank, uint64_t key,
                      uint8_t bottom, struct page **ret_page, uint64_t *ret_span);

/* What a tree of an image has at a key for itself. */
struct forest_alone {
    struct page *leaf; /* NULL: a hole, or shared */
    uint64_t span;     /* keys from `key` on for which that holds */
    uint64_t mapped;   /* blocks that are mapped in there, when `key` begins a leaf; it saturates */
    bool shared;       /* another tree refers to the leaf, or to a page above it */
};

/* The leaf at `key` when nothing else refers to it. Its blocks may be shared all the same. */
int forest_find_alone(struct forest *forest, struct forest_root root, uint8_t rank, uint64_t key,
                      struct forest_alone *ret_alone);

/* What two trees of images have at a key. */
struct forest_comparison {
    bool same;       /* they refer to the same, or both to nothing, ... */
    uint64_t span;   /* ... for that many keys from there on */
    uint64_t mapped; /* same: blocks that both map in what was passed over; it lies around the key,
                        so a count needs keys that begin where the last span ended */
    const struct page *from, *to; /* not same: their leaves; NULL: a hole. `span` reaches to the end
                                     of the leaf. */
};

/* Finds the highest place around `key` at which the trees are the same. They may be of different
 * heights. */
int forest_compare(struct forest *forest, struct forest_root from, struct forest_root to,
                   uint64_t key, struct forest_comparison *ret_comparison);

/* --- change ---- */

/* Makes the page that `slot` refers to writable, or makes a new empty one in a hole. */
int forest_writable(struct forest *forest, struct slot slot, uint8_t rank, struct page **ret_page);

/* Makes the path to level `bottom` writable. */
int forest_path(struct forest *forest, const struct tree *tree, uint64_t key, uint8_t bottom,
                struct path *ret_path);

/* Is everything in memory that forest_set needs? The new places are taken blocks. */
int forest_set_ready(struct forest *forest, const struct path *path, unsigned index, unsigned count,
                     struct pblock first);
/* Maps `count` blocks of the path's leaf from `index` on to the places from `first` on; counts down
 * what was there, and returns how many of these something else referred to, too. Cannot fail.
 * `crcs` are little-endian. */
unsigned forest_set(struct forest *forest, const struct path *path, unsigned index, unsigned count,
                    struct pblock first, const uint8_t *crcs);

/* What a step made a hole of. */
struct forest_hole {
    uint64_t done;   /* that many keys from `key` on are holes now */
    bool changed;    /* something had to be done for them */
    bool subtrees;   /* not block by block */
    uint64_t shared; /* blocks in there to which something else refers, too. Of a subtree that was
                        not shared itself none are counted, though some may have been. */
};

/* Makes a hole of part of [key, key + count): one step, as much as one page allows. Subtrees that
 * fall off go to the trash. */
int forest_punch(struct forest *forest, const struct tree *tree, uint64_t key, uint64_t count,
                 struct forest_hole *ret_hole);

/* Moves the whole content of a tree to the trash: its root is a hole afterwards. */
int forest_discard_tree(struct forest *forest, const struct tree *tree);

/* Shares the root `source` in the hole `slot` (whose page is writable). */
int forest_share(struct forest *forest, struct ref source, uint8_t rank, struct slot slot);

/* Puts a page of `rank` between the slot and the root that it holds: the tree gets one level
 * deeper. */
int forest_raise(struct forest *forest, struct slot slot, uint8_t rank);

/* Takes the next entry of the trash one step further. *ret_idle: the trash is empty. */
int forest_reclaim(struct forest *forest, bool *ret_idle);

/* --- pieces for the above ---- */

int forest_page(struct forest *forest, struct ref ref, uint8_t rank, struct page **ret_page);
int forest_ready(struct forest *forest, struct pblock block);
/* The same for a block that a map refers to: its count is at least one, or -EIO. */
int forest_ready_ref(struct forest *forest, struct pblock block);
void forest_add_mapped(const struct path *path, uint8_t bottom, int64_t delta);
/* Drops the pages of the path from `bottom` up that hold nothing any more. Cannot fail. */
void forest_prune(struct forest *forest, const struct path *path, uint8_t bottom);
struct slot path_slot(const struct path *path, uint8_t level);
int forest_trash_ready(struct forest *forest, uint64_t count);
void forest_trash_push(struct forest *forest, struct ref ref, uint8_t level);

static inline unsigned key_index(uint64_t key, uint8_t level)
{
    return (unsigned)(key >> (level * REF_LEVEL_BITS)) & (REFS_PER_PAGE - 1);
}

/* --- checkpoint: see store/checkpoint.c for the order ---- */

/* Fills in the checksums of children in all frozen pages of that rank, and in the superblock's. */
void forest_fill_frozen(struct forest *forest, unsigned rank);
void forest_fill_slot(struct forest *forest, struct slot slot);
/* The same for the dirty pages, which may have copied refs before they were filled in. */
void forest_fill_dirty(struct forest *forest);

#endif
