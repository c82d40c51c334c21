#include "page_tree.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

enum { LEVELS = 4, BITS = 6, WIDTH = 1 << BITS };

struct sim_node {
    atomic_uint references;
    void *child[WIDTH]; /* nodes, at the lowest level pages */
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "sim disk: no memory\n");
        abort();
    }
    return memory;
}

/* Pages that nobody uses are kept for the next: they come and go by the million. */
union spare_page {
    struct sim_page page;
    union spare_page *next;
};
static union spare_page *spare_pages;
static pthread_mutex_t spare_mutex = PTHREAD_MUTEX_INITIALIZER;

static struct sim_page *spare_take(void)
{
    union spare_page *spare;

    pthread_mutex_lock(&spare_mutex);
    spare = spare_pages;
    if (spare != NULL)
        spare_pages = spare->next;
    pthread_mutex_unlock(&spare_mutex);
    return spare == NULL ? must(malloc(sizeof(*spare))) : (struct sim_page *)spare;
}

static void spare_put(struct sim_page *page)
{
#if defined(__SANITIZE_ADDRESS__)
    free(page); /* so that a use after this shows */
#else
    union spare_page *spare = (union spare_page *)page;

    pthread_mutex_lock(&spare_mutex);
    spare->next = spare_pages;
    spare_pages = spare;
    pthread_mutex_unlock(&spare_mutex);
#endif
}

struct sim_page *sim_page_new(const void *bytes)
{
    struct sim_page *page = spare_take();

    atomic_init(&page->references, 1);
    atomic_init(&page->fingerprint, 0);
    memcpy(page->bytes, bytes, SIM_PAGE);
    return page;
}

struct sim_page *sim_page_ref(struct sim_page *page)
{
    if (page != NULL)
        atomic_fetch_add(&page->references, 1);
    return page;
}

void sim_page_unref(struct sim_page *page)
{
    if (page != NULL && atomic_fetch_sub(&page->references, 1) == 1)
        spare_put(page);
}

static void child_ref(void *child, int level)
{
    if (level == 0)
        sim_page_ref(child);
    else if (child != NULL)
        atomic_fetch_add(&((struct sim_node *)child)->references, 1);
}

static void node_unref(struct sim_node *node, int level)
{
    if (node == NULL || atomic_fetch_sub(&node->references, 1) > 1)
        return;
    for (int i = 0; i < WIDTH; i++) {
        if (level == 0)
            sim_page_unref(node->child[i]);
        else
            node_unref(node->child[i], level - 1);
    }
    free(node);
}

static unsigned slot(uint64_t number, int level)
{
    return (unsigned)(number >> (level * BITS)) & (WIDTH - 1);
}

struct sim_page *page_tree_get(const struct page_tree *tree, uint64_t number)
{
    void *at = tree->root;

    if (number >= PAGE_TREE_MAX)
        return NULL;
    for (int level = LEVELS - 1; level >= 0 && at != NULL; level--)
        at = ((struct sim_node *)at)->child[slot(number, level)];
    return at;
}

/* The node at *where, made or copied so that it is not shared. */
static struct sim_node *own(void **where, int level)
{
    struct sim_node *old = *where, *node;

    if (old != NULL && atomic_load(&old->references) == 1)
        return old;
    node = must(calloc(1, sizeof(*node)));
    atomic_init(&node->references, 1);
    if (old != NULL) {
        for (int i = 0; i < WIDTH; i++) {
            node->child[i] = old->child[i];
            child_ref(node->child[i], level);
        }
        node_unref(old, level);
    }
    *where = node;
    return node;
}

void page_tree_put(struct page_tree *tree, uint64_t number, struct sim_page *page)
{
    void *root = tree->root, **where = &root;
    struct sim_page *old = page_tree_get(tree, number);

    assert(number < PAGE_TREE_MAX);
    if (old == page)
        return;
    for (int level = LEVELS - 1; level >= 0; level--)
        where = &own(where, level)->child[slot(number, level)];
    sim_page_ref(page);
    sim_page_unref(*where);
    *where = page;
    tree->root = root;
}

static void truncate_node(void **where, int level, uint64_t number, uint64_t first)
{
    uint64_t span = UINT64_C(1) << (level * BITS), child_first;
    struct sim_node *node;

    if (*where == NULL || first + span * WIDTH <= number)
        return;
    node = own(where, level);
    for (unsigned i = 0; i < WIDTH; i++) {
        child_first = first + i * span;
        if (level > 0) {
            truncate_node(&node->child[i], level - 1, number, child_first);
        } else if (child_first >= number) {
            sim_page_unref(node->child[i]);
            node->child[i] = NULL;
        }
    }
}

void page_tree_truncate(struct page_tree *tree, uint64_t number)
{
    void *root = tree->root;

    truncate_node(&root, LEVELS - 1, number, 0);
    tree->root = root;
}

struct page_tree page_tree_share(const struct page_tree *tree)
{
    child_ref(tree->root, LEVELS);
    return *tree;
}

void page_tree_drop(struct page_tree *tree)
{
    node_unref(tree->root, LEVELS - 1);
    tree->root = NULL;
}

uint64_t fingerprint_add(uint64_t fingerprint, uint64_t value)
{
    struct chance mix = {.state = fingerprint ^ value * UINT64_C(0xff51afd7ed558ccd)};

    return chance_draw(&mix);
}

static const unsigned char zero_page[SIM_PAGE];
enum { ZERO_PAGE = 1 }; /* its fingerprint */

static uint64_t page_fingerprint(struct sim_page *page)
{
    uint64_t fingerprint = atomic_load(&page->fingerprint), word;

    if (fingerprint != 0)
        return fingerprint;
    for (size_t at = 0; at < SIM_PAGE; at += sizeof(word)) {
        memcpy(&word, page->bytes + at, sizeof(word));
        fingerprint = fingerprint_add(fingerprint, word);
    }
    fingerprint |= 2; /* neither of the two that say something else */
    if (memcmp(page->bytes, zero_page, SIM_PAGE) == 0)
        fingerprint = ZERO_PAGE;
    atomic_store(&page->fingerprint, fingerprint);
    return fingerprint;
}

static uint64_t node_fingerprint(const struct sim_node *node, int level, uint64_t first,
                                 uint64_t fingerprint)
{
    uint64_t span = UINT64_C(1) << (level * BITS), page;

    for (unsigned i = 0; i < WIDTH; i++) {
        if (node->child[i] == NULL)
            continue;
        if (level > 0) {
            fingerprint =
                node_fingerprint(node->child[i], level - 1, first + i * span, fingerprint);
            continue;
        }
        page = page_fingerprint(node->child[i]);
        if (page != ZERO_PAGE)
            fingerprint = fingerprint_add(fingerprint_add(fingerprint, first + i), page);
    }
    return fingerprint;
}

uint64_t page_tree_fingerprint(const struct page_tree *tree)
{
    return tree->root == NULL ? 0 : node_fingerprint(tree->root, LEVELS - 1, 0, 0);
}
