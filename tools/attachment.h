/*
 * What `varve attach` made of an export on this machine, and what is known of it: all in
 * STORE/run/attach-REF/, so that it can be undone by a later process, also when the one that made
 * it died halfway.
 *
 *   state         JSON, replaced as a whole before each step that leaves something behind
 *   watcher       locked by the process that watches a device of the kernel's nbd driver
 *   fuse/volume   where nbdfuse shows the export as a file
 *   log           what the watcher or nbdfuse said
 *
 * What there is to undo is not taken from the state alone but looked up in the system: the nbd
 * device whose identity is the path of the folder, the loop devices on fuse/volume, the mounts of a
 * device. A reboot or a hand that undid a part does no harm so.
 *
 * One lock for all attachments of a store is held by attach and detach while they work.
 */
#ifndef TOOLS_ATTACHMENT_H
#define TOOLS_ATTACHMENT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "nbd_negotiate.h"

enum {
    ATTACHMENT_REF = 260,
    ATTACHMENT_DEVICE = 64,
    ATTACHMENT_RUN = 1024, /* STORE/run */
    ATTACHMENT_FOLDER = ATTACHMENT_RUN + NAME_MAX + 2,
};

struct attachment {
    char ref[ATTACHMENT_REF];       /* as it was asked for */
    char export[ATTACHMENT_REF];    /* what it named then, in full: a tag may move, this stays */
    char folder[ATTACHMENT_FOLDER]; /* STORE/run/attach-REF, with no symbolic link in it */
    char device[ATTACHMENT_DEVICE]; /* /dev/nbd0, /dev/loop0, or "" when there is none yet */
    char mountpoint[PATH_MAX];      /* or "" */
    char socket[PATH_MAX];          /* the server's, on which the kernel's device was connected */
    bool kernel;                    /* by the kernel's driver; else nbdfuse and a loop device */
    int hold, retry;                /* seconds, see nbd_device.h; of the kernel's driver */
    struct nbd_offer offer;         /* what the kernel's device was made of; size 0: not known */
    bool read_only;
    bool complete; /* attach came to its end */
};

/* All of these return EXIT_DONE, or print one sentence and return another exit code. */

/* Takes the lock: waits for an attach or detach that is running. It is freed when the process
 * ends. */
int attachment_begin(const char *store);

/* Fills in *ret_attachment for a ref, from the state if there is one. *ret_found says whether
 * anything of it is there. */
int attachment_load(const char *store, const char *ref, struct attachment *ret_attachment,
                    bool *ret_found);

/* The one whose device or mountpoint is `path`. */
int attachment_find(const char *store, const char *path, struct attachment *ret_attachment,
                    bool *ret_found);

/* Makes the folder if need be and writes the state. */
int attachment_save(const struct attachment *attachment);

/* True when it is complete and its device is there. */
bool attachment_is_live(const struct attachment *attachment);

/* Undoes all of it: unmounts, frees the device, ends nbdfuse, removes the folder. On failure
 * (EXIT_BUSY while a program uses the device) what could not be undone stays, with its
 * state. */
int attachment_undo(struct attachment *attachment);

#endif
