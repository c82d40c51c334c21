/* Texts that clients and labels bring: refs, differences of two, labels of images. A text with a
 * NUL ends there. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "volume/image_label.h"
#include "volume/volume_ref.h"

static void label(const char *text)
{
    struct image_label found, second;
    enum label_state state, state_again;
    char again[IMAGE_LABEL_SIZE];

    if (strlen(text) >= IMAGE_LABEL_SIZE || !image_label_parse(text, &state, &found))
        return;
    image_label_format(state, &found, again);
    assert(strcmp(text, again) == 0); /* one text for one meaning */
    assert(image_label_parse(again, &state_again, &second) && state_again == state);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *text = malloc(length + 1);
    char from[REF_TEXT_MAX + 1], to[REF_TEXT_MAX + 1];
    struct volume_ref ref;

    assert(text != NULL);
    memcpy(text, bytes, length);
    text[length] = '\0';
    if (volume_ref_parse(text, &ref) == 0)
        assert(strstr(text, "..") == NULL && ref.name[0] != '\0' && strlen(text) <= REF_TEXT_MAX);
    if (volume_ref_split(text, from, to))
        assert(strlen(from) + strlen(to) + 2 == strlen(text));
    label(text);
    free(text);
    return 0;
}
