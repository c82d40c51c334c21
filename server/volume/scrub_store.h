/* Between the scrub in the foreground and the one in the background of a server. */
#ifndef VOLUME_SCRUB_STORE_H
#define VOLUME_SCRUB_STORE_H

#include <varve/scrub.h>

#include "store/store_scrub.h"
#include "volume/served_store.h"

/* One line: whose bytes are lost, where, and which block. Takes the names lock. */
void scrub_describe(struct varve *varve, const struct store_damage *damage,
                    char text[VARVE_SCRUB_LINE_MAX]);

struct scrub_pace {
    uint64_t rate;         /* bytes in a second; 0: as fast as it goes */
    uint64_t start, bytes; /* nanoseconds; bytes that were read until then */
};
/* Nanoseconds to wait when so many bytes were read until now; 0: go on. */
uint64_t scrub_ahead(struct scrub_pace *pace, uint64_t now, uint64_t bytes);

/* The thread of a server. */
int scrubber_start(struct varve *varve, uint64_t rate, struct scrubber **ret_scrubber);
void scrubber_stop(struct scrubber *scrubber); /* takes NULL */

#endif
