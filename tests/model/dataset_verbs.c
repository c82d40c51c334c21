#include "dataset_verbs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <varve/commit.h>
#include <varve/dataset.h>
#include <varve/error.h>
#include <varve/hold.h>
#include <varve/tag.h>

#include "dataset/file_change.h"
#include "store/store.h"
#include "volume/served_store.h"
#include "volume_verbs.h"

enum { KIB = 1024, NAMES = 2, VERSIONS_MAX = 32 };

static const char *const names[NAMES] = {"x", "y"};

struct text {
    struct varve *varve;
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void append(const struct text *out, const char *format,
                                                         ...)
{
    va_list arguments;
    size_t used = strlen(out->text);

    va_start(arguments, format);
    vsnprintf(out->text + used, out->size - used, format, arguments);
    va_end(arguments);
}

static int add_version(void *opaque, const struct varve_version *version)
{
    const struct text *out = opaque;
    uint64_t content;

    append(out, "(%lld of %llu, %u tags, %u holds%s", (long long)version->sequence,
           (unsigned long long)version->size, version->tags, version->holds,
           version->damaged ? ", DAMAGED" : "");
    if (version->sequence == 0 && !version->damaged) {
        int rc = image_fingerprint(out->varve, version->image, version->size, &content);

        if (rc != 0)
            return rc;
        append(out, ", holds %llx", (unsigned long long)content);
    }
    if (version->sequence > 0)
        append(out, ", digest %s%s", version->digest, version->latest ? ", latest" : "");
    append(out, "); ");
    return 0;
}

static int add_dataset(void *opaque, const struct varve_dataset *dataset)
{
    const struct text *out = opaque;

    append(out, "%s: ", dataset->full_name);
    return varve_version_list(out->varve, dataset->full_name, true, add_version, opaque);
}

int datasets_see(struct varve *varve, char *text, size_t size)
{
    struct text out = {varve, text, size};

    return varve_dataset_list(varve, add_dataset, &out);
}

/* --- one of the versions of a dataset ---- */

struct versions {
    struct varve *varve;
    struct varve_version version[VERSIONS_MAX];
    unsigned count;
    int wrong;
};

static int keep_version(void *opaque, const struct varve_version *version)
{
    struct versions *versions = opaque;

    if (versions->count < VERSIONS_MAX)
        versions->version[versions->count++] = *version;
    return 0;
}

static int no_damage(void *opaque, const struct varve_damage *damage)
{
    (void)opaque;
    (void)damage;
    return 0;
}

static int verify_dataset(void *opaque, const struct varve_dataset *dataset)
{
    static struct versions found;
    struct versions *all = opaque;
    struct varve_verification verification;
    int rc;

    found.count = 0;
    rc = varve_version_list(all->varve, dataset->full_name, false, keep_version, &found);
    for (unsigned i = 0; rc == 0 && i < found.count; i++) {
        rc = varve_version_verify(all->varve, found.version[i].ref, no_damage, NULL, &verification);
        all->wrong += rc == 0 && !verification.sound;
    }
    return rc;
}

int datasets_verify(struct varve *varve)
{
    struct versions all = {.varve = varve};
    int rc = varve_dataset_list(varve, verify_dataset, &all);

    return rc != 0 ? rc : all.wrong;
}

/* --- verbs ---- */

/* What is put into a version. */
struct content {
    unsigned char bytes[8 * KIB];
    uint64_t at;
    bool refused; /* at the last step */
};

/* In several steps: none of them is seen before all are. */
static int change_content(void *opaque, const struct files_target *target, const char *what,
                          char said[FILE_CHANGE_SAID])
{
    const struct content *content = opaque;
    uint64_t opposite = target->size - content->at - sizeof(content->bytes);
    int rc = target->write(target->opaque, content->bytes, sizeof(content->bytes), content->at);

    (void)what;
    snprintf(said, FILE_CHANGE_SAID, "content changed");
    if (rc == 0)
        rc = target->zero(target->opaque, 4 * KIB, opposite);
    if (rc == 0)
        rc = target->write(target->opaque, content->bytes, 512, opposite + 4 * KIB);
    return rc == 0 && content->refused ? varve_fail(EINVAL, "this change is refused") : rc;
}

/* As files are put and deleted, or as a client writes. */
static int write_to(struct varve *varve, const struct varve_version *version, struct chance *chance)
{
    static struct content content;
    struct store_image *image;
    int byte = (int)chance_below(chance, 256), rc;

    content.at = chance_below(chance, 31) * 4 * KIB;
    content.refused = byte % 8 == 1;
    memset(content.bytes, byte, sizeof(content.bytes));
    if (byte % 2 == 1)
        return file_change(varve, version->ref, change_content, &content);
    rc = store_image_open(varve->store, version->image, &image);
    if (rc != 0)
        return rc;
    /* one block: it is there or not */
    rc = store_write(varve->store, image, content.bytes, 4 * KIB, content.at, STORE_FUA);
    store_image_close(varve->store, image);
    return rc == -EPERM ? -EINVAL : rc; /* committed */
}

static int version_verb(struct varve *varve, const char *dataset, bool writes,
                        struct chance *chance)
{
    static struct versions versions;
    struct varve_commit commit;
    uint64_t kind = chance_below(chance, 8), which = chance_below(chance, 16);
    const struct varve_version *version;
    int rc;

    versions.count = 0;
    rc = varve_version_list(varve, dataset, true, keep_version, &versions);
    if (rc != 0 || versions.count == 0)
        return rc != 0 ? rc : -ENOENT;
    version = &versions.version[which % versions.count];
    switch (writes && kind >= 5 ? 3 : kind) {
    case 0:
        return varve_tag_set(varve, version->ref, "good", NULL, NULL);
    case 1:
        return varve_version_delete(varve, version->ref, VARVE_DELETE_FORCE, NULL);
    case 2:
        return varve_hold_add(varve, version->ref, "for a test", NULL);
    case 3:
        return write_to(varve, version, chance);
    default:
        /* the newest: an uncommitted one, if there is one */
        return varve_version_commit(varve, versions.version[0].ref, 0, &commit);
    }
}

/* One uncommitted version at a time: their order is that of the clock. */
static int make_version(struct varve *varve, const char *name, const char *from)
{
    struct varve_version_options version = {.from = from};
    struct varve_dataset dataset;
    int rc = varve_dataset_show(varve, name, &dataset);

    if (rc != 0 || dataset.uncommitted > 0)
        return rc != 0 ? rc : -EEXIST;
    return varve_version_create(varve, name, &version, NULL);
}

int dataset_begin(struct varve *varve, unsigned step)
{
    const struct varve_dataset_options dataset = {.name = names[0], .size = 256 * KIB};

    return step == 0 ? varve_dataset_create(varve, &dataset, NULL)
                     : make_version(varve, names[0], NULL);
}

int dataset_verb(struct varve *varve, bool writes, struct chance *chance)
{
    const char *name = names[chance_below(chance, NAMES)];
    const struct varve_dataset_options dataset = {.name = name, .size = 256 * KIB};
    char from[16];

    snprintf(from, sizeof(from), "%s:latest", name);
    switch (chance_below(chance, 10)) {
    case 0:
        return varve_dataset_create(varve, &dataset, NULL);
    case 2:
        return make_version(varve, name, NULL);
    case 3:
        return make_version(varve, name, from);
    case 4:
        return varve_tag_delete(varve, name, "good", NULL, NULL);
    case 5:
        return chance_hit(chance, 1, 3)
                   ? varve_dataset_delete(varve, name, VARVE_DELETE_FORCE, NULL)
                   : -ENOENT;
    default:
        return version_verb(varve, name, writes, chance);
    }
}
