#include "files/ext4_import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "files/ext4_import_internal.h"
#include "files/ext4_inode.h"

enum {
    INODE = 256,
    FAST_LINK = 60, /* bytes of i_block: a shorter target of a symlink lies there */
    REPORT_EACH = 256,
};

union inode {
    struct ext2_inode_large large;
    unsigned char bytes[INODE];
};

static void put_stat(const struct source_entry *entry, struct ext2_inode_large *inode)
{
    const struct stat *stat = &entry->stat;

    inode->i_mode = (uint16_t)stat->st_mode;
    ext4_put_owner(stat->st_uid, stat->st_gid, inode);
    inode->i_extra_isize = sizeof *inode - EXT2_GOOD_OLD_INODE_SIZE;
    ext4_put_time(&stat->st_atim, &inode->i_atime, &inode->i_atime_extra);
    ext4_put_time(&stat->st_mtim, &inode->i_mtime, &inode->i_mtime_extra);
    ext4_put_time(&stat->st_ctim, &inode->i_ctime, &inode->i_ctime_extra);
    ext4_put_time(&stat->st_mtim, &inode->i_crtime, &inode->i_crtime_extra);
    inode->i_links_count = (uint16_t)entry->links;
}

static void put_size(struct ext2_inode_large *inode, uint64_t size)
{
    inode->i_size = (uint32_t)size;
    inode->i_size_high = (uint32_t)(size >> 32);
}

static int import_link(struct importing *importing, const struct source_entry *entry,
                       struct ext2_inode_large *inode)
{
    char target[EXT4_BLOCK];
    ssize_t length = readlink(importing->path, target, sizeof target - 1);
    unsigned char *memory;
    blk64_t block;
    uint32_t one;
    int r;

    if (length < 0)
        return varve_fail(errno, "cannot read the link '%s': %s", importing->path, strerror(errno));
    if (length == 0 || (uint64_t)length != (uint64_t)entry->stat.st_size)
        return import_changed(importing->path);
    put_size(inode, (uint64_t)length);
    if (length < FAST_LINK) {
        memcpy(inode->i_block, target, (size_t)length);
        return 0;
    }
    r = ext4_writer_take(importing->writer, 1, &block, &one, &memory);
    if (r != 0)
        return r;
    memset(memory, 0, EXT4_BLOCK);
    memcpy(memory, target, (size_t)length);
    r = ext4_layout_add(&importing->layout, 0, block, 1);
    return r == 0 ? ext4_layout_store(importing->writer, entry->inode, &importing->layout, inode)
                  : r;
}

static int names_of(struct importing *importing, const struct source_entry *entry, bool is_root,
                    size_t *ret_count, uint32_t *ret_folders)
{
    const struct source_tree *tree = importing->tree;
    size_t wanted = (size_t)entry->count + 1;

    *ret_count = *ret_folders = 0;
    if (wanted > importing->name_room) {
        free(importing->names);
        importing->name_room = 0;
        importing->names = malloc(wanted * sizeof *importing->names);
        if (importing->names == NULL)
            return varve_no_memory("a directory");
        importing->name_room = wanted;
    }
    for (uint32_t i = entry->first; i < entry->first + entry->count; i++) {
        const struct source_entry *child = &tree->entries[i];
        const char *name = source_name(tree, i);

        importing->names[(*ret_count)++] =
            (struct ext4_entry){.name = name,
                                .inode = tree->entries[child->same].inode,
                                .length = (uint8_t)strlen(name),
                                .type = ext4_type_of(child->stat.st_mode)};
        *ret_folders += S_ISDIR(child->stat.st_mode);
    }
    for (size_t i = 0; is_root && i < *ret_count; i++)
        if (strcmp(importing->names[i].name, "lost+found") == 0)
            is_root = false;
    if (is_root) {
        importing->names[(*ret_count)++] = (struct ext4_entry){.name = "lost+found",
                                                               .inode = EXT2_GOOD_OLD_FIRST_INO,
                                                               .length = 10,
                                                               .type = EXT2_FT_DIR};
        ++*ret_folders;
    }
    return 0;
}

static int import_directory(struct importing *importing, uint32_t at,
                            struct ext2_inode_large *inode)
{
    const struct source_entry *entry = &importing->tree->entries[at];
    uint32_t parent = importing->tree->entries[entry->parent].inode, folders;
    bool indexed = false;
    size_t count;
    int r = names_of(importing, entry, at == 0, &count, &folders);

    if (r == 0)
        r = ext4_directory_write(importing->writer, importing->fs, entry->inode, parent,
                                 importing->names, count, &importing->layout, &indexed);
    if (r != 0)
        return r;
    put_size(inode, importing->layout.blocks * EXT4_BLOCK);
    inode->i_links_count = folders + 2 > EXT4_LINKS_OF_FILE_MAX ? 1 : (uint16_t)(folders + 2);
    inode->i_flags |= indexed ? EXT2_INDEX_FL : 0;
    return ext4_layout_store(importing->writer, entry->inode, &importing->layout, inode);
}

static int import_inode(struct importing *importing, uint32_t at, union inode *inode)
{
    struct source_entry *entry = &importing->tree->entries[at];
    int r = 0;

    put_stat(entry, &inode->large);
    ext4_layout_clear(&importing->layout);
    if (S_ISDIR(entry->stat.st_mode))
        return import_directory(importing, at, &inode->large);
    if (entry->links > EXT4_LINKS_OF_FILE_MAX)
        return varve_fail(EMLINK, "'%s' has %u names; ext4 holds %d of a file", importing->path,
                          entry->links, EXT4_LINKS_OF_FILE_MAX);
    if (S_ISLNK(entry->stat.st_mode))
        return import_link(importing, entry, &inode->large);
    if (!S_ISREG(entry->stat.st_mode)) {
        ext4_put_device(entry->stat.st_rdev, &inode->large);
        return 0;
    }
    put_size(&inode->large, (uint64_t)entry->stat.st_size);
    r = import_content(importing, entry);
    return r == 0 ? ext4_layout_store(importing->writer, entry->inode, &importing->layout,
                                      &inode->large)
                  : r;
}

static int import_entry(struct importing *importing, uint32_t at)
{
    struct source_entry *entry = &importing->tree->entries[at];
    union inode inode = {.bytes = {0}};
    int r;

    if (entry->same != at)
        return 0;
    r = source_path(importing->tree, at, importing->path);
    if (r == 0)
        r = import_inode(importing, at, &inode);
    if (r == 0)
        r = ext4_result(importing->fs,
                        ext2fs_write_inode_full(importing->fs, entry->inode,
                                                (struct ext2_inode *)&inode.large, INODE),
                        "write the inode of '%s'", importing->path);
    if (r == 0 && entry->inode >= EXT2_GOOD_OLD_FIRST_INO + 1)
        ext2fs_inode_alloc_stats2(importing->fs, entry->inode, +1, S_ISDIR(entry->stat.st_mode));
    return r;
}

/* After all content: attributes that do not fit into an inode take blocks from libext2fs, which
 * finds none while the writer holds a run. What has attributes, and each folder, has to be what it
 * was. */
static int finish_entry(struct importing *importing, uint32_t at)
{
    struct source_entry *entry = &importing->tree->entries[at];
    int r;

    if (entry->same != at || !(entry->attributes || S_ISDIR(entry->stat.st_mode)) ||
        entry->stat.st_ino == 0) /* the root of several sources */
        return 0;
    r = source_path(importing->tree, at, importing->path);
    if (r == 0 && entry->attributes)
        r = import_attributes(importing, entry->inode);
    return r == 0 ? import_check(importing->path, &entry->stat) : r;
}

/* A directory's blocks go: it gets new ones. */
static int empty_directory(ext2_filsys fs, ext2_ino_t number)
{
    struct ext2_inode inode;
    int r = ext4_result(fs, ext2fs_read_inode(fs, number, &inode), "read its root");

    if (r != 0)
        return r;
    return ext4_result(fs, ext2fs_punch(fs, number, &inode, NULL, 0, ~(blk64_t)0),
                       "empty its root");
}

/* In the tree's order, behind lost+found. A lost+found of the source is that one. */
static int number_entries(ext2_filsys fs, struct source_tree *tree)
{
    uint32_t next = EXT2_GOOD_OLD_FIRST_INO + 1;
    int r;

    tree->entries[0].inode = EXT2_ROOT_INO;
    for (uint32_t i = 1; i < tree->count; i++) {
        struct source_entry *entry = &tree->entries[i];

        if (entry->same != i)
            continue;
        if (entry->parent != 0 || strcmp(source_name(tree, i), "lost+found") != 0) {
            entry->inode = next++;
            continue;
        }
        if (!S_ISDIR(entry->stat.st_mode))
            return varve_fail(EEXIST, "'lost+found' in the root has to be a folder; rename yours");
        entry->inode = EXT2_GOOD_OLD_FIRST_INO;
        r = empty_directory(fs, entry->inode);
        if (r != 0)
            return r;
    }
    if (next - 1 > fs->super->s_inodes_count)
        return varve_fail(ENOSPC,
                          "%s: its file system has %u inodes, and %zu files are to go there",
                          ext4_what(fs), fs->super->s_inodes_count, tree->count);
    return 0;
}

int ext4_import(ext2_filsys fs, struct source_tree *tree)
{
    struct importing importing = {.fs = fs, .tree = tree};
    int r = number_entries(fs, tree);

    if (r == 0)
        r = empty_directory(fs, EXT2_ROOT_INO);
    if (r == 0)
        r = ext4_writer_new(fs, &importing.writer);
    for (uint32_t at = 0; r == 0 && at < tree->count; at++) {
        r = import_entry(&importing, at);
        if (r == 0 && at % REPORT_EACH == 0)
            r = varve_progress("import", "bytes", importing.bytes, tree->file_bytes);
    }
    if (r == 0)
        r = ext4_writer_finish(importing.writer);
    for (uint32_t at = 0; r == 0 && at < tree->count; at++)
        r = finish_entry(&importing, at);
    ext4_writer_free(importing.writer);
    ext4_layout_free(&importing.layout);
    free(importing.names);
    return r;
}

int ext4_import_tree(const struct files_target *target, const char *label, struct source_tree *tree,
                     const char *what)
{
    ext2_filsys fs = NULL;
    int r = ext4_make(target, label, &tree->need, what, &fs);

    if (r != 0)
        return r;
    r = ext4_import(fs, tree);
    if (r != 0) {
        ext4_abandon(fs);
        return r;
    }
    return ext4_close(fs);
}
