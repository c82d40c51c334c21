#include "pretend_nbdkit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct link {
    int fd;
    const struct nbdkit_plugin *plugin;
    void *handle;
    pthread_mutex_t read, write;
};

static const char *const *offered;
static atomic_bool told_to_stop;
static int stop_fd = -1;
static pthread_mutex_t count_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t none_left = PTHREAD_COND_INITIALIZER;
static unsigned links; /* under count_lock */

static _Thread_local const struct link *link_here;
static _Thread_local const char *export_here;
static _Thread_local int error_here;

/* --- nbdkit's functions ---- */

void nbdkit_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void nbdkit_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("nbdkit: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void nbdkit_set_error(int error)
{
    error_here = error;
}

const char *nbdkit_export_name(void)
{
    return export_here;
}

char *nbdkit_absolute_path(const char *path)
{
    return strdup(path);
}

const char *nbdkit_strdup_intern(const char *text)
{
    (void)text;
    return "";
}

int nbdkit_parse_bool(const char *text)
{
    return strcmp(text, "true") == 0;
}

int64_t nbdkit_parse_size(const char *text)
{
    return strtoll(text, NULL, 10);
}

int nbdkit_parse_unsigned(const char *what, const char *text, unsigned *ret_number)
{
    (void)what;
    *ret_number = (unsigned)strtoul(text, NULL, 10);
    return 0;
}

int nbdkit_stdio_safe(void)
{
    return 0;
}

int nbdkit_peer_name(struct sockaddr *address, socklen_t *length)
{
    return getpeername(link_here->fd, address, length);
}

int64_t nbdkit_peer_pid(void)
{
    return getpid();
}

int64_t nbdkit_peer_uid(void)
{
    return getuid();
}

int nbdkit_add_export(struct nbdkit_exports *exports, const char *name, const char *description)
{
    (void)exports;
    (void)name;
    (void)description;
    return 0;
}

int nbdkit_add_extent(struct nbdkit_extents *extents, uint64_t offset, uint64_t length,
                      uint32_t type)
{
    (void)extents;
    (void)offset;
    (void)length;
    (void)type;
    return 0;
}

void nbdkit_shutdown(void)
{
    atomic_store(&told_to_stop, true);
    eventfd_write(stop_fd, 1);
}

/* That it is there says that requests of one connection may run in parallel. */
__attribute__((visibility("default"))) void nbdkit_disconnect(int force);
void nbdkit_disconnect(int force)
{
    (void)force;
    shutdown(link_here->fd, SHUT_RDWR);
}

/* --- the server ---- */

bool pretend_receive(int fd, void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = recv(fd, (char *)bytes + done, length - done, 0);

        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

bool pretend_send(int fd, const void *bytes, size_t length)
{
    return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static int do_request(const struct link *link, const struct pretend_request *request, void *buffer)
{
    const struct nbdkit_plugin *plugin = link->plugin;

    switch ((enum pretend_kind)request->kind) {
    case PRETEND_READ:
        return plugin->pread(link->handle, buffer, request->length, request->offset, 0);
    case PRETEND_WRITE:
        memset(buffer, (int)request->number, request->length);
        return plugin->pwrite(link->handle, buffer, request->length, request->offset,
                              request->number % 16 == 0 ? NBDKIT_FLAG_FUA : 0);
    case PRETEND_FLUSH:
        return plugin->flush(link->handle, 0);
    case PRETEND_TRIM:
        return plugin->trim(link->handle, request->length, request->offset, 0);
    case PRETEND_KINDS:
        break;
    }
    error_here = EINVAL;
    return -1;
}

/* As nbdkit does it: what is read after it was told to stop is answered with ESHUTDOWN. */
static bool serve_one(struct link *link, void *buffer)
{
    struct pretend_request request;

    pthread_mutex_lock(&link->read);
    bool there = pretend_receive(link->fd, &request, sizeof request);
    pthread_mutex_unlock(&link->read);
    if (!there)
        return false;
    error_here = 0;
    struct pretend_answer answer = {.number = request.number, .error = ESHUTDOWN};
    if (!atomic_load(&told_to_stop)) {
        int r = do_request(link, &request, buffer);
        answer.error = r == 0 ? 0 : error_here != 0 ? error_here : EIO;
    }
    pthread_mutex_lock(&link->write);
    bool sent = pretend_send(link->fd, &answer, sizeof answer);
    pthread_mutex_unlock(&link->write);
    return sent;
}

static void *serve_requests(void *opaque)
{
    struct link *link = opaque;
    void *buffer = malloc(PRETEND_LENGTH_MAX);

    link_here = link;
    while (buffer != NULL && serve_one(link, buffer)) {
    }
    free(buffer);
    return NULL;
}

static void serve_export(struct link *link)
{
    pthread_t workers[PRETEND_WORKERS];
    unsigned char which;
    unsigned count = 0;

    if (link->plugin->preconnect(0) == -1 || !pretend_receive(link->fd, &which, 1))
        return;
    export_here = offered[which];
    link->handle = link->plugin->open(0);
    if (link->handle == NULL)
        return;
    while (count < PRETEND_WORKERS &&
           pthread_create(&workers[count], NULL, serve_requests, link) == 0)
        count++;
    while (count > 0)
        pthread_join(workers[--count], NULL);
    link->plugin->close(link->handle);
}

static void *serve_link(void *opaque)
{
    struct link *link = opaque;

    link_here = link;
    serve_export(link);
    close(link->fd);
    pthread_mutex_destroy(&link->read);
    pthread_mutex_destroy(&link->write);
    free(link);
    pthread_mutex_lock(&count_lock);
    if (--links == 0)
        pthread_cond_signal(&none_left);
    pthread_mutex_unlock(&count_lock);
    return NULL;
}

static void begin_link(const struct nbdkit_plugin *plugin, int fd)
{
    struct link *link = calloc(1, sizeof *link);
    pthread_t thread;

    if (link == NULL)
        abort();
    *link = (struct link){.fd = fd, .plugin = plugin};
    pthread_mutex_init(&link->read, NULL);
    pthread_mutex_init(&link->write, NULL);
    pthread_mutex_lock(&count_lock);
    links++;
    pthread_mutex_unlock(&count_lock);
    if (pthread_create(&thread, NULL, serve_link, link) != 0)
        abort();
    pthread_detach(thread);
}

void pretend_serve(const struct nbdkit_plugin *plugin, const char *const *exports, int listener)
{
    offered = exports;
    for (;;) {
        struct pollfd fds[] = {{.fd = stop_fd, .events = POLLIN},
                               {.fd = listener, .events = POLLIN}};

        poll(fds, 2, -1);
        if (fds[0].revents != 0)
            break;
        int fd = accept(listener, NULL, NULL);
        if (fd != -1)
            begin_link(plugin, fd);
    }
    close(listener);
    pthread_mutex_lock(&count_lock);
    while (links > 0)
        pthread_cond_wait(&none_left, &count_lock);
    pthread_mutex_unlock(&count_lock);
}

int pretend_listen(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    unlink(address->sun_path);
    stop_fd = eventfd(0, EFD_CLOEXEC);
    if (fd == -1 || stop_fd == -1 ||
        bind(fd, (const struct sockaddr *)address, sizeof *address) == -1 || listen(fd, 64) == -1)
        abort();
    return fd;
}
