#include "progress_line.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <varve/progress.h>

#include "size.h"
#include "table.h"

#define FIRST_AFTER   0.5 /* seconds: what is done by then shows no line */
#define LINES_APART   2.0 /* where there is no terminal */
#define COLUMNS_USUAL 80

enum { SAMPLES = 32 };

/* How far it was some seconds ago: the rate is of these seconds, not of all the time. */
struct sample {
    double time;
    uint64_t done;
};

struct progress_line {
    bool terminal, always;
    bool drawn;
    double began, last;
    char step[VARVE_OPERATION_TEXT_MAX + 1];
    struct sample samples[SAMPLES];
    unsigned count; /* of the step's samples; the newest is at count - 1, modulo SAMPLES */
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct progress_line *progress_line_new(bool always)
{
    struct progress_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    line->terminal = isatty(STDERR_FILENO) == 1;
    line->always = always;
    line->began = now();
    return line;
}

void progress_line_free(struct progress_line *line)
{
    progress_line_clear(line);
    free(line);
}

bool progress_line_is_shown(const struct progress_line *line)
{
    return line != NULL && (line->terminal || line->always);
}

void progress_line_wipe(void)
{
    if (isatty(STDERR_FILENO) == 1)
        fputs("\r\033[K", stderr);
}

void progress_line_clear(struct progress_line *line)
{
    if (line == NULL || !line->drawn)
        return;
    progress_line_wipe();
    line->drawn = false;
}

static void amount(const char *unit, uint64_t number, char text[SIZE_TEXT])
{
    if (strcmp(unit, "bytes") == 0)
        size_print(number, text);
    else
        snprintf(text, SIZE_TEXT, "%llu", (unsigned long long)number);
}

static void add_time_left(double seconds, char *text, size_t size)
{
    const unsigned long long whole = (unsigned long long)(seconds + 0.5);
    if (whole >= 3600)
        snprintf(text, size, ", %llu:%02llu:%02llu left", whole / 3600, whole / 60 % 60,
                 whole % 60);
    else
        snprintf(text, size, ", %llu:%02llu left", whole / 60, whole % 60);
}

void progress_line_text(const struct varve_operation *operation, double rate,
                        char text[PROGRESS_TEXT])
{
    const bool bytes = strcmp(operation->unit, "bytes") == 0;
    const uint64_t total = operation->total;
    const uint64_t done =
        total > 0 && operation->done > total ? total : operation->done; /* an estimate was low */
    char at[SIZE_TEXT], end[SIZE_TEXT], speed[SIZE_TEXT];
    size_t used = 0;
    amount(operation->unit, done, at);
    used += (size_t)snprintf(text, PROGRESS_TEXT, "%s: %s",
                             operation->step[0] != '\0' ? operation->step : operation->what, at);
    if (total > 0) {
        amount(operation->unit, total, end);
        used += (size_t)snprintf(text + used, PROGRESS_TEXT - used, " of %s", end);
    }
    if (!bytes)
        used += (size_t)snprintf(text + used, PROGRESS_TEXT - used, " %s", operation->unit);
    if (total > 0)
        used += (size_t)snprintf(text + used, PROGRESS_TEXT - used, ", %u %%",
                                 (unsigned)(100.0 * (double)done / (double)total));
    if (rate >= 1) {
        amount(operation->unit, (uint64_t)rate, speed);
        used += (size_t)snprintf(text + used, PROGRESS_TEXT - used, ", %s/s", speed);
        if (total > 0)
            add_time_left((double)(total - done) / rate, text + used, PROGRESS_TEXT - used);
    }
}

/* Takes a sample; returns the rate of the last ones, 0 when there is none to tell. */
static double sample_rate(struct progress_line *line, const struct varve_operation *operation,
                          double time)
{
    if (strcmp(line->step, operation->step) != 0) {
        snprintf(line->step, sizeof line->step, "%s", operation->step);
        line->count = 0;
    }
    line->samples[line->count++ % SAMPLES] = (struct sample){time, operation->done};
    const struct sample *oldest = &line->samples[line->count > SAMPLES ? line->count % SAMPLES : 0];
    if (operation->done < oldest->done) {
        line->count = 0;
        return 0;
    }
    return time - oldest->time > FIRST_AFTER
               ? (double)(operation->done - oldest->done) / (time - oldest->time)
               : 0;
}

static size_t columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col
                                                                           : COLUMNS_USUAL;
}

/* One column stays free: a full line makes some terminals go to the next. What is cut is cut before
 * a character, not inside. */
static void cut(char *text, size_t width)
{
    size_t at = 0;
    for (size_t n = 0; text[at] != '\0' && n < width; n++)
        do
            at++;
        while (((unsigned char)text[at] & 0xc0) == 0x80);
    text[at] = '\0';
}

void progress_line_show(struct progress_line *line, const struct varve_operation *operation)
{
    const double time = now();
    if (!progress_line_is_shown(line))
        return;
    const double rate = sample_rate(line, operation, time);
    if (time - line->began < FIRST_AFTER ||
        (!line->terminal && time - line->last < LINES_APART && line->last > 0))
        return;
    line->last = time;
    char text[PROGRESS_TEXT];
    progress_line_text(operation, rate, text);
    char *clean = table_clean(text);
    if (line->terminal) {
        cut(clean, columns() - 1);
        fprintf(stderr, "\r%s\033[K", clean);
        line->drawn = true;
    } else {
        fprintf(stderr, "%s\n", clean);
    }
    free(clean);
}
