#include "data_door.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <varve/error.h>
#include <varve/server.h>

#include "client.h"
#include "client_door.h"
#include "command.h"
#include "deadline.h"
#include "program.h"
#include "serve_nbdkit.h"

enum {
    START_SECONDS = 60, /* opening a store takes two at most; the machine may be busy */
    STOP_SECONDS = 30,
    PATH_TEXT = PATH_MAX + 16,
};

int data_door_find_socket(const char *store, const char *named, char ret_path[PATH_MAX])
{
    char real[PATH_MAX];
    struct stat status;

    if (named) {
        snprintf(ret_path, PATH_MAX, "%s", named);
    } else if (realpath(store, real)) {
        snprintf(ret_path, PATH_MAX, "%.*s/nbd.sock", PATH_MAX - 16, real);
    } else {
        return command_fail(exit_code_of(-errno), "cannot open store '%s': %s", store,
                            strerror(errno));
    }
    if (stat(ret_path, &status) == -1 || !S_ISSOCK(status.st_mode)) {
        return command_fail(EXIT_NO_ANSWER,
                            "no server listens on '%s': start it with `varve --store %s serve`, or "
                            "name its socket with --socket",
                            ret_path, store);
    }
    return EXIT_DONE;
}

static bool is_served(const char *store)
{
    const struct client_call call = {
        .store = store, .method = "GET", .target = "/v1/ping", .quiet = true};
    struct client_answer answer = {0, NULL};
    int code = client_door(&call, &answer);

    if (code == EXIT_DONE) {
        json_decref(answer.json);
    }
    return code != EXIT_NO_DOOR;
}

/* Says why a server could not open the store better than its log would. */
static int try_store(const char *store)
{
    struct varve *varve;
    int error = varve_open(store, VARVE_OPEN_READ_ONLY, NULL, &varve);

    if (error) {
        return command_fail_error(error);
    }
    varve_close(varve);
    return EXIT_DONE;
}

/* nbdkit greets once the plugin has opened the store and its door. */
static bool greets(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char magic[8] = "";
    bool does;

    snprintf(address.sun_path, sizeof address.sun_path, "%.*s", (int)sizeof address.sun_path - 1,
             path);
    does = fd != -1 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
           recv(fd, magic, sizeof magic, MSG_WAITALL) == (ssize_t)sizeof magic &&
           memcmp(magic, "NBDMAGIC", sizeof magic) == 0;
    if (fd != -1) {
        close(fd);
    }
    return does;
}

static void log_path(const struct data_door *door, char path[PATH_TEXT])
{
    snprintf(path, PATH_TEXT, "%s/log", door->folder);
}

static int fail_to_start(const struct data_door *door, const char *why)
{
    char path[PATH_TEXT], line[PROGRAM_OUTPUT] = "";
    int fd;

    log_path(door, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd != -1) {
        program_complaint(fd, "nbdkit", line);
        close(fd);
    }
    return command_fail(EXIT_FAILED, "the server for this command %s%s%s", why, line[0] ? ": " : "",
                        line);
}

static int await_server(struct data_door *door)
{
    for (struct deadline deadline = deadline_in(START_SECONDS); !greets(door->socket);) {
        if (waitpid(door->server, NULL, WNOHANG) == door->server) {
            door->server = 0;
            return fail_to_start(door, "did not start");
        }
        if (!deadline_wait(&deadline)) {
            return interrupt_seen() ? command_fail(EXIT_CANCELLED, "cancelled")
                                    : fail_to_start(door, "does not answer");
        }
    }
    return EXIT_DONE;
}

static int start_server(const char *store, struct data_door *door)
{
    static struct serve_nbdkit nbdkit;
    char log[PATH_TEXT], store_word[PATH_TEXT], socket_word[PATH_TEXT], real[PATH_MAX];
    const char *const arguments[] = {nbdkit.program, "--foreground", "--exit-with-parent",
                                     "--unix",       door->socket,   nbdkit.plugin,
                                     store_word,     socket_word,    NULL};
    int code = serve_find_nbdkit(&nbdkit);

    if (code != EXIT_DONE) {
        return code;
    }
    if (!realpath(store, real)) {
        return command_fail(exit_code_of(-errno), "cannot open store '%s': %s", store,
                            strerror(errno));
    }
    snprintf(door->folder, sizeof door->folder, "/tmp/varve.XXXXXX");
    if (!mkdtemp(door->folder)) {
        door->folder[0] = '\0';
        return command_fail(EXIT_FAILED, "cannot make a folder in /tmp: %s", strerror(errno));
    }
    snprintf(door->socket, sizeof door->socket, "%s/nbd.sock", door->folder);
    snprintf(store_word, sizeof store_word, "store=%s", real);
    snprintf(socket_word, sizeof socket_word, "socket=%s", door->socket);
    log_path(door, log);
    if (program_start(arguments, log, &door->server)) {
        door->server = 0;
        return command_fail(EXIT_FAILED, "%s", varve_error());
    }
    return await_server(door);
}

int data_door_open(const char *store, const char *socket, struct data_door *ret_door)
{
    int code;

    *ret_door = (struct data_door){.server = 0};
    if (is_served(store)) {
        return data_door_find_socket(store, socket, ret_door->socket);
    }
    if ((code = try_store(store)) != EXIT_DONE) {
        return code;
    }
    code = start_server(store, ret_door);
    if (code != EXIT_DONE) {
        data_door_close(ret_door);
    }
    return code;
}

void data_door_close(struct data_door *door)
{
    char log[PATH_TEXT];

    if (door->server > 0) {
        bool ended = false;

        kill(door->server, SIGTERM);
        for (struct deadline deadline = deadline_in(STOP_SECONDS);
             !ended && deadline_wait(&deadline);) {
            ended = waitpid(door->server, NULL, WNOHANG) == door->server;
        }
        if (!ended) { /* interrupted, or stuck: what it answered is safe all the same */
            kill(door->server, SIGKILL);
            waitpid(door->server, NULL, 0);
        }
        door->server = 0;
    }
    if (door->folder[0]) {
        log_path(door, log);
        unlink(log);
        unlink(door->socket);
        rmdir(door->folder);
        door->folder[0] = '\0';
    }
}

char *data_door_uri(const struct data_door *door, const char *ref)
{
    char *before = client_target("nbd+unix:///", ref, "?socket=");
    char *uri = client_target(before, door->socket, "");

    free(before);
    return uri;
}
