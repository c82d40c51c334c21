#include "dataset/dataset_id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <varve/error.h>

static const char marks[] = "0123456789abcdefghijklmnopqrstuvwxyz";
enum { DIGITS = 10, MARKS = sizeof marks - 1, DRAWS_MAX = 100 };

/* `count` marks, each of the first `of` ones; bytes that would favour some are thrown away. */
static int draw(char *to, size_t count, unsigned of)
{
    const unsigned fair = 256 / of * of;
    size_t have = 0;

    while (have < count) {
        unsigned char bytes[32];
        ssize_t n = getrandom(bytes, sizeof bytes, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return varve_fail(EIO, "the system gives no random bytes: %s", strerror(errno));
        for (ssize_t i = 0; i < n && have < count; i++)
            if (bytes[i] < fair)
                to[have++] = marks[bytes[i] % of];
    }
    to[count] = '\0';
    return 0;
}

int dataset_id_draw(char ret_id[CATALOG_DATASET_ID + 1])
{
    ret_id[0] = 'd';
    ret_id[1] = 's';
    return draw(ret_id + 2, CATALOG_DATASET_ID - 2, MARKS);
}

int version_id_draw_locked(struct catalog *catalog, const char *dataset,
                           char ret_id[CATALOG_VERSION_ID + 1])
{
    for (int i = 0; i < DRAWS_MAX; i++) {
        bool used = false;
        int r = draw(ret_id, 1, DIGITS);

        if (r == 0)
            r = draw(ret_id + 1, CATALOG_VERSION_ID - 1, MARKS);
        if (r == 0)
            r = catalog_version_id_is_used(catalog, dataset, ret_id, &used);
        if (r != 0 || !used)
            return r;
    }
    return varve_fail(EEXIST, "%d ids in a row were in use in dataset '%s'; make another dataset",
                      (int)DRAWS_MAX, dataset);
}
