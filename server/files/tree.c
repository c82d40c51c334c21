#include "files/tree.h"

#include "files/ext4_archive.h"
#include "files/ext4_delete.h"
#include "files/ext4_io.h"
#include "files/ext4_list.h"
#include "files/ext4_unpack.h"

int tree_list(const struct files_target *target, const char *what, const char *path, bool recursive,
              varve_file_visit visit, void *opaque)
{
    ext2_filsys fs = NULL;
    int r = ext4_open(target, 0, what, &fs);

    if (r == 0)
        r = ext4_list(fs, path, recursive, visit, opaque);
    ext4_abandon(fs);
    return r;
}

int tree_get(const struct files_target *target, const char *what, const char *path,
             varve_file_sink sink, void *opaque)
{
    ext2_filsys fs = NULL;
    int r = ext4_open(target, 0, what, &fs);

    if (r == 0)
        r = ext4_archive(fs, path, sink, opaque);
    ext4_abandon(fs);
    return r;
}

int tree_put(const struct files_target *target, const char *what, const char *path,
             varve_file_source source, void *opaque, uint64_t *ret_count)
{
    ext2_filsys fs = NULL;
    int r = ext4_open(target, EXT4_WRITE, what, &fs);

    if (r == 0)
        r = ext4_unpack(fs, path, source, opaque, ret_count);
    if (r == 0)
        return ext4_close(fs);
    ext4_abandon(fs);
    return r;
}

int tree_delete(const struct files_target *target, const char *what, const char *path,
                uint64_t *ret_count)
{
    ext2_filsys fs = NULL;
    int r = ext4_open(target, EXT4_WRITE, what, &fs);

    if (r == 0)
        r = ext4_delete(fs, path, ret_count);
    if (r == 0)
        return ext4_close(fs);
    ext4_abandon(fs);
    return r;
}
