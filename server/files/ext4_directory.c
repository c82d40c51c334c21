#include "files/ext4_directory.h"

#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

enum {
    TAIL = sizeof(struct ext2_dir_entry_tail),
    ROOM = EXT4_BLOCK - TAIL, /* bytes for entries */
    DOT = 12,                 /* bytes of "." and of ".." */
    ROOT_COUNT = 32,          /* where the index of the first block begins */
    NODE_COUNT = 8,           /* and of those between it and the leaves */
    ROOT_LIMIT = (EXT4_BLOCK - ROOT_COUNT - 8) / 8,
    NODE_LIMIT = (EXT4_BLOCK - NODE_COUNT - 8) / 8,
};

struct leaf {
    size_t first; /* of its names */
    uint32_t hash;
};

/* One directory while it is written. */
struct writing {
    struct ext4_writer *writer;
    ext2_filsys fs;
    ext2_ino_t number, parent;
    const struct ext4_entry *names;
    size_t count;
    struct ext4_layout *layout;
    uint64_t block; /* the next one's logical number */
};

static size_t bytes_of(const struct ext4_entry *name)
{
    return (8 + (size_t)name->length + 3) / 4 * 4;
}

static void put(unsigned char *to, uint32_t inode, size_t bytes, const struct ext4_entry *name)
{
    struct ext2_dir_entry entry = {.inode = ext2fs_cpu_to_le32(inode),
                                   .rec_len = ext2fs_cpu_to_le16((uint16_t)bytes)};

    if (name != NULL)
        entry.name_len = ext2fs_cpu_to_le16((uint16_t)(name->length | (uint16_t)name->type << 8));
    memcpy(to, &entry, 8);
    if (name != NULL)
        memcpy(to + 8, name->name, name->length);
}

/* "." and ".."; the second one's record takes `second` bytes. */
static void put_dots(const struct writing *dir, unsigned char *to, size_t second)
{
    static const struct ext4_entry dot = {.name = ".", .length = 1, .type = EXT2_FT_DIR};
    static const struct ext4_entry dots = {.name = "..", .length = 2, .type = EXT2_FT_DIR};

    put(to, dir->number, DOT, &dot);
    put(to + DOT, dir->parent, second, &dots);
}

static int next_block(struct writing *dir, unsigned char **ret_memory)
{
    blk64_t physical;
    uint32_t one;
    int r = ext4_writer_take(dir->writer, 1, &physical, &one, ret_memory);

    if (r == 0)
        r = ext4_layout_add(dir->layout, dir->block++, physical, 1);
    if (r == 0)
        memset(*ret_memory, 0, EXT4_BLOCK);
    return r;
}

static int seal(const struct writing *dir, unsigned char *memory)
{
    return ext4_result(dir->fs, ext2fs_dir_block_csum_set(dir->fs, dir->number, (void *)memory),
                       "make a directory block");
}

/* Names first to end into a block that is filled up to `at`; the last record takes the rest. */
static int fill_leaf(const struct writing *dir, unsigned char *memory, size_t at, size_t first,
                     size_t end)
{
    /* EXT2_DIRENT_TAIL, without its cast: a block in memory is aligned */
    void *tail = memory + EXT4_BLOCK - sizeof(struct ext2_dir_entry_tail);

    ext2fs_initialize_dirent_tail(dir->fs, tail);
    for (size_t i = first; i < end; i++) {
        size_t bytes = i + 1 < end ? bytes_of(&dir->names[i]) : ROOM - at;

        put(memory + at, dir->names[i].inode, bytes, &dir->names[i]);
        at += bytes;
    }
    return seal(dir, memory);
}

static int write_linear(struct writing *dir)
{
    unsigned char *memory;
    int r = next_block(dir, &memory);

    if (r != 0)
        return r;
    put_dots(dir, memory, dir->count > 0 ? DOT : ROOM - DOT);
    return fill_leaf(dir, memory, (size_t)2 * DOT, 0, dir->count);
}

/* Where leaves begin. Names with one hash may lie in two of them: the low bit of the second one's
 * hash says so. */
static int cut_into_leaves(const struct writing *dir, struct leaf **ret_leaves, size_t *ret_count)
{
    size_t room = 64, count = 0, used = ROOM;
    struct leaf *leaves = malloc(room * sizeof *leaves);

    for (size_t i = 0; leaves != NULL && i < dir->count; i++) {
        size_t bytes = bytes_of(&dir->names[i]);
        uint32_t goes_on;

        used += bytes;
        if (used <= ROOM)
            continue;
        if (count == room) {
            struct leaf *moved = realloc(leaves, 2 * room * sizeof *leaves);

            if (moved == NULL) {
                free(leaves);
                return varve_no_memory("a directory");
            }
            leaves = moved;
            room *= 2;
        }
        goes_on = i > 0 && dir->names[i].hash == dir->names[i - 1].hash;
        leaves[count++] = (struct leaf){i, dir->names[i].hash | goes_on};
        used = bytes;
    }
    if (leaves == NULL)
        return varve_no_memory("a directory");
    *ret_leaves = leaves;
    *ret_count = count;
    return 0;
}

/* The entries of an index; the first one's hash is not stored, it has the numbers of entries. */
static void put_index(unsigned char *to, uint16_t limit, const struct leaf *leaves, size_t count,
                      size_t each, uint64_t block)
{
    struct ext2_dx_countlimit numbers = {
        .limit = ext2fs_cpu_to_le16(limit),
        .count = ext2fs_cpu_to_le16((uint16_t)((count + each - 1) / each))};

    for (size_t i = 0, at = 0; i < count; i += each, at++) {
        struct ext2_dx_entry entry = {.hash = ext2fs_cpu_to_le32(leaves[i].hash),
                                      .block = ext2fs_cpu_to_le32((uint32_t)(block + at))};

        memcpy(to + 8 * at, &entry, sizeof entry);
    }
    memcpy(to, &numbers, sizeof numbers);
}

static int write_index(struct writing *dir, const struct leaf *leaves, size_t count)
{
    size_t nodes = count > ROOT_LIMIT ? (count + NODE_LIMIT - 1) / NODE_LIMIT : 0;
    struct ext2_dx_root_info info = {.hash_version = dir->fs->super->s_def_hash_version,
                                     .info_length = 8,
                                     .indirect_levels = nodes > 0};
    unsigned char *memory;
    int r = next_block(dir, &memory);

    if (r != 0)
        return r;
    put_dots(dir, memory, EXT4_BLOCK - DOT);
    memcpy(memory + ROOT_COUNT - sizeof info, &info, sizeof info);
    put_index(memory + ROOT_COUNT, ROOT_LIMIT, leaves, count, nodes > 0 ? NODE_LIMIT : 1, 1);
    r = seal(dir, memory);
    for (size_t node = 0; r == 0 && node < nodes; node++) {
        size_t first = node * NODE_LIMIT;
        size_t inside = count - first < NODE_LIMIT ? count - first : NODE_LIMIT;

        r = next_block(dir, &memory);
        if (r != 0)
            return r;
        put(memory, 0, EXT4_BLOCK, NULL);
        put_index(memory + NODE_COUNT, NODE_LIMIT, leaves + first, inside, 1, 1 + nodes + first);
        r = seal(dir, memory);
    }
    return r;
}

static int write_leaves(struct writing *dir, const struct leaf *leaves, size_t count)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        unsigned char *memory;

        r = next_block(dir, &memory);
        if (r == 0)
            r = fill_leaf(dir, memory, 0, leaves[i].first,
                          i + 1 < count ? leaves[i + 1].first : dir->count);
    }
    return r;
}

/* More than two levels can reach: legal without an index too. "." and ".." stand in a block of
 * their own. */
static int write_unindexed(struct writing *dir, const struct leaf *leaves, size_t count)
{
    unsigned char *memory;
    int r = next_block(dir, &memory);

    if (r != 0)
        return r;
    put_dots(dir, memory, ROOM - DOT);
    r = fill_leaf(dir, memory, ROOM, 0, 0);
    return r == 0 ? write_leaves(dir, leaves, count) : r;
}

static int by_hash(const void *a, const void *b)
{
    const struct ext4_entry *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->minor != y->minor)
        return x->minor < y->minor ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int hash_names(ext2_filsys fs, struct ext4_entry *names, size_t count)
{
    int version = fs->super->s_def_hash_version;
    int r = 0;

    if (fs->super->s_flags & EXT2_FLAGS_UNSIGNED_HASH)
        version += 3;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = ext4_result(fs,
                        ext2fs_dirhash2(version, names[i].name, names[i].length, NULL, 0,
                                        fs->super->s_hash_seed, &names[i].hash, &names[i].minor),
                        "hash the name '%s'", names[i].name);
    if (r == 0)
        qsort(names, count, sizeof *names, by_hash);
    return r;
}

int ext4_directory_write(struct ext4_writer *writer, ext2_filsys fs, ext2_ino_t number,
                         ext2_ino_t parent, struct ext4_entry *names, size_t count,
                         struct ext4_layout *layout, bool *ret_indexed)
{
    struct writing dir = {writer, fs, number, parent, names, count, layout, 0};
    size_t bytes = (size_t)2 * DOT, leaf_count = 0;
    struct leaf *leaves = NULL;
    bool indexed = false;
    int r;

    for (size_t i = 0; i < count; i++)
        bytes += bytes_of(&names[i]);
    *ret_indexed = false;
    if (bytes <= ROOM)
        return write_linear(&dir);
    r = hash_names(fs, names, count);
    if (r == 0)
        r = cut_into_leaves(&dir, &leaves, &leaf_count);
    if (r == 0) {
        indexed = leaf_count <= (size_t)ROOT_LIMIT * NODE_LIMIT;
        r = indexed ? write_index(&dir, leaves, leaf_count)
                    : write_unindexed(&dir, leaves, leaf_count);
    }
    if (r == 0 && indexed)
        r = write_leaves(&dir, leaves, leaf_count);
    free(leaves);
    *ret_indexed = indexed;
    return r;
}
