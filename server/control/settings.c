#include "control/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>
#include <varve/tag.h>

int call_settings_take(const struct call *call, struct call_settings *settings)
{
    const char *texts[PARAMETER_LIST_MAX];
    size_t count = call_list(call, "set", texts);
    *settings = (struct call_settings){.settings = {.settings = settings->rows}};
    for (size_t i = 0; i < count; i++) {
        char *text = strdup(texts[i]);
        if (text == NULL)
            return varve_no_memory("metadata");
        settings->texts[settings->count++] = text;
        char *equals = strchr(text, '=');
        if (equals == NULL)
            return varve_fail(EINVAL, "'%.64s' sets nothing: write KEY=VALUE", text);
        *equals = '\0';
        settings->rows[settings->settings.count++] = (struct varve_setting){text, equals + 1};
    }
    count = call_list(call, "unset", texts);
    for (size_t i = 0; i < count; i++)
        settings->rows[settings->settings.count++] = (struct varve_setting){texts[i], NULL};
    return 0;
}

void call_settings_release(struct call_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        free(settings->texts[i]);
}

static int metadata_visit(void *opaque, const char *key, const char *value)
{
    if (json_object_set_new(opaque, key, answer_text(value)) < 0)
        return varve_no_memory("metadata");
    return 0;
}

int answer_metadata(struct varve *varve, const char *ref, json_t **ret_metadata)
{
    json_t *metadata = json_object();
    int r = metadata != NULL ? varve_metadata_list(varve, ref, metadata_visit, metadata) : 0;
    if (r < 0) {
        json_decref(metadata);
        return r;
    }
    *ret_metadata = metadata;
    return 0;
}

static int tag_visit(void *opaque, const struct varve_tag *tag)
{
    json_t *tags = json_object_get(opaque, tag->version);
    if (tags == NULL) {
        tags = json_array();
        if (json_object_set_new(opaque, tag->version, tags) < 0)
            return varve_no_memory("a list of tags");
    }
    return json_array_append_new(tags, json_string(tag->name)) < 0
               ? varve_no_memory("a list of tags")
               : 0;
}

int answer_tags(struct varve *varve, const char *dataset, json_t **ret_by_version)
{
    json_t *by_version = json_object();
    int r = by_version != NULL ? varve_tag_list(varve, dataset, tag_visit, by_version) : 0;
    if (r < 0) {
        json_decref(by_version);
        return r;
    }
    *ret_by_version = by_version;
    return 0;
}
