/* The recount's look at the superblock's copies. */
#include <stdbool.h>

#include "format/superblock.h"
#include "store/check.h"

/* A power cut while the copies are written, one after another, can tear one: those before it are of
 * the new checkpoint, those after it of the old. */
bool check_superblocks_interrupted(const struct superblock *super, const char *const *refusal)
{
    unsigned torn = 0;
    uint64_t step;

    while (refusal[torn] == NULL) {
        torn++;
    }
    step = torn == 0 || torn == LAYOUT_SUPERBLOCK_COPIES - 1 ? 0 : 1;
    for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        const struct superblock *last =
            &super[torn == LAYOUT_SUPERBLOCK_COPIES - 1 ? 0 : LAYOUT_SUPERBLOCK_COPIES - 1];

        if (copy != torn &&
            (refusal[copy] != NULL ||
             super[copy].checkpoint != last->checkpoint + (copy < torn ? step : 0))) {
            return false;
        }
    }
    return true;
}

/* On a store that is open read-only recovery has not written the copies anew. */
void check_superblocks(struct check *c)
{
    struct superblock super[LAYOUT_SUPERBLOCK_COPIES];
    const char *refusal[LAYOUT_SUPERBLOCK_COPIES];
    bool sound = true;
    bool readable = true;

    for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        struct pblock at = layout_superblock(copy);

        if (store_read_block(c->store, at, c->data) < 0) {
            readable = false;
            refusal[copy] = "cannot be read";
        } else {
            refusal[copy] = superblock_decode(c->data, at, &super[copy]);
        }
        sound = sound && refusal[copy] == NULL;
    }
    if (sound || (readable && c->store->options.read_only &&
                  check_superblocks_interrupted(super, refusal))) {
        return;
    }
    for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        if (refusal[copy] != NULL) {
            check_problem(c, "superblock copy %u %s", copy, refusal[copy]);
        }
    }
}
