#include "serve_nbdkit.h"

#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

/* What .cleanup and .block_size came with. */
enum { OLDEST_MAJOR = 1, OLDEST_MINOR = 30 };

/* Starts `program --dump-config` with its output in a pipe. Returns 0 or an errno. */
static int spawn_dump(const char *program, FILE **ret_output, pid_t *ret_pid)
{
    const char *const arguments[] = {program, "--dump-config", NULL};
    posix_spawn_file_actions_t actions;
    int fds[2], error;

    if (pipe(fds) == -1) {
        return errno;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    error = posix_spawnp(ret_pid, program, &actions, NULL, (char *const *)(uintptr_t)arguments,
                         environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (error) {
        close(fds[0]);
        return error;
    }
    *ret_output = fdopen(fds[0], "r");
    return *ret_output ? 0 : errno;
}

static void read_dump(FILE *output, struct serve_nbdkit *nbdkit)
{
    char line[PATH_MAX];

    while (fgets(line, sizeof line, output)) {
        (void)sscanf(line, "version_major=%u", &nbdkit->major);
        (void)sscanf(line, "version_minor=%u", &nbdkit->minor);
    }
}

static int ask_nbdkit(struct serve_nbdkit *nbdkit)
{
    FILE *output = NULL;
    pid_t pid = -1;
    int error = spawn_dump(nbdkit->program, &output, &pid), status;

    if (error) {
        return command_fail(EXIT_FAILED,
                            "cannot run '%s': %s (apt install nbdkit, or name it in "
                            "VARVE_NBDKIT)",
                            nbdkit->program, strerror(error));
    }
    read_dump(output, nbdkit);
    fclose(output);
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
    }
    if (nbdkit->major < OLDEST_MAJOR ||
        (nbdkit->major == OLDEST_MAJOR && nbdkit->minor < OLDEST_MINOR)) {
        return command_fail(EXIT_FAILED, "'%s' is version %u.%u, and varve needs %d.%d or later",
                            nbdkit->program, nbdkit->major, nbdkit->minor, OLDEST_MAJOR,
                            OLDEST_MINOR);
    }
    return EXIT_DONE;
}

static int find_plugin(char plugin[PATH_MAX])
{
    static const char name[] = "nbdkit-varve-plugin.so";
    const char *named = getenv("VARVE_PLUGIN_PATH");
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    char *folder;

    if (named && *named) {
        if (!realpath(named, plugin)) {
            return command_fail(EXIT_FAILED, "no plugin at VARVE_PLUGIN_PATH '%s': %s", named,
                                strerror(errno));
        }
        return EXIT_DONE;
    }
    program[length > 0 ? length : 0] = '\0';
    folder = strrchr(program, '/');
    if (folder) {
        *folder = '\0';
        if (snprintf(plugin, PATH_MAX, "%s/../plugins/%s", program, name) < PATH_MAX &&
            access(plugin, R_OK) == 0) {
            return EXIT_DONE;
        }
    }
    snprintf(plugin, PATH_MAX, "%s/%s", VARVE_PLUGIN_DIR, name);
    if (access(plugin, R_OK) == -1) {
        return command_fail(EXIT_FAILED, "cannot find '%s': %s (name it in VARVE_PLUGIN_PATH)",
                            plugin, strerror(errno));
    }
    return EXIT_DONE;
}

int serve_find_nbdkit(struct serve_nbdkit *ret_nbdkit)
{
    const char *named = getenv("VARVE_NBDKIT");
    int code;

    *ret_nbdkit = (struct serve_nbdkit){0};
    snprintf(ret_nbdkit->program, sizeof ret_nbdkit->program, "%s",
             named && *named ? named : "nbdkit");
    code = ask_nbdkit(ret_nbdkit);
    return code == EXIT_DONE ? find_plugin(ret_nbdkit->plugin) : code;
}
