/* A stack of nodes, each covering more leaves than the one above it: two of the same level become
 * one of the next. */
#include <assert.h>

#include "digest/digest.h"

void digest_fold_begin(struct digest_fold *fold, const struct digest_shape *shape)
{
    fold->shape = shape;
    fold->done = 0;
    fold->count = 0;
}

static int push(struct digest_fold *fold, unsigned level, bool zero, struct digest digest)
{
    while (fold->count > 0 && fold->stack[fold->count - 1].level == level) {
        int r = 0;

        fold->count--;
        zero = zero && fold->stack[fold->count].zero;
        if (zero)
            digest = fold->shape->zero[level + 1];
        else
            r = digest_node(&fold->stack[fold->count].digest, &digest, &digest);
        if (r != 0)
            return r;
        level++;
    }
    fold->stack[fold->count].level = level;
    fold->stack[fold->count].zero = zero;
    fold->stack[fold->count].digest = digest;
    fold->count++;
    return 0;
}

int digest_fold_leaf(struct digest_fold *fold, const struct digest *leaf)
{
    assert(fold->done < fold->shape->leaves);
    if (digest_is_blank(leaf))
        return digest_fold_zeroes(fold, 1);
    fold->done++;
    return push(fold, 0, false, *leaf);
}

int digest_fold_zeroes(struct digest_fold *fold, uint64_t leaves)
{
    uint64_t last = fold->shape->leaves - 1, end = fold->done + leaves;
    int r = 0;

    assert(end <= fold->shape->leaves);
    while (r == 0 && fold->done < end) {
        unsigned level = 0;

        /* The last leaf may be shorter than those whose digests are known by level. */
        if (fold->done == last) {
            fold->done++;
            return push(fold, 0, false, fold->shape->tail[0]);
        }
        while ((fold->done & (((uint64_t)2 << level) - 1)) == 0 &&
               fold->done + ((uint64_t)2 << level) <= (end <= last ? end : last))
            level++;
        fold->done += (uint64_t)1 << level;
        r = push(fold, level, true, fold->shape->zero[level]);
    }
    return r;
}

int digest_fold_end(struct digest_fold *fold, struct digest *ret_digest)
{
    struct digest top = {{0}};
    int r = 0;

    assert(fold->done == fold->shape->leaves);
    if (fold->count > 0)
        top = fold->stack[--fold->count].digest;
    while (r == 0 && fold->count > 0)
        r = digest_node(&fold->stack[--fold->count].digest, &top, &top);
    return r == 0 ? digest_root(fold->shape, &top, ret_digest) : r;
}
