/* Names, refs, sizes: what is taken, and what is said of the rest. */
#include "volume/volume_name.h"

#include <errno.h>
#include <varve/error.h>

#include "check.h"
#include "volume/volume_ref.h"

#define X10 "xxxxxxxxxx"
#define X63 "0" X10 X10 X10 X10 X10 X10 "xx"

static void names(void)
{
    static const char *const good[] = {"a", "0", "a-b_c.d", "demo", "a.b", "a.", X63};
    static const char *const bad[] = {"",    "A",   "-a",   ".a",   "_a",     "a/b",       "a b",
                                      "a:b", "a@b", "a..b", "../a", "demo\n", "d\xc3\xa9", X63 "x"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CHECK_EQ(name_check(good[i]), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        varve_error_clear();
        CHECK_EQ(name_check(bad[i]), -EINVAL);
        CHECK_HAS(varve_error(), "is not a name: take 1 to 63 of");
    }
}

static void hostile_text_is_shown_escaped_and_cut(void)
{
    char text[5000];

    CHECK(strcmp(show_text("a\nb\x1b[0m\\").text, "a\\x0ab\\x1b[0m\\x5c") == 0);
    memset(text, '\xff', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CHECK(strlen(show_text(text).text) < SHOWN_TEXT_MAX);
    CHECK_HAS(show_text(text).text, "...");
    CHECK_EQ(name_check(text), -EINVAL);
    CHECK(strlen(varve_error()) < 300);
}

static void sizes(void)
{
    CHECK_EQ(size_check(512), 0);
    CHECK_EQ(size_check(VARVE_VOLUME_SIZE_MAX), 0);
    CHECK_EQ(size_check(0), -EINVAL);
    CHECK_HAS(varve_error(), "at least 512 bytes, not 0");
    CHECK_EQ(size_check(513), -EINVAL);
    CHECK_HAS(varve_error(), "the next one is 1024");
    CHECK_EQ(size_check(VARVE_VOLUME_SIZE_MAX + 512), -EINVAL);
    CHECK_HAS(varve_error(), "16 PiB");
    CHECK_EQ(size_check(UINT64_MAX), -EINVAL);
}

static void sizes_are_shown_exactly(void)
{
    CHECK(strcmp(show_size(512).text, "512 bytes") == 0);
    CHECK(strcmp(show_size(1024).text, "1 KiB") == 0);
    CHECK(strcmp(show_size((uint64_t)10 << 30).text, "10 GiB") == 0);
    CHECK(strcmp(show_size((uint64_t)3 << 29).text, "1.5 GiB") == 0);
    CHECK(strcmp(show_size(((uint64_t)1 << 30) + 512).text, "1048576.5 KiB") == 0);
    CHECK(strcmp(show_size(VARVE_VOLUME_SIZE_MAX).text, "16 PiB") == 0);
    CHECK(strcmp(show_size(1025).text, "1025 bytes") == 0);
}

static void refs(void)
{
    static const struct {
        const char *text;
        int error;
        const char *part;
    } bad[] = {
        {"", -EINVAL, "nothing was named"},        {"ds:a..ds:b", -EINVAL, "is a difference"},
        {"/etc/passwd", -EINVAL, "names nothing"}, {"a/b/c", -EINVAL, "names nothing"},
        {"Vol", -EINVAL, "'Vol' names nothing"},   {"vol@", -EINVAL, "names nothing"},
        {"vol@a@b", -EINVAL, "names nothing"},     {"@snap", -EINVAL, "names nothing"},
        {"ds:", -EINVAL, "names no version"},      {"ds:~", -EINVAL, "names no version"},
        {"ds:a:b", -EINVAL, "names no version"},   {"ds:a b", -EINVAL, "names no version"},
        {":latest", -EINVAL, "names nothing"},     {"a\nb", -EINVAL, "'a\\x0ab' names nothing"},
    };
    static const struct {
        const char *text;
        struct volume_ref ref;
    } good[] = {
        {"demo", {NAMED_VOLUME, "", "demo", ""}},
        {"vol@s1", {NAMED_SNAPSHOT, "", "vol", "s1"}},
        {"ds:latest", {NAMED_VERSION, "", "ds", "latest"}},
        {"ds:~3", {NAMED_VERSION, "", "ds", "~3"}},
        {"team/ds:V1.0_x", {NAMED_VERSION, "team", "ds", "V1.0_x"}},
        {"team/ds", {NAMED_VERSION, "team", "ds", ""}},
    };
    struct volume_ref ref;
    char from[REF_TEXT_MAX + 1], to[REF_TEXT_MAX + 1];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CHECK_EQ(volume_ref_parse(good[i].text, &ref), 0);
        CHECK_EQ(ref.kind, good[i].ref.kind);
        CHECK(strcmp(ref.team, good[i].ref.team) == 0);
        CHECK(strcmp(ref.name, good[i].ref.name) == 0);
        CHECK(strcmp(ref.which, good[i].ref.which) == 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(volume_ref_parse(bad[i].text, &ref), bad[i].error);
        CHECK_HAS(varve_error(), bad[i].part);
    }
    CHECK(volume_ref_split("ds:a..t/ds:b", from, to));
    CHECK(strcmp(from, "ds:a") == 0 && strcmp(to, "t/ds:b") == 0);
    CHECK(!volume_ref_split("ds:a.b", from, to));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"names", names},
        {"hostile text is shown escaped and cut", hostile_text_is_shown_escaped_and_cut},
        {"sizes", sizes},
        {"sizes are shown exactly", sizes_are_shown_exactly},
        {"refs", refs},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
