/*
 * Which catalog a store is opened with: the file, or the copy in the store. Of two whole ones of
 * the same identity the one with more changes is the newer, and wins. With equal numbers and other
 * bytes the copy wins, though SQLite finds no fault with the file: the copy's checksum proves that
 * it is what was written, and a file that differs from it without a change having been counted was
 * altered by something else than varve, such as a flipped bit in the middle of a text.
 *
 * What is replaced is never deleted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_state.h"
#include "volume/catalog_copy.h"
#include "volume/reconcile.h"

struct choice {
    struct catalog_verdict file;
    struct catalog_proven copy;
    char why[256]; /* the file cannot be used; "": it can */
};

static void judge_against_copy(struct choice *choice)
{
    const struct catalog_verdict *file = &choice->file;

    if (memcmp(file->state.identity, choice->copy.state.identity,
               sizeof choice->copy.state.identity) != 0 &&
        file->state.number != 0)
        snprintf(choice->why, sizeof choice->why, "belongs to another store");
    else if (file->state.number < choice->copy.state.number)
        snprintf(choice->why, sizeof choice->why,
                 "was older than the store (change %" PRIu64 " of %" PRIu64 ")", file->state.number,
                 choice->copy.state.number);
    else if (file->state.number == choice->copy.state.number &&
             (file->length < choice->copy.length ||
              memcmp(file->bytes, choice->copy.bytes, choice->copy.length) != 0))
        snprintf(choice->why, sizeof choice->why, "was altered (it differs from what varve wrote)");
}

static void judge(struct choice *choice)
{
    if (choice->file.soundness == CATALOG_MISSING)
        snprintf(choice->why, sizeof choice->why, "was missing");
    else if (choice->file.soundness == CATALOG_DAMAGED)
        snprintf(choice->why, sizeof choice->why, "was damaged (%s)", choice->file.problem);
    else if (choice->copy.state.number != 0)
        judge_against_copy(choice);
}

/* "; the file is kept as '...'" */
static void say(struct varve *varve, const struct choice *choice, const char *done,
                const char *aside)
{
    note(varve, "catalog '%s' %s: %s%s%s%s", varve->catalog_path, choice->why, done,
         aside[0] != '\0' ? "; the file is kept as '" : "", aside, aside[0] != '\0' ? "'" : "");
}

static int restore(struct varve *varve, const struct choice *choice, struct catalog **ret_catalog)
{
    char aside[CATALOG_ASIDE_MAX] = "", done[128];
    int r;

    snprintf(done, sizeof done, "restored from the copy in the store (change %" PRIu64 ")",
             choice->copy.state.number);
    r = varve->read_only
            ? catalog_open_bytes(varve->catalog_path, choice->copy.bytes, choice->copy.length,
                                 ret_catalog)
            : catalog_replace(varve->catalog_path, choice->copy.bytes, choice->copy.length, aside);
    if (r == 0)
        say(varve, choice, done, aside);
    return r == 0 && !varve->read_only ? catalog_open(varve->catalog_path, 0, ret_catalog) : r;
}

static int rebuild(struct varve *varve, const struct choice *choice, struct catalog **ret_catalog)
{
    char aside[CATALOG_ASIDE_MAX] = "";
    struct store_image_info first;
    int r = store_image_next(varve->store, 0, &first);
    const bool is_empty = r == -ENOENT;

    if (r != 0 && r != -ENOENT)
        return r;
    r = varve->read_only ? 0 : catalog_set_aside(varve->catalog_path, aside);
    if (r != 0)
        return r;
    if (!is_empty || choice->file.soundness != CATALOG_MISSING)
        say(varve, choice,
            "the store has no whole copy of it, so the names of volumes are rebuilt from the "
            "store; their history is lost",
            aside);
    if (varve->read_only)
        return catalog_open_memory(ret_catalog);
    r = catalog_create(varve->catalog_path);
    return r == 0 ? catalog_open(varve->catalog_path, 0, ret_catalog) : r;
}

int catalog_restore(struct varve *varve, struct catalog **ret_catalog, bool *ret_made)
{
    struct choice choice = {.why = ""};
    int r;

    catalog_copy_get(varve->copy, &choice.copy.state, &choice.copy.bytes, &choice.copy.length);
    r = catalog_judge(varve->catalog_path, &choice.copy, &choice.file);
    if (r != 0)
        return r;
    judge(&choice);
    /* Only now: the bytes are a second catalog in memory. */
    catalog_bytes_free(choice.file.bytes);
    choice.file.bytes = NULL;
    *ret_made = choice.why[0] != '\0';
    if (!*ret_made)
        return catalog_open(varve->catalog_path, varve->read_only ? CATALOG_READ_ONLY : 0,
                            ret_catalog);
    return choice.copy.state.number != 0 ? restore(varve, &choice, ret_catalog)
                                         : rebuild(varve, &choice, ret_catalog);
}
