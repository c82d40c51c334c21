/* The manifest of a committed version, as users ask for it. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>
#include <varve/manifest.h>
#include <varve/progress.h>

#include "dataset/dataset_ref.h"
#include "dataset/manifest_image.h"
#include "volume/served_store.h"

enum { PROGRESS_LINES = 1024 };

struct showing {
    struct varve *varve;
    struct catalog_version row;
    struct seat seat; /* keeps the version, and so its manifest, from being deleted */
    struct varve_manifest manifest;
    const struct varve_manifest_visitor *visitor;
    char path[MANIFEST_PATH_MAX]; /* "" for all */
    bool begun;
};

/* Without slashes at its ends and ones that follow each other, and without "." names. */
static int normalize(const char *text, char path[MANIFEST_PATH_MAX])
{
    size_t length = 0;

    while (text != NULL && *text != '\0') {
        size_t name = strcspn(text, "/");

        if (name > 0 && !(name == 1 && *text == '.')) {
            if (length + 1 + name >= MANIFEST_PATH_MAX)
                return varve_fail(ENAMETOOLONG, "the path is longer than %d bytes",
                                  MANIFEST_PATH_MAX - 1);
            if (length > 0)
                path[length++] = '/';
            memcpy(path + length, text, name);
            length += name;
        }
        text += name + (text[name] == '/');
    }
    path[length] = '\0';
    return 0;
}

static int check_row(const struct catalog_version *row)
{
    if (row->sequence == 0)
        return varve_fail(EINVAL,
                          "version '%s' is not committed, so it has no manifest yet; 'varve "
                          "datasets files list' shows its files",
                          row->ref);
    if (row->manifest_image == 0)
        return varve_fail(EMEDIUMTYPE,
                          "version '%s' has no manifest: its content (class %s) is no ext4 file "
                          "system that was left clean when it was committed",
                          row->ref, row->class);
    return 0;
}

static int begin(struct showing *showing, const char *ref)
{
    struct catalog *catalog;
    int r = names_enter(showing->varve, &catalog);

    if (r != 0)
        return r;
    r = version_find_locked(catalog, ref, &showing->row);
    if (r == 0)
        r = check_row(&showing->row);
    if (r == 0)
        r = version_seat_locked(showing->varve, &showing->row, "varve manifest", &showing->seat);
    names_leave(showing->varve);
    return r;
}

static bool is_wanted(const struct showing *showing, const char *path)
{
    const size_t length = strlen(showing->path);

    return length == 0 || (strncmp(path, showing->path, length) == 0 &&
                           (path[length] == '\0' || path[length] == '/'));
}

/* Nothing is shown before it is known that there is something to show. */
static int show_head(struct showing *showing)
{
    const struct varve_manifest_visitor *visitor = showing->visitor;

    if (showing->begun)
        return 0;
    showing->begun = true;
    return visitor->begin != NULL ? visitor->begin(visitor->opaque, &showing->manifest) : 0;
}

static int show_line(struct showing *showing, const struct manifest_line *line)
{
    const struct varve_manifest_file file = {.path = line->path,
                                             .type = line->type,
                                             .mode = line->mode,
                                             .uid = line->uid,
                                             .gid = line->gid,
                                             .size = line->size,
                                             .mtime = line->mtime,
                                             .digest = line->digest,
                                             .target = line->target};
    const struct varve_manifest_visitor *visitor = showing->visitor;
    int r = show_head(showing);

    return r == 0 && visitor->file != NULL ? visitor->file(visitor->opaque, &file) : r;
}

/* What is wanted stands together, in the order of paths. */
static int show_all(struct showing *showing, struct manifest_reader *reader)
{
    const struct manifest_line *line;
    uint64_t lines = 0;
    int r = 0;

    for (; r == 0; lines++) {
        if (lines % PROGRESS_LINES == 0)
            r = varve_progress("manifest", "files", lines, showing->row.files);
        if (r == 0)
            r = manifest_next(reader, &line);
        if (r != 0 || line == NULL)
            break;
        if (is_wanted(showing, line->path))
            r = show_line(showing, line);
        else if (showing->begun)
            break;
    }
    if (r == 0 && !showing->begun && showing->path[0] != '\0')
        return varve_fail(ENOENT, "there is no file or folder '%.300s' in '%s'", showing->path,
                          showing->row.ref);
    return r == 0 ? show_head(showing) : r;
}

static int run(struct showing *showing)
{
    struct varve_manifest *manifest = &showing->manifest;
    struct manifest_reader *reader = NULL;
    int r = manifest_open(showing->varve->store, showing->row.manifest_image, &reader);

    if (r != 0)
        return r;
    snprintf(manifest->ref, sizeof manifest->ref, "%s", showing->row.ref);
    snprintf(manifest->digest, sizeof manifest->digest, "%s", showing->row.digest);
    manifest->files = showing->row.files;
    r = show_all(showing, reader);
    manifest_close(reader);
    return r;
}

int varve_version_manifest(struct varve *varve, const char *ref, const char *path,
                           const struct varve_manifest_visitor *visitor)
{
    struct showing *showing = calloc(1, sizeof *showing);
    int r;

    if (showing == NULL)
        return varve_no_memory("a manifest");
    showing->varve = varve;
    showing->visitor = visitor;
    r = normalize(path, showing->path);
    if (r == 0)
        r = begin(showing, ref);
    if (r == 0) {
        varve_operation_describe("manifest of %s", showing->row.ref);
        r = run(showing);
        seat_leave(varve->attachments, &showing->seat);
    }
    free(showing);
    return r;
}
