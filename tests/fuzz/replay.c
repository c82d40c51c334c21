/*
 * Runs a fuzz target without a fuzzer: each file of a corpus folder as it is, then mutations of
 * them that a seed decides.
 *
 *     fuzz-NAME CORPUS [MUTATIONS [SEED]]
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "fuzz.h"

enum { INPUT_MAX = 64 << 10, FILES_MAX = 1024 };

struct input {
    uint8_t *bytes;
    size_t length;
};
static struct input inputs[FILES_MAX];
static size_t count;

static void read_input(const char *folder, const char *name)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL || count == FILES_MAX) {
        fprintf(stderr, "cannot take %s\n", path);
        exit(1);
    }
    inputs[count].bytes = malloc(INPUT_MAX);
    inputs[count].length = fread(inputs[count].bytes, 1, INPUT_MAX, file);
    fclose(file);
    count++;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* In the order of names, so that a seed means the same everywhere. */
static void read_corpus(const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_input, alphasort);

    if (n <= 0) {
        fprintf(stderr, "no inputs in %s\n", folder);
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        read_input(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void mutate(struct chance *chance, uint8_t *bytes, size_t *length)
{
    for (uint64_t n = 1 + chance_below(chance, 4); n > 0 && *length > 0; n--) {
        size_t at = (size_t)chance_below(chance, *length);

        switch (chance_below(chance, 5)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << chance_below(chance, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)chance_below(chance, 256);
            break;
        case 2: /* numbers at their ends */
            memset(bytes + at, chance_hit(chance, 1, 2) ? 0xff : 0,
                   *length - at < 8 ? *length - at : 8);
            break;
        case 3:
            *length = at;
            break;
        default: { /* a piece of another input */
            const struct input *other = &inputs[chance_below(chance, count)];
            size_t from = other->length > 0 ? (size_t)chance_below(chance, other->length) : 0;
            size_t most = other->length - from < *length - at ? other->length - from : *length - at;

            memcpy(bytes + at, other->bytes + from, most > 64 ? 64 : most);
        }
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t mutations = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    struct chance chance = {argc > 3 ? strtoull(argv[3], NULL, 10) : 1};

    if (argc < 2)
        return 2;
    read_corpus(argv[1]);
    for (size_t i = 0; i < count; i++)
        LLVMFuzzerTestOneInput(inputs[i].bytes, inputs[i].length);
    for (uint64_t i = 0; i < mutations; i++) {
        const struct input *input = &inputs[chance_below(&chance, count)];
        uint8_t *bytes = malloc(input->length + 1); /* of its own: reads behind it are found */
        size_t length = input->length;

        memcpy(bytes, input->bytes, length);
        mutate(&chance, bytes, &length);
        LLVMFuzzerTestOneInput(bytes, length);
        free(bytes);
    }
    for (size_t i = 0; i < count; i++)
        free(inputs[i].bytes);
    printf("%zu inputs, %llu mutations\n", count, (unsigned long long)mutations);
    return 0;
}
