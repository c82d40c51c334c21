/* Names, refs, sizes and labels: what is taken, and what is said of the rest. */
#include "volume/volume_name.h"

#include <errno.h>
#include <varve/error.h>

#include "check.h"
#include "volume/volume_label.h"
#include "volume/volume_ref.h"

#define X10 "xxxxxxxxxx"
#define X63 "0" X10 X10 X10 X10 X10 X10 "xx"

static void names(void)
{
    static const char *const good[] = {"a", "0", "a-b_c.d", "demo", "a..b", "a.", X63};
    static const char *const bad[] = {"",    "A",   "-a",   ".a",     "_a",        "a/b",  "a b",
                                      "a:b", "a@b", "../a", "demo\n", "d\xc3\xa9", X63 "x"};

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
        {"", -EINVAL, "no volume was named"},
        {"vol@snap", -ENOTSUP, "'vol@snap' has the form of a snapshot"},
        {"ds:latest", -ENOTSUP, "a dataset's version"},
        {"team/ds:tag", -ENOTSUP, "a dataset's version"},
        {"ds:a..ds:b", -ENOTSUP, "a difference"},
        {"/etc/passwd", -ENOTSUP, "a dataset's version"},
        {"Vol", -EINVAL, "'Vol' is not a name"},
        {"a\nb", -EINVAL, "'a\\x0ab' is not a name"},
    };
    struct volume_ref ref;

    CHECK_EQ(volume_ref_parse("demo", &ref), 0);
    CHECK(strcmp(ref.volume, "demo") == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(volume_ref_parse(bad[i].text, &ref), bad[i].error);
        CHECK_HAS(varve_error(), bad[i].part);
    }
}

static void labels(void)
{
    static const char *const others[] = {"",           "volume ",          "volume A", "volumes a",
                                         "volume a b", "volume a shared ", "catalog",  "new a"};
    char text[VOLUME_LABEL_SIZE];
    struct volume_label label;

    for (int state = LABEL_NEW; state <= LABEL_DELETED; state++)
        for (int shared = 0; shared < 2; shared++) {
            volume_label_format((enum label_state)state, X63, shared != 0, text);
            CHECK(volume_label_parse(text, &label));
            CHECK_EQ(label.state, state);
            CHECK_EQ(label.shared, shared);
            CHECK(strcmp(label.name, X63) == 0);
        }
    volume_label_format(LABEL_LIVE, "demo", false, text);
    CHECK(strcmp(text, "volume demo") == 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        CHECK(!volume_label_parse(others[i], &label));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"names", names},
        {"hostile text is shown escaped and cut", hostile_text_is_shown_escaped_and_cut},
        {"sizes", sizes},
        {"sizes are shown exactly", sizes_are_shown_exactly},
        {"refs", refs},
        {"labels", labels},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
