#include "files/put_names.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>

#include "files/ext4_path.h"

static int by_inode(const void *a, const void *b)
{
    const struct put_folder *one = a, *other = b;

    return (one->inode > other->inode) - (one->inode < other->inode);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct put_name *)a)->name, ((const struct put_name *)b)->name);
}

static void keep(void *node)
{
    (void)node; /* the lists free them */
}

void put_names_begin(struct put_names *names)
{
    *names = (struct put_names){.first = NULL};
    names->end = &names->first;
}

static void free_folder(struct put_folder *folder)
{
    tdestroy(folder->tree, keep);
    for (struct put_name *name = folder->names, *next; name != NULL; name = next) {
        next = name->next;
        free(name);
    }
    free(folder);
}

void put_names_release(struct put_names *names)
{
    tdestroy(names->tree, keep);
    for (struct put_folder *folder = names->first, *next; folder != NULL; folder = next) {
        next = folder->next;
        free_folder(folder);
    }
    put_names_begin(names);
}

struct put_name *put_folder_find(const struct put_folder *folder, const char *name)
{
    const struct put_name key = {.name = name};
    struct put_name *const *found = tfind(&key, &folder->tree, by_name);

    return found != NULL ? *found : NULL;
}

static struct put_name *add_name(struct put_folder *folder, const char *text)
{
    const size_t length = strlen(text);
    struct put_name *name = calloc(1, sizeof *name + length + 1);

    if (name == NULL)
        return NULL;
    memcpy(name->bytes, text, length + 1);
    name->name = name->bytes;
    name->length = (uint8_t)length;
    if (tsearch(name, &folder->tree, by_name) == NULL) {
        free(name);
        return NULL;
    }
    name->next = folder->names;
    folder->names = name;
    folder->count++;
    return name;
}

int put_folder_set(struct put_folder *folder, const char *text, ext2_ino_t inode, uint8_t type)
{
    struct put_name *name = put_folder_find(folder, text);

    if (name == NULL) {
        name = add_name(folder, text);
        if (name == NULL)
            return varve_no_memory("the names of a folder");
        folder->added++;
        folder->folders += type == EXT2_FT_DIR;
    }
    folder->changed += !name->changed;
    name->changed = true;
    name->inode = inode;
    name->type = type;
    return 0;
}

static int add_folder(struct put_names *names, ext2_ino_t inode, struct put_folder **ret_folder)
{
    struct put_folder *folder = calloc(1, sizeof *folder);

    if (folder == NULL)
        return varve_no_memory("a folder");
    folder->inode = inode;
    if (tsearch(folder, &names->tree, by_inode) == NULL) {
        free(folder);
        return varve_no_memory("a folder");
    }
    *names->end = folder;
    names->end = &folder->next;
    *ret_folder = folder;
    return 0;
}

static struct put_folder *find_folder(const struct put_names *names, ext2_ino_t inode)
{
    const struct put_folder key = {.inode = inode};
    struct put_folder *const *found = tfind(&key, &names->tree, by_inode);

    return found != NULL ? *found : NULL;
}

int put_names_made(struct put_names *names, ext2_ino_t inode, ext2_ino_t parent,
                   struct put_folder **ret_folder)
{
    struct put_folder *folder = NULL;
    int r = add_folder(names, inode, &folder);

    if (r < 0)
        return r;
    folder->made = true;
    folder->parent = parent;
    *ret_folder = folder;
    return 0;
}

int put_names_folder(struct put_names *names, ext2_filsys fs, ext2_ino_t inode,
                     struct put_folder **ret_folder)
{
    struct put_folder *folder = find_folder(names, inode);
    struct ext4_names standing;
    int r;

    *ret_folder = folder;
    if (folder != NULL)
        return 0;
    r = ext4_names_read(fs, inode, &standing);
    if (r < 0)
        return r;
    r = add_folder(names, inode, &folder);
    for (size_t i = 0; r == 0 && i < standing.count; i++) {
        struct put_name *name = add_name(folder, standing.list[i].name);

        if (name == NULL) {
            r = varve_no_memory("the names of a folder");
            break;
        }
        name->inode = standing.list[i].inode;
        name->type = standing.list[i].type;
        name->stands = true;
    }
    ext4_names_release(&standing);
    *ret_folder = folder;
    return r;
}
