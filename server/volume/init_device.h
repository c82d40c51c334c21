/* A block device that is to become a store. */
#ifndef VOLUME_INIT_DEVICE_H
#define VOLUME_INIT_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

/* Refuses what is no block device, and, unless forced, what holds something: a file system, a
 * partition table, a store. */
int init_device_check(const char *device, bool force, uint64_t *ret_size);

#endif
