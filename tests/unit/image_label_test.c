/* Labels of images: each form there and back, and what is no label. */
#include "volume/image_label.h"

#include <string.h>

#include "check.h"

#define X10 "xxxxxxxxxx"
#define X63 "0" X10 X10 X10 X10 X10 X10 "xx"
#define DS  "dsabcdefghijk01"
#define V   "4k2m9x1"

static const struct {
    struct image_label label;
    const char *text; /* live */
} forms[] = {
    {{LABEL_VOLUME, false, "demo", 0, "", "", 0}, "volume demo"},
    {{LABEL_VOLUME, true, "demo", 0, "", "", 0}, "volume demo shared"},
    {{LABEL_VOLUME, true, "shared", 0, "", "", 0}, "volume shared shared"},
    {{LABEL_VOLUME, true, X63, 0, "", "", 0}, "volume " X63 " shared"},
    {{LABEL_SNAPSHOT, false, "s1", 7, "", "", 0}, "snap 7 s1"},
    {{LABEL_SNAPSHOT, false, X63, 70368744177664, "", "", 0}, "snap 70368744177664 " X63},
    {{LABEL_VERSION, false, "", 0, DS, V, 0}, "version " DS " " V},
    {{LABEL_VERSION, false, "", 0, DS, V, 12}, "version " DS " " V " 12"},
    {{LABEL_VERSION, false, "", 0, DS, V, UINT64_MAX}, "version " DS " " V " 18446744073709551615"},
    {{LABEL_TREE, false, "", 0, DS, V, 0}, "tree " DS " " V},
    {{LABEL_MANIFEST, false, "", 0, DS, V, 0}, "manifest " DS " " V},
    {{LABEL_CATALOG, false, "", 0, "", "", 3}, "catalog 3"},
};

static bool same(const struct image_label *a, const struct image_label *b)
{
    return a->kind == b->kind && a->shared == b->shared && strcmp(a->name, b->name) == 0 &&
           a->head == b->head && strcmp(a->dataset, b->dataset) == 0 &&
           strcmp(a->version, b->version) == 0 && a->number == b->number;
}

static void each_form_there_and_back(void)
{
    static const char *const states[] = {"new ", "", "deleted "};

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        for (int state = LABEL_NEW; state <= LABEL_DELETED; state++) {
            char text[IMAGE_LABEL_SIZE], wanted[2 * IMAGE_LABEL_SIZE];
            struct image_label label;
            enum label_state found;

            snprintf(wanted, sizeof wanted, "%s%s", states[state], forms[i].text);
            image_label_format((enum label_state)state, &forms[i].label, text);
            CHECK(strcmp(text, wanted) == 0);
            CHECK(image_label_parse(text, &found, &label));
            CHECK_EQ(found, state);
            CHECK(same(&label, &forms[i].label));
        }
}

static void what_is_no_label(void)
{
    static const char *const others[] = {
        "",
        "new ",
        "volume",
        "volume ",
        "volume A",
        "volume a b",
        "volume a shared ",
        "volume a..b",
        "volumes a",
        "new new volume a",
        "deleted new volume a",
        "something else",
        "snap a",
        "snap 0 a",
        "snap 07 a",
        "snap 7",
        "snap 7 ",
        "snap 7  a",
        "snap -7 a",
        "snap 7 a shared",
        "snap 70368744177665 a",
        "snap 18446744073709551616 a",
        "version",
        "version " DS,
        "version " DS " ",
        "version " DS V,
        "version " DS " x" V,
        "version " DS " k4k2m9x",
        "version " DS " " V " ",
        "version " DS " " V " 0",
        "version " DS " " V " 1 2",
        "version Ds bcdefghijk01 " V,
        "version xsabcdefghijk01 " V,
        "tree " DS,
        "tree " DS " " V " 1",
        "manifest " DS " " V " ",
        "catalog",
        "catalog ",
        "catalog x",
        "catalog 1 2",
        "catalog 18446744073709551616",
    };
    struct image_label label = {.number = 99};
    enum label_state state = LABEL_DELETED;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (image_label_parse(others[i], &state, &label))
            check_failed(__FILE__, __LINE__, "\"%s\" was taken for a label", others[i]);
    CHECK_EQ(state, LABEL_DELETED);
    CHECK_EQ(label.number, 99);
}

static void a_volume(void)
{
    struct image_label label = label_of_volume("demo", true);
    const struct image_label wanted = {.kind = LABEL_VOLUME, .shared = true, .name = "demo"};

    CHECK(same(&label, &wanted));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"each form, there and back", each_form_there_and_back},
        {"what is no label", what_is_no_label},
        {"a volume", a_volume},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
