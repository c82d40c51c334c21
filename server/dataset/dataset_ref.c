#include "dataset/dataset_ref.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "volume/volume_name.h"
#include "volume/volume_ref.h"

/* A text with a dataset in it: what a bare name is depends on where it stands. */
static int parse(const char *text, struct volume_ref *ret_ref)
{
    int r = volume_ref_parse(text, ret_ref);

    if (r == 0 && ret_ref->kind == NAMED_SNAPSHOT)
        return varve_fail(EINVAL, "'%s' is a snapshot of a volume; a dataset is wanted here",
                          show_text(text).text);
    return r;
}

int dataset_find_locked(struct catalog *catalog, const char *text,
                        struct catalog_dataset *ret_dataset)
{
    struct volume_ref ref;
    int r = parse(text, &ref);

    if (r != 0)
        return r;
    if (ref.which[0] != '\0')
        return varve_fail(EINVAL,
                          "'%s' names a version; a dataset is wanted here, which is what stands "
                          "before the colon",
                          show_text(text).text);
    return catalog_dataset_find(catalog, ref.team, ref.name, ret_dataset);
}

int version_find_locked(struct catalog *catalog, const char *text,
                        struct catalog_version *ret_version)
{
    struct volume_ref ref;
    int r = parse(text, &ref);

    return r == 0 ? catalog_version_resolve(catalog, ref.team, ref.name, ref.which, ret_version)
                  : r;
}

int version_seat_locked(struct varve *varve, const struct catalog_version *version,
                        const char *client, struct seat *seat)
{
    int r = seat_take(varve->attachments, version->image, version->ref, true, client, seat);

    if (r != -ENOENT)
        return r;
    return varve_fail(EIO, "version '%s' is damaged: the store does not have its image %" PRIu64,
                      version->ref, version->image);
}

int version_find_exactly_locked(struct catalog *catalog, const char *text,
                                struct catalog_version *ret_version)
{
    struct catalog_dataset dataset;
    struct volume_ref ref;
    int r = parse(text, &ref);

    if (r == 0 && ref.which[0] == '\0') {
        r = catalog_dataset_find(catalog, ref.team, ref.name, &dataset);
        return r != 0 ? r
                      : varve_fail(EINVAL,
                                   "which version of '%s'? Say %s:VERSION; 'varve datasets "
                                   "versions list --all %s' shows what it has",
                                   text, text, text);
    }
    return r == 0 ? catalog_version_resolve(catalog, ref.team, ref.name, ref.which, ret_version)
                  : r;
}

static int copy_name(char to[CATALOG_NAME_MAX + 1], const char *from, size_t length)
{
    if (length > CATALOG_NAME_MAX)
        return name_check(from);
    memcpy(to, from, length);
    to[length] = '\0';
    return name_check(to);
}

int dataset_name_parse(const char *text, struct catalog_dataset *ret_dataset)
{
    const char *slash = strchr(text, '/');
    const char *name = slash != NULL ? slash + 1 : text;
    struct catalog_dataset dataset = {.team = ""};
    int r = slash != NULL ? copy_name(dataset.team, text, (size_t)(slash - text)) : 0;

    if (r == 0)
        r = copy_name(dataset.name, name, strlen(name));
    if (r == 0 && catalog_is_dataset_id(dataset.name))
        r = varve_fail(EINVAL,
                       "'%s' has the form of a dataset's id and cannot be a name; choose another "
                       "one",
                       dataset.name);
    if (r != 0)
        return r;
    memcpy(ret_dataset->team, dataset.team, sizeof dataset.team);
    memcpy(ret_dataset->name, dataset.name, sizeof dataset.name);
    return 0;
}
