/* Images in memory, and their records in the image table. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "store/internal.h"

static uint64_t table_key(uint64_t number)
{
    return number / IMAGE_RECORDS_PER_PAGE * REFS_PER_PAGE;
}

static unsigned table_offset(uint64_t number)
{
    return (unsigned)(number % IMAGE_RECORDS_PER_PAGE) * IMAGE_RECORD_BYTES;
}

static bool number_fits(uint64_t number)
{
    return number > 0 && table_key(number) >> ((FOREST_TABLE_LEVEL + 1) * REF_LEVEL_BITS) == 0;
}

struct store_image *image_find(const struct store *store, uint64_t number)
{
    struct store_image *image = store->images[number % IMAGE_BUCKETS];

    while (image != NULL && image->number != number) {
        image = image->next;
    }
    return image;
}

int image_record_now(struct store *store, uint64_t number, struct image_record *ret_record)
{
    struct tree table = forest_table(&store->forest);
    struct page *page = NULL;
    uint64_t span;
    int r = number_fits(number) ? 0 : -ENOENT;

    if (r == 0) {
        r = forest_find(&store->forest, slot_load(table.root), table.level, table.rank,
                        table_key(number), &page, &span);
    }
    if (r == 0 && page != NULL) {
        const char *refusal =
            image_record_decode(page->bytes + table_offset(number), number, ret_record);

        if (refusal != NULL) {
            return varve_fail(EIO, "the record of image %llu %s", (unsigned long long)number,
                              refusal);
        }
        r = ret_record->image == 0 ? -ENOENT : 0;
    } else if (r == 0) {
        r = -ENOENT;
    }
    if (r == -ENOENT) {
        return varve_fail(ENOENT, "there is no image %llu", (unsigned long long)number);
    }
    return r;
}

int image_record_locked(struct store *store, uint64_t number, struct image_record *ret_record)
{
    int r;

    while ((r = image_record_now(store, number, ret_record)) == FOREST_NEED) {
        if ((r = store_provide_locked(store)) < 0) {
            return r;
        }
    }
    return r;
}

int image_next_now(struct store *store, uint64_t *number, struct image_record *ret_record)
{
    struct tree table = forest_table(&store->forest);
    uint64_t key = *number / IMAGE_RECORDS_PER_PAGE * REFS_PER_PAGE;
    struct page *page = NULL;
    uint64_t span = 0;
    int r = forest_find(&store->forest, slot_load(table.root), table.level, table.rank, key, &page,
                        &span);

    if (r != 0) {
        return r;
    }
    if (page == NULL) {
        uint64_t pages = max_u64(span / REFS_PER_PAGE, 1);

        *number = (*number / IMAGE_RECORDS_PER_PAGE + pages) * IMAGE_RECORDS_PER_PAGE;
        return -ENOENT;
    }
    do {
        unsigned offset = (unsigned)(*number % IMAGE_RECORDS_PER_PAGE) * IMAGE_RECORD_BYTES;
        const char *refusal = image_record_decode(page->bytes + offset, *number, ret_record);

        if (refusal != NULL) {
            return varve_fail(EIO, "the record of image %llu %s", (unsigned long long)*number,
                              refusal);
        }
        if (ret_record->image != 0) {
            return 0;
        }
        ++*number;
    } while (*number % IMAGE_RECORDS_PER_PAGE != 0);
    return -ENOENT;
}

int image_new_locked(struct store *store, uint64_t number, struct store_image **ret_image)
{
    if (!number_fits(number)) {
        return varve_fail(ENOSPC, "image number %llu does not fit the image table",
                          (unsigned long long)number);
    }
    struct store_image *image = memory_take(&store->memory, sizeof *image);
    if (image == NULL) {
        return varve_no_memory("an image");
    }
    image->number = number;
    image->uses = 1;
    image->next = store->images[number % IMAGE_BUCKETS];
    store->images[number % IMAGE_BUCKETS] = image;
    *ret_image = image;
    return 0;
}

int image_get_locked(struct store *store, uint64_t number, struct store_image **ret_image)
{
    struct store_image *image = image_find(store, number);
    struct image_record record;

    if (image == NULL) {
        int r = image_record_locked(store, number, &record);
        if (r < 0) {
            return r;
        }
        image = image_find(store, number); /* the lock was let go */
    }
    if (image == NULL) {
        int r = image_new_locked(store, number, ret_image);
        if (r == 0) {
            (*ret_image)->record = record;
            (*ret_image)->in_table = true;
        }
        return r;
    }
    if (!image->in_table) {
        return varve_fail(ENOENT, "there is no image %llu", (unsigned long long)number);
    }
    image->uses++;
    *ret_image = image;
    return 0;
}

void image_release_locked(struct store *store, struct store_image *image)
{
    if (image == NULL || --image->uses > 0) {
        return;
    }
    struct store_image **at = &store->images[image->number % IMAGE_BUCKETS];
    while (*at != image) {
        at = &(*at)->next;
    }
    *at = image->next;
    memory_give(&store->memory, image, sizeof *image);
}

int image_writable(struct store *store, struct store_image *image)
{
    struct tree table = forest_table(&store->forest);
    struct path path;

    if (image->epoch == store->epoch) {
        return 0;
    }
    int r = forest_path(&store->forest, &table, table_key(image->number), 0, &path);
    if (r != 0) {
        return r;
    }
    image->slot = (struct slot){path.pages[0], table_offset(image->number) + IMAGE_RECORD_ROOT};
    image->epoch = store->epoch;
    return 0;
}

struct tree image_tree(const struct store_image *image)
{
    return (struct tree){.root = image->slot, .level = image->record.level, .rank = RANK_IMAGE};
}

uint64_t image_outstanding(const struct image_record *record)
{
    uint64_t blocks = blocks_for(record->size);

    if ((record->flags & STORE_IMAGE_RESERVED) == 0) {
        return 0;
    }
    uint64_t own = record->root.mapped - min_u64(record->root.mapped, record->shared);

    return blocks - min_u64(blocks, own);
}

void image_count(struct store *store, const struct image_record *record, bool in)
{
    uint64_t sign = in ? 1 : UINT64_MAX; /* unsigned minus one */

    store->mapped_blocks += sign * record->root.mapped;
    store->logical_bytes += sign * record->size;
    store->reserved_blocks += sign * image_outstanding(record);
    store->shared_blocks += sign * record->shared;
}

void image_reload_root(struct store *store, struct store_image *image)
{
    struct ref root = slot_load(image->slot);

    image_count(store, &image->record, false);
    image->record.root = root;
    image_count(store, &image->record, true);
}

void image_put(struct store *store, struct store_image *image)
{
    assert(image->epoch == store->epoch);
    image_record_encode(&image->record, image->slot.page->bytes + table_offset(image->number));
    image->in_table = true;
}

void image_erase(struct store *store, struct store_image *image)
{
    struct tree table = forest_table(&store->forest);
    struct path path;
    int r = forest_path(&store->forest, &table, table_key(image->number), 0, &path);

    assert(r == 0 && image->epoch == store->epoch);
    (void)r;
    memset(path.pages[0]->bytes + table_offset(image->number), 0, IMAGE_RECORD_BYTES);
    forest_prune(&store->forest, &path, 0);
    image->in_table = false;
    image->epoch = 0;
}

void images_fill(struct store *store)
{
    for (unsigned i = 0; i < IMAGE_BUCKETS; i++) {
        for (struct store_image *image = store->images[i]; image != NULL; image = image->next) {
            struct ref *root = &image->record.root;
            const struct page *page = root->kind == REF_HERE && root->crc == 0
                                          ? page_find(store->forest.cache, root->at)
                                          : NULL;

            if (page != NULL && page->frozen) {
                root->crc = page->crc;
            }
        }
    }
}
