/* The inside of an open export; only for export.c and export_io.c. */
#ifndef VOLUME_EXPORT_SEAT_H
#define VOLUME_EXPORT_SEAT_H

#include <varve/export.h>

#include "volume/served_store.h"

enum { DESCRIPTION_MAX = 384 };

struct varve_export {
    struct varve *varve;
    struct store *store;
    struct seat seat;
    bool read_only;
    uint64_t size; /* when it was opened: what this connection's client was told */
    char description[DESCRIPTION_MAX];
};

#endif
