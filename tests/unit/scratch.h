/*
 * A store directory for one test: made with io_create, gone when the program ends, also by a failed
 * check or a signal that asks it to end. The store's memory lies in the same directory.
 */
#ifndef UNIT_SCRATCH_H
#define UNIT_SCRATCH_H

#include <stdint.h>

/* The scratch directory; made by the first call. */
const char *scratch(void);

/* The path of `name` in it. Valid until the next eight calls. */
const char *scratch_path(const char *name);

/* A fresh store in it, without a device. Returns its path; ends the program when it cannot be made.
 */
const char *scratch_store(uint64_t journal_size);

#endif
