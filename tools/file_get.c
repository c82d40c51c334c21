/*
 * varve datasets files get.
 *
 *     a hidden folder where the target is to be · unpack the stream in it · only when all of it
 *     came: sync, and rename to the final names · remove the hidden folder
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <varve/error.h>

#include "client.h"
#include "client_stream.h"
#include "command.h"
#include "dataset_verbs.h"
#include "deadline.h"
#include "tree_place.h"
#include "tree_unpack.h"

static char *id, *source_path, *target_path;

static const char tree[] = "tree"; /* in the hidden folder: what is unpacked */

struct getting {
    char *target;     /* without slashes at its end */
    const char *name; /* its last name */
    bool slash;       /* there were some */
    bool content;     /* of a folder, and not the folder */
    bool exists;      /* the target, as a folder */
    int parent;       /* of the target */
    int place;        /* where the hidden folder is: the target, or its parent */
    int hidden;       /* the hidden folder */
    char hidden_name[40];
};

static int failed(const char *doing, const char *path)
{
    return varve_fail(errno, "cannot %s '%.300s': %s", doing, path, strerror(errno));
}

/* Finds the target or its parent. */
static int open_target(struct getting *getting)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    size_t length = strlen(getting->target);
    int fd;

    while (length > 1 && getting->target[length - 1] == '/') {
        getting->target[--length] = '\0';
        getting->slash = true;
    }
    fd = open(getting->target, flags);
    if (fd >= 0) {
        getting->exists = true;
        getting->place = fd;
        return 0;
    }
    if (errno == ENOTDIR && (getting->slash || getting->content))
        return varve_fail(ENOTDIR, "'%.300s' is no folder", getting->target);
    if (errno != ENOENT && errno != ENOTDIR)
        return failed("open", getting->target);
    char *slash = strrchr(getting->target, '/');
    getting->name = slash != NULL ? slash + 1 : getting->target;
    if (slash == getting->target) {
        getting->parent = open("/", flags);
    } else if (slash != NULL) {
        *slash = '\0';
        getting->parent = open(getting->target, flags);
        *slash = '/';
    } else {
        getting->parent = open(".", flags);
    }
    getting->place = getting->parent;
    return getting->parent >= 0 ? 0 : failed("open the folder of", getting->target);
}

static int make_hidden(struct getting *getting)
{
    int made = -1;

    for (unsigned i = 0; made < 0 && i < 100; i++) {
        snprintf(getting->hidden_name, sizeof getting->hidden_name, ".varve-get-%ld-%u",
                 (long)getpid(), i);
        made = mkdirat(getting->place, getting->hidden_name, 0700);
        if (made < 0 && errno != EEXIST)
            break;
    }
    if (made < 0) {
        getting->hidden_name[0] = '\0';
        return failed("make a folder in or beside", getting->target);
    }
    getting->hidden =
        openat(getting->place, getting->hidden_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (getting->hidden < 0 || mkdirat(getting->hidden, tree, 0700) < 0)
        return failed("make a folder in or beside", getting->target);
    return 0;
}

static int take(void *opaque, int fd)
{
    const struct getting *getting = opaque;
    int r, folder = openat(getting->hidden, tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return failed("open", getting->hidden_name);
    r = tree_unpack(fd, folder);
    close(folder);
    return r;
}

/* A folder, or a file under its own name, goes into the target, which may have to be made. */
static int place_inside(const struct getting *getting)
{
    int r, into = getting->place;

    if (getting->exists)
        return tree_place_content(getting->hidden, tree, into);
    assert(getting->name != NULL);
    if (mkdirat(getting->parent, getting->name, 0777) < 0)
        return failed("make folder", getting->target);
    into = openat(getting->parent, getting->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (into < 0)
        return failed("open", getting->target);
    r = tree_place_content(getting->hidden, tree, into);
    close(into);
    return r;
}

/* The only name that was unpacked, and whether it is a folder. */
static int only_name(const struct getting *getting, char name[256], bool *ret_folder)
{
    struct stat stat;
    int r = tree_place_first(getting->hidden, tree, name);

    if (r < 0)
        return r;
    char path[sizeof tree + 256];
    snprintf(path, sizeof path, "%s/%s", tree, name);
    if (fstatat(getting->hidden, path, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return failed("look at", name);
    *ret_folder = S_ISDIR(stat.st_mode);
    return 0;
}

static int place(const struct getting *getting)
{
    char name[256], path[sizeof tree + 256];
    bool folder = true;
    int r = 0;

    if (syncfs(getting->hidden) < 0)
        return failed("write out", getting->target);
    if (getting->content && !getting->exists)
        return tree_place(getting->hidden, tree, getting->parent, getting->name);
    if (!getting->content)
        r = only_name(getting, name, &folder);
    if (r < 0 || folder || getting->exists || getting->slash)
        return r < 0 ? r : place_inside(getting);
    snprintf(path, sizeof path, "%s/%s", tree, name);
    return tree_place(getting->hidden, path, getting->parent, getting->name);
}

static int get(const struct invocation *invocation, const char *ref, struct getting *getting)
{
    char *before = client_target("/v1/files/", ref, "/content?path=");
    char *request = client_target(before, source_path, "");
    int code, r;

    free(before);
    interrupt_catch();
    r = open_target(getting);
    if (r == 0)
        r = make_hidden(getting);
    code = r < 0 ? command_fail_error(r) : client_stream(invocation, request, take, getting);
    free(request);
    if (code == EXIT_DONE && interrupt_seen())
        code = command_fail(EXIT_CANCELLED, "cancelled before all was there");
    interrupt_ignore();
    if (code == EXIT_DONE) {
        r = place(getting);
        code = r < 0 ? command_fail_error(r) : EXIT_DONE;
    }
    if (getting->hidden_name[0] != '\0')
        tree_remove(getting->place, getting->hidden_name);
    return code;
}

static int run_get(const struct invocation *invocation)
{
    struct getting getting = {.parent = -1, .place = -1, .hidden = -1};
    const char *ref;
    int code = dataset_verb_id(invocation, id, "REF", &ref);

    if (code == EXIT_DONE && (source_path == NULL || source_path[0] == '\0'))
        code = command_fail(EXIT_USAGE, "get what? Say --source-path PATH; / is all");
    if (code == EXIT_DONE && (target_path == NULL || target_path[0] == '\0'))
        code = command_fail(EXIT_USAGE, "where to? Say --target-path PATH");
    if (code != EXIT_DONE)
        return code;
    getting.content = source_path[strlen(source_path) - 1] == '/';
    getting.target = strdup(target_path);
    if (getting.target == NULL)
        return command_fail(EXIT_FAILED, "no memory for a path");
    code = get(invocation, ref, &getting);
    if (getting.hidden >= 0)
        close(getting.hidden);
    if (getting.place >= 0)
        close(getting.place);
    free(getting.target);
    if (code == EXIT_DONE && invocation->json) {
        json_t *answer = json_pack("{ss ss}", "source", source_path, "target", target_path);
        client_print_json(answer);
        json_decref(answer);
    } else if (code == EXIT_DONE) {
        printf("Got: %s to %s\n", source_path, target_path);
    }
    return code;
}

static const struct poptOption options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "what to get files from, as an option", "REF"},
    {"source-path", '\0', POPT_ARG_STRING, &source_path, 0, "the file or folder in it", "PATH"},
    {"target-path", '\0', POPT_ARG_STRING, &target_path, 0, "where it goes to", "PATH"},
    POPT_TABLEEND};

const struct command file_get = {
    .name = "get",
    .summary = "Copies a file, or a folder with all in it, out of a version.",
    .arguments = "REF --source-path PATH --target-path PATH",
    .details = "A folder goes into the target; with a slash at the end of --source-path only\n"
               "what is in it does. A file goes into the target if that is a folder or ends in\n"
               "a slash, else the target is its new name. Folders that are there are merged,\n"
               "files that are there are replaced, each by a rename once all is there: a\n"
               "transfer that fails changes nothing. Owners and attributes that are not the\n"
               "user's own are set only for root. Sockets are left out.",
    .example = "varve datasets files get images:latest --source-path train --target-path /data\n"
               "varve datasets files get images:prod --source-path / --target-path ./all",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = options,
    .run = run_get,
};
