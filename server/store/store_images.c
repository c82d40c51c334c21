/* Images: create, clone, delete, resize, open. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "store/internal.h"
#include "store/store_data.h"

_Static_assert(STORE_LABEL_MAX == IMAGE_LABEL_BYTES - 1, "labels fit their records");

static int change(struct store *store, struct journal_record *record)
{
    pthread_mutex_lock(&store->lock);
    int r = store_change_locked(store, record);
    pthread_mutex_unlock(&store->lock);
    return r;
}

static int check_label(const char *label)
{
    if (strlen(label) > STORE_LABEL_MAX) {
        return varve_fail(EINVAL, "the label '%.40s...' is longer than %d bytes", label,
                          STORE_LABEL_MAX);
    }
    return 0;
}

/* The largest map spans 256^6 blocks; sizes stay below what the record's level can say. */
static int check_size(uint64_t size)
{
    if (blocks_for(size) > (uint64_t)1 << ((IMAGE_LEVEL_MAX + 1) * REF_LEVEL_BITS)) {
        return varve_fail(EINVAL, "a size of %llu bytes is more than a map can hold",
                          (unsigned long long)size);
    }
    return 0;
}

/* Room to set so many blocks more aside; before it is refused, what deletes left is counted down.
 * Lets the lock go before it looks, not after. */
static int check_reserve_locked(struct store *store, uint64_t blocks)
{
    int r = store_aside_fits_locked(store, blocks);

    for (unsigned tries = 0; r == -ENOSPC && tries < 4 && store_make_room_locked(store); tries++) {
        r = store_aside_fits_locked(store, blocks);
    }
    return r;
}

int store_aside_fits(struct store *store, uint64_t bytes, uint64_t *ret_missing)
{
    pthread_mutex_lock(&store->lock);
    uint64_t blocks = blocks_for(bytes);
    int r = check_reserve_locked(store, blocks);
    if (r == -ENOSPC) {
        uint64_t kept = store->reserve + store_promised_locked(store) +
                        blocks_with_pages(store->reserved_blocks + blocks);
        uint64_t free = space_totals(store->space).free;

        *ret_missing = (kept > free ? kept - free : 0) << BLOCK_SHIFT;
    }
    pthread_mutex_unlock(&store->lock);
    return r;
}

int store_image_create(struct store *store, uint64_t size, unsigned flags, const char *label,
                       uint64_t *ret_image)
{
    int r = check_label(label);

    if (r < 0 || (r = check_size(size)) < 0) {
        return r;
    }
    pthread_mutex_lock(&store->lock);
    if ((flags & STORE_IMAGE_RESERVED) != 0) {
        r = check_reserve_locked(store, blocks_for(size));
    }
    struct journal_record record = {.kind = JOURNAL_CREATE,
                                    .image = store->next_image,
                                    .size = size,
                                    .image_flags = flags,
                                    .label = label};
    if (r == 0) {
        store->next_image++; /* ours, also when the change fails */
        r = store_change_locked(store, &record);
    }
    pthread_mutex_unlock(&store->lock);
    if (r == 0) {
        *ret_image = record.image;
    }
    return r;
}

/* Before anything waits for the clones; store_change_group_locked makes sure of it. */
static int check_clones_locked(struct store *store, const struct store_clone *clones, size_t count)
{
    uint64_t blocks = 0;

    for (size_t i = 0; i < count; i++) {
        struct image_record source;
        bool again = false;
        int r = image_record_locked(store, clones[i].source, &source);

        if (r < 0) {
            return r;
        }
        for (size_t j = 0; j < i; j++) {
            again = again || clones[j].source == clones[i].source;
        }
        blocks += record_clone_wants(&source, clones[i].flags, again);
    }
    return blocks > 0 ? check_reserve_locked(store, blocks) : 0;
}

int store_image_clone(struct store *store, struct store_clone *clones, size_t count)
{
    struct journal_record records[STORE_GROUP_MAX];

    if (count == 0 || count > STORE_GROUP_MAX) {
        return varve_fail(EINVAL, "%zu images cannot be cloned at once: 1 to %d can", count,
                          STORE_GROUP_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        int r = check_label(clones[i].label);

        if (r < 0) {
            return r;
        }
    }
    pthread_mutex_lock(&store->lock);
    int r = check_clones_locked(store, clones, count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        records[i] = (struct journal_record){.kind = JOURNAL_CLONE,
                                             .image = store->next_image++,
                                             .source = clones[i].source,
                                             .image_flags = clones[i].flags,
                                             .label = clones[i].label};
    }
    if (r == 0) {
        r = store_change_group_locked(store, records, count);
    }
    pthread_mutex_unlock(&store->lock);
    for (size_t i = 0; r == 0 && i < count; i++) {
        clones[i].image = records[i].image;
    }
    return r;
}

int store_image_delete(struct store *store, uint64_t number)
{
    struct journal_record record = {.kind = JOURNAL_DELETE, .image = number};

    pthread_mutex_lock(&store->lock);
    const struct store_image *image = image_find(store, number);
    int r = 0;
    if (image != NULL && image->in_table && image->uses > 0) {
        r = varve_fail(EBUSY, "image %llu is open", (unsigned long long)number);
    }
    if (r == 0) {
        r = store_change_locked(store, &record);
    }
    store_wake_locked(store, STORE_RECLAIM);
    pthread_mutex_unlock(&store->lock);
    return r;
}

/* Nothing that lies past the old end may show when an image grows: what a shrink left there when it
 * was interrupted, and the rest of the last block. */
static int clear_tail(struct store *store, struct store_image *image, uint64_t size)
{
    uint64_t first = blocks_for(size);
    uint64_t span = (uint64_t)1 << ((image->record.level + 1) * REF_LEVEL_BITS);

    return first < span ? store_punch(store, image, lblock_at(first), span - first) : 0;
}

static int resize_locked_range(struct store *store, struct store_image *image, uint64_t size)
{
    uint64_t old = image->record.size;
    struct journal_record record = {.kind = JOURNAL_RESIZE, .image = image->number, .size = size};
    int r = 0;

    if (size > old) {
        if ((image->record.flags & STORE_IMAGE_RESERVED) != 0) {
            pthread_mutex_lock(&store->lock);
            r = check_reserve_locked(store, blocks_for(size) - blocks_for(old));
            pthread_mutex_unlock(&store->lock);
        }
        if (r == 0) {
            r = clear_tail(store, image, old);
        }
        if (r == 0 && (old & (BLOCK_SIZE - 1)) != 0) {
            r = store_zero_part(store, image, lblock_at(old >> BLOCK_SHIFT),
                                (unsigned)(old & (BLOCK_SIZE - 1)), (unsigned)BLOCK_SIZE);
        }
    }
    if (r == 0) {
        r = change(store, &record);
    }
    return r == 0 && size < old ? clear_tail(store, image, size) : r;
}

int store_image_resize(struct store *store, uint64_t number, uint64_t size)
{
    struct range held = {.start = 0, .end = UINT64_MAX, .alone = true};
    struct store_image *image;
    int r = check_size(size);

    if (r < 0 || (r = store_image_open(store, number, &image)) < 0) {
        return r;
    }
    pthread_mutex_lock(&store->lock);
    range_lock(&image->ranges, &held, &store->lock, &store->changed);
    pthread_mutex_unlock(&store->lock);
    r = resize_locked_range(store, image, size);
    pthread_mutex_lock(&store->lock);
    range_unlock(&image->ranges, &held, &store->changed);
    pthread_mutex_unlock(&store->lock);
    store_image_close(store, image);
    return r;
}

int store_image_change_flags(struct store *store, uint64_t number, unsigned set, unsigned clear)
{
    struct store_image *image;
    int r = store_image_open(store, number, &image);

    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&store->lock);
    range_close(&image->ranges, &store->lock, &store->changed);
    struct journal_record record = {.kind = JOURNAL_FLAGS,
                                    .image = number,
                                    .image_flags = (image->record.flags & ~clear) | set};
    r = store_change_locked(store, &record);
    range_reopen(&image->ranges, &store->changed);
    pthread_mutex_unlock(&store->lock);
    store_image_close(store, image);
    return r;
}

int store_image_set_flags(struct store *store, uint64_t image, unsigned flags)
{
    return store_image_change_flags(store, image, flags, ~flags);
}

int store_image_set_label(struct store *store, uint64_t image, const char *label)
{
    struct journal_record record = {.kind = JOURNAL_LABEL, .image = image, .label = label};
    int r = check_label(label);

    return r < 0 ? r : change(store, &record);
}

/* What is set aside for the image after a rollback, over what is now and what comes back. */
static int check_rollback_locked(struct store *store, uint64_t number, uint64_t source,
                                 uint64_t freed)
{
    struct image_record now, then;
    int r = image_record_locked(store, number, &now);

    if (r == 0) {
        r = image_record_locked(store, source, &then);
    }
    if (r < 0) {
        return r;
    }
    then.flags = now.flags;
    record_shares_all(&then);
    uint64_t before = image_outstanding(&now) + (freed >> BLOCK_SHIFT);
    uint64_t after = image_outstanding(&then);

    return after > before ? check_reserve_locked(store, after - before) : 0;
}

int store_image_rollback_fits(struct store *store, uint64_t number, uint64_t source, uint64_t freed)
{
    pthread_mutex_lock(&store->lock);
    int r = check_rollback_locked(store, number, source, freed);
    pthread_mutex_unlock(&store->lock);
    return r;
}

int store_image_rollback(struct store *store, uint64_t number, uint64_t source, uint64_t freed)
{
    struct range held = {.start = 0, .end = UINT64_MAX, .alone = true};
    struct journal_record record = {.kind = JOURNAL_ROLLBACK, .image = number, .source = source};
    struct store_image *image;
    int r = store_image_open(store, number, &image);

    if (r < 0) {
        return r;
    }
    /* readers hold blocks of the old content by their ranges */
    pthread_mutex_lock(&store->lock);
    range_lock(&image->ranges, &held, &store->lock, &store->changed);
    r = check_rollback_locked(store, number, source, freed);
    if (r == 0) {
        r = store_change_locked(store, &record);
    }
    range_unlock(&image->ranges, &held, &store->changed);
    store_wake_locked(store, STORE_RECLAIM);
    pthread_mutex_unlock(&store->lock);
    store_image_close(store, image);
    return r;
}

static void fill_info(const struct image_record *record, struct store_image_info *ret_info)
{
    *ret_info = (struct store_image_info){
        .image = record->image,
        .size = record->size,
        .mapped = (uint64_t)record->root.mapped << BLOCK_SHIFT,
        .parent = record->parent,
        .flags = record->flags,
        .set_aside = image_outstanding(record) << BLOCK_SHIFT,
    };
    memcpy(ret_info->label, record->label, sizeof record->label);
}

int store_image_stat(struct store *store, uint64_t number, struct store_image_info *ret_info)
{
    struct image_record record;

    pthread_mutex_lock(&store->lock);
    int r = image_record_locked(store, number, &record);
    pthread_mutex_unlock(&store->lock);
    if (r == 0) {
        fill_info(&record, ret_info);
    }
    return r;
}

int store_image_next(struct store *store, uint64_t after, struct store_image_info *ret_info)
{
    struct image_record record;
    uint64_t number = after + 1;
    int r = -ENOENT;

    pthread_mutex_lock(&store->lock);
    while (number < store->next_image) {
        r = image_next_now(store, &number, &record);
        if (r == FOREST_NEED) {
            r = store_provide_locked(store);
            if (r < 0) {
                break;
            }
            r = -ENOENT;
        } else if (r != -ENOENT) {
            break;
        }
    }
    pthread_mutex_unlock(&store->lock);
    if (r == 0) {
        fill_info(&record, ret_info);
    }
    return r;
}

int store_image_open(struct store *store, uint64_t number, struct store_image **ret_image)
{
    pthread_mutex_lock(&store->lock);
    int r = image_get_locked(store, number, ret_image);
    pthread_mutex_unlock(&store->lock);
    return r;
}

void store_image_close(struct store *store, struct store_image *image)
{
    pthread_mutex_lock(&store->lock);
    image_release_locked(store, image);
    pthread_mutex_unlock(&store->lock);
}

uint64_t store_image_size(struct store *store, struct store_image *image)
{
    pthread_mutex_lock(&store->lock);
    uint64_t size = image->record.size;
    pthread_mutex_unlock(&store->lock);
    return size;
}
