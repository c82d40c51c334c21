#include "volume/image_label.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/store.h"
#include "volume/volume_name.h"

/* The image table has room for 2^46 numbers. */
#define IMAGE_NUMBER_MAX ((uint64_t)1 << 46)
#define IMAGE_DIGITS_MAX 14

_Static_assert(IMAGE_LABEL_SIZE == STORE_LABEL_MAX + 1, "the store keeps labels whole");
_Static_assert(sizeof "deleted volume  shared" + VARVE_NAME_MAX <= IMAGE_LABEL_SIZE,
               "the longest volume has room in a label");
_Static_assert(sizeof "deleted snap  " + IMAGE_DIGITS_MAX + VARVE_NAME_MAX <= IMAGE_LABEL_SIZE,
               "the longest snapshot has room in a label");

static const char *const states[] = {
    [LABEL_NEW] = "new ",
    [LABEL_LIVE] = "",
    [LABEL_DELETED] = "deleted ",
};
static const char *const kinds[] = {
    [LABEL_VOLUME] = "volume ", [LABEL_SNAPSHOT] = "snap ",     [LABEL_VERSION] = "version ",
    [LABEL_TREE] = "tree ",     [LABEL_MANIFEST] = "manifest ", [LABEL_CATALOG] = "catalog ",
};
static const char shared_suffix[] = " shared";

static const char digits[] = "0123456789";
static const char id_marks[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static bool is_of(const char *text, size_t length, const char *marks)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\0' || strchr(marks, text[i]) == NULL)
            return false;
    return true;
}

bool dataset_id_is_valid(const char *id, size_t length)
{
    return length == DATASET_ID_LENGTH && strncmp(id, "ds", 2) == 0 && is_of(id, length, id_marks);
}

bool version_id_is_valid(const char *id, size_t length)
{
    return length == VERSION_ID_LENGTH && is_of(id, 1, digits) && is_of(id, length, id_marks);
}

struct image_label label_of_volume(const char *name, bool shared)
{
    struct image_label label = {.kind = LABEL_VOLUME, .shared = shared};

    assert(name_is_valid(name, strlen(name)));
    snprintf(label.name, sizeof label.name, "%s", name);
    return label;
}

struct image_label label_of_snapshot(uint64_t head, const char *name)
{
    struct image_label label = {.kind = LABEL_SNAPSHOT, .head = head};

    assert(name_is_valid(name, strlen(name)));
    snprintf(label.name, sizeof label.name, "%s", name);
    return label;
}

void image_label_format(enum label_state state, const struct image_label *label,
                        char text[IMAGE_LABEL_SIZE])
{
    char rest[IMAGE_LABEL_SIZE];
    int length = 0;

    switch (label->kind) {
    case LABEL_VOLUME:
        length =
            snprintf(rest, sizeof rest, "%s%s", label->name, label->shared ? shared_suffix : "");
        break;
    case LABEL_SNAPSHOT:
        length = snprintf(rest, sizeof rest, "%" PRIu64 " %s", label->head, label->name);
        break;
    case LABEL_VERSION:
    case LABEL_TREE:
    case LABEL_MANIFEST:
        length = snprintf(rest, sizeof rest, "%s %s", label->dataset, label->version);
        if (label->kind == LABEL_VERSION && label->number != 0)
            length +=
                snprintf(rest + length, sizeof rest - (size_t)length, " %" PRIu64, label->number);
        break;
    case LABEL_CATALOG:
        length = snprintf(rest, sizeof rest, "%" PRIu64, label->number);
        break;
    }
    assert(length > 0 && length < (int)sizeof rest);
    length = snprintf(text, IMAGE_LABEL_SIZE, "%s%s%s", states[state], kinds[label->kind], rest);
    assert(length > 0 && length < IMAGE_LABEL_SIZE);
}

/* Takes a number from 1, without leading zeroes, off the front of *text. */
static bool take_number(const char **text, uint64_t *ret_number)
{
    size_t length = strspn(*text, digits);
    uint64_t number = 0;

    if (length == 0 || **text == '0')
        return false;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)((*text)[i] - '0');

        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *text += length;
    *ret_number = number;
    return true;
}

static bool take_text(const char **text, const char *wanted)
{
    size_t length = strlen(wanted);

    if (strncmp(*text, wanted, length) != 0)
        return false;
    *text += length;
    return true;
}

static bool take_name(const char **text, struct image_label *label)
{
    size_t length = strcspn(*text, " ");

    if (!name_is_valid(*text, length))
        return false;
    memcpy(label->name, *text, length);
    label->name[length] = '\0';
    *text += length;
    return true;
}

static bool take_ids(const char **text, struct image_label *label)
{
    const char *version = *text + DATASET_ID_LENGTH + 1;

    /* In this order: what stands behind the first check is there. */
    if (!dataset_id_is_valid(*text, strcspn(*text, " ")) || (*text)[DATASET_ID_LENGTH] != ' ' ||
        !version_id_is_valid(version, strcspn(version, " ")))
        return false;
    memcpy(label->dataset, *text, DATASET_ID_LENGTH);
    memcpy(label->version, version, VERSION_ID_LENGTH);
    *text = version + VERSION_ID_LENGTH;
    return true;
}

/* What stands behind the kind, to the end of the text. */
static bool parse_rest(const char *text, struct image_label *label)
{
    bool good = false;

    switch (label->kind) {
    case LABEL_VOLUME:
        good = take_name(&text, label);
        label->shared = good && take_text(&text, shared_suffix);
        break;
    case LABEL_SNAPSHOT:
        good = take_number(&text, &label->head) && label->head <= IMAGE_NUMBER_MAX &&
               take_text(&text, " ") && take_name(&text, label);
        break;
    case LABEL_VERSION:
        good = take_ids(&text, label) &&
               (text[0] == '\0' || (take_text(&text, " ") && take_number(&text, &label->number)));
        break;
    case LABEL_TREE:
    case LABEL_MANIFEST:
        good = take_ids(&text, label);
        break;
    case LABEL_CATALOG:
        good = take_number(&text, &label->number);
        break;
    }
    return good && text[0] == '\0';
}

bool image_label_parse(const char *text, enum label_state *ret_state, struct image_label *ret_label)
{
    enum label_state state = take_text(&text, states[LABEL_NEW])       ? LABEL_NEW
                             : take_text(&text, states[LABEL_DELETED]) ? LABEL_DELETED
                                                                       : LABEL_LIVE;

    for (unsigned kind = LABEL_VOLUME; kind <= LABEL_CATALOG; kind++) {
        struct image_label label = {.kind = (enum label_kind)kind};
        const char *rest = text;

        if (!take_text(&rest, kinds[kind]))
            continue;
        if (!parse_rest(rest, &label))
            return false;
        *ret_state = state;
        *ret_label = label;
        return true;
    }
    return false;
}
