/*
 * The scrub's walk. It keeps a position (image and block), and each step goes down the live tree to
 * it anew: what changed meanwhile is met as it is. A block that was met is marked. A page with a
 * mark was walked to its end and is passed over with all below, unless the walk is inside of it
 * (path): so what images share is read once. Three rules keep that true while the trees change:
 *
 *   - a block that is taken loses its mark: it is something else from then on;
 *   - a page that the tree let go before the walk was through it loses its mark, since another
 *     image may still refer to it and to children that the walk has not met;
 *   - pages that are in memory only have no mark, their children do.
 */
#include <assert.h>
#include <errno.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "store/scrub.h"

enum { SEEN_BLOCKS = BLOCK_SIZE * 8 }; /* of a piece */

/* --- marks ---- */

static bool is_seen(const struct store_scrub *scrub, struct pblock at)
{
    uint64_t piece = at.n / SEEN_BLOCKS;

    return piece < scrub->seen_pieces && scrub->seen[piece] != NULL &&
           (scrub->seen[piece][at.n % SEEN_BLOCKS / 64] >> (at.n % 64) & 1) != 0;
}

static void unsee(struct store_scrub *scrub, struct pblock at)
{
    if (is_seen(scrub, at)) {
        scrub->seen[at.n / SEEN_BLOCKS][at.n % SEEN_BLOCKS / 64] &= ~((uint64_t)1 << (at.n % 64));
    }
}

/* 1: met for the first time. 0: no such block; the recount says so, reading it says nothing. */
static int see(struct store_scrub *scrub, struct pblock at)
{
    uint64_t piece = at.n / SEEN_BLOCKS;
    uint64_t group;
    unsigned index;

    if (piece >= scrub->seen_pieces ||
        !layout_locate(at, scrub->store->super.limit_blocks, &group, &index)) {
        return 0;
    }
    if (scrub->seen[piece] == NULL) {
        scrub->seen[piece] = memory_take(&scrub->store->memory, BLOCK_SIZE);
        if (scrub->seen[piece] == NULL) {
            return varve_no_memory("a scrub");
        }
    }
    scrub->seen[piece][at.n % SEEN_BLOCKS / 64] |= (uint64_t)1 << (at.n % 64);
    return 1;
}

void scrub_forget_locked(struct store *store, struct pblock first, uint64_t count)
{
    for (struct store_scrub *scrub = store->scrubs; scrub != NULL; scrub = scrub->next) {
        for (uint64_t i = 0; i < count; i++) {
            unsee(scrub, pblock_at(first.n + i));
        }
    }
}

static void forget_all(struct store_scrub *scrub)
{
    for (uint64_t i = 0; i < scrub->seen_pieces; i++) {
        memory_give(&scrub->store->memory, scrub->seen[i], BLOCK_SIZE);
        scrub->seen[i] = NULL;
    }
}

/* --- the path ---- */

static uint64_t keys_below(uint8_t level)
{
    return (uint64_t)1 << ((level + 1) * REF_LEVEL_BITS);
}

/* The tree has another page than before at the key, or none (block 0): where the walk did not get
 * through the old one, another image has to show the rest of it. */
static void leave(struct store_scrub *scrub, uint8_t level, struct pblock now)
{
    struct scrub_path *path = &scrub->path[level];

    if (path->at.n != 0 && path->at.n != now.n) {
        if (path->base == (scrub->key & ~(keys_below(level) - 1))) {
            unsee(scrub, path->at);
        }
        path->at = pblock_at(0);
    }
}

static void leave_all(struct store_scrub *scrub)
{
    for (unsigned level = 0; level < FOREST_LEVELS; level++) {
        leave(scrub, (uint8_t)level, pblock_at(0));
    }
}

static void go_past(struct store_scrub *scrub, uint8_t level)
{
    scrub->key = (scrub->key & ~(keys_below(level) - 1)) + keys_below(level);
}

/* --- data ---- */

struct leaf_data {
    unsigned count, requests;
    struct ref refs[REFS_PER_PAGE];
    uint64_t keys[REFS_PER_PAGE];
    struct io_request request[REFS_PER_PAGE];
};

static void add_block(struct store_scrub *scrub, struct leaf_data *d, struct ref ref, uint64_t key)
{
    struct io_request *last = d->requests > 0 ? &d->request[d->requests - 1] : NULL;

    if (last != NULL && last->offset + last->length == pblock_offset(ref.at)) {
        last->length += BLOCK_SIZE;
    } else {
        d->request[d->requests++] =
            (struct io_request){.op = IO_READ,
                                .file = IO_EXTENTS,
                                .flags = IO_REREAD,
                                .offset = pblock_offset(ref.at),
                                .length = BLOCK_SIZE,
                                .buffer = scrub->data + (size_t)d->count * BLOCK_SIZE};
    }
    d->refs[d->count] = ref;
    d->keys[d->count++] = key;
}

/* Blocks that are not on the device yet, or that recovery knows better, are in memory. */
static int collect(struct store_scrub *scrub, const uint8_t *leaf, uint64_t base,
                   struct leaf_data *d)
{
    struct store *store = scrub->store;

    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref ref = ref_load(leaf + (size_t)i * REF_BYTES);
        struct extent_block held;

        if (ref.kind != REF_HERE || is_seen(scrub, ref.at) ||
            open_extents_find(&store->extents, ref.at, &held) ||
            (store->options.read_only && overlay_find(&store->overlay, ref.at) != NULL)) {
            continue;
        }
        int r = see(scrub, ref.at);
        if (r < 0) {
            return r;
        }
        if (r > 0) {
            add_block(scrub, d, ref, base + i);
        }
    }
    return 0;
}

/* Reads the data of a leaf that nobody read before. Lets the lock go. */
static int scrub_leaf(struct store_scrub *scrub, const uint8_t *leaf)
{
    struct store *store = scrub->store;
    struct leaf_data d = {.count = 0};
    bool failed[REFS_PER_PAGE];
    unsigned n = 0;
    int r = collect(scrub, leaf, scrub->key & ~(uint64_t)(REFS_PER_PAGE - 1), &d);

    if (r < 0 || d.count == 0) {
        return r;
    }
    pthread_mutex_unlock(&store->lock);
    store->io->ops->perform(store->io, d.request, d.requests);
    for (unsigned k = 0; k < d.requests; k++) {
        for (size_t done = 0; done < d.request[k].length; done += BLOCK_SIZE, n++) {
            failed[n] = d.request[k].result != 0 ||
                        crc32c_block(store->seed, d.refs[n].at,
                                     scrub->data + (size_t)n * BLOCK_SIZE) != d.refs[n].crc;
        }
    }
    pthread_mutex_lock(&store->lock);
    assert(n == d.count);
    scrub->state.bytes_read += (uint64_t)n << BLOCK_SHIFT;
    scrub->state.pass_bytes += (uint64_t)n << BLOCK_SHIFT;
    for (unsigned i = 0; i < n; i++) {
        if (failed[i] && (r = scrub_suspect_locked(scrub, d.refs[i], SCRUB_DATA, d.keys[i])) < 0) {
            return r;
        }
    }
    return 0;
}

/* --- pages ---- */

/* Met for the first time: reads it from the device. Lets the lock go; whether it is sound or not,
 * the next step begins at the root again. */
static int scrub_page(struct store_scrub *scrub, struct ref ref, uint8_t level)
{
    struct store *store = scrub->store;
    int r = see(scrub, ref.at);

    if (r <= 0) {
        go_past(scrub, level);
        return r;
    }
    scrub->path[level] = (struct scrub_path){ref.at, scrub->key & ~(keys_below(level) - 1)};
    pthread_mutex_unlock(&store->lock);
    scrub->page_ref = ref_hole();
    bool sound = scrub_read(scrub, ref.at, scrub->page) == 0 &&
                 crc32c_block(store->seed, ref.at, scrub->page) == ref.crc;
    pthread_mutex_lock(&store->lock);
    if (sound) {
        scrub->page_ref = ref;
        return 0;
    }
    r = scrub_suspect_locked(scrub, ref, level, scrub->key);
    if (r == 0) {
        /* it is not there any more, or was sound when it was read again */
        unsee(scrub, ref.at);
    } else if (r > 0) {
        go_past(scrub, level);
    }
    return r < 0 ? r : 0;
}

/* The bytes of a page that is sound on the device: from memory, or as they were just read, or,
 * above the leaves, brought into memory, since many leaves follow. NULL with *ret_r when the lock
 * was let go. */
static const uint8_t *page_bytes(struct store_scrub *scrub, const struct page *page, struct ref ref,
                                 uint8_t level, uint8_t rank, int *ret_r)
{
    struct store *store = scrub->store;

    *ret_r = 0;
    if (page != NULL) {
        return page->bytes;
    }
    if (level == 0 && scrub->page_ref.kind == REF_HERE && scrub->page_ref.at.n == ref.at.n &&
        scrub->page_ref.crc == ref.crc) {
        return scrub->page;
    }
    store->forest.need =
        (struct need){.kind = NEED_PAGE, .ref = ref, .rank = (uint8_t)(rank + level)};
    int r = store_provide_locked(store);
    if (r == -EIO) { /* it broke since */
        go_past(scrub, level);
    } else if (r < 0) {
        *ret_r = r;
    }
    return NULL;
}

/* Goes down to the key, and does what is to be done at the first place where something is. */
static int tree_step(struct store_scrub *scrub, const struct scrub_tree *tree)
{
    struct store *store = scrub->store;
    struct ref ref = tree->root;

    if (scrub->key >= keys_below(tree->level)) {
        return 0;
    }
    for (uint8_t level = tree->level;; level--) {
        int r;

        leave(scrub, level, ref_is_hole(ref) ? pblock_at(0) : ref.at);
        if (ref.kind != REF_HERE) {
            for (uint8_t below = 0; below < level; below++) {
                leave(scrub, below, pblock_at(0));
            }
            go_past(scrub, level);
            return 1;
        }
        const struct page *page = page_find(store->forest.cache, ref.at);
        if (page == NULL || (!page->dirty && !page->frozen)) {
            ref.crc = page != NULL ? page->crc : ref.crc;
            if (!is_seen(scrub, ref.at)) {
                r = scrub_page(scrub, ref, level);
                return r < 0 ? r : 1;
            }
            if (scrub->path[level].at.n != ref.at.n) {
                go_past(scrub, level);
                return 1;
            }
        }
        const uint8_t *bytes = page_bytes(scrub, page, ref, level, tree->rank, &r);
        if (bytes == NULL) {
            return r < 0 ? r : 1;
        }
        if (level == 0) {
            r = tree->rank == RANK_IMAGE ? scrub_leaf(scrub, bytes) : 0;
            if (r == 0) {
                go_past(scrub, 0);
            }
            return r < 0 ? r : 1;
        }
        ref = ref_load(bytes + (size_t)key_index(scrub->key, level) * REF_BYTES);
    }
}

int scrub_tree_now(const struct store_scrub *scrub, uint64_t image, struct scrub_tree *ret_tree)
{
    struct forest *forest = &scrub->store->forest;

    if (scrub->phase == SCRUB_IMAGES) {
        struct image_record record;
        int r = image_record_now(scrub->store, image, &record);

        if (r == 0) {
            *ret_tree = (struct scrub_tree){record.root, record.level, RANK_IMAGE};
        }
        return r;
    }
    struct tree own =
        scrub->phase == SCRUB_TABLE ? forest_table(forest) : forest_trash_tree(forest);
    *ret_tree = (struct scrub_tree){slot_load(own.root), own.level, own.rank};
    return 0;
}

/* 1, 0 at the end of the tree, -errno. */
static int walk_step(struct store_scrub *scrub)
{
    struct scrub_tree tree;
    int r;

    while ((r = scrub_tree_now(scrub, scrub->image, &tree)) == FOREST_NEED) {
        if ((r = store_provide_locked(scrub->store)) < 0) {
            break;
        }
    }
    if (r == 0) {
        r = tree_step(scrub, &tree);
    } else if (r == -ENOENT || r == -EIO) { /* deleted, or its record cannot be read */
        r = 0;
    }
    if (r == 0) {
        leave_all(scrub);
        scrub->key = 0;
    }
    return r;
}

/* --- a pass ---- */

/* 1: there is one. 0: that was the last. A page of the table that cannot be read was reported when
 * the table was walked. Lets the lock go. */
static int next_image(struct store_scrub *scrub)
{
    struct store *store = scrub->store;
    struct store_image_info info;
    int r;

    pthread_mutex_unlock(&store->lock);
    r = store_image_next(store, scrub->after, &info);
    pthread_mutex_lock(&store->lock);
    if (r == -EIO) {
        scrub->after =
            ((scrub->after + 1) / IMAGE_RECORDS_PER_PAGE + 1) * IMAGE_RECORDS_PER_PAGE - 1;
        return 1;
    }
    if (r == 0) {
        scrub->image = info.image;
    }
    return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

static int images_step(struct store_scrub *scrub)
{
    int r = scrub->image == 0 ? next_image(scrub) : 1;

    if (r <= 0 || scrub->image == 0) {
        return r;
    }
    r = walk_step(scrub);
    if (r == 0) {
        scrub->after = scrub->image;
        scrub->image = 0;
    }
    return r < 0 ? r : 1;
}

static void begin_pass(struct store_scrub *scrub)
{
    forget_all(scrub);
    scrub->phase = SCRUB_SUPERBLOCKS;
    scrub->key = scrub->image = scrub->after = 0;
    scrub->state.pass_bytes = scrub->state.pass_damaged = 0;
    scrub->state.running = true;
}

static int step_locked(struct store_scrub *scrub)
{
    int r;

    if (!scrub->state.running) {
        begin_pass(scrub);
    }
    switch (scrub->phase) {
    case SCRUB_SUPERBLOCKS:
    case SCRUB_SUMMARIES:
    case SCRUB_COUNTS:
        r = scrub_fixed_step_locked(scrub);
        break;
    case SCRUB_TABLE:
    case SCRUB_TRASH:
        r = walk_step(scrub);
        break;
    case SCRUB_IMAGES:
    default:
        r = images_step(scrub);
        break;
    }
    if (r != 0) {
        return r < 0 ? r : 1;
    }
    if (scrub->phase == SCRUB_IMAGES) {
        forget_all(scrub);
        scrub->state.running = false;
        scrub->state.passes++;
        return 0;
    }
    scrub->phase++;
    scrub->key = 0;
    return 1;
}

int store_scrub_step(struct store_scrub *scrub, store_scrub_report report, void *opaque)
{
    scrub->report = report;
    scrub->opaque = opaque;
    pthread_mutex_lock(&scrub->store->lock);
    int r = step_locked(scrub);
    scrub->state.image = scrub->image;
    scrub->state.offset = scrub->image == 0 ? 0 : scrub->key << BLOCK_SHIFT;
    pthread_mutex_unlock(&scrub->store->lock);
    return r;
}

void store_scrub_get(struct store_scrub *scrub, struct store_scrub_state *ret_state)
{
    pthread_mutex_lock(&scrub->store->lock);
    *ret_state = scrub->state;
    ret_state->total_bytes = space_totals(scrub->store->space).used << BLOCK_SHIFT;
    pthread_mutex_unlock(&scrub->store->lock);
}

int store_scrub_open(struct store *store, struct store_scrub **ret_scrub)
{
    const struct memory *memory = &store->memory;
    struct store_scrub *scrub = memory_take(memory, sizeof *scrub);

    if (scrub == NULL) {
        return varve_no_memory("a scrub");
    }
    scrub->store = store;
    pthread_mutex_lock(&store->lock); /* a checkpoint that ends writes the superblock anew */
    scrub->seen_pieces = (store->super.limit_blocks + SEEN_BLOCKS - 1) / SEEN_BLOCKS;
    pthread_mutex_unlock(&store->lock);
    scrub->seen = memory_take(memory, scrub->seen_pieces * sizeof *scrub->seen);
    scrub->data = memory_take(memory, REFS_PER_PAGE * BLOCK_SIZE);
    scrub->page = memory_take(memory, BLOCK_SIZE);
    pthread_mutex_lock(&store->lock);
    scrub->next = store->scrubs;
    store->scrubs = scrub;
    pthread_mutex_unlock(&store->lock);
    if (scrub->seen == NULL || scrub->data == NULL || scrub->page == NULL) {
        scrub->seen_pieces = scrub->seen == NULL ? 0 : scrub->seen_pieces;
        store_scrub_close(scrub);
        return varve_no_memory("a scrub");
    }
    *ret_scrub = scrub;
    return 0;
}

void store_scrub_close(struct store_scrub *scrub)
{
    if (scrub == NULL) {
        return;
    }
    struct store *store = scrub->store;
    pthread_mutex_lock(&store->lock);
    struct store_scrub **at = &store->scrubs;
    while (*at != scrub) {
        at = &(*at)->next;
    }
    *at = scrub->next;
    pthread_mutex_unlock(&store->lock);
    forget_all(scrub);
    memory_give(&store->memory, scrub->seen, scrub->seen_pieces * sizeof *scrub->seen);
    memory_give(&store->memory, scrub->data, REFS_PER_PAGE * BLOCK_SIZE);
    memory_give(&store->memory, scrub->page, BLOCK_SIZE);
    memory_give(&store->memory, scrub, sizeof *scrub);
}
