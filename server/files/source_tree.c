#include "files/source_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "files/source_links.h"

enum {
    BLOCK = 4096,
    EXTENTS_OF_BLOCK = 340,
    EXTENT_BYTES = 32768 * BLOCK,
    REPORT_EACH = 256, /* entries between two reports */
};

const char *source_name(const struct source_tree *tree, uint32_t entry)
{
    return tree->names + tree->entries[entry].name;
}

static bool is_content(const char *source)
{
    size_t length = strlen(source);
    const char *last = strrchr(source, '/');

    last = last == NULL ? source : last + 1;
    return length == 0 || source[length - 1] == '/' || strcmp(last, ".") == 0 ||
           strcmp(last, "..") == 0;
}

static const char *last_name(const char *source)
{
    const char *slash = strrchr(source, '/');

    return slash == NULL ? source : slash + 1;
}

static int too_long(const char *path)
{
    return varve_fail(ENAMETOOLONG, "the path '%.200s...' is longer than %d bytes", path,
                      SOURCE_PATH_MAX - 1);
}

/* From the end to the front, and then moved there. */
int source_path(const struct source_tree *tree, uint32_t entry, char ret_path[SOURCE_PATH_MAX])
{
    const struct source_entry *at = &tree->entries[entry];
    const char *source = tree->sources[at->source];
    size_t begin = SOURCE_PATH_MAX - 1, length = strlen(source);

    ret_path[begin] = '\0';
    for (; entry != 0; entry = at->parent) {
        size_t name;

        at = &tree->entries[entry];
        if (at->parent == 0 && !is_content(source))
            break;
        name = strlen(source_name(tree, entry));
        if (begin < name + 1 + length)
            return too_long(source);
        begin -= name;
        memcpy(ret_path + begin, source_name(tree, entry), name);
        ret_path[--begin] = '/';
    }
    while (length > 1 && source[length - 1] == '/')
        length--;
    if (begin < length)
        return too_long(source);
    begin -= length;
    memcpy(ret_path + begin, source, length);
    memmove(ret_path, ret_path + begin, SOURCE_PATH_MAX - begin);
    return 0;
}

static int failed(const char *what, const char *path)
{
    int number = errno;

    return varve_fail(number, "cannot %s '%s': %s", what, path, strerror(number));
}

static int grow(void **array, size_t *room, size_t wanted, size_t size)
{
    size_t larger = *room == 0 ? 1024 : *room;
    void *moved;

    while (larger < wanted)
        larger *= 2;
    if (larger == *room)
        return 0;
    moved = realloc(*array, larger * size);
    if (moved == NULL)
        return varve_no_memory("the list of files");
    *array = moved;
    *room = larger;
    return 0;
}

static int add(struct source_tree *tree, const char *name, uint32_t parent, uint32_t source)
{
    size_t length = strlen(name) + 1;
    void *entries = tree->entries, *names = tree->names;
    int r;

    if (tree->count >= UINT32_MAX - 1)
        return varve_fail(EFBIG, "more than %u files are more than an ext4 file system holds",
                          UINT32_MAX - 1);
    r = grow(&entries, &tree->room, tree->count + 1, sizeof *tree->entries);
    tree->entries = entries;
    if (r == 0)
        r = grow(&names, &tree->names_room, tree->names_length + length, 1);
    tree->names = names;
    if (r != 0)
        return r;
    memcpy(tree->names + tree->names_length, name, length);
    tree->entries[tree->count] = (struct source_entry){.name = tree->names_length,
                                                       .parent = parent,
                                                       .source = source,
                                                       .same = (uint32_t)tree->count,
                                                       .links = 1};
    tree->names_length += length;
    tree->count++;
    return 0;
}

/* Bytes of content and runs of it, of a file that has holes (or is compressed). */
static int measure_sparse(const char *path, uint64_t *ret_blocks, uint64_t *ret_runs)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME);
    off_t data, hole = 0;

    if (fd < 0 && errno == EPERM)
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return failed("open", path);
    *ret_blocks = *ret_runs = 0;
    while ((data = lseek(fd, hole, SEEK_DATA)) >= 0) {
        hole = lseek(fd, data, SEEK_HOLE);
        if (hole <= data)
            break;
        *ret_blocks += (uint64_t)(hole - 1) / BLOCK - (uint64_t)data / BLOCK + 1;
        ++*ret_runs;
    }
    close(fd);
    return 0;
}

static int count_content(struct source_tree *tree, const struct source_entry *entry,
                         const char *path)
{
    uint64_t blocks = ((uint64_t)entry->stat.st_size + BLOCK - 1) / BLOCK, runs = 1;
    int r = 0;

    if (S_ISLNK(entry->stat.st_mode)) {
        tree->need.bytes += entry->stat.st_size >= 60 ? BLOCK : 0;
        return 0;
    }
    if (!S_ISREG(entry->stat.st_mode))
        return 0;
    if ((uint64_t)entry->stat.st_blocks * 512 < (uint64_t)entry->stat.st_size)
        r = measure_sparse(path, &blocks, &runs);
    runs += blocks / (EXTENT_BYTES / BLOCK);
    tree->need.bytes += BLOCK * (blocks + (runs > 2 ? runs / (EXTENTS_OF_BLOCK / 2) + 2 : 0));
    tree->file_bytes += blocks * BLOCK;
    return r;
}

/* What lstat and the like say of an entry. */
static int look(struct source_tree *tree, uint32_t at, struct source_links *links)
{
    struct source_entry *entry = &tree->entries[at];
    char path[SOURCE_PATH_MAX];
    int r = source_path(tree, at, path);
    ssize_t listed;

    if (r != 0)
        return r;
    if (at == 0 ? stat(path, &entry->stat) != 0 : lstat(path, &entry->stat) != 0)
        return failed("read", path);
    if (S_ISSOCK(entry->stat.st_mode))
        entry->stat.st_size = 0;
    if (!S_ISDIR(entry->stat.st_mode) && entry->stat.st_nlink > 1) {
        r = source_links_find(links, tree, at, &entry->same);
        if (r != 0)
            return r;
        if (entry->same != at) {
            tree->entries[entry->same].links++;
            return 0;
        }
    }
    listed = llistxattr(path, NULL, 0);
    if (listed < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return failed("list the attributes of", path);
    entry->attributes = listed > 0;
    tree->need.inodes++;
    tree->need.bytes += entry->attributes ? BLOCK : 0;
    return count_content(tree, entry, path);
}

static int by_name(const void *a, const void *b, void *opaque)
{
    const struct source_tree *tree = opaque;
    const struct source_entry *x = a, *y = b;

    return strcmp(tree->names + x->name, tree->names + y->name);
}

static int add_content(struct source_tree *tree, const char *path, uint32_t parent, uint32_t source)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    int r = 0;

    if (directory == NULL)
        return failed("open", path);
    while (r == 0 && (errno = 0, entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = add(tree, entry->d_name, parent, source);
    if (r == 0 && errno != 0)
        r = failed("read", path);
    closedir(directory);
    return r;
}

/* The entries of a directory were added: sorted, looked at and counted. */
static int close_directory(struct source_tree *tree, uint32_t at, uint32_t first,
                           struct source_links *links)
{
    uint64_t bytes = 24;
    int r = 0;

    qsort_r(tree->entries + first, tree->count - first, sizeof *tree->entries, by_name, tree);
    tree->entries[at].first = first;
    tree->entries[at].count = (uint32_t)(tree->count - first);
    for (uint32_t i = first; r == 0 && i < tree->count; i++) {
        tree->entries[i].same = i; /* sorting moved it */
        bytes += (8 + strlen(source_name(tree, i)) + 3) / 4 * 4;
        if (i > first && strcmp(source_name(tree, i), source_name(tree, i - 1)) == 0)
            return varve_fail(EEXIST, "two of the sources bring '%s'; give it another name",
                              source_name(tree, i));
        r = look(tree, i, links);
        if (r == 0 && i % REPORT_EACH == 0)
            r = varve_progress("list", "files", i, 0);
    }
    /* a block is left when the next name does not fit: at least 3800 bytes of it are used */
    tree->need.bytes += BLOCK * (bytes / 3800 + bytes / 3800 / 500 + 2);
    return r;
}

static int read_root(struct source_tree *tree, struct source_links *links)
{
    int r = add(tree, "", 0, 0);

    for (uint32_t i = 0; r == 0 && i < tree->source_count; i++) {
        const char *source = tree->sources[i];

        if (source[0] == '\0')
            return varve_fail(EINVAL, "a source's path is empty");
        r = is_content(source) ? add_content(tree, source, 0, i)
                               : add(tree, last_name(source), 0, i);
    }
    if (r != 0)
        return r;
    if (tree->source_count == 1 && is_content(tree->sources[0]))
        r = look(tree, 0, links);
    else
        tree->entries[0].stat = (struct stat){.st_mode = S_IFDIR | 0755};
    return r == 0 ? close_directory(tree, 0, 1, links) : r;
}

int source_tree_read(const char *const *sources, size_t count, struct source_tree *ret_tree)
{
    struct source_tree tree = {.sources = sources, .source_count = count};
    struct source_links *links = NULL;
    char path[SOURCE_PATH_MAX];
    int r = source_links_new(&links);

    if (r == 0)
        r = read_root(&tree, links);
    for (uint32_t at = 1; r == 0 && at < tree.count; at++) {
        uint32_t first = (uint32_t)tree.count;

        if (!S_ISDIR(tree.entries[at].stat.st_mode))
            continue;
        r = source_path(&tree, at, path);
        if (r == 0)
            r = add_content(&tree, path, at, tree.entries[at].source);
        if (r == 0)
            r = close_directory(&tree, at, first, links);
    }
    source_links_free(links);
    if (r != 0) {
        source_tree_free(&tree);
        return r;
    }
    *ret_tree = tree;
    return 0;
}

void source_tree_free(struct source_tree *tree)
{
    free(tree->entries);
    free(tree->names);
    *tree = (struct source_tree){0};
}
