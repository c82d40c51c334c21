#include <assert.h>
#include <string.h>

#include "disk.h"

static void set_block(struct sim_disk *disk, enum io_file which, uint64_t block,
                      struct sim_page *page)
{
    assert(block < disk->file[which].size / SIM_PAGE);
    pending_void_locked(disk, which, block);
    page_tree_put(&disk->file[which].durable, block, page);
    page_tree_put(&disk->file[which].current, block, page);
}

void sim_disk_peek(struct sim_disk *disk, enum io_file which, uint64_t offset, void *buffer,
                   size_t length)
{
    unsigned char *to = buffer;
    size_t some;

    for (; length > 0; to += some, offset += some, length -= some) {
        struct sim_page *page = page_tree_get(&disk->file[which].current, offset / SIM_PAGE);
        size_t start = (size_t)(offset % SIM_PAGE);

        some = SIM_PAGE - start < length ? SIM_PAGE - start : length;
        if (page == NULL && which == IO_EXTENTS)
            page = disk->blank;
        if (page != NULL)
            memcpy(to, page->bytes + start, some);
        else
            memset(to, 0, some);
    }
}

void sim_disk_poke(struct sim_disk *disk, enum io_file which, uint64_t offset, const void *bytes,
                   size_t length)
{
    const unsigned char *from = bytes;
    unsigned char whole[SIM_PAGE];
    struct sim_page *page;
    size_t some;

    for (; length > 0; from += some, offset += some, length -= some) {
        size_t start = (size_t)(offset % SIM_PAGE);

        some = SIM_PAGE - start < length ? SIM_PAGE - start : length;
        sim_disk_peek(disk, which, offset - start, whole, SIM_PAGE);
        memcpy(whole + start, from, some);
        page = sim_page_new(whole);
        set_block(disk, which, offset / SIM_PAGE, page);
        sim_page_unref(page);
    }
}

void sim_damage_flip(struct sim_disk *disk, enum io_file file, uint64_t offset, unsigned char mask)
{
    unsigned char byte;

    sim_disk_peek(disk, file, offset, &byte, 1);
    byte ^= mask;
    sim_disk_poke(disk, file, offset, &byte, 1);
}

void sim_damage_zero(struct sim_disk *disk, enum io_file file, uint64_t offset)
{
    static const unsigned char zeroes[SIM_PAGE];

    sim_disk_poke(disk, file, offset / SIM_PAGE * SIM_PAGE, zeroes, SIM_PAGE);
}

void sim_damage_swap(struct sim_disk *disk, enum io_file file, uint64_t one, uint64_t other)
{
    struct sim_page *first = sim_page_ref(page_tree_get(&disk->file[file].current, one / SIM_PAGE));
    struct sim_page *second =
        sim_page_ref(page_tree_get(&disk->file[file].current, other / SIM_PAGE));

    set_block(disk, file, one / SIM_PAGE, second);
    set_block(disk, file, other / SIM_PAGE, first);
    sim_page_unref(first);
    sim_page_unref(second);
}

bool sim_damage_stale(struct sim_disk *disk, enum io_file file, uint64_t offset)
{
    struct sim_page *page = page_tree_get(&disk->file[file].previous, offset / SIM_PAGE);

    if (page == NULL)
        return false;
    set_block(disk, file, offset / SIM_PAGE, page);
    return true;
}

void sim_damage_misdirect(struct sim_disk *disk, enum io_file file, uint64_t meant, uint64_t landed)
{
    struct sim_file *from = &disk->file[file];

    set_block(disk, file, landed / SIM_PAGE, page_tree_get(&from->current, meant / SIM_PAGE));
    set_block(disk, file, meant / SIM_PAGE, page_tree_get(&from->previous, meant / SIM_PAGE));
}

void sim_damage_truncate(struct sim_disk *disk, enum io_file which, uint64_t size)
{
    struct sim_file *file = &disk->file[which];

    assert(size % SIM_PAGE == 0 && size <= file->size);
    for (size_t i = 0; i < disk->pending_count; i++)
        assert(disk->pending[i].file != which); /* truncated while it is off, or idle */
    file->size = file->durable_size = size;
    page_tree_truncate(&file->current, size / SIM_PAGE);
    page_tree_truncate(&file->durable, size / SIM_PAGE);
}
