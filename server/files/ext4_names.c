/* The names of one folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>

#include "files/ext4_io.h"
#include "files/ext4_path.h"

static bool make_room(struct ext4_names *names, size_t length)
{
    if (names->used + length > names->room) {
        size_t room = 2 * names->room + length + 4096;
        char *bytes = realloc(names->bytes, room);

        if (bytes == NULL)
            return false;
        names->bytes = bytes;
        names->room = room;
    }
    if (names->count == names->list_room) {
        size_t room = 2 * names->list_room + 64;
        struct ext4_name *list = realloc(names->list, room * sizeof *list);

        if (list == NULL)
            return false;
        names->list = list;
        names->list_room = room;
    }
    return true;
}

/* A name that could not be a name would lead out of a folder, here or where it is unpacked. */
static const char *what_is_wrong(const char *name, size_t length)
{
    if (length == 0)
        return "an empty name";
    if (memchr(name, '/', length) != NULL || memchr(name, '\0', length) != NULL)
        return "a name with a slash or zero in it";
    return NULL;
}

static int add(ext2_ino_t folder, int entry, struct ext2_dir_entry *found, int offset, int size,
               char *block, void *opaque)
{
    struct ext4_names *names = opaque;
    size_t length = (size_t)ext2fs_dirent_name_len(found);

    (void)folder;
    (void)entry; /* says "." and ".." of the first two only where they lie in a block */
    (void)offset;
    (void)size;
    (void)block;
    if ((length == 1 || length == 2) && memcmp(found->name, "..", length) == 0)
        return 0;
    names->damage = what_is_wrong(found->name, length);
    if (names->damage != NULL)
        return DIRENT_ABORT;
    names->failed = !make_room(names, length + 1);
    if (names->failed)
        return DIRENT_ABORT;
    memcpy(names->bytes + names->used, found->name, length);
    names->bytes[names->used + length] = '\0';
    names->list[names->count++] =
        (struct ext4_name){.inode = found->inode, .type = (uint8_t)ext2fs_dirent_file_type(found)};
    names->used += length + 1;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const struct ext4_name *)a)->name, ((const struct ext4_name *)b)->name);
}

int ext4_names_read(ext2_filsys fs, ext2_ino_t folder, struct ext4_names *ret_names)
{
    struct ext4_names names = {.list = NULL};
    size_t at = 0;
    int r = ext4_result(fs, ext2fs_dir_iterate2(fs, folder, 0, NULL, add, &names), "read folder %u",
                        (unsigned)folder);

    if (r == 0 && names.failed)
        r = varve_no_memory("the names of a folder");
    if (r == 0 && names.damage != NULL)
        r = ext4_damaged(fs, "folder %u has %s", (unsigned)folder, names.damage);
    if (r < 0) {
        ext4_names_release(&names);
        return r;
    }
    for (size_t i = 0; i < names.count; i++) {
        names.list[i].name = names.bytes + at;
        at += strlen(names.bytes + at) + 1;
    }
    if (names.count > 0)
        qsort(names.list, names.count, sizeof *names.list, by_bytes);
    *ret_names = names;
    return 0;
}

void ext4_names_release(struct ext4_names *names)
{
    free(names->list);
    free(names->bytes);
    *names = (struct ext4_names){.list = NULL};
}
