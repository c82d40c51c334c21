/* Writes the first inputs of the corpus: sound structures, made by the encoders. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/block.h"
#include "format/count_page.h"
#include "format/image_record.h"
#include "format/journal_batch.h"
#include "format/journal_record.h"
#include "format/layout.h"
#include "format/summary_page.h"
#include "format/superblock.h"

static const char *corpus;

static void save(const char *target, const char *name, const void *bytes, size_t length)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", corpus, target);
    (void)mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", corpus, target, name);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void superblock(void)
{
    uint8_t bytes[1 + BLOCK_SIZE] = {1};
    struct superblock super = {.flags = SUPERBLOCK_CLEAN,
                               .checkpoint = 7,
                               .session = 3,
                               .limit_blocks = 1 << 20,
                               .journal_blocks = 1024,
                               .supergroups = 2,
                               .lsn = 4096,
                               .journal_start = 5,
                               .journal_seq = 9,
                               .next_image = 4,
                               .used_blocks = 100,
                               .map_blocks = 10,
                               .table_root = {.at = {300}, .kind = REF_HERE, .crc = 1}};

    superblock_encode(&super, (struct pblock){64}, bytes + 1);
    save("superblock", "sound", bytes, 240);
}

static void map_page(void)
{
    uint8_t bytes[1 + BLOCK_SIZE] = {0};

    for (unsigned i = 1; i < 4; i++) {
        struct image_record record = {.root = {.at = {400 + i}, .kind = REF_HERE, .mapped = i},
                                      .image = i,
                                      .size = (uint64_t)i << 30,
                                      .parent = i - 1,
                                      .flags = i % 2,
                                      .level = 2,
                                      .label = "volume demo"};
        image_record_encode(&record, bytes + 1 + (size_t)i * IMAGE_RECORD_BYTES);
    }
    save("map_page", "sound", bytes, 1 + 4 * IMAGE_RECORD_BYTES);
}

static void journal(void)
{
    static const uint8_t crcs[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static uint8_t bytes[2 * BLOCK_SIZE];
    const struct journal_record records[] = {
        {.kind = JOURNAL_CREATE, .image = 1, .size = 1 << 20, .label = "volume a"},
        {.kind = JOURNAL_WRITE, .image = 1, .pblock = {300}, .blocks = 2, .crcs = crcs},
        {.kind = JOURNAL_HOLE, .image = 1, .lblock = {3}, .blocks = 9},
        {.kind = JOURNAL_CLONE, .image = 2, .source = 1, .image_flags = 1, .label = "snap 1 s"},
        {.kind = JOURNAL_RESIZE, .image = 1, .size = 2 << 20},
        {.kind = JOURNAL_LABEL, .image = 1, .label = "volume b"},
        {.kind = JOURNAL_FLAGS, .image = 1, .image_flags = 1},
        {.kind = JOURNAL_ROLLBACK, .image = 1, .source = 2},
        {.kind = JOURNAL_DELETE, .image = 2},
    };
    struct journal_batch batch = {.seq = 4, .session = 1, .durable_seq = 3, .checkpoint = 2};

    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        journal_record_encode(&records[i], bytes + JOURNAL_BATCH_HEADER_BYTES + batch.record_bytes);
        batch.record_bytes += (uint32_t)journal_record_length(&records[i]);
    }
    journal_pad_encode(16, bytes + JOURNAL_BATCH_HEADER_BYTES + batch.record_bytes);
    batch.record_bytes += 16;
    journal_batch_seal(0, &batch, bytes);
    save("journal", "all-kinds", bytes, JOURNAL_BATCH_HEADER_BYTES + batch.record_bytes);
}

static void counts(void)
{
    static uint16_t numbers[LAYOUT_GROUP_BLOCKS] = {1, 2, 65535};
    static struct summary_page page = {.supergroup = 0, .checkpoint = 4};
    static uint8_t block[BLOCK_SIZE];

    count_page_encode(0, (struct pblock){258}, 0, 4, numbers, block);
    save("counts", "count-page", block, 80);
    page.groups[0] = (struct group_summary){.crc = 5, .used = 3, .slot = 1, .written = true};
    summary_page_encode(0, (struct pblock){258}, &page, block);
    save("counts", "summary-page", block, 96);
}

static void texts(const char *target, const char *const *list)
{
    for (unsigned i = 0; list[i] != NULL; i++) {
        char name[16];

        snprintf(name, sizeof name, "%02u", i);
        save(target, name, list[i], strlen(list[i]));
    }
}

/* Requests of NBD: two reads, a write with its data, one more read that is there in part. */
static void waiting(void)
{
    static const uint8_t kinds[] = {0, 1, 0, 0};
    uint8_t bytes[4 * 28 + 512] = {0};
    size_t at = 0;

    for (uint8_t i = 0; i < 4; i++) {
        static const uint8_t magic[] = {0x25, 0x60, 0x95, 0x13};

        memcpy(bytes + at, magic, sizeof magic);
        bytes[at + 7] = kinds[i];
        bytes[at + 15] = i;                 /* the cookie */
        bytes[at + 22] = (uint8_t)(16 * i); /* the offset */
        bytes[at + 26] = 2;                 /* the length, 512 */
        at += kinds[i] == 1 ? 28 + 512 : 28;
    }
    save("waiting", "mixed", bytes, at - 9);
    save("waiting", "reads", bytes + 28 + 28 + 512, 56);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"demo",
                                        "demo@before-upgrade",
                                        "team/imagenet:latest",
                                        "imagenet:~12",
                                        "ds0123456789abc:0abcdef",
                                        "a@1..a@2",
                                        "volume demo shared",
                                        "new snap 12 nightly",
                                        "version ds0123456789abc 0abcdef 7",
                                        "deleted tree ds0123456789abc 0abcdef",
                                        "manifest ds0123456789abc 0abcdef",
                                        "catalog 99",
                                        NULL};
    static const char *const requests[] = {
        "GET /v1\n",
        "GET /v1/volumes/a%40b?operation=x\n",
        "POST /v1/volumes\n{\"name\":\"demo\",\"size\":1048576,\"shared\":true}",
        "POST /v1/snapshots\n{\"volumes\":[\"a\",\"b@c\"],\"message\":\"m\"}",
        "DELETE /v1/volumes/demo\n",
        "GET /v1/stats?a=b&c=%ff\n",
        NULL};

    if (argc != 2)
        return 2;
    corpus = argv[1];
    superblock();
    map_page();
    journal();
    counts();
    waiting();
    texts("names", names);
    texts("request", requests);
    return 0;
}
