/* Members of an answer. One that is missing or null, as an older server's may be, reads as "", 0 or
 * false. */
#ifndef TOOLS_FIELD_H
#define TOOLS_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

const char *field_text(const json_t *object, const char *name);
uint64_t field_number(const json_t *object, const char *name);
double field_real(const json_t *object, const char *name);
bool field_flag(const json_t *object, const char *name);

/* Prints "heading:   value" with the value at a fixed column, for pages of one thing. */
void field_print(const char *heading, const char *value);
void field_print_number(const char *heading, uint64_t number);
void field_print_size(const char *heading, uint64_t bytes);
/* A size with its bytes. */
void field_print_exact_size(const char *heading, uint64_t bytes);
/* What a volume, snapshot or version maps and what of it is its own, where the answer has it. */
void field_print_usage(const json_t *object);

/* The lines `reports` of an answer, and how many of the `count` there are it leaves out. */
void field_print_reports(const json_t *answer, uint64_t count);

#endif
