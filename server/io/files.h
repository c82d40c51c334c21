/*
 * What the files of folder io share: the opened store directory. Nobody outside includes this.
 */
#ifndef IO_FILES_H
#define IO_FILES_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "io/io.h"
#include "io/pages.h"
#include "io/stage_file.h"

/* The descriptors that I/O goes through; also their index in a ring's table of registered files. */
enum io_slot {
    SLOT_EXTENTS = IO_EXTENTS,
    SLOT_JOURNAL = IO_JOURNAL,
    SLOT_DIRECT, /* the extents past the page cache; these two: -1 when that cannot be */
    SLOT_JOURNAL_DIRECT,
    SLOTS
};

struct rings;

struct io_files {
    struct io io; /* first: a struct io * is a struct io_files * */
    int slot[SLOTS];
    int dir;
    int lock;      /* of the file `lock`; -1 when it could not be made and we only read */
    pid_t process; /* that opened it, or went on after a fork */
    char *path;    /* of the directory, for messages */
    bool device;   /* the extents are a block device */
    bool read_only;
    bool direct;          /* IO_BULK, and what is durable in the journal, go past the page cache */
    uint64_t device_size; /* bytes, of a device */
    pthread_mutex_t growth; /* held while a file is grown by ftruncate */
    struct rings *rings;
    struct pages *pages;
    struct stage_file stage;
};

static inline struct io_files *io_files(struct io *io)
{
    return (struct io_files *)io;
}

const char *io_file_name(enum io_file file);

static inline bool slot_is_direct(enum io_slot slot)
{
    return slot == SLOT_DIRECT || slot == SLOT_JOURNAL_DIRECT;
}

/* The slot that a request goes through. */
enum io_slot io_slot(const struct io_files *files, const struct io_request *request);

/* io_space.c */
uint64_t io_space_size(struct io *io, enum io_file file);
int io_space_allocate(struct io *io, enum io_file file, uint64_t offset, uint64_t length);
int io_space_discard(struct io *io, enum io_file file, uint64_t offset, uint64_t length);

#endif
