#include "model_state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char zeroes[SIM_PAGE];

static const unsigned char *bytes_of(const struct page_tree *content, uint64_t block)
{
    const struct sim_page *page = page_tree_get(content, block);

    return page == NULL ? zeroes : page->bytes;
}

void model_state_copy(const struct model_state *from, struct model_state *to)
{
    *to = *from;
    for (size_t i = 0; i < to->count; i++)
        page_tree_share(&to->images[i].content);
}

void model_state_drop(struct model_state *state)
{
    for (size_t i = 0; i < state->count; i++)
        page_tree_drop(&state->images[i].content);
    state->count = 0;
}

struct model_image *model_find(struct model_state *state, uint64_t number)
{
    for (size_t i = 0; i < state->count; i++)
        if (state->images[i].number == number)
            return &state->images[i];
    return NULL;
}

/* `bytes` NULL: a hole. */
static void put(struct page_tree *content, uint64_t block, const unsigned char *bytes,
                bool keeps_zeroes)
{
    bool hole = bytes == NULL || (!keeps_zeroes && memcmp(bytes, zeroes, SIM_PAGE) == 0);
    struct sim_page *page = hole ? NULL : sim_page_new(bytes);

    page_tree_put(content, block, page);
    sim_page_unref(page);
}

/* `bytes` NULL: zeroes. */
static void change(struct model_state *state, uint64_t number, uint64_t offset,
                   const unsigned char *bytes, uint64_t length)
{
    struct model_image *image = model_find(state, number);
    unsigned char whole[SIM_PAGE];
    uint64_t some;

    assert(image != NULL && offset <= image->size && length <= image->size - offset);
    for (; length > 0; offset += some, length -= some) {
        uint64_t start = offset % SIM_PAGE;

        some = SIM_PAGE - start < length ? SIM_PAGE - start : length;
        if (bytes == NULL &&
            (some == SIM_PAGE || page_tree_get(&image->content, offset / SIM_PAGE) == NULL)) {
            put(&image->content, offset / SIM_PAGE, NULL, false);
            continue;
        }
        memcpy(whole, bytes_of(&image->content, offset / SIM_PAGE), SIM_PAGE);
        if (bytes == NULL)
            memset(whole + start, 0, some);
        else
            memcpy(whole + start, bytes, some);
        put(&image->content, offset / SIM_PAGE, whole, state->keeps_zeroes);
        if (bytes != NULL)
            bytes += some;
    }
}

void model_write(struct model_state *state, uint64_t image, uint64_t offset, const void *bytes,
                 size_t length)
{
    change(state, image, offset, bytes, length);
}

void model_zero(struct model_state *state, uint64_t image, uint64_t offset, uint64_t length)
{
    change(state, image, offset, NULL, length);
}

static struct model_image *add(struct model_state *state, uint64_t number)
{
    size_t at = state->count++;

    assert(at < MODEL_IMAGES_MAX);
    for (; at > 0 && state->images[at - 1].number > number; at--)
        state->images[at] = state->images[at - 1];
    state->images[at] = (struct model_image){.number = number};
    return &state->images[at];
}

void model_create(struct model_state *state, uint64_t image, uint64_t size)
{
    add(state, image)->size = size;
}

void model_clone(struct model_state *state, uint64_t image, uint64_t source, bool frozen)
{
    struct model_image from = *model_find(state, source);
    struct model_image *to = add(state, image);

    to->size = from.size;
    to->frozen = frozen;
    to->content = page_tree_share(&from.content);
}

void model_delete(struct model_state *state, uint64_t number)
{
    struct model_image *image = model_find(state, number);
    size_t at = (size_t)(image - state->images);

    page_tree_drop(&image->content);
    memmove(image, image + 1, (--state->count - at) * sizeof(*image));
}

void model_resize(struct model_state *state, uint64_t number, uint64_t size)
{
    struct model_image *image = model_find(state, number);
    uint64_t old = image->size, kept = size < old ? size : old;
    uint64_t edge = (kept + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;

    if (size < old)
        page_tree_truncate(&image->content, edge / SIM_PAGE);
    /* bytes behind the end come back as zeroes; the block is the same one until they do */
    if (!state->keeps_zeroes || size > old) {
        image->size = edge;
        model_zero(state, number, kept, edge - kept);
    }
    image->size = size;
}

void model_rollback(struct model_state *state, uint64_t number, uint64_t source)
{
    struct model_image *image = model_find(state, number), *from = model_find(state, source);
    struct page_tree content = page_tree_share(&from->content);

    page_tree_drop(&image->content);
    image->content = content;
    image->size = from->size;
}

void model_freeze(struct model_state *state, uint64_t image)
{
    model_find(state, image)->frozen = true;
}

void model_read(const struct model_image *image, uint64_t offset, void *buffer, size_t length)
{
    unsigned char *to = buffer;
    size_t some;

    for (; length > 0; to += some, offset += some, length -= some) {
        size_t start = (size_t)(offset % SIM_PAGE);

        some = SIM_PAGE - start < length ? SIM_PAGE - start : length;
        memcpy(to, bytes_of(&image->content, offset / SIM_PAGE) + start, some);
    }
}

/* One line about a block that is neither. A write fills its range with words of its number and
 * their place. */
static void explain(char *why, size_t size, const struct model_image *image, uint64_t block,
                    const unsigned char *found, const unsigned char *wanted)
{
    size_t at = 0;
    uint64_t there, here;

    if (why == NULL)
        return;
    while (found[at] == wanted[at])
        at++;
    memcpy(&there, found + at / 8 * 8, 8);
    memcpy(&here, wanted + at / 8 * 8, 8);
    snprintf(
        why, size,
        "image %llu, byte %llu: found word %llx (of operation %llu), wanted %llx (of operation %llu)",
        (unsigned long long)image->number, (unsigned long long)(block * SIM_PAGE + at),
        (unsigned long long)there, (unsigned long long)(there >> 32), (unsigned long long)here,
        (unsigned long long)(here >> 32));
}

static bool image_is(const struct model_image *found, const struct model_image *wanted,
                     const struct model_image *next, char *why, size_t size)
{
    for (uint64_t block = 0; block * SIM_PAGE < found->size; block++) {
        const unsigned char *is = bytes_of(&found->content, block);
        const unsigned char *want = bytes_of(&wanted->content, block);
        uint64_t left = found->size - block * SIM_PAGE;
        size_t length = left < SIM_PAGE ? (size_t)left : SIM_PAGE;

        if (is == want || memcmp(is, want, length) == 0)
            continue;
        if (next != NULL && memcmp(is, bytes_of(&next->content, block), length) == 0)
            continue;
        explain(why, size, found, block, is, want);
        return false;
    }
    return true;
}

bool model_state_is(const struct model_state *found, const struct model_state *wanted,
                    const struct model_state *next, char *why, size_t size)
{
    if (found->count != wanted->count) {
        if (why != NULL)
            snprintf(why, size, "found %zu images, wanted %zu", found->count, wanted->count);
        return false;
    }
    for (size_t i = 0; i < found->count; i++) {
        const struct model_image *is = &found->images[i], *want = &wanted->images[i];
        bool known = want->number != MODEL_NUMBER_UNKNOWN;

        if ((known && is->number != want->number) || is->size != want->size ||
            is->frozen != want->frozen) {
            if (why != NULL)
                snprintf(why, size,
                         "found image %llu of %llu bytes%s, wanted image %llu of %llu bytes%s",
                         (unsigned long long)is->number, (unsigned long long)is->size,
                         is->frozen ? ", frozen" : "", (unsigned long long)want->number,
                         (unsigned long long)want->size, want->frozen ? ", frozen" : "");
            return false;
        }
        if (!image_is(is, want, next == NULL ? NULL : &next->images[i], why, size))
            return false;
    }
    return true;
}

uint64_t model_state_fingerprint(const struct model_state *state)
{
    uint64_t fingerprint = state->count;

    for (size_t i = 0; i < state->count; i++) {
        const struct model_image *image = &state->images[i];

        fingerprint = fingerprint_add(fingerprint, image->number);
        fingerprint = fingerprint_add(fingerprint, image->size * 2 + image->frozen);
        fingerprint = fingerprint_add(fingerprint, page_tree_fingerprint(&image->content));
    }
    return fingerprint;
}
