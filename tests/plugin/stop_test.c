/*
 * The stop of the plugin with all its threads in use: SIGTERM comes while clients have requests in
 * flight, others negotiate, come and go or say nothing, and the control door is in use. Nobody gets
 * a false answer, the stop comes to its end, and the thread sanitizer has nothing to say.
 *
 * A plugin stops once, so each stop has a process of its own.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pretend_nbdkit.h"
#include "trial_store.h"

enum { STOPS = 6, LOADED = 4, IN_FLIGHT = 32, SIZE = 16 * MIB, ANSWERS = 1500 };

static const char *const exports[] = {"one", "two", NULL};

static struct {
    struct sockaddr_un nbd, door;
    atomic_uint answered, false_answers;
    atomic_bool stopping;
} test;

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

/* -1: the server is gone. */
static int connect_to(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd != -1 && connect(fd, (const struct sockaddr *)address, sizeof *address) == -1) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int connect_export(unsigned char which)
{
    int fd = connect_to(&test.nbd);

    if (fd != -1 && !pretend_send(fd, &which, 1)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool ask(int fd, uint64_t number)
{
    const struct pretend_request request = {
        .kind = number % 11 == 0  ? PRETEND_FLUSH
                : number % 5 == 0 ? PRETEND_TRIM
                : number % 2 == 0 ? PRETEND_READ
                                  : PRETEND_WRITE,
        .length = number % 3 == 0 ? PRETEND_LENGTH_MAX : 4096,
        .offset = number * 37 % 250 * PRETEND_LENGTH_MAX,
        .number = number,
    };

    return pretend_send(fd, &request, sizeof request);
}

/* False at the end of the connection. */
static bool take_answer(int fd)
{
    struct pretend_answer answer;

    if (!pretend_receive(fd, &answer, sizeof answer))
        return false;
    if (answer.error != 0) {
        printf("request %llu was answered with error %lld\n", (unsigned long long)answer.number,
               (long long)answer.error);
        atomic_fetch_add(&test.false_answers, 1);
    }
    atomic_fetch_add(&test.answered, 1);
    return true;
}

/* IN_FLIGHT requests all the time, until it is cut. */
static void *load(void *opaque)
{
    uint64_t number = (uint64_t)(uintptr_t)opaque;
    int fd = connect_export((unsigned char)(number % 2));
    bool there = fd != -1;

    for (unsigned i = 0; there && i < IN_FLIGHT; i++)
        there = ask(fd, ++number);
    while (there)
        there = take_answer(fd) && ask(fd, ++number);
    /* what was answered before the cut counts */
    while (fd != -1 && take_answer(fd)) {
    }
    close(fd);
    return NULL;
}

static void *come_and_go(void *opaque)
{
    (void)opaque;
    while (!atomic_load(&test.stopping)) {
        int fd = connect_export(1);

        if (fd != -1 && ask(fd, 1))
            take_answer(fd);
        close(fd);
    }
    return NULL;
}

static void *say_nothing(void *opaque)
{
    int fd = connect_to(&test.nbd);
    char byte;

    (void)opaque;
    pretend_receive(fd, &byte, 1);
    close(fd);
    return NULL;
}

static void *use_the_door(void *opaque)
{
    static const char request[] =
        "GET /v1/volumes HTTP/1.1\r\nHost: varve\r\nConnection: close\r\n\r\n";

    (void)opaque;
    while (!atomic_load(&test.stopping)) {
        int fd = connect_to(&test.door);
        char byte;

        if (fd != -1 && pretend_send(fd, request, sizeof request - 1)) {
            while (pretend_receive(fd, &byte, 1)) {
            }
        }
        close(fd);
    }
    return NULL;
}

static void *stop(void *opaque)
{
    (void)opaque;
    while (atomic_load(&test.answered) < ANSWERS)
        usleep(1000);
    kill(getpid(), SIGTERM);
    usleep(50000); /* those who come and go are at it for some time of the stop */
    atomic_store(&test.stopping, true);
    return NULL;
}

/* One life of a server and its clients. */
static int live_once(const char *dir)
{
    static void *(*const others[])(void *) = {come_and_go, say_nothing, use_the_door, stop};
    enum { OTHERS = sizeof others / sizeof others[0] };
    const struct nbdkit_plugin *plugin = plugin_init();
    pthread_t threads[LOADED + OTHERS];
    int listener = pretend_listen(&test.nbd);

    if (plugin->config("store", dir) == -1 || plugin->config_complete() == -1 ||
        plugin->get_ready() == -1 || plugin->after_fork() == -1)
        return 1;
    for (unsigned i = 0; i < LOADED + OTHERS; i++) {
        void *(*run)(void *) = i < LOADED ? load : others[i - LOADED];

        if (pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)(1000 * i)) != 0)
            abort();
    }
    pretend_serve(plugin, exports, listener);
    plugin->cleanup();
    for (unsigned i = 0; i < LOADED + OTHERS; i++)
        pthread_join(threads[i], NULL);
    plugin->unload();
    return atomic_load(&test.false_answers) > 0;
}

static void stop_under_load(void)
{
    const char *dir = trial_make("store");
    struct varve *varve = trial_open(dir, 0);
    char path[sizeof test.nbd.sun_path];

    for (unsigned i = 0; exports[i] != NULL; i++)
        CHECK_EQ(trial_create(varve, exports[i], SIZE), 0);
    CHECK_EQ(varve_close(varve), 0);
    test.nbd = address_of(scratch_path("nbd.sock"));
    snprintf(path, sizeof path, "%s/control.sock", dir);
    test.door = address_of(path);
    for (unsigned i = 0; i < STOPS; i++) {
        int status = -1;
        pid_t child = fork();

        CHECK(child != -1);
        if (child == 0)
            _exit(live_once(dir));
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {{"a stop under load", stop_under_load}};

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
