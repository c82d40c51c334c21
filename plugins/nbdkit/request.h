/* The requests of a connection. Ranges are checked by nbdkit against the size it was offered, and
 * again by the store. */
#ifndef NBDKIT_PLUGIN_REQUEST_H
#define NBDKIT_PLUGIN_REQUEST_H

#include "plugin.h"

int request_read(void *handle, void *buffer, uint32_t length, uint64_t offset, uint32_t flags);
int request_write(void *handle, const void *buffer, uint32_t length, uint64_t offset,
                  uint32_t flags);
int request_flush(void *handle, uint32_t flags);
int request_trim(void *handle, uint32_t length, uint64_t offset, uint32_t flags);
int request_zero(void *handle, uint32_t length, uint64_t offset, uint32_t flags);
int request_cache(void *handle, uint32_t length, uint64_t offset, uint32_t flags);
int request_extents(void *handle, uint32_t length, uint64_t offset, uint32_t flags,
                    struct nbdkit_extents *extents);

#endif
