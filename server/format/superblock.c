#include "format/superblock.h"

#include <string.h>

#include "base/crc32c.h"
#include "format/layout.h"

/* Byte ranges as in FORMAT.md. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_FLAGS = 12,
    AT_COMPAT = 16,
    AT_RO_COMPAT = 24,
    AT_INCOMPAT = 32,
    AT_IDENTITY = 40,
    AT_OWN_BLOCK = 56,
    AT_CHECKPOINT = 64,
    AT_SESSION = 72,
    AT_LIMIT = 80,
    AT_JOURNAL_BLOCKS = 88,
    AT_SUPERGROUPS = 96,
    AT_LSN = 104,
    AT_JOURNAL_START = 112,
    AT_JOURNAL_SEQ = 120,
    AT_TRASH = 128,
    AT_NEXT_IMAGE = 136,
    AT_USED = 144,
    AT_MAP_BLOCKS = 152,
    AT_SUMMARY_CRC = 160,
    AT_TABLE_ROOT = 168,
    AT_TRASH_ROOT = 184,
    AT_MAPPED = 200,
    AT_LOGICAL = 208,
    AT_RESERVED = 216,
    AT_SHARED = 224,
    AT_END = 232,
    AT_CRC = 4092,
};
_Static_assert(AT_TRASH_ROOT + REF_BYTES == AT_MAPPED && AT_END <= AT_CRC, "fields do not overlap");

static const uint8_t magic[8] = {'V', 'A', 'R', 'V', 'E', 0x0d, 0x0a, 0x1a};

void superblock_encode(const struct superblock *super, struct pblock at, uint8_t *block)
{
    memset(block, 0, BLOCK_SIZE);
    memcpy(block + AT_MAGIC, magic, sizeof magic);
    le32_store(block + AT_VERSION, SUPERBLOCK_VERSION);
    le32_store(block + AT_FLAGS, super->flags);
    le64_store(block + AT_COMPAT, super->compat);
    le64_store(block + AT_RO_COMPAT, super->ro_compat);
    le64_store(block + AT_INCOMPAT, super->incompat);
    memcpy(block + AT_IDENTITY, super->identity, sizeof super->identity);
    le64_store(block + AT_OWN_BLOCK, at.n);
    le64_store(block + AT_CHECKPOINT, super->checkpoint);
    le64_store(block + AT_SESSION, super->session);
    le64_store(block + AT_LIMIT, super->limit_blocks);
    le64_store(block + AT_JOURNAL_BLOCKS, super->journal_blocks);
    le64_store(block + AT_SUPERGROUPS, super->supergroups);
    le64_store(block + AT_LSN, super->lsn);
    le64_store(block + AT_JOURNAL_START, super->journal_start);
    le64_store(block + AT_JOURNAL_SEQ, super->journal_seq);
    le64_store(block + AT_TRASH, super->trash);
    le64_store(block + AT_NEXT_IMAGE, super->next_image);
    le64_store(block + AT_USED, super->used_blocks);
    le64_store(block + AT_MAP_BLOCKS, super->map_blocks);
    le32_store(block + AT_SUMMARY_CRC, super->summary_crc);
    ref_store(block + AT_TABLE_ROOT, super->table_root);
    ref_store(block + AT_TRASH_ROOT, super->trash_root);
    le64_store(block + AT_MAPPED, super->mapped_blocks);
    le64_store(block + AT_LOGICAL, super->logical_bytes);
    le64_store(block + AT_RESERVED, super->reserved_blocks);
    le64_store(block + AT_SHARED, super->shared_blocks);
    le32_store(block + AT_CRC, crc32c(0, block, AT_CRC));
}

static const char *judge(const struct superblock *s)
{
    if (s->limit_blocks <= LAYOUT_HEADER_BLOCKS || s->limit_blocks > REF_ADDRESS_MASK) {
        return "has an impossible size of the store";
    }
    if (s->journal_blocks == 0 || s->journal_blocks > REF_ADDRESS_MASK ||
        s->journal_start >= s->journal_blocks) {
        return "has an impossible journal";
    }
    if (s->supergroups > layout_supergroups(layout_groups(s->limit_blocks))) {
        return "claims more groups than the store has room for";
    }
    if (s->table_root.kind > REF_HERE || s->trash_root.kind > REF_HERE) {
        return "has a root of unknown kind";
    }
    return NULL;
}

const char *superblock_decode(const uint8_t *block, struct pblock at, struct superblock *ret_super)
{
    struct superblock s;

    if (memcmp(block + AT_MAGIC, magic, sizeof magic) != 0) {
        return "has no varve magic";
    }
    if (le32_load(block + AT_CRC) != crc32c(0, block, AT_CRC)) {
        return "has a wrong checksum";
    }
    if (le32_load(block + AT_VERSION) != SUPERBLOCK_VERSION) {
        return "has a format version that this build does not know";
    }
    if (le64_load(block + AT_OWN_BLOCK) != at.n) {
        return "belongs to another place";
    }
    s.flags = le32_load(block + AT_FLAGS);
    s.compat = le64_load(block + AT_COMPAT);
    s.ro_compat = le64_load(block + AT_RO_COMPAT);
    s.incompat = le64_load(block + AT_INCOMPAT);
    memcpy(s.identity, block + AT_IDENTITY, sizeof s.identity);
    s.checkpoint = le64_load(block + AT_CHECKPOINT);
    s.session = le64_load(block + AT_SESSION);
    s.limit_blocks = le64_load(block + AT_LIMIT);
    s.journal_blocks = le64_load(block + AT_JOURNAL_BLOCKS);
    s.supergroups = le64_load(block + AT_SUPERGROUPS);
    s.lsn = le64_load(block + AT_LSN);
    s.journal_start = le64_load(block + AT_JOURNAL_START);
    s.journal_seq = le64_load(block + AT_JOURNAL_SEQ);
    s.trash = le64_load(block + AT_TRASH);
    s.next_image = le64_load(block + AT_NEXT_IMAGE);
    s.used_blocks = le64_load(block + AT_USED);
    s.map_blocks = le64_load(block + AT_MAP_BLOCKS);
    s.summary_crc = le32_load(block + AT_SUMMARY_CRC);
    s.table_root = ref_load(block + AT_TABLE_ROOT);
    s.mapped_blocks = le64_load(block + AT_MAPPED);
    s.logical_bytes = le64_load(block + AT_LOGICAL);
    s.reserved_blocks = le64_load(block + AT_RESERVED);
    s.shared_blocks = le64_load(block + AT_SHARED);
    s.trash_root = ref_load(block + AT_TRASH_ROOT);

    const char *refusal = judge(&s);
    if (refusal != NULL) {
        return refusal;
    }
    *ret_super = s;
    return NULL;
}
