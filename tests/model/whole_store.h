/*
 * A whole store, images and catalog, on one simulated disk, made anew for each history. The file of
 * the catalog is never behind its copy in the store, whatever is cut: an opening that wants to
 * restore it fails.
 *
 * The linker puts the functions __wrap_... of whole_store.c in place of io_open and its like
 * (meson.build). Threads: one, and one store at a time.
 */
#ifndef MODEL_WHOLE_STORE_H
#define MODEL_WHOLE_STORE_H

#include <stdint.h>

#include "chance.h"
#include "sim_disk.h"

struct varve;

/* Once: an empty store that all begin from. 0, or -errno with a line. */
int whole_store_prepare(void);
void whole_store_remove(void);

/* A disk with an empty store on it, which is closed. */
struct sim_disk *whole_store_begin(uint64_t seed);
/* varve_open. */
int whole_store_open(struct varve **ret_varve);
/* Both files lose their power together; they have been closed. */
void whole_store_reboot(enum sim_outcome outcome, struct chance *chance);
/* After varve_close. Returns how many bytes were not freed. */
uint64_t whole_store_end(void);

#endif
