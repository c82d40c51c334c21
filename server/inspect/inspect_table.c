#include <blkid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <varve/error.h>

#include "inspect/inspect_range.h"

/* For people only; what is not here is shown by its number. */
static const struct {
    const char *type, *name;
} type_names[] = {
    {"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system"},
    {"21686148-6449-6e6f-744e-656564454649", "BIOS boot"},
    {"0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux filesystem"},
    {"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap"},
    {"e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM"},
    {"a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID"},
    {"bc13c2ff-59e6-4262-a352-b275fd6f7172", "Linux extended boot"},
    {"4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root (x86-64)"},
    {"b921b045-1df0-41c3-af44-4c6f280d3fae", "Linux root (ARM64)"},
    {"933ac7e1-2eb4-4f13-b844-0e14e2aef915", "Linux home"},
    {"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Microsoft basic data"},
    {"e3c9e316-0b5c-4db8-817d-f92df00215ae", "Microsoft reserved"},
    {"de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery"},
    {"0x5", "Extended"},
    {"0x7", "HPFS/NTFS/exFAT"},
    {"0xb", "W95 FAT32"},
    {"0xc", "W95 FAT32 (LBA)"},
    {"0xe", "W95 FAT16 (LBA)"},
    {"0xf", "W95 extended (LBA)"},
    {"0x82", "Linux swap"},
    {"0x83", "Linux filesystem"},
    {"0x85", "Linux extended"},
    {"0x8e", "Linux LVM"},
    {"0xee", "GPT protective"},
    {"0xef", "EFI system"},
    {"0xfd", "Linux RAID"},
};

static uint32_t le32_at(const unsigned char *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The start of the first extended partition among a record's four, in sectors, or 0. */
static uint32_t extended_start(const unsigned char record[512])
{
    if (record[510] != 0x55 || record[511] != 0xaa)
        return 0;
    for (size_t i = 0; i < 4; i++) {
        const unsigned char *entry = record + 446 + 16 * i;

        if (entry[4] == 0x05 || entry[4] == 0x0f || entry[4] == 0x85)
            return le32_at(entry + 8);
    }
    return 0;
}

/* Logical partitions are a chain of records through the whole volume, each relative to the extended
 * partition's start. The chain may be hostile: as many links are followed as libblkid follows. */
static int add_extended_records(const struct range *range, int window, unsigned sector)
{
    enum { LINKS_MAX = 128 };
    unsigned char record[512];
    uint64_t base = 0, link = 0;
    int r = 0;

    for (int i = 0; i < LINKS_MAX; i++) {
        uint32_t next;

        r = range_read(range, record, sizeof record, (base + link) * sector);
        if (r == -ERANGE)
            return 0;
        if (r == 0)
            r = range_add_to_window(range, window, (base + link) * sector, sizeof record);
        next = extended_start(record);
        if (r != 0 || next == 0)
            return r;
        if (base == 0)
            base = next;
        else
            link = next;
    }
    return 0;
}

/* The entries of a GPT may lie anywhere; libblkid finds them by the header, which is in the window.
 */
static int add_gpt_entries(const struct range *range, int window, unsigned sector)
{
    enum { ENTRIES_MAX = 1 << 20 }; /* bytes; the usual 128 entries take 16 KiB */
    unsigned char header[92];
    int r = range_read(range, header, sizeof header, sector);
    uint64_t lba;

    if (r != 0)
        return r == -ERANGE ? 0 : r;
    if (memcmp(header, "EFI PART", 8) != 0)
        return 0;
    lba = le32_at(header + 72) | (uint64_t)le32_at(header + 76) << 32;
    if (lba > range->size / sector)
        return 0;
    return range_add_to_window(range, window, lba * sector, ENTRIES_MAX);
}

/* libblkid counts starts and sizes in 512 bytes, whatever the table counts in. */
static int take_partition(const struct range *range, blkid_partition from,
                          struct varve_partition *to)
{
    const char *text = blkid_partition_get_type_string(from);
    struct range inner = {.source = range->source};
    int r, window;

    to->number = blkid_partition_get_partno(from);
    to->start = (uint64_t)blkid_partition_get_start(from) * 512;
    to->size = (uint64_t)blkid_partition_get_size(from) * 512;
    if (text != NULL)
        text_copy(to->type, sizeof to->type, text);
    else
        snprintf(to->type, sizeof to->type, "%#x", (unsigned)blkid_partition_get_type(from));
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++)
        if (strcmp(type_names[i].type, to->type) == 0)
            text_copy(to->type_name, sizeof to->type_name, type_names[i].name);
    text = blkid_partition_get_name(from);
    if (text != NULL)
        text_copy(to->name, sizeof to->name, text);
    text = blkid_partition_get_uuid(from);
    if (text != NULL)
        text_copy(to->uuid, sizeof to->uuid, text);
    to->content.clean = VARVE_CLEAN_NOT_APPLICABLE;
    /* An extended partition holds only records; a table may promise more than the volume has. */
    if (blkid_partition_is_extended(from) || to->start >= range->size || to->size == 0)
        return 0;
    inner.start = range->start + to->start;
    inner.size = to->size < range->size - to->start ? to->size : range->size - to->start;
    window = range_open_window(&inner);
    if (window < 0)
        return window;
    r = inspect_content(&inner, window, &to->content);
    close(window);
    return r;
}

static int by_number(const void *a, const void *b)
{
    const struct varve_partition *p = a, *q = b;

    return (p->number > q->number) - (p->number < q->number);
}

static int take_table(const struct range *range, blkid_partlist list, unsigned sector,
                      struct varve_inspection *inspection)
{
    blkid_parttable table = blkid_partlist_get_table(list);
    int r = 0, count = blkid_partlist_numof_partitions(list);
    const char *text;

    if (table == NULL)
        return 0;
    if (count > VARVE_PARTITIONS_MAX)
        return varve_fail(E2BIG, "the partition table lists %d partitions; inspect shows up to %d",
                          count, (int)VARVE_PARTITIONS_MAX);
    inspection->table_sector = sector;
    text = blkid_parttable_get_type(table);
    text_copy(inspection->table_type, sizeof inspection->table_type, text == NULL ? "?" : text);
    text = blkid_parttable_get_id(table);
    text_copy(inspection->table_id, sizeof inspection->table_id, text == NULL ? "" : text);
    if (count <= 0)
        return 0;
    inspection->partitions = calloc((size_t)count, sizeof *inspection->partitions);
    if (inspection->partitions == NULL)
        return varve_fail(ENOMEM, "no memory to list %d partitions", count);
    inspection->partition_count = (size_t)count;
    for (int i = 0; r == 0 && i < count; i++) {
        blkid_partition partition = blkid_partlist_get_partition(list, i);

        if (partition != NULL)
            r = take_partition(range, partition, &inspection->partitions[i]);
    }
    qsort(inspection->partitions, (size_t)count, sizeof *inspection->partitions, by_number);
    return r;
}

/* A table inside a partition (BSD, Solaris, Minix) shows only when the start of the outer partition
 * is in the window: hence two rounds. */
static int probe_table(const struct range *range, int window, unsigned sector,
                       struct varve_inspection *inspection)
{
    enum { NESTED_START = 64 << 10 };
    int r = 0;

    for (int round = 0; r == 0 && round < 2; round++) {
        blkid_probe probe = blkid_new_probe();
        blkid_partlist list = NULL;

        if (probe == NULL || blkid_probe_set_device(probe, window, 0, 0) != 0)
            r = varve_fail(ENOMEM, "no memory to look for partitions");
        else if (blkid_probe_set_sectorsize(probe, sector) == 0)
            list = blkid_probe_get_partitions(probe);
        if (list != NULL && round == 1)
            r = take_table(range, list, sector, inspection);
        for (int i = 0; list != NULL && r == 0 && round == 0; i++) {
            blkid_partition partition = blkid_partlist_get_partition(list, i);

            if (partition == NULL || i >= VARVE_PARTITIONS_MAX)
                break;
            r = range_add_to_window(
                range, window, (uint64_t)blkid_partition_get_start(partition) * 512, NESTED_START);
        }
        blkid_free_probe(probe);
    }
    return r;
}

int inspect_table(const struct range *range, int window, struct varve_inspection *inspection)
{
    static const unsigned sectors[] = {512, 4096};
    int r = add_extended_records(range, window, 512);

    for (int i = 0; r == 0 && i < 2 && inspection->table_type[0] == '\0'; i++) {
        r = add_gpt_entries(range, window, sectors[i]);
        if (r == 0)
            r = probe_table(range, window, sectors[i], inspection);
    }
    return r;
}
