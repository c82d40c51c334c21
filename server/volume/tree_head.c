#include "volume/tree_head.h"

#include <string.h>

#include "base/le.h"

static const uint8_t magic[8] = {'V', 'A', 'R', 'V', 'T', 'R', 'E', 'E'};

void tree_head_encode(const struct tree_head *head, uint8_t bytes[TREE_HEAD_SIZE])
{
    memset(bytes, 0, TREE_HEAD_SIZE);
    memcpy(bytes, magic, sizeof magic);
    le64_store(bytes + 8, head->construction);
    le64_store(bytes + 16, head->size);
    memcpy(bytes + 24, head->digest, TREE_HEAD_DIGEST);
}

bool tree_head_decode(const uint8_t bytes[TREE_HEAD_SIZE], struct tree_head *ret_head)
{
    struct tree_head head = {.construction = le64_load(bytes + 8), .size = le64_load(bytes + 16)};

    if (memcmp(bytes, magic, sizeof magic) != 0 || head.construction == 0 ||
        head.construction > TREE_HEAD_CONSTRUCTIONS)
        return false;
    memcpy(head.digest, bytes + 24, TREE_HEAD_DIGEST);
    *ret_head = head;
    return true;
}
