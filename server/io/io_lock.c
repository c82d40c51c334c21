#include "io/io_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/holder.h"
#include "varve/error.h"

enum {
    PAUSE = 10, /* milliseconds between two tries */
    WAIT_FOR_DEAD =
        5000, /* milliseconds until the late I/O of a process that has ended must have landed */
    WAIT_FOR_LIVE = 500, /* and for one that may just have been killed */
};

static int open_failed(const struct io_files *files, const char *name)
{
    int error = errno;

    if (error == ENOENT)
        return varve_fail(ENOENT, "%s is not a store: it has no %s; `varve init` makes one",
                          files->path, name);
    return varve_fail(error, "cannot open %s/%s: %s", files->path, name, strerrordesc_np(error));
}

/* -EBUSY without a message when somebody else has it. */
static int open_slot(struct io_files *files, enum io_slot slot, const char *name, int more)
{
    int access = files->read_only ? O_RDONLY : O_RDWR;

    files->slot[slot] = openat(files->dir, name, access | O_CLOEXEC | more);
    if (files->slot[slot] >= 0)
        return 0;
    return errno == EBUSY ? -EBUSY : open_failed(files, name);
}

static int open_extents(struct io_files *files)
{
    struct stat found;
    int rc;

    if (fstatat(files->dir, "extents", &found, 0) != 0)
        return open_failed(files, "extents");
    files->device = S_ISBLK(found.st_mode);
    if (!files->device && !S_ISREG(found.st_mode))
        return varve_fail(EINVAL, "%s/extents is neither a file nor a block device", files->path);
    rc = open_slot(files, SLOT_EXTENTS, "extents", files->device ? O_EXCL : 0);
    if (rc < 0)
        return rc;
    if (files->device && ioctl(files->slot[SLOT_EXTENTS], BLKGETSIZE64, &files->device_size) != 0)
        return open_failed(files, "extents");
    /* O_EXCL of the description above would refuse a second O_EXCL, and guards this one too. What
     * does not know O_DIRECT is served by the page cache alone. */
    files->slot[SLOT_DIRECT] = openat(
        files->dir, "extents", (files->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_DIRECT);
    return 0;
}

static int open_journal(struct io_files *files)
{
    struct stat found;

    if (fstatat(files->dir, "journal", &found, 0) != 0)
        return open_failed(files, "journal");
    if (!S_ISREG(found.st_mode))
        return varve_fail(EINVAL, "%s/journal is not a file", files->path);
    files->slot[SLOT_JOURNAL_DIRECT] = openat(
        files->dir, "journal", (files->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_DIRECT);
    return open_slot(files, SLOT_JOURNAL, "journal", 0);
}

static int lock_byte(const struct io_files *files, enum io_slot slot, off_t byte)
{
    struct flock lock = {.l_type = files->read_only ? F_RDLCK : F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = byte,
                         .l_len = 1};

    if (fcntl(files->slot[slot], F_OFD_SETLK, &lock) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return -EBUSY;
    return varve_fail(errno,
                      "cannot lock the files of %s: %s; the file system below must support locks",
                      files->path, strerrordesc_np(errno));
}

static int open_lock(struct io_files *files)
{
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

    files->lock = openat(files->dir, "lock", flags | O_RDWR | O_CREAT, 0600);
    if (files->lock < 0 && files->read_only)
        files->lock = openat(files->dir, "lock", flags | O_RDONLY);
    if (files->lock < 0)
        return files->read_only ? 0 : open_failed(files, "lock");
    if (flock(files->lock, (files->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? -EBUSY : open_failed(files, "lock");
}

static enum io_slot direct_or(const struct io_files *files, enum io_slot direct,
                              enum io_slot buffered)
{
    return files->slot[direct] >= 0 ? direct : buffered;
}

/* Once. -EBUSY without a message when another process holds the store. */
static int open_and_lock(struct io_files *files)
{
    int rc = open_journal(files); /* first, so that busy() can look for who has it */

    if (rc == 0)
        rc = open_extents(files);
    if (rc == 0)
        rc = open_lock(files);
    if (rc == 0)
        rc = lock_byte(files, SLOT_JOURNAL, 0);
    if (rc == 0)
        rc = lock_byte(files, SLOT_EXTENTS, 0);
    if (rc == 0)
        rc = lock_byte(files, direct_or(files, SLOT_DIRECT, SLOT_EXTENTS), 1);
    if (rc == 0)
        rc = lock_byte(files, direct_or(files, SLOT_JOURNAL_DIRECT, SLOT_JOURNAL), 1);
    return rc;
}

/* The process that has the store; 0 when only the kernel still works for one that has ended, or
 * when we may not know. */
static pid_t find_holder(const struct io_files *files)
{
    pid_t process = holder_find(files->slot[SLOT_JOURNAL]), named = holder_named(files->dir);

    /* another user's descriptors cannot be looked at */
    return process != 0 ? process : holder_lives(named) ? named : 0;
}

static int busy(const struct io_files *files, pid_t process)
{
    char holder[128];

    if (process == 0 && files->slot[SLOT_EXTENTS] < 0)
        return varve_fail(
            EBUSY,
            "the device behind %s/extents is in use: mounted, part of another device, "
            "or opened by another program",
            files->path);
    holder_describe(process, holder, sizeof(holder));
    return varve_fail(EBUSY, "store %s is in use by %s; stop it first", files->path, holder);
}

int io_lock_open(struct io_files *files)
{
    const struct timespec pause = {.tv_nsec = PAUSE * 1000000L};
    pid_t process = 0;
    int rc;

    for (long waited = 0;; waited += PAUSE) {
        rc = open_and_lock(files);
        if (rc != -EBUSY)
            break;
        if (waited % 1000 == 0) /* not each time: it reads all of /proc */
            process = find_holder(files);
        if (waited >= (holder_lives(process) ? WAIT_FOR_LIVE : WAIT_FOR_DEAD))
            return busy(files, process);
        io_lock_close(files);
        nanosleep(&pause, NULL);
    }
    if (rc == 0 && !files->read_only)
        holder_name(files->lock, false);
    return rc;
}

void io_lock_close(struct io_files *files)
{
    int *const descriptors[] = {&files->slot[SLOT_DIRECT], &files->slot[SLOT_EXTENTS],
                                &files->slot[SLOT_JOURNAL_DIRECT], &files->slot[SLOT_JOURNAL],
                                &files->lock};
    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
        if (*descriptors[i] < 0)
            continue;
        /* Said aloud, since a ring's last reference may go only later; but the child of a fork
         * shares the lock and keeps it. */
        if (files->process == getpid())
            fcntl(*descriptors[i], F_OFD_SETLK, &all);
        close(*descriptors[i]);
        *descriptors[i] = -1;
    }
}
