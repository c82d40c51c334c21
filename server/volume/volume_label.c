#include "volume/volume_label.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "store/store.h"
#include "volume/volume_name.h"

_Static_assert(VOLUME_LABEL_SIZE == STORE_LABEL_MAX + 1, "the store keeps labels whole");
_Static_assert(sizeof "deleted volume  shared" + VARVE_NAME_MAX <= VOLUME_LABEL_SIZE,
               "the longest name has room in a label");

static const char *const prefixes[] = {
    [LABEL_NEW] = "new volume ",
    [LABEL_LIVE] = "volume ",
    [LABEL_DELETED] = "deleted volume ",
};
static const char shared_suffix[] = " shared";

void volume_label_format(enum label_state state, const char *name, bool shared,
                         char text[VOLUME_LABEL_SIZE])
{
    int length = snprintf(text, VOLUME_LABEL_SIZE, "%s%s%s", prefixes[state], name,
                          shared ? shared_suffix : "");

    assert(length > 0 && length < VOLUME_LABEL_SIZE);
}

bool volume_label_parse(const char *text, struct volume_label *ret_label)
{
    for (unsigned state = LABEL_NEW; state <= LABEL_DELETED; state++) {
        size_t prefix = strlen(prefixes[state]);
        const char *name = text + prefix;
        size_t length;

        if (strncmp(text, prefixes[state], prefix) != 0)
            continue;
        length = strcspn(name, " ");
        if (!name_is_valid(name, length) ||
            (name[length] != '\0' && strcmp(name + length, shared_suffix) != 0))
            return false;
        ret_label->state = (enum label_state)state;
        ret_label->shared = name[length] != '\0';
        memcpy(ret_label->name, name, length);
        ret_label->name[length] = '\0';
        return true;
    }
    return false;
}
