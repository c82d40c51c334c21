/* What clients do between their flushes, and whether the next flush is expected then. */
#include "store/flush_pattern.h"

#include "check.h"

enum { AFTER = 4 };

static struct flush_pattern pattern;

static void begin(void)
{
    flush_pattern_begin(&pattern);
}

/* Changes and a flush; a bit for each change after which the flush was expected. */
static unsigned round_of(unsigned changes)
{
    unsigned expected = 0;

    for (unsigned i = 0; i < changes; i++)
        expected |= (unsigned)flush_pattern_change(&pattern, AFTER) << i;
    flush_pattern_flush(&pattern, false);
    return expected;
}

static void one_write_each(void)
{
    begin();
    for (int i = 0; i < AFTER; i++)
        CHECK_EQ(round_of(1), 0);
    CHECK_EQ(round_of(1), 1);
    CHECK_EQ(round_of(1), 1);
}

static void three_writes_each(void)
{
    begin();
    for (int i = 0; i <= AFTER; i++)
        CHECK_EQ(round_of(3), 0);
    CHECK_EQ(round_of(3), 4);
}

static void file_system_with_a_journal(void)
{
    begin();
    for (int i = 0; i < AFTER / 2; i++) {
        CHECK_EQ(round_of(2), 0);
        CHECK_EQ(round_of(1), 0);
    }
    CHECK_EQ(round_of(2), 0);
    CHECK_EQ(round_of(1), 1);
    CHECK_EQ(round_of(2), 2);
    CHECK_EQ(round_of(1), 1);
}

static void another_number_begins_anew(void)
{
    begin();
    for (int i = 0; i < 2 * AFTER; i++)
        round_of(1);
    CHECK_EQ(round_of(2), 1); /* after the first, in vain */
    CHECK_EQ(round_of(1), 0);
    CHECK_EQ(round_of(1), 0);
}

static void no_pattern(void)
{
    static const unsigned changes[] = {1, 3, 2, 7, 1, 1, 2, 5, 0, 4, 0, 1, 2, 3};

    begin();
    for (unsigned i = 0; i < 10 * sizeof changes / sizeof changes[0]; i++)
        CHECK_EQ(round_of(changes[i % (sizeof changes / sizeof changes[0])]), 0);
}

static void in_vain_begins_anew(void)
{
    begin();
    for (int i = 0; i < 2 * AFTER; i++)
        round_of(1);
    flush_pattern_change(&pattern, AFTER);
    flush_pattern_flush(&pattern, true);
    CHECK_EQ(round_of(1), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"one write each", one_write_each},
        {"three writes each", three_writes_each},
        {"a file system with a journal", file_system_with_a_journal},
        {"another number begins anew", another_number_begins_anew},
        {"no pattern", no_pattern},
        {"in vain begins anew", in_vain_begins_anew},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
