/* What volume_histories does with datasets, versions, tags and holds. */
#ifndef MODEL_DATASET_VERBS_H
#define MODEL_DATASET_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include "chance.h"

struct varve;

/* One verb that chance decides, on names that it decides; with `writes` more of them change what an
 * uncommitted version holds. 0 or -errno. */
int dataset_verb(struct varve *varve, bool writes, struct chance *chance);

/* What a history begins with: a dataset (step 0) and a version (step 1). */
int dataset_begin(struct varve *varve, unsigned step);

/* Appends what users see of datasets, without what differs between runs (identities, times). Each
 * version is "(...); ", and a committed one says "digest". 0 or -errno. */
int datasets_see(struct varve *varve, char *text, size_t size);

/* Computes the digests of all committed versions from their content. How many differ, or -errno. */
int datasets_verify(struct varve *varve);

#endif
