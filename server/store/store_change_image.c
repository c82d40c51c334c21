/* Changes of images as a whole, the same at run time and at replay. */
#include <assert.h>
#include <string.h>

#include "format/count_page.h"
#include "store/change.h"

static bool is_reserved(const struct store_image *image)
{
    return (image->record.flags & STORE_IMAGE_RESERVED) != 0;
}

/* A source that shares all from now on says so in its record, if it is a reserved one. */
int change_source_ready(struct store *store, struct store_image *source)
{
    return is_reserved(source) ? image_writable(store, source) : 0;
}

static void set_label(struct image_record *record, const char *label)
{
    size_t length = strnlen(label, IMAGE_LABEL_BYTES - 1);

    memset(record->label, 0, sizeof record->label);
    memcpy(record->label, label, length);
}

int change_create(struct store *store, struct store_image *image,
                  const struct journal_record *record)
{
    image->record = (struct image_record){
        .image = image->number,
        .size = record->size,
        .flags = record->image_flags,
        .level = image_level_for(record->size),
    };
    set_label(&image->record, record->label);
    image_put(store, image);
    image_count(store, &image->record, true);
    store->next_image = max_u64(store->next_image, image->number + 1);
    return 0;
}

int change_clone(struct store *store, struct store_image *image, struct store_image *source,
                 const struct journal_record *record)
{
    int r = change_source_ready(store, source);

    if (r == 0) {
        r = forest_share(&store->forest, source->record.root, RANK_TABLE, image->slot);
    }
    if (r != 0) {
        return r;
    }
    image->record = source->record;
    image->record.image = image->number;
    image->record.parent = source->number;
    image->record.flags = record->image_flags;
    record_shares_all(&image->record);
    set_label(&image->record, record->label);
    image_put(store, image);
    image_count(store, &image->record, true);
    if (is_reserved(source)) {
        image_shares_all(store, source);
    }
    store->next_image = max_u64(store->next_image, image->number + 1);
    return 0;
}

int change_delete(struct store *store, struct store_image *image)
{
    struct tree tree = image_tree(image);
    int r = forest_discard_tree(&store->forest, &tree);

    if (r == 0) {
        image_count(store, &image->record, false);
        image_erase(store, image);
    }
    return r;
}

/* What lies past a new, smaller end stays mapped until store_image_resize has punched it out;
 * before an image grows, it punches again, so that a crash in between never shows old bytes. */
int change_resize(struct store *store, struct store_image *image,
                  const struct journal_record *record)
{
    uint8_t level = image_level_for(record->size);

    while (image->record.level < level) {
        uint8_t above = (uint8_t)(image->record.level + 1);
        int r = forest_raise(&store->forest, image->slot, (uint8_t)(RANK_IMAGE + above));

        if (r != 0) {
            return r;
        }
        image_reload_root(store, image);
        image->record.level = above;
        image_put(store, image);
    }
    image_count(store, &image->record, false);
    image->record.size = record->size;
    image_count(store, &image->record, true);
    image_put(store, image);
    return 0;
}

int change_rollback(struct store *store, struct store_image *image, struct store_image *source)
{
    struct ref root = source->record.root;
    struct tree tree = image_tree(image);
    int r = ref_is_hole(root) ? 0 : forest_ready_ref(&store->forest, root.at);

    if (r == 0 && !ref_is_hole(root) && space_count(store->space, root.at) == COUNT_MAX) {
        return store_shared_too_often(root.at);
    }
    if (r == 0) {
        r = change_source_ready(store, source);
    }
    if (r != 0 || (r = forest_discard_tree(&store->forest, &tree)) != 0) {
        return r;
    }
    r = forest_share(&store->forest, root, RANK_TABLE, image->slot);
    assert(r == 0);
    image_count(store, &image->record, false);
    image->record.root = slot_load(image->slot);
    image->record.size = source->record.size;
    image->record.level = source->record.level;
    image_count(store, &image->record, true);
    image_shares_all(store, image);
    if (is_reserved(source)) {
        image_shares_all(store, source);
    }
    return r;
}

void change_label(struct store *store, struct store_image *image, const char *label)
{
    set_label(&image->record, label);
    image_put(store, image);
}

void change_flags(struct store *store, struct store_image *image, unsigned flags)
{
    bool was_reserved = is_reserved(image);

    image_count(store, &image->record, false);
    image->record.flags = flags;
    image_count(store, &image->record, true);
    image_put(store, image);
    if (is_reserved(image) != was_reserved) {
        image_shares_all(store, image);
        store_shares_stale_locked(store);
    }
}
