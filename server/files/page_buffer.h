/*
 * Pages of a target in memory, written behind: libext2fs reads and writes block by block, the store
 * wants few and large requests. Changed pages are kept until the buffer is full and then written in
 * the order of their places, neighbours together.
 *
 * Nothing is durable, and nothing of what was written needs to have reached the target, before
 * page_buffer_flush. Order among writes is not kept: who needs it works on a clone.
 *
 * Threads: one at a time.
 */
#ifndef FILES_PAGE_BUFFER_H
#define FILES_PAGE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "files/target.h"

struct page_buffer;

enum { PAGE_BUFFER_PAGE = 4096 };

/* Keeps `bytes` in memory, a multiple of 1 MiB. The target is copied. */
int page_buffer_new(const struct files_target *target, size_t bytes,
                    struct page_buffer **ret_buffer);
void page_buffer_free(struct page_buffer *buffer); /* takes NULL; writes nothing */

int page_buffer_read(struct page_buffer *buffer, void *bytes, size_t length, uint64_t offset);
int page_buffer_write(struct page_buffer *buffer, const void *bytes, size_t length,
                      uint64_t offset);
/* For large pieces: they go past the memory. */
int page_buffer_read_through(struct page_buffer *buffer, void *bytes, size_t length,
                             uint64_t offset);
int page_buffer_write_through(struct page_buffer *buffer, const void *bytes, size_t length,
                              uint64_t offset);
int page_buffer_zero(struct page_buffer *buffer, uint64_t length, uint64_t offset);
int page_buffer_flush(struct page_buffer *buffer);

#endif
