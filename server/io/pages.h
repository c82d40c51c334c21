/*
 * Memory for the store, aligned to 4096. Map pages are 4096 bytes and come and go by the thousand:
 * malloc would spend a second page on the alignment of each, mmap a system call and one of the
 * 65,530 mappings a process may have. So pages are cut from chunks and kept on a list; other sizes
 * go to malloc or, when large, to mmap.
 *
 * Threads: any.
 */
#ifndef IO_PAGES_H
#define IO_PAGES_H

#include <stddef.h>

struct pages;

/* NULL when there is no memory. */
struct pages *pages_new(void);
/* Frees all single pages as well, also those still in use. Takes NULL. */
void pages_free(struct pages *pages);

/* Zero-filled, or NULL. `length` is at least 1; it is rounded up to a multiple of 4096. */
void *pages_take(struct pages *pages, size_t length);
/* The same length again. Takes NULL. */
void pages_give(struct pages *pages, void *memory, size_t length);

#endif
