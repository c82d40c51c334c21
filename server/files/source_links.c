#include "files/source_links.h"

#include <stdlib.h>
#include <varve/error.h>

/* Open addressing, at most half full; 0 is an empty place, since entry 0 is the root. */
struct source_links {
    uint32_t *entries;
    size_t room, count;
};

int source_links_new(struct source_links **ret_links)
{
    struct source_links *links = calloc(1, sizeof *links);

    if (links == NULL)
        return varve_no_memory("the list of hard links");
    *ret_links = links;
    return 0;
}

void source_links_free(struct source_links *links)
{
    if (links != NULL)
        free(links->entries);
    free(links);
}

static size_t place_of(const struct source_links *links, const struct source_tree *tree,
                       uint32_t entry)
{
    const struct stat *stat = &tree->entries[entry].stat;
    size_t at =
        (size_t)((stat->st_ino * 0x9e3779b97f4a7c15u + stat->st_dev) >> 16) & (links->room - 1);

    while (links->entries[at] != 0 &&
           (tree->entries[links->entries[at]].stat.st_ino != stat->st_ino ||
            tree->entries[links->entries[at]].stat.st_dev != stat->st_dev))
        at = (at + 1) & (links->room - 1);
    return at;
}

static int make_room(struct source_links *links, const struct source_tree *tree)
{
    struct source_links larger = {.room = links->room == 0 ? 256 : 2 * links->room};

    if (links->count * 2 < links->room)
        return 0;
    larger.count = links->count;
    larger.entries = calloc(larger.room, sizeof *larger.entries);
    if (larger.entries == NULL)
        return varve_no_memory("the list of hard links");
    for (size_t i = 0; i < links->room; i++)
        if (links->entries[i] != 0)
            larger.entries[place_of(&larger, tree, links->entries[i])] = links->entries[i];
    free(links->entries);
    *links = larger;
    return 0;
}

int source_links_find(struct source_links *links, const struct source_tree *tree, uint32_t entry,
                      uint32_t *ret_same)
{
    int r = make_room(links, tree);
    size_t at;

    if (r != 0)
        return r;
    at = place_of(links, tree, entry);
    if (links->entries[at] == 0) {
        links->entries[at] = entry;
        links->count++;
    }
    *ret_same = links->entries[at];
    return 0;
}
