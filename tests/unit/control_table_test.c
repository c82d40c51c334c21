/* Tables: alignment, what has no width or too much, and what a terminal must not see. */
#include <locale.h>
#include <stdlib.h>

#include "check.h"
#include "table.h"

static char printed[4096];

static const char *print(const struct table *table)
{
    memset(printed, 0, sizeof printed);
    FILE *file = fmemopen(printed, sizeof printed, "w");
    CHECK(file != NULL);
    table_print(table, file);
    fclose(file);
    return printed;
}

static void aligns(void)
{
    static const char *const headings[] = {"NAME", "SIZE", "NOTE", NULL};
    struct table *table = table_new("lrl", headings);
    table_text(table, "demo");
    table_size(table, 10ULL << 30);
    table_text(table, "x");
    table_text(table, "a-longer-name");
    table_number(table, 7);
    table_text(table, "");
    CHECK(strcmp(print(table), "NAME             SIZE  NOTE\n"
                               "demo           10 GiB  x\n"
                               "a-longer-name       7  -\n") == 0);
    table_free(table);
}

static void no_rows(void)
{
    static const char *const headings[] = {"NAME", "SIZE", NULL};
    struct table *table = table_new("lr", headings);
    CHECK(strcmp(print(table), "NAME  SIZE\n") == 0);
    table_free(table);
    table_free(NULL);
}

static void many_rows(void)
{
    static const char *const headings[] = {"N", NULL};
    struct table *table = table_new("r", headings);
    for (unsigned i = 0; i < 1000; i++)
        table_number(table, i);
    char *text = NULL;
    size_t length = 0, lines = 0;
    FILE *file = open_memstream(&text, &length);
    table_print(table, file);
    fclose(file);
    for (size_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    CHECK_EQ(lines, 1001);
    CHECK_EQ(length, 4 * 1001);
    free(text);
    table_free(table);
}

static void cleans(void)
{
    static const struct {
        const char *dirty, *clean;
    } pairs[] = {
        {"plain", "plain"},
        {"\033[2Jboo", "?[2Jboo"},
        {"two\nlines", "two?lines"},
        {"tab\there", "tab?here"},
        {"\xff\xfe", "??"},
        {"cut \xc3", "cut ?"},
        {"r\xc3\xb6t", "r\xc3\xb6t"},
        {"\xc2\x9b"
         "2J",
         "?2J"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char *clean = table_clean(pairs[i].dirty);
        CHECK(strcmp(clean, pairs[i].clean) == 0);
        free(clean);
    }
}

static void wide_letters(void)
{
    static const char *const headings[] = {"LABEL", "N", NULL};
    struct table *table = table_new("lr", headings);
    table_text(table, "r\xc3\xb6t");
    table_number(table, 1);
    CHECK(strcmp(print(table), "LABEL  N\n"
                               "r\xc3\xb6t    1\n") == 0);
    table_free(table);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"aligns", aligns}, {"no rows", no_rows},           {"many rows", many_rows},
        {"cleans", cleans}, {"wide letters", wide_letters},
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
