/* What a connection offers its client, and what the server offers all: nbdkit asks while the client
 * negotiates, and keeps the answers for the connection. */
#ifndef NBDKIT_PLUGIN_NEGOTIATION_H
#define NBDKIT_PLUGIN_NEGOTIATION_H

#include "plugin.h"

int offer_exports(int read_only, int is_tls, struct nbdkit_exports *exports);
/* The client that names no export gets the store's volume when there is exactly one. */
const char *offer_default_export(int read_only, int is_tls);
const char *offer_description(void *handle);

int64_t offer_size(void *handle);
int offer_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum);
int offer_write(void *handle);
int offer_fua(void *handle);
int offer_cache(void *handle);
int offer_always(void *handle); /* flush, trim, zero, fast zero, extents, several connections */

#endif
