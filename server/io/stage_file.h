/*
 * Memory that outlives the process: a mapped file on tmpfs that one store finds again.
 *
 * The file is called after device, inode and birth time of the store's journal. It lies in
 * $VARVE_STAGE_DIR, else in /dev/shm when that is a tmpfs we may write to, else in the store's
 * directory. All three are searched, so that a changed environment does not hide what a dead server
 * left. Behind the memory the file has a page that names the store, the length and the boot of the
 * machine: a file that survived a power cut is not memory that did.
 *
 * What will hurt: memory in /dev/shm goes with its container, and systemd-logind removes it when a
 * user who is not a system user logs out for good (RemoveIPC). Let VARVE_STAGE_DIR name a tmpfs
 * that stays.
 */
#ifndef IO_STAGE_FILE_H
#define IO_STAGE_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct stage_file {
    void *memory; /* NULL before stage_file_open */
    size_t length;
    int dir; /* where the file is; -1 when there is none */
    char name[80];
};

void stage_file_init(struct stage_file *stage);

/* See stage_map in io.h. `store` is the open directory of the store, `path` its name for messages,
 * `journal` its open journal. With `read_only` nothing is made and what is found is mapped
 * privately. */
int stage_file_open(struct stage_file *stage, int store, const char *path, int journal,
                    bool read_only, size_t length, void **ret_memory, size_t *ret_found);

/* Removes the file; the memory stays. Does nothing without a file. */
void stage_file_unlink(struct stage_file *stage);

/* Unmaps and leaves the file, to be found again. */
void stage_file_close(struct stage_file *stage);

#endif
