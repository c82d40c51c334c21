/*
 * Content of a simulated file: pages of 4096 bytes by number, most of them absent. A tree whose
 * nodes and pages are shared and counted, so that a copy of a whole file costs nothing until one of
 * the two is changed.
 *
 * Threads: trees that share nodes may be used by different threads; one tree is used by one at a
 * time.
 */
#ifndef SIM_PAGE_TREE_H
#define SIM_PAGE_TREE_H

#include <stdatomic.h>
#include <stdint.h>

enum { SIM_PAGE = 4096 };

struct sim_page {
    atomic_uint references;
    _Atomic uint64_t fingerprint;  /* 0: not drawn yet */
    unsigned char bytes[SIM_PAGE]; /* never changed once the page is shared */
};

/* A page with those bytes and one reference. Ends the program when there is no memory. */
struct sim_page *sim_page_new(const void *bytes);
struct sim_page *sim_page_ref(struct sim_page *page); /* takes NULL */
void sim_page_unref(struct sim_page *page);           /* takes NULL */

struct sim_node;
struct page_tree {
    struct sim_node *root; /* NULL: no page at all */
};

#define PAGE_TREE_MAX (UINT64_C(1) << 24) /* pages: 64 GiB */

/* The page, borrowed, or NULL. */
struct sim_page *page_tree_get(const struct page_tree *tree, uint64_t number);
/* Takes a reference of its own; NULL takes the page out. */
void page_tree_put(struct page_tree *tree, uint64_t number, struct sim_page *page);
/* Takes out all pages from that number on. */
void page_tree_truncate(struct page_tree *tree, uint64_t number);

struct page_tree page_tree_share(const struct page_tree *tree);
void page_tree_drop(struct page_tree *tree); /* leaves it empty */

/* A number that is the same for the same content, and almost certainly not for another. A page of
 * zeroes counts as one that is absent. */
uint64_t page_tree_fingerprint(const struct page_tree *tree);
/* Mixes a value into a fingerprint; the order counts. */
uint64_t fingerprint_add(uint64_t fingerprint, uint64_t value);

#endif
