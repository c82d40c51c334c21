/* Makes an ext4 file system of folders in a file, for tests and measures: files_import FILE SIZE
 * SOURCE... (SIZE 0: to fit). Prints the line of an error. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <varve/error.h>

#include "files/ext4_import.h"

static int file;

static int file_read(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    (void)opaque;
    return pread(file, buffer, length, (off_t)offset) == (ssize_t)length
               ? 0
               : varve_fail(EIO, "cannot read the file");
}

static int file_write(void *opaque, const void *buffer, size_t length, uint64_t offset)
{
    (void)opaque;
    return pwrite(file, buffer, length, (off_t)offset) == (ssize_t)length
               ? 0
               : varve_fail(errno, "cannot write the file");
}

static int file_zero(void *opaque, uint64_t length, uint64_t offset)
{
    (void)opaque;
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) == 0
               ? 0
               : varve_fail(errno, "cannot make a hole in the file");
}

int main(int argc, char **argv)
{
    struct files_target target = {file_read, file_write, file_zero, NULL, 0};
    struct source_tree tree;
    int r;

    if (argc < 4)
        return 2;
    file = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    target.size = strtoull(argv[2], NULL, 10);
    r = source_tree_read((const char *const *)argv + 3, (size_t)argc - 3, &tree);
    if (r == 0 && target.size == 0)
        r = ext4_size_for(&tree.need, &target.size);
    if (r == 0 && ftruncate(file, (off_t)target.size) != 0)
        r = varve_fail(errno, "cannot make '%s' as large", argv[1]);
    if (r == 0)
        r = ext4_import_tree(&target, "imported", &tree, argv[1]);
    if (r == 0)
        source_tree_free(&tree);
    else
        fprintf(stderr, "%s\n", varve_error());
    return r == 0 ? 0 : 1;
}
