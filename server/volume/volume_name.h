/*
 * Names and refs as users give them: what is legal, and how to show text that is not. Pure.
 */
#ifndef VOLUME_VOLUME_NAME_H
#define VOLUME_VOLUME_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [a-z0-9][a-z0-9._-]{0,62}, without two dots in a row: these stand between two refs. */
bool name_is_valid(const char *name, size_t length);

/* 0, or -EINVAL with a line that says what a name is. */
int name_check(const char *name);

/* 0, or -EINVAL: bytes of a volume. */
int size_check(uint64_t size);

/* 0, or -EINVAL with a line: the length of what users write. Takes NULL. */
int text_check(const char *what, const char *text, size_t max);

/* Text of a client's for a message: cut, and what is not plain ASCII as \xNN. */
enum { SHOWN_TEXT_MAX = 100 };
struct shown_text {
    char text[SHOWN_TEXT_MAX];
};
struct shown_text show_text(const char *text);

/* "10 GiB", "1.5 GiB", "512 bytes": exact, or else in bytes. */
struct shown_text show_size(uint64_t bytes);

#endif
