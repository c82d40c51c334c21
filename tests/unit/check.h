/*
 * The frame of the tests written in C: named cases, one line for each, `ok NAME` or `FAIL NAME
 * file:line what`, and an exit code. A failed check ends its case and not the run. With arguments
 * only the cases named run.
 *
 *     static void empty_list(void) { CHECK(list_length(NULL) == 0); }
 *     int main(int argc, char **argv)
 *     {
 *         static const struct check_case cases[] = {{"empty list", empty_list}};
 *         return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
 *     }
 */
#ifndef UNIT_CHECK_H
#define UNIT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct check_case {
    const char *name;
    void (*run)(void);
};

static struct {
    const char *name;
    jmp_buf end;
} check_now;

__attribute__((format(printf, 3, 4), noreturn, unused)) static void
check_failed(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    printf("FAIL %s %s:%d ", check_now.name, file, line);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    longjmp(check_now.end, 1);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            check_failed(__FILE__, __LINE__, "%s", #condition);                                    \
    } while (0)

/* Two integers; both values are shown. */
#define CHECK_EQ(found, wanted)                                                                    \
    do {                                                                                           \
        long long check_f = (long long)(found), check_w = (long long)(wanted);                     \
        if (check_f != check_w)                                                                    \
            check_failed(__FILE__, __LINE__, "%s is %lld, not %lld", #found, check_f, check_w);    \
    } while (0)

/* A line of text holds another. */
#define CHECK_HAS(text, part)                                                                      \
    do {                                                                                           \
        const char *check_t = (text), *check_p = (part);                                           \
        if (strstr(check_t, check_p) == NULL)                                                      \
            check_failed(__FILE__, __LINE__, "\"%s\" is not in \"%s\"", check_p, check_t);         \
    } while (0)

static inline int check_main(int argc, char **argv, const struct check_case *cases, size_t count)
{
    volatile int failed = 0, ran = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (volatile size_t i = 0; i < count; i++) {
        int wanted = argc < 2;

        for (int a = 1; a < argc; a++)
            wanted |= strcmp(argv[a], cases[i].name) == 0;
        if (!wanted)
            continue;
        check_now.name = cases[i].name;
        ran++;
        if (setjmp(check_now.end) == 0) {
            cases[i].run();
            printf("ok %s\n", cases[i].name);
        } else {
            failed++;
        }
    }
    if (ran == 0)
        fprintf(stderr, "no such case\n");
    return failed > 0 || ran == 0;
}

#endif
