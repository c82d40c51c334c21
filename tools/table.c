/* Cells are kept as text until the widths of all columns are known. */
#include "table.h"

#include <assert.h>
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "exit_codes.h"
#include "size.h"

struct table {
    const char *alignment;
    size_t columns, count, room;
    char **cells;   /* count of them, row by row; the first row holds the headings */
    size_t *widths; /* of what was printed */
};

static void *grown(void *memory, size_t size)
{
    void *more = realloc(memory, size);
    if (more == NULL)
        errx(EXIT_FAILED, "no memory");
    return more;
}

static void add_cell(struct table *table, char *text)
{
    if (table->count == table->room) {
        table->room = table->room > 0 ? 2 * table->room : 64;
        table->cells = grown(table->cells, table->room * sizeof *table->cells);
    }
    table->cells[table->count++] = text;
}

struct table *table_new(const char *alignment, const char *const *headings)
{
    struct table *table = grown(NULL, sizeof *table);
    assert(alignment[0] != '\0');
    *table = (struct table){.alignment = alignment, .columns = strlen(alignment)};
    table->widths = grown(NULL, table->columns * sizeof *table->widths);
    memset(table->widths, 0, table->columns * sizeof *table->widths);
    for (; *headings != NULL; headings++)
        add_cell(table, table_clean(*headings));
    return table;
}

void table_free(struct table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table->widths);
    free(table);
}

char *table_clean(const char *text)
{
    char *clean = grown(NULL, strlen(text) + 1), *out = clean;
    mbstate_t state = {0};
    while (*text != '\0') {
        wchar_t wide;
        size_t n = mbrtowc(&wide, text, strlen(text), &state);
        if (n == (size_t)-1 || n == (size_t)-2) {
            memset(&state, 0, sizeof state);
            n = 1;
            *out++ = '?';
        } else if (!iswprint((wint_t)wide)) {
            *out++ = '?';
        } else {
            memcpy(out, text, n);
            out += n;
        }
        text += n;
    }
    *out = '\0';
    return clean;
}

void table_text(struct table *table, const char *text)
{
    add_cell(table, table_clean(text != NULL && text[0] != '\0' ? text : "-"));
}

void table_number(struct table *table, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    table_text(table, text);
}

void table_size(struct table *table, uint64_t bytes)
{
    char text[SIZE_TEXT];
    table_text(table, size_print(bytes, text));
}

/* How many columns of a terminal a clean cell takes. */
static size_t cell_width(const char *text)
{
    size_t width = 0;
    mbstate_t state = {0};
    while (*text != '\0') {
        wchar_t wide;
        size_t n = mbrtowc(&wide, text, strlen(text), &state);
        if (n == (size_t)-1 || n == (size_t)-2)
            return width + strlen(text);
        int columns = wcwidth(wide);
        width += columns > 0 ? (size_t)columns : 0;
        text += n;
    }
    return width;
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = 0;
    for (size_t i = column; i < table->count; i += table->columns) {
        size_t cell = cell_width(table->cells[i]);
        width = cell > width ? cell : width;
    }
    return width;
}

/* Columns never become narrower from one piece of the table to the next. */
static void widen(const struct table *table)
{
    for (size_t c = 0; c < table->columns; c++) {
        size_t width = column_width(table, c);
        table->widths[c] = width > table->widths[c] ? width : table->widths[c];
    }
}

void table_print(const struct table *table, FILE *file)
{
    assert(table->columns > 0);
    widen(table);
    for (size_t i = 0; i < table->count; i++) {
        size_t c = i % table->columns;
        int pad = (int)(table->widths[c] - cell_width(table->cells[i]));
        bool right = table->alignment[c] == 'r', last = c + 1 == table->columns;
        if (right)
            fprintf(file, "%*s%s", pad, "", table->cells[i]);
        else if (last) /* no blanks at the end of a line */
            fputs(table->cells[i], file);
        else
            fprintf(file, "%s%*s", table->cells[i], pad, "");
        fputs(last ? "\n" : "  ", file);
    }
}

void table_print_rows(struct table *table, FILE *file)
{
    table_print(table, file);
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    table->count = 0;
}
