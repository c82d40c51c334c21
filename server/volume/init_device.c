#include "volume/init_device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <varve/error.h>

#include "format/superblock.h"
#include "inspect/inspect.h"

/* libblkid does not know stores; the first copy of the superblock does. */
static bool holds_store(int fd)
{
    uint8_t block[4096];
    struct superblock super;

    return pread(fd, block, sizeof block, 0) == (ssize_t)sizeof block &&
           superblock_decode(block, (struct pblock){0}, &super) == NULL;
}

static int look(int fd, const char *device, uint64_t *ret_size, bool *ret_store)
{
    struct stat about;
    off_t size;

    if (fstat(fd, &about) != 0)
        return varve_fail(EIO, "cannot look at '%s': %s", device, strerror(errno));
    if (!S_ISBLK(about.st_mode))
        return varve_fail(ENOTBLK, "'%s' is not a block device", device);
    size = lseek(fd, 0, SEEK_END);
    if (size < 0)
        return varve_fail(EIO, "cannot find the size of '%s': %s", device, strerror(errno));
    *ret_store = holds_store(fd);
    *ret_size = (uint64_t)size;
    return 0;
}

int init_device_check(const char *device, bool force, uint64_t *ret_size)
{
    char finding[INSPECT_FINDING_MAX] = "";
    bool store = false;
    int r, fd = open(device, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return varve_fail(errno, "cannot open device '%s': %s", device, strerror(errno));
    r = look(fd, device, ret_size, &store);
    close(fd);
    if (r != 0 || force)
        return r;
    if (store)
        return varve_fail(EEXIST, "device '%s' holds a varve store; --force overwrites it", device);
    r = inspect_device(device, finding);
    if (r == 0 && finding[0] != '\0')
        r = varve_fail(EEXIST, "device '%s' holds something: %s; --force overwrites it", device,
                       finding);
    return r;
}
