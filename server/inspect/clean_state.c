/*
 * Whether a mount would find work left, as the file system's own marks say. Each check reads the
 * marks that the kernel's driver itself decides by; offsets are bytes within the file system.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inspect/inspect_range.h"

const char *varve_clean_name(enum varve_clean clean)
{
    switch (clean) {
    case VARVE_CLEAN_YES:
        return "clean";
    case VARVE_CLEAN_NO:
        return "not clean";
    case VARVE_CLEAN_NOT_APPLICABLE:
        return "n/a";
    case VARVE_CLEAN_UNKNOWN:
        break;
    }
    return "unknown";
}

void clean_say(struct varve_content *content, enum varve_clean clean, const char *reason)
{
    content->clean = clean;
    text_copy(content->clean_reason, sizeof content->clean_reason, reason);
}

static unsigned le16_at(const unsigned char *bytes)
{
    return bytes[0] | (unsigned)bytes[1] << 8;
}

/* ext2, ext3, ext4: the kernel replays when needs_recovery is set, and clears the valid bit while a
 * file system without a journal is mounted. */
static int clean_ext(const struct range *range, struct varve_content *content)
{
    enum { VALID = 1, ERRORS = 2, HAS_JOURNAL_DEVICE = 8, NEEDS_RECOVERY = 4 };
    unsigned char super[1024];
    unsigned state, incompatible;
    int r = range_read(range, super, sizeof super, 1024);

    if (r != 0)
        return r;
    state = le16_at(super + 58);
    incompatible = le16_at(super + 96);
    if ((incompatible & HAS_JOURNAL_DEVICE) != 0)
        clean_say(content, VARVE_CLEAN_NOT_APPLICABLE, "");
    else if ((incompatible & NEEDS_RECOVERY) != 0)
        clean_say(content, VARVE_CLEAN_NO, "journal needs recovery");
    else if ((state & ERRORS) != 0)
        clean_say(content, VARVE_CLEAN_NO, "marked with errors");
    else if ((state & VALID) == 0)
        clean_say(content, VARVE_CLEAN_NO, "not unmounted");
    else
        clean_say(content, VARVE_CLEAN_YES, "");
    return 0;
}

/* btrfs is consistent at every commit; what was synced since is in a log tree that a mount replays.
 */
static int clean_btrfs(const struct range *range, struct varve_content *content)
{
    static const unsigned char none[8];
    unsigned char log_root[8];
    int r = range_read(range, log_root, sizeof log_root, (64 << 10) + 0x60);

    if (r != 0)
        return r;
    if (memcmp(log_root, none, sizeof none) == 0)
        clean_say(content, VARVE_CLEAN_YES, "");
    else
        clean_say(content, VARVE_CLEAN_NO, "log tree to be replayed");
    return 0;
}

/* Two marks: Linux sets a bit in the boot sector while mounted, Windows clears one in the second
 * entry of the first table, where tables of 12 bits have none. */
static int clean_fat(const struct range *range, struct varve_content *content)
{
    bool fat32 = strcmp(content->version, "FAT32") == 0;
    bool fat16 = strcmp(content->version, "FAT16") == 0;
    unsigned char boot[512], entries[8];
    unsigned mount_state, shut;
    int r = range_read(range, boot, sizeof boot, 0);

    if (r != 0)
        return r;
    mount_state = boot[fat32 ? 0x41 : 0x25];
    shut = 1;
    if (fat16 || fat32) {
        uint64_t table = (uint64_t)le16_at(boot + 14) * le16_at(boot + 11);

        r = range_read(range, entries, sizeof entries, table);
        if (r != 0)
            return r;
        shut = fat32 ? entries[7] & 0x08u : entries[3] & 0x80u;
    }
    if ((mount_state & 1) != 0 || shut == 0)
        clean_say(content, VARVE_CLEAN_NO, "dirty bit set: not unmounted");
    else
        clean_say(content, VARVE_CLEAN_YES, "");
    return 0;
}

static int clean_exfat(const struct range *range, struct varve_content *content)
{
    unsigned char flags[2];
    int r = range_read(range, flags, sizeof flags, 106);

    if (r != 0)
        return r;
    if ((flags[0] & 2) != 0)
        clean_say(content, VARVE_CLEAN_NO, "dirty bit set: not unmounted");
    else if ((flags[0] & 4) != 0)
        clean_say(content, VARVE_CLEAN_NO, "marked with media failures");
    else
        clean_say(content, VARVE_CLEAN_YES, "");
    return 0;
}

static int clean_read_only_format(const struct range *range, struct varve_content *content)
{
    (void)range;
    clean_say(content, VARVE_CLEAN_NOT_APPLICABLE, "");
    return 0;
}

static const struct {
    const char *type;
    int (*check)(const struct range *range, struct varve_content *content);
} checks[] = {
    {"ext2", clean_ext},
    {"ext3", clean_ext},
    {"ext4", clean_ext},
    {"jbd", clean_read_only_format}, /* a journal on its own device: its file system says */
    {"xfs", clean_xfs},
    {"btrfs", clean_btrfs},
    {"vfat", clean_fat},
    {"exfat", clean_exfat},
    {"squashfs", clean_read_only_format},
    {"iso9660", clean_read_only_format},
    {"erofs", clean_read_only_format},
    {"cramfs", clean_read_only_format},
    {"romfs", clean_read_only_format},
};

int clean_state(const struct range *range, struct varve_content *content)
{
    char reason[sizeof content->clean_reason];

    if (content->ambiguous) {
        clean_say(content, VARVE_CLEAN_UNKNOWN, "signatures of several types");
        return 0;
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (strcmp(checks[i].type, content->type) == 0) {
            int r = checks[i].check(range, content);

            if (r == -ERANGE) {
                clean_say(content, VARVE_CLEAN_UNKNOWN, "it ends beyond the end of its place");
                r = 0;
            }
            return r;
        }
    if (strcmp(content->usage, "filesystem") != 0) {
        clean_say(content, VARVE_CLEAN_NOT_APPLICABLE, "");
        return 0;
    }
    snprintf(reason, sizeof reason, "no check for %s", content->type);
    clean_say(content, VARVE_CLEAN_UNKNOWN, reason);
    return 0;
}
