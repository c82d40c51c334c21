/* A version is made of files: the tree is read, then a version of its size made and filled. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <varve/error.h>
#include <varve/export.h>
#include <varve/import.h>

#include "dataset/dataset_ref.h"
#include "files/ext4_import.h"
#include "volume/served_store.h"
#include "volume/volume_name.h"

static int read_export(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    return varve_export_read(opaque, buffer, length, offset);
}

static int write_export(void *opaque, const void *buffer, size_t length, uint64_t offset)
{
    return varve_export_write(opaque, buffer, length, offset, 0);
}

static int zero_export(void *opaque, uint64_t length, uint64_t offset)
{
    return varve_export_zero(opaque, length, offset, 0);
}

static int check_sources(const struct varve_import_options *options)
{
    if (options->version.from != NULL)
        return varve_fail(EINVAL, "a version is made from files or from '%s', not from both",
                          options->version.from);
    if (options->source_count == 0 || options->source_count > VARVE_IMPORT_SOURCES_MAX)
        return varve_fail(EINVAL, "%zu sources; say from 1 to %d", options->source_count,
                          VARVE_IMPORT_SOURCES_MAX);
    for (size_t i = 0; i < options->source_count; i++)
        if (options->sources[i][0] != '/')
            return varve_fail(EINVAL, "the source '%s' is no absolute path", options->sources[i]);
    return 0;
}

static int fill(struct varve *varve, const struct varve_version *version, struct source_tree *tree)
{
    const char *name = strrchr(version->dataset_name, '/');
    struct varve_export *export = NULL;
    int r = varve_export_open(varve, version->ref, "varve import", false, &export);

    if (r == 0) {
        const struct files_target target = {.read = read_export,
                                            .write = write_export,
                                            .zero = zero_export,
                                            .opaque = export,
                                            .size = varve_export_size(export)};

        r = ext4_import_tree(&target, name != NULL ? name + 1 : version->dataset_name, tree,
                             version->ref);
    }
    if (r == 0)
        r = varve_export_flush(export);
    varve_export_close(export);
    if (r == 0)
        r = store_image_change_flags(varve->store, version->image, 0, STORE_IMAGE_INCOMPLETE);
    return r == 0 ? store_flush(varve->store) : r;
}

static int make_filled(struct varve *varve, const char *dataset,
                       const struct varve_import_options *options, struct source_tree *tree,
                       struct varve_version *ret_version)
{
    struct varve_version_options made = options->version;
    struct varve_version version;
    unsigned released;
    char line[512];
    int r = made.size == 0 ? ext4_size_for(&tree->need, &made.size) : 0;

    made.source = options->sources[0];
    if (r == 0)
        r = varve_version_create(varve, dataset, &made, &version);
    if (r != 0)
        return r;
    r = fill(varve, &version, tree);
    if (r == 0)
        r = varve_version_show(varve, version.ref, &version);
    if (r == 0) {
        *ret_version = version;
        return 0;
    }
    snprintf(line, sizeof line, "%s", varve_error());
    if (made.hold != NULL)
        (void)varve_hold_release(varve, version.ref, &released);
    if (varve_version_delete(varve, version.ref, VARVE_DELETE_FORCE, NULL) != 0)
        note(varve, "the version '%s', whose import failed, could not be deleted: %s", version.ref,
             varve_error());
    return varve_fail(-r, "%s", line);
}

int varve_version_import(struct varve *varve, const char *dataset,
                         const struct varve_import_options *options,
                         struct varve_version *ret_version)
{
    struct source_tree tree;
    struct varve_dataset found;
    int r = check_sources(options);

    if (r == 0)
        r = changes_are_allowed(varve);
    if (r == 0) /* before a long walk */
        r = varve_dataset_show(varve, dataset, &found);
    if (r == 0)
        r = source_tree_read(options->sources, options->source_count, &tree);
    if (r != 0)
        return r;
    r = make_filled(varve, dataset, options, &tree, ret_version);
    source_tree_free(&tree);
    return r;
}

/* Complete first, then the line: a crash between leaves a version that is whole, and a history that
 * says of which file it was to be made. */
static int imported_locked(struct varve *varve, struct catalog *catalog, const char *ref,
                           const char *file)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    struct catalog_version row;
    int r = version_find_exactly_locked(catalog, ref, &row);

    if (r == 0 && row.sequence != 0)
        r = varve_fail(EPERM, "version '%s' is committed, and never changes", row.ref);
    if (r == 0)
        r = store_image_change_flags(varve->store, row.image, 0, STORE_IMAGE_INCOMPLETE);
    if (r == 0)
        r = store_flush(varve->store);
    snprintf(what, sizeof what, "imported from %s", file);
    return r == 0 ? catalog_history_append(catalog, "version", row.ref, &change) : r;
}

int varve_version_imported(struct varve *varve, const char *ref, const char *file)
{
    struct catalog *catalog;
    int r = text_check("file's name", file, VARVE_MESSAGE_MAX);

    if (r == 0)
        r = names_enter_to_change(varve, &catalog);
    if (r != 0)
        return r;
    r = imported_locked(varve, catalog, ref, file);
    names_leave(varve);
    return r;
}
