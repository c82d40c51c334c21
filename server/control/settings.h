/* Keys and values in requests: `set` holds "key=value" texts, `unset` keys. */
#ifndef CONTROL_SETTINGS_H
#define CONTROL_SETTINGS_H

#include <varve/dataset.h>

#include "control/request.h"

#define SETTING_PARAMETERS                                                                         \
    {"set", PARAMETER_LIST, false},                                                                \
    {                                                                                              \
        "unset", PARAMETER_LIST, false                                                             \
    }

struct call_settings {
    struct varve_settings settings;
    struct varve_setting rows[2 * PARAMETER_LIST_MAX];
    char *texts[PARAMETER_LIST_MAX]; /* copies of `set`, cut at the '=' */
    size_t count;
};
/* -EINVAL for a text without '='. call_settings_release must follow in any case. */
int call_settings_take(const struct call *call, struct call_settings *settings);
void call_settings_release(struct call_settings *settings);

/* The metadata of a dataset or version, as an object. Without memory NULL. */
int answer_metadata(struct varve *varve, const char *ref, json_t **ret_metadata);

/* The names of the tags that point at a version, from varve_tag_list of its dataset. */
int answer_tags(struct varve *varve, const char *dataset, json_t **ret_by_version);

#endif
