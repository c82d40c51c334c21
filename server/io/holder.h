/*
 * Who holds a store: the line in the file `lock`, and what the kernel says in /proc when that line
 * is not there or not true any more (the file was removed, or the server forked).
 */
#ifndef IO_HOLDER_H
#define IO_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The number in the file `lock` of the directory, or 0. */
pid_t holder_named(int dir);

/* Writes the present process into the file, or with `nobody` empties it. False when that failed,
 * which hurts nobody but the reader of a message. */
bool holder_name(int lock, bool nobody);

/* False when there is no such process, or only what is left of one that has ended. */
bool holder_lives(pid_t process);

/* The process that has locked the file open as `descriptor`, by a description other than that one;
 * 0 when none is found, or when it may not be looked at. Reads all of /proc: not for good days. */
pid_t holder_find(int descriptor);

/* Fills `text` with "process 123 (nbdkit)" or, for 0, with words that say it could not be found. */
void holder_describe(pid_t process, char *text, size_t size);

#endif
