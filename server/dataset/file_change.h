/*
 * Changing the files of an uncommitted version: all or nothing.
 *
 *     refuse what is committed or attached · take a seat and the write lease · clone · change the
 * clone · write it into the history · give the version the clone's content, in one step · delete
 * the clone
 *
 * The lease keeps clients from writing what would be lost; a commit in between freezes the version
 * as it was, and then the last step fails. The clone's label says "deleted", so that the next
 * opening removes one that a crash left.
 */
#ifndef DATASET_FILE_CHANGE_H
#define DATASET_FILE_CHANGE_H

#include "files/tree.h"

struct varve;

/* What the history says of a change, beside the version's name. */
enum { FILE_CHANGE_SAID = 700 };

/* The change itself, on the clone; `what` names the version in messages. `said` gets the words for
 * the history. What it leaves after a failure is thrown away. */
typedef int (*file_change_make)(void *opaque, const struct files_target *target, const char *what,
                                char said[FILE_CHANGE_SAID]);

/* "VERB /PATH and 3 OTHERS (files and folders, 100 bytes)" */
void file_change_say(const char *verb, const struct files_changed *changed, const char *others,
                     char said[FILE_CHANGE_SAID]);

/* 0, or what `make` returned, or what forbids the change: then the version is as it was before.
 * -EPERM for what is committed or no version, -EBUSY where it is attached. */
int file_change(struct varve *varve, const char *ref, file_change_make make, void *opaque);

#endif
