#include "counts.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t counts[COUNTED];

/* As tests/lib/counts.py knows them. */
static const char *const names[COUNTED] = {
    [COUNT_POWER_CUTS] = "power-cut states",
    [COUNT_RECOVERY_CUTS] = "cuts inside recovery",
    [COUNT_KILLS] = "deaths of the simulated process",
    [COUNT_IO_ERRORS] = "I/O errors",
    [COUNT_ALLOCATIONS] = "failed allocations",
    [COUNT_DATA_DAMAGE] = "damaged data blocks",
    [COUNT_METADATA_BYTES] = "mutated metadata bytes",
    [COUNT_HOSTILE] = "hostile images",
    [COUNT_OPERATIONS] = "model operations",
    [COUNT_STORE_FULL] = "full stores",
    [COUNT_CATALOG_CUTS] = "catalog and store cuts",
};

void count_case(enum counted what, uint64_t cases)
{
    counts[what] += cases;
}

uint64_t count_cases(enum counted what)
{
    return counts[what];
}

void count_print(void)
{
    for (int i = 0; i < COUNTED; i++)
        if (counts[i] > 0)
            printf("count: %s %" PRIu64 "\n", names[i], counts[i]);
}
