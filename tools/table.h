/*
 * Tables for people: columns aligned, numbers to the right, two blanks between, nothing wrapped or
 * cut. The same text goes to a terminal and to a pipe. Cells are cleaned: what a terminal could
 * take for a command is replaced.
 */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct table;

/* One letter a column, 'l' or 'r', and its heading in *headings (ends with NULL). Ends the process
 * without memory, as all of these do: a command has nothing better to do then. */
struct table *table_new(const char *alignment, const char *const *headings);
void table_free(struct table *table); /* takes NULL */

/* Cells from left to right; a row is full when each column has one. */
void table_text(struct table *table, const char *text); /* "" and NULL read as "-" */
void table_number(struct table *table, uint64_t number);
void table_size(struct table *table, uint64_t bytes);

void table_print(const struct table *table, FILE *file);
/* For what has no bound: prints the rows that are there and forgets them. Rows that follow are
 * aligned with them, unless they are wider. */
void table_print_rows(struct table *table, FILE *file);

/* `text` with what is not printable replaced by '?', in new memory. */
char *table_clean(const char *text);

#endif
