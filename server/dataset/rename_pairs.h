/*
 * Which of the files that one manifest lacks and another has are the same files under new names:
 * equal digest and size. An empty file tells nothing and is never one, nor is what is no file.
 *
 * Filled with all that was removed and added, in the order of a comparison; paired once; then asked
 * in that order again. For one thread.
 */
#ifndef DATASET_RENAME_PAIRS_H
#define DATASET_RENAME_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "dataset/manifest_line.h"

/* Memory that the names may take. Where they would take more, no pair is found at all. */
enum { RENAME_PAIRS_BYTES_MAX = 64 << 20 };

struct rename_pairs;

int rename_pairs_new(struct rename_pairs **ret_pairs);
void rename_pairs_free(struct rename_pairs *pairs); /* takes NULL */

/* `added`: it is in the second manifest, else in the first. -ENOMEM. */
int rename_pairs_add(struct rename_pairs *pairs, const struct manifest_line *line, bool added);
/* Of several with the same content, those with the same last name are paired first, then the others
 * in their order. Returns how many pairs there are. */
uint64_t rename_pairs_find(struct rename_pairs *pairs);
/* There were more names than the memory is for, or than there is. */
bool rename_pairs_too_many(const struct rename_pairs *pairs);

/* For each line that was added to it, in the same order: the path on the other side, or NULL when
 * it has no partner. Valid until pairs is freed. */
const char *rename_pairs_next(struct rename_pairs *pairs, const struct manifest_line *line);

#endif
