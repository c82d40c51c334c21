#include "attachment.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach_device.h"
#include "attach_mounts.h"
#include "attach_watch.h"
#include "command.h"
#include "deadline.h"

enum { BOOT_ID = 40, BUSY_SECONDS = 1, ORPHAN_SECONDS = 30 };

#define FOLDER_PREFIX "attach-"

/* STORE/run, made if need be. */
static int run_folder(const char *store, char run[ATTACHMENT_RUN])
{
    char real[PATH_MAX];

    if (!realpath(store, real)) {
        return command_fail(exit_code_of(-errno), "cannot open store '%s': %s", store,
                            strerror(errno));
    }
    if (snprintf(run, ATTACHMENT_RUN, "%s/run", real) >= ATTACHMENT_RUN) {
        return command_fail(EXIT_USAGE, "the path of store '%s' is too long to attach from it",
                            store);
    }
    if (mkdir(run, 0700) == -1 && errno != EEXIST) {
        return command_fail(exit_code_of(-errno), "cannot make '%s': %s", run, strerror(errno));
    }
    return EXIT_DONE;
}

int attachment_begin(const char *store)
{
    char run[ATTACHMENT_RUN], path[ATTACHMENT_RUN + sizeof "/attach.lock"];
    int fd, code = run_folder(store, run);

    if (code != EXIT_DONE) {
        return code;
    }
    snprintf(path, sizeof path, "%s/attach.lock", run);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1 || flock(fd, LOCK_EX) == -1) { /* interrupted by a signal: no lock */
        return command_fail(EXIT_FAILED, "cannot lock '%s': %s", path, strerror(errno));
    }
    return EXIT_DONE; /* the descriptor stays open, and the lock with it */
}

/* A ref may hold '/', ':', '@': all but letters, digits, '-', '_' and dots inside become %XX. One
 * that is too long for a file's name then is cut, and has a hash of all of it behind the cut. */
static void name_folder(const char *run, const char *ref, struct attachment *attachment)
{
    enum { ROOM = NAME_MAX - 40 };
    const size_t size = sizeof attachment->folder;
    char *folder = attachment->folder;
    size_t used = (size_t)snprintf(folder, size, "%s/" FOLDER_PREFIX, run), start = used;
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

    for (const char *c = ref; *c; c++) {
        bool plain = isalnum((unsigned char)*c) || *c == '-' || *c == '_' || *c == '.';

        hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
        if (used - start <= ROOM) {
            used += (size_t)snprintf(folder + used, size - used, plain ? "%c" : "%%%02X",
                                     plain ? *c : (unsigned char)*c);
        }
    }
    if (used - start > ROOM) {
        snprintf(folder + start + ROOM, size - start - ROOM, "+%016" PRIx64, hash);
    }
}

static void boot_id(char id[BOOT_ID])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (!file || !fgets(id, BOOT_ID, file)) {
        id[0] = '\0';
    }
    id[strcspn(id, "\n")] = '\0';
    if (file) {
        fclose(file);
    }
}

static void copy_text(const json_t *object, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    snprintf(to, size, "%s", text ? text : "");
}

static void read_offer(const json_t *object, struct nbd_offer *offer)
{
    offer->size = (uint64_t)json_integer_value(json_object_get(object, "size"));
    offer->flags = (uint16_t)json_integer_value(json_object_get(object, "flags"));
    copy_text(object, "text", offer->text, sizeof offer->text);
}

static json_t *write_offer(const struct nbd_offer *offer)
{
    return json_pack("{sI si ss}", "size", (json_int_t)offer->size, "flags", (int)offer->flags,
                     "text", offer->text);
}

/* A state that cannot be read, or is of an earlier boot, says nothing: what there is to undo is
 * found without it. */
static void read_state(struct attachment *attachment)
{
    char path[PATH_MAX], now[BOOT_ID], then[BOOT_ID], ref[ATTACHMENT_REF];
    json_t *state;

    snprintf(path, sizeof path, "%s/state", attachment->folder);
    state = json_load_file(path, 0, NULL);
    boot_id(now);
    copy_text(state, "boot", then, sizeof then);
    copy_text(state, "ref", ref, sizeof ref);
    if (state && strcmp(now, then) == 0) {
        memcpy(attachment->ref, ref, sizeof ref);
        copy_text(state, "export", attachment->export, sizeof attachment->export);
        copy_text(state, "device", attachment->device, sizeof attachment->device);
        copy_text(state, "mountpoint", attachment->mountpoint, sizeof attachment->mountpoint);
        copy_text(state, "socket", attachment->socket, sizeof attachment->socket);
        attachment->kernel = json_is_true(json_object_get(state, "kernel"));
        attachment->hold = (int)json_integer_value(json_object_get(state, "hold"));
        attachment->retry = (int)json_integer_value(json_object_get(state, "retry"));
        read_offer(json_object_get(state, "offer"), &attachment->offer);
        attachment->read_only = json_is_true(json_object_get(state, "read_only"));
        attachment->complete = json_is_true(json_object_get(state, "complete"));
    }
    json_decref(state);
}

static bool folder_exists(const char *folder)
{
    struct stat status;

    return stat(folder, &status) == 0;
}

int attachment_load(const char *store, const char *ref, struct attachment *ret_attachment,
                    bool *ret_found)
{
    char run[ATTACHMENT_RUN];
    int code = run_folder(store, run);

    if (code != EXIT_DONE) {
        return code;
    }
    if (strlen(ref) >= ATTACHMENT_REF) {
        return command_fail(EXIT_USAGE, "'%.40s...' is too long to attach", ref);
    }
    *ret_attachment = (struct attachment){0};
    snprintf(ret_attachment->ref, sizeof ret_attachment->ref, "%s", ref);
    name_folder(run, ref, ret_attachment);
    *ret_found = folder_exists(ret_attachment->folder);
    if (*ret_found) {
        read_state(ret_attachment);
    }
    return EXIT_DONE;
}

static bool is_at(const struct attachment *attachment, const char *path)
{
    char device[ATTACHMENT_DEVICE];

    if (strcmp(attachment->device, path) == 0 || strcmp(attachment->mountpoint, path) == 0) {
        return true;
    }
    attach_find_kernel(attachment, device);
    if (!device[0]) {
        attach_find_loop(attachment, device);
    }
    return strcmp(device, path) == 0;
}

int attachment_find(const char *store, const char *path, struct attachment *ret_attachment,
                    bool *ret_found)
{
    char run[ATTACHMENT_RUN], real[PATH_MAX];
    int code = run_folder(store, run);
    struct dirent *entry;
    DIR *folder;

    *ret_found = false;
    if (code != EXIT_DONE) {
        return code;
    }
    if (!realpath(path, real)) {
        return command_fail(EXIT_NOT_FOUND, "'%s': %s", path, strerror(errno));
    }
    folder = opendir(run);
    while (folder && !*ret_found && (entry = readdir(folder))) {
        if (strncmp(entry->d_name, FOLDER_PREFIX, strlen(FOLDER_PREFIX)) == 0 &&
            strchr(entry->d_name, '.') != entry->d_name) {
            *ret_attachment = (struct attachment){0};
            snprintf(ret_attachment->ref, sizeof ret_attachment->ref, "%s",
                     entry->d_name + strlen(FOLDER_PREFIX));
            snprintf(ret_attachment->folder, sizeof ret_attachment->folder, "%s/%s", run,
                     entry->d_name);
            read_state(ret_attachment);
            *ret_found = is_at(ret_attachment, real);
        }
    }
    if (folder) {
        closedir(folder);
    }
    return EXIT_DONE;
}

int attachment_save(const struct attachment *attachment)
{
    char path[PATH_MAX], next[PATH_MAX], boot[BOOT_ID];
    json_t *state;
    bool written;

    if (mkdir(attachment->folder, 0700) == -1 && errno != EEXIST) {
        return command_fail(exit_code_of(-errno), "cannot make '%s': %s", attachment->folder,
                            strerror(errno));
    }
    boot_id(boot);
    state = json_pack("{ss ss ss ss ss ss sb si si so sb sb}", "boot", boot, "ref", attachment->ref,
                      "export", attachment->export, "device", attachment->device, "mountpoint",
                      attachment->mountpoint, "socket", attachment->socket, "kernel",
                      attachment->kernel, "hold", attachment->hold, "retry", attachment->retry,
                      "offer", write_offer(&attachment->offer), "read_only", attachment->read_only,
                      "complete", attachment->complete);
    snprintf(path, sizeof path, "%s/state", attachment->folder);
    snprintf(next, sizeof next, "%s/state.next", attachment->folder);
    written = state && json_dump_file(state, next, JSON_INDENT(2)) == 0 && rename(next, path) == 0;
    json_decref(state);
    return written ? EXIT_DONE
                   : command_fail(EXIT_FAILED, "cannot write '%s': %s", path,
                                  errno ? strerror(errno) : "it is not UTF-8");
}

bool attachment_is_live(const struct attachment *attachment)
{
    char device[ATTACHMENT_DEVICE];

    if (!attachment->complete) {
        return false;
    }
    if (attachment->kernel) {
        attach_find_kernel(attachment, device);
    } else {
        attach_find_loop(attachment, device);
    }
    return strcmp(device, attachment->device) == 0;
}

static int remove_folder(const struct attachment *attachment)
{
    static const char *const names[] = {"fuse", "log", "watcher", "state.next", "state"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", attachment->folder, names[i]);
        if (remove(path) == -1 && errno != ENOENT) {
            return command_fail(EXIT_FAILED, "cannot remove '%s': %s", path, strerror(errno));
        }
    }
    if (rmdir(attachment->folder) == -1 && errno != ENOENT) {
        return command_fail(EXIT_FAILED, "cannot remove '%s': %s", attachment->folder,
                            strerror(errno));
    }
    return EXIT_DONE;
}

/* An attach that was killed may have left a mkfs or a mount that still runs: waits for these, and
 * unmounts what comes of them. */
static int undo_device(const struct attachment *attachment, const char *device)
{
    struct deadline deadline = deadline_in(attachment->complete ? BUSY_SECONDS : ORPHAN_SECONDS);
    int code;

    while ((code = attach_unmount_all(device)) == EXIT_DONE && attach_is_busy(device)) {
        if (!deadline_wait(&deadline)) {
            return command_fail(EXIT_BUSY,
                                "%s is in use (by a mount of another namespace, or a program that "
                                "has it for itself)",
                                device);
        }
    }
    return code == EXIT_DONE ? attach_free_device(attachment, device) : code;
}

int attachment_undo(struct attachment *attachment)
{
    char device[ATTACHMENT_DEVICE];
    int code = EXIT_DONE;

    /* one that still connects would do so behind our back; one of a whole attachment is needed
     * until the last write is out, for the server may start anew at any time */
    if (!attachment->complete) {
        code = attach_watch_end(attachment);
        code = code == EXIT_DONE ? attach_kernel_see_to_server(attachment, true) : code;
    }
    attach_find_kernel(attachment, device);
    if (!device[0]) {
        attach_find_loop(attachment, device);
    }
    if (code == EXIT_DONE && device[0]) {
        code = undo_device(attachment, device);
    }
    if (code == EXIT_DONE) {
        code = attach_watch_end(attachment);
    }
    if (code == EXIT_DONE) {
        code = attach_end_fuse(attachment);
    }
    return code == EXIT_DONE ? remove_folder(attachment) : code;
}
