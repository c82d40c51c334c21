/*
 * Committing a version. In this order, so that a crash anywhere leaves it old or new:
 *
 *   freeze             undone at the next opening while the row says uncommitted
 *   tree image         labelled "new tree": deleted at the next opening while no row names it
 *   manifest image     the same
 *   flush              of all that the row will name, in one: what survives a cut before it is some
 *                      prefix of these steps
 *   the row            in one transaction; from here on it is committed
 *   labels             set again at the next opening, from the row
 *
 * The digest takes long and holds no lock. Meanwhile seats at the version, and at the one whose
 * tree it begins with, keep both from being deleted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <varve/commit.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "base/block.h"
#include "dataset/content_class.h"
#include "dataset/content_digest.h"
#include "dataset/dataset_ref.h"
#include "dataset/manifest_image.h"
#include "volume/image_label.h"
#include "volume/served_store.h"

static const char client[] = "varve commit";

struct commit {
    struct varve *varve;
    struct store *store;
    unsigned flags;
    struct catalog_version row, base; /* base.image 0: none */
    struct seat seat, base_seat;
    bool frozen;
    struct digest_shape shape;
    enum content_class class;
    uint64_t tree, manifest; /* images; 0: not made */
    bool tree_is_clone;      /* of the base's */
    struct content_cost cost;
    char digest[DIGEST_TEXT + 1];
};

static struct image_label label_of(const struct commit *commit, enum label_kind kind)
{
    struct image_label label = {.kind = kind};

    memcpy(label.dataset, commit->row.dataset, sizeof label.dataset);
    memcpy(label.version, commit->row.id, sizeof label.version);
    return label;
}

/* --- may it be committed --------------------------------------------------------------------- */

static int check_flags(const struct commit *commit)
{
    struct store_image_info info;
    int r = store_image_stat(commit->store, commit->row.image, &info);

    if (r == -ENOENT)
        return varve_fail(EIO,
                          "version '%s' is damaged: the store does not have its image %" PRIu64,
                          commit->row.ref, commit->row.image);
    if (r != 0)
        return r;
    if ((info.flags & STORE_IMAGE_FROZEN) != 0 && !commit->frozen)
        return varve_fail(EBUSY, "version '%s' is being committed; wait for that to end",
                          commit->row.ref);
    if ((info.flags & STORE_IMAGE_INCOMPLETE) != 0 &&
        (commit->flags & VARVE_COMMIT_ALLOW_INCOMPLETE) == 0)
        return varve_fail(EBUSY,
                          "version '%s' is incomplete: an import of it did not come to its end, or "
                          "a write to it failed (no space, or an I/O error), so data may be "
                          "missing; write it again and commit with --allow-incomplete, or make a "
                          "new version",
                          commit->row.ref);
    return 0;
}

/* Which goes on behind "unmount". */
static const char *what_to_do(unsigned dirty, bool attached)
{
    if (dirty > 1)
        return attached ? "them where they are attached, detach it and commit again"
                        : "them where it is attached next, and commit again";
    return attached ? "it where it is attached, detach it and commit again"
                    : "it where it is attached next, and commit again";
}

static int check_content(struct commit *commit)
{
    struct attendance attendance;
    struct content_verdict verdict = {.class = CONTENT_RAW};
    int r = content_class_of(commit->store, commit->seat.image, &verdict);

    commit->class = verdict.class;
    if (r != 0 || commit->class != CONTENT_DIRTY || (commit->flags & VARVE_COMMIT_ALLOW_DIRTY) != 0)
        return r;
    attendance_of(commit->varve->attachments, commit->row.image, &attendance);
    return varve_fail(EBUSY,
                      "version '%s' holds %s not left clean: %s; unmount %s, or commit with "
                      "--allow-dirty",
                      commit->row.ref,
                      verdict.dirty > 1 ? "file systems that were" : "a file system that was",
                      verdict.reason, what_to_do(verdict.dirty, attendance.seats > 1));
}

/* --- the steps ------------------------------------------------------------------------------- */

/* Finds the version, and keeps it from being deleted. A committed one is left at that. */
static int begin(struct commit *commit, const char *ref)
{
    struct catalog *catalog;
    int r = names_enter(commit->varve, &catalog);

    if (r != 0)
        return r;
    r = version_find_exactly_locked(catalog, ref, &commit->row);
    if (r == 0 && commit->row.sequence == 0) {
        r = check_flags(commit);
        if (r == 0)
            r = version_seat_locked(commit->varve, &commit->row, client, &commit->seat);
    }
    names_leave(commit->varve);
    return r;
}

/* Two commits at once: the names lock lets one freeze first, and the other sees it. */
static int freeze(struct commit *commit)
{
    struct catalog *catalog;
    int r = names_enter(commit->varve, &catalog);

    if (r != 0)
        return r;
    r = check_flags(commit);
    if (r == 0)
        r = store_image_change_flags(commit->store, commit->row.image, STORE_IMAGE_FROZEN, 0);
    commit->frozen = r == 0;
    names_leave(commit->varve);
    return r;
}

/* A write that was answered before the freeze may fail only on its way to the disk. */
static int make_durable(struct commit *commit)
{
    int r = store_flush(commit->store);

    return r == 0 ? check_flags(commit) : r;
}

/* The nearest committed version that the image was cloned from, directly or not; else the dataset's
 * latest, with which it may share as much. No such version is no failure. */
static int find_base_locked(struct commit *commit, struct catalog *catalog)
{
    enum { GENERATIONS_MAX = 1000 };
    struct store_image_info info = {.parent = commit->row.image};
    struct catalog_version found;
    int r;

    for (unsigned i = 0; i < GENERATIONS_MAX; i++) {
        r = store_image_stat(commit->store, info.parent, &info);
        if (r != 0 || info.parent == 0)
            break;
        r = catalog_version_of_image(catalog, info.parent, &found);
        if (r == 0 && found.sequence > 0 && found.tree_image != 0) {
            commit->base = found;
            return 0;
        }
        if (r != 0 && r != -ENOENT)
            return r;
    }
    r = catalog_version_resolve(catalog, "", commit->row.dataset, "latest", &found);
    if (r == 0 && found.tree_image != 0)
        commit->base = found;
    return r == -ENOENT ? 0 : r;
}

static int clone_tree(struct commit *commit, const char *label)
{
    struct store_clone clone = {.source = commit->base.tree_image, .label = label};
    int r = store_image_clone(commit->store, &clone, 1);

    if (r != 0)
        return r;
    commit->tree = clone.image;
    commit->tree_is_clone = true;
    return tree_image_resize(commit->store, clone.image, &commit->shape);
}

/* A base whose tree is of the older construction, or cannot be read, still lends its list of files.
 */
static int clone_usable_tree(struct commit *commit, const char *label)
{
    enum digest_construction construction = 0;
    int r = tree_image_construction(commit->store, commit->base.tree_image, &construction);

    if (r == 0 && construction == DIGEST_BLOCKS)
        return clone_tree(commit, label);
    return r == -EIO || r == -ENOENT ? 0 : r;
}

/* Its tree, as a copy of the base's where there is one that can be used. */
static int make_tree(struct commit *commit)
{
    const struct image_label words = label_of(commit, LABEL_TREE);
    char label[IMAGE_LABEL_SIZE];
    struct catalog *catalog;
    int r = digest_shape_of(DIGEST_BLOCKS, store_image_size(commit->store, commit->seat.image),
                            &commit->shape);

    if (r == 0)
        r = names_enter(commit->varve, &catalog);
    if (r != 0)
        return r;
    image_label_format(LABEL_NEW, &words, label);
    r = find_base_locked(commit, catalog);
    if (r == 0 && commit->base.image != 0) {
        r = seat_take(commit->varve->attachments, commit->base.image, commit->base.ref, true,
                      client, &commit->base_seat);
        if (r == 0)
            r = clone_usable_tree(commit, label);
        if (r == -ENOENT) { /* damage of the base is none of ours */
            commit->base.image = 0;
            r = 0;
        }
    }
    if (r == 0 && commit->tree == 0)
        r = store_image_create(commit->store, tree_image_bytes(&commit->shape), 0, label,
                               &commit->tree);
    names_leave(commit->varve);
    return r;
}

static int compute(struct commit *commit)
{
    struct tree_image *tree = NULL;
    struct digest digest;
    int r = tree_image_open(commit->store, commit->tree, &commit->shape, &tree);

    if (r == 0)
        r = content_digest(commit->store, commit->seat.image,
                           commit->tree_is_clone ? commit->base_seat.image : NULL, tree,
                           &commit->shape, &digest, &commit->cost);
    tree_image_close(tree);
    if (r == 0)
        r = store_image_change_flags(commit->store, commit->tree, STORE_IMAGE_FROZEN, 0);
    if (r == 0)
        digest_print(&digest, commit->digest);
    return r;
}

/* Damage of the base's tree is none of ours: then all is read. */
static int compute_by_base_or_alone(struct commit *commit)
{
    const struct image_label words = label_of(commit, LABEL_TREE);
    char label[IMAGE_LABEL_SIZE];
    int r = compute(commit);

    if (r != -EIO || !commit->tree_is_clone)
        return r;
    (void)store_image_delete(commit->store, commit->tree);
    commit->tree = 0;
    commit->tree_is_clone = false;
    image_label_format(LABEL_NEW, &words, label);
    r = store_image_create(commit->store, tree_image_bytes(&commit->shape), 0, label,
                           &commit->tree);
    return r == 0 ? compute(commit) : r;
}

/* The list of its files, where it has any that can be read. */
static int list_files(struct commit *commit)
{
    const struct image_label words = label_of(commit, LABEL_MANIFEST);
    const bool based = commit->base.image != 0;
    char label[IMAGE_LABEL_SIZE];
    bool made = false;
    int r;

    if (commit->class != CONTENT_CLEAN)
        return 0;
    image_label_format(LABEL_NEW, &words, label);
    r = store_image_create(commit->store, BLOCK_SIZE, 0, label, &commit->manifest);
    if (r == 0)
        r = manifest_make(commit->store, commit->seat.image, commit->row.ref,
                          based ? commit->base_seat.image : NULL,
                          based ? commit->base.manifest_image : 0, commit->manifest,
                          &commit->row.files, &made);
    if (r == 0 && !made) {
        r = store_image_delete(commit->store, commit->manifest);
        commit->manifest = 0;
        return r;
    }
    return r == 0 ? store_image_change_flags(commit->store, commit->manifest, STORE_IMAGE_FROZEN, 0)
                  : r;
}

/* What stays as it is when this fails is set by the next opening. */
static void label_all(struct commit *commit)
{
    struct image_label version = label_of(commit, LABEL_VERSION);
    const struct image_label tree = label_of(commit, LABEL_TREE);
    const struct image_label manifest = label_of(commit, LABEL_MANIFEST);
    char label[IMAGE_LABEL_SIZE];
    int r;

    version.number = (uint64_t)commit->row.sequence;
    image_label_format(LABEL_LIVE, &version, label);
    r = store_image_set_label(commit->store, commit->row.image, label);
    image_label_format(LABEL_LIVE, &tree, label);
    if (r == 0)
        r = store_image_set_label(commit->store, commit->tree, label);
    image_label_format(LABEL_LIVE, &manifest, label);
    if (r == 0 && commit->manifest != 0)
        r = store_image_set_label(commit->store, commit->manifest, label);
    /* What was set aside for writing is not needed any more. */
    if (r == 0)
        r = store_image_change_flags(commit->store, commit->row.image, 0,
                                     STORE_IMAGE_RESERVED | STORE_IMAGE_INCOMPLETE);
    if (r != 0)
        note(commit->varve, "the committed version '%s' could not be labelled in the store: %s",
             commit->row.ref, varve_error());
}

static int enter_row(struct commit *commit)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    struct catalog_version *row = &commit->row;
    struct catalog *catalog;
    int r = names_enter(commit->varve, &catalog);

    if (r != 0)
        return r;
    row->committed = (int64_t)time(NULL);
    row->tree_image = commit->tree;
    row->manifest_image = commit->manifest;
    snprintf(row->committer, sizeof row->committer, "%s", varve_actor());
    snprintf(row->digest, sizeof row->digest, "%s", commit->digest);
    snprintf(row->class, sizeof row->class, "%s", content_class_name(commit->class));
    snprintf(what, sizeof what, "committed: %s, digest %s", row->class, row->digest);
    r = catalog_version_commit(catalog, row, &change, &row->sequence);
    if (r == 0)
        label_all(commit);
    names_leave(commit->varve);
    return r;
}

/* As it was. Where this fails too, the next opening does it; so it does when the row may say
 * "committed" all the same: then the version needs its freeze and its tree. */
static void undo(struct commit *commit)
{
    if (catalog_is_in_doubt(commit->varve->catalog))
        return;
    if (commit->tree != 0)
        (void)store_image_delete(commit->store, commit->tree);
    if (commit->manifest != 0)
        (void)store_image_delete(commit->store, commit->manifest);
    if (commit->frozen)
        (void)store_image_change_flags(commit->store, commit->row.image, 0, STORE_IMAGE_FROZEN);
}

static int commit_uncommitted(struct commit *commit)
{
    /* Before the freeze too: who has it mounted must not be hurt by a commit that is refused. */
    int r = check_content(commit);

    if (r == 0)
        r = freeze(commit);
    if (r == 0)
        r = check_content(commit);
    if (r == 0)
        r = make_tree(commit);
    if (r == 0)
        r = compute_by_base_or_alone(commit);
    if (r == 0)
        r = list_files(commit);
    if (r == 0)
        r = make_durable(commit);
    if (r == 0)
        r = enter_row(commit);
    if (r != 0) {
        char line[512];

        snprintf(line, sizeof line, "%s", varve_error());
        undo(commit);
        r = varve_fail(-r, "%s", line);
    }
    return r;
}

static void fill(const struct commit *commit, uint64_t size, struct varve_commit *ret_commit)
{
    const struct catalog_version *row = &commit->row;
    struct varve_commit made = {.sequence = row->sequence,
                                .committed = row->committed,
                                .size = size,
                                .manifest = row->manifest_image != 0,
                                .files = row->files,
                                .leaves = commit->shape.leaves,
                                .hashed = commit->cost.hashed,
                                .reused = commit->cost.reused};

    snprintf(made.ref, sizeof made.ref, "%s", row->ref);
    snprintf(made.committer, sizeof made.committer, "%s", row->committer);
    snprintf(made.digest, sizeof made.digest, "%s", row->digest);
    snprintf(made.class, sizeof made.class, "%s", row->class);
    *ret_commit = made;
}

int varve_version_commit(struct varve *varve, const char *ref, unsigned flags,
                         struct varve_commit *ret_commit)
{
    struct commit commit = {.varve = varve, .store = varve->store, .flags = flags};
    struct store_image_info info = {.size = 0};
    int r = changes_are_allowed(varve);

    if (r == 0)
        r = begin(&commit, ref);
    if (r != 0)
        return r;
    varve_operation_describe("commit of %s", commit.row.ref);
    if (commit.row.sequence > 0) {
        (void)store_image_stat(varve->store, commit.row.image, &info);
        fill(&commit, info.size, ret_commit);
        ret_commit->already = true;
        return 0;
    }
    r = commit_uncommitted(&commit);
    if (commit.base_seat.attachment != NULL)
        seat_leave(varve->attachments, &commit.base_seat);
    seat_leave(varve->attachments, &commit.seat);
    if (r == 0)
        fill(&commit, commit.shape.size, ret_commit);
    return r;
}
