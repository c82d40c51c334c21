/* What looks damaged to the scrub: makes sure, finds all images that have it, reports. */
#include <errno.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "store/scrub.h"

enum { SCRUB_TRIES = 3 };

int scrub_read(struct store_scrub *scrub, struct pblock at, uint8_t *buffer)
{
    struct store *store = scrub->store;
    int r = store_fetch_block(store, at, IO_REREAD, buffer);

    pthread_mutex_lock(&store->lock);
    scrub->state.bytes_read += BLOCK_SIZE;
    scrub->state.pass_bytes += BLOCK_SIZE;
    pthread_mutex_unlock(&store->lock);
    return r;
}

/* The ref that stands at the place now, a hole when there is no such place. */
static int ref_now(const struct store_scrub *scrub, uint64_t image, int level, uint64_t key,
                   struct ref *ret_ref)
{
    struct store *store = scrub->store;
    struct scrub_tree tree;
    struct page *page = NULL;
    uint64_t span;
    int r = scrub_tree_now(scrub, image, &tree);

    *ret_ref = ref_hole();
    if (r != 0) {
        return r;
    }
    uint64_t keys = (uint64_t)1 << ((tree.level + 1) * REF_LEVEL_BITS);
    if (level > tree.level || key >= keys) {
        return 0;
    }
    if (level == tree.level) {
        *ret_ref = tree.root;
        return 0;
    }
    uint8_t parent = (uint8_t)(level + 1);
    r = forest_find_level(&store->forest, (struct forest_root){tree.root, tree.level}, tree.rank,
                          key, parent, &page, &span);
    if (r == 0 && page != NULL) {
        *ret_ref = ref_load(page->bytes + (size_t)key_index(key, parent) * REF_BYTES);
    }
    return r;
}

/* Is the block still there, at this moment, and is what the device has of it all there is? */
static int is_there_locked(struct store_scrub *scrub, uint64_t image, struct pblock at, int level,
                           uint64_t key, struct ref *ret_ref)
{
    struct store *store = scrub->store;
    struct extent_block held;
    int r;

    while ((r = ref_now(scrub, image, level, key, ret_ref)) == FOREST_NEED) {
        if ((r = store_provide_locked(store)) < 0) {
            break;
        }
    }
    if (r < 0) {
        return r == -ENOMEM ? r : 0;
    }
    if (ret_ref->kind != REF_HERE || ret_ref->at.n != at.n) {
        return 0;
    }
    if (level == SCRUB_DATA) {
        return !open_extents_find(&store->extents, at, &held);
    }
    const struct page *page = page_find(store->forest.cache, at);
    if (page != NULL) {
        ret_ref->crc = page->crc;
    }
    return page == NULL || (!page->dirty && !page->frozen);
}

/* Every image that has the block at that place: what is shared is shared by copying trees, so it
 * stands at the same place in all of them. */
static int find_images(struct store_scrub *scrub, struct pblock at, int level, uint64_t key,
                       struct store_damage *damage)
{
    struct store *store = scrub->store;
    struct store_image_info info = {.image = 0};
    uint64_t after = 0;
    int r = 0;

    while (r == 0) {
        struct ref ref;

        pthread_mutex_unlock(&store->lock);
        r = store_image_next(store, after, &info);
        pthread_mutex_lock(&store->lock);
        if (r == -EIO) {
            after = ((after + 1) / IMAGE_RECORDS_PER_PAGE + 1) * IMAGE_RECORDS_PER_PAGE - 1;
            r = 0;
            continue;
        }
        if (r < 0) {
            break;
        }
        after = info.image;
        r = is_there_locked(scrub, info.image, at, level, key, &ref);
        if (r > 0) {
            if (damage->image_count < STORE_DAMAGE_IMAGES_MAX) {
                damage->images[damage->image_count] = info.image;
            }
            damage->image_count++;
            r = 0;
        }
    }
    return r == -ENOENT ? 0 : r;
}

void scrub_found_locked(struct store_scrub *scrub, const struct store_damage *damage)
{
    struct store *store = scrub->store;

    store->counters.checksum_errors++;
    scrub->state.pass_damaged++;
    pthread_mutex_unlock(&store->lock);
    scrub->report(scrub->opaque, damage);
    pthread_mutex_lock(&store->lock);
}

static enum store_damage_kind kind_of(const struct store_scrub *scrub, int level)
{
    if (scrub->phase == SCRUB_IMAGES) {
        return level == SCRUB_DATA ? STORE_DAMAGED_DATA : STORE_DAMAGED_MAP;
    }
    return scrub->phase == SCRUB_TABLE ? STORE_DAMAGED_TABLE : STORE_DAMAGED_TRASH;
}

int scrub_suspect_locked(struct store_scrub *scrub, struct ref ref, int level, uint64_t key)
{
    struct store *store = scrub->store;
    _Alignas(BLOCK_SIZE) uint8_t bytes[BLOCK_SIZE];
    struct pblock at = ref.at;
    uint64_t keys = (uint64_t)1 << ((level + 1) * REF_LEVEL_BITS);
    struct store_damage damage = {.kind = kind_of(scrub, level), .block = at.n};
    bool sound = false;
    int r = is_there_locked(scrub, scrub->image, at, level, key, &ref);

    if (r <= 0) {
        return r;
    }
    /* it is in use at this moment, and from here on it is held when it is freed */
    store->checking++;
    pthread_mutex_unlock(&store->lock);
    for (unsigned try = 0; try < SCRUB_TRIES && !sound; try++) {
        r = scrub_read(scrub, at, bytes);
        sound = r == 0 && crc32c_block(store->seed, at, bytes) == ref.crc;
    }
    pthread_mutex_lock(&store->lock);
    store->checking--;
    if (sound) {
        return 0;
    }
    damage.reason = r < 0 ? "cannot be read" : "is damaged: its checksum is wrong";
    if (scrub->phase == SCRUB_IMAGES) {
        damage.offset = (key & ~(keys - 1)) << BLOCK_SHIFT;
        damage.length = keys << BLOCK_SHIFT;
        if ((r = find_images(scrub, at, level, key, &damage)) < 0) {
            return r;
        }
    }
    scrub_found_locked(scrub, &damage);
    return 1;
}
