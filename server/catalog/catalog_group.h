/*
 * Many changes of the catalog as one: durable together, at the cost of one. For one who has the
 * catalog for himself meanwhile, as at the opening of a store.
 */
#ifndef CATALOG_CATALOG_GROUP_H
#define CATALOG_CATALOG_GROUP_H

#include "catalog/catalog.h"

/* Until the end each change goes through or fails by itself, as always (a name that is taken fails
 * that one change), but is durable only with the group. */
int catalog_group_begin(struct catalog *catalog);
/* `result` is what the group came to: 0 commits, anything else rolls all of it back and is
 * returned. */
int catalog_group_end(struct catalog *catalog, int result);

#endif
