/* Sizes: what is read, what is refused and why, and what is printed. */
#include <errno.h>
#include <stdint.h>

#include <varve/error.h>

#include "check.h"
#include "size.h"

static uint64_t parsed(const char *text)
{
    uint64_t bytes = 0;
    CHECK_EQ(size_parse(text, &bytes), 0);
    return bytes;
}

static void reads(void)
{
    CHECK_EQ(parsed("4096"), 4096);
    CHECK_EQ(parsed("0"), 0);
    CHECK_EQ(parsed("512B"), 512);
    CHECK_EQ(parsed("64K"), 65536);
    CHECK_EQ(parsed("64k"), 65536);
    CHECK_EQ(parsed("64KiB"), 65536);
    CHECK_EQ(parsed("512M"), 512LL << 20);
    CHECK_EQ(parsed("10G"), 10LL << 30);
    CHECK_EQ(parsed("10gib"), 10LL << 30);
    CHECK_EQ(parsed("1T"), 1LL << 40);
    CHECK_EQ(parsed("16P"), 16LL << 50);
    CHECK_EQ(parsed("0010G"), 10LL << 30);
    CHECK_EQ(parsed("9223372036854775807"), INT64_MAX);
}

static void refuses_nonsense(void)
{
    static const char *const bad[] = {"",      "G",    "-1",   "+1",  " 1",   "1 ",        "1 G",
                                      "1.5G",  "0x10", "1e9",  "1GG", "10Gi", "10Gibb",    "10X",
                                      "1,000", "ten",  "1G\n", "1G1", "\xff", "1\xc2\xa0G"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t bytes = 77;
        CHECK_EQ(size_parse(bad[i], &bytes), -EINVAL);
        CHECK_EQ(bytes, 77);
        CHECK_HAS(varve_error(), bad[i]);
    }
}

static void refuses_thousands(void)
{
    uint64_t bytes;
    CHECK_EQ(size_parse("10GB", &bytes), -EINVAL);
    CHECK_HAS(varve_error(), "write 10G for");
    CHECK_EQ(size_parse("7kb", &bytes), -EINVAL);
    CHECK_HAS(varve_error(), "write 7K for");
}

static void refuses_too_large(void)
{
    static const char *const bad[] = {"9223372036854775808", "18446744073709551616",
                                      "99999999999999999999999999999999", "8192P",
                                      "9007199254740992K"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t bytes = 77;
        CHECK_EQ(size_parse(bad[i], &bytes), -ERANGE);
        CHECK_EQ(bytes, 77);
    }
    CHECK_EQ(parsed("8191P"), 8191LL << 50);
}

static void quotes_no_more_than_a_line(void)
{
    uint64_t bytes;
    char text[5001];
    memset(text, 'y', 5000);
    text[5000] = '\0';
    CHECK_EQ(size_parse(text, &bytes), -EINVAL);
    CHECK(strlen(varve_error()) < 200);
}

static void prints(void)
{
    char text[SIZE_TEXT];
    CHECK(strcmp(size_print(0, text), "0 B") == 0);
    CHECK(strcmp(size_print(1023, text), "1023 B") == 0);
    CHECK(strcmp(size_print(1024, text), "1 KiB") == 0);
    CHECK(strcmp(size_print(1536, text), "1.5 KiB") == 0);
    CHECK(strcmp(size_print(1025, text), "1.0 KiB") == 0);
    CHECK(strcmp(size_print(10ULL << 30, text), "10 GiB") == 0);
    CHECK(strcmp(size_print((1ULL << 30) - 1, text), "1023.9 MiB") == 0);
    CHECK(strcmp(size_print(1ULL << 54, text), "16 PiB") == 0);
    CHECK(strcmp(size_print(UINT64_MAX, text), "16383.9 PiB") == 0);
}

/* What is printed without a fraction reads back as the same size. */
static void reads_what_it_prints(void)
{
    for (unsigned shift = 0; shift < 54; shift++) {
        char text[SIZE_TEXT];
        size_print(1ULL << shift, text);
        char *blank = strchr(text, ' ');
        memmove(blank, blank + 1, strlen(blank));
        CHECK_EQ(parsed(text), 1LL << shift);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reads", reads},
        {"refuses nonsense", refuses_nonsense},
        {"refuses thousands", refuses_thousands},
        {"refuses too large", refuses_too_large},
        {"quotes no more than a line", quotes_no_more_than_a_line},
        {"prints", prints},
        {"reads what it prints", reads_what_it_prints},
    };
    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
