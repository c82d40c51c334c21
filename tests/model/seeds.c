#include "seeds.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "counts.h"

/* The values of --NAME in getopt's table, beside letters. */
enum { FIRST_NUMBER = 1000 };

static void write_command(char *text, size_t size, const char *program, unsigned long long seed,
                          const struct seeds_number *more)
{
    int used = snprintf(text, size, "%s --seed %llu", program, seed);

    for (; more != NULL && more->name != NULL; more++)
        used += snprintf(text + used, size - (size_t)used, " --%s %llu", more->name,
                         (unsigned long long)more->value);
}

int seeds_main(int argc, char **argv, const char *things, struct seeds_number *more,
               seeds_play play)
{
    struct option options[4 + SEEDS_NUMBERS_MAX] = {{"seed", required_argument, NULL, 's'},
                                                    {things, required_argument, NULL, 'n'},
                                                    {"verbose", no_argument, NULL, 'v'}};
    unsigned long long seed = 1, number = 1;
    bool verbose = false;
    char again[200];
    int option;

    for (int i = 0; more != NULL && more[i].name != NULL; i++) {
        assert(i < SEEDS_NUMBERS_MAX);
        options[3 + i] = (struct option){more[i].name, required_argument, NULL, FIRST_NUMBER + i};
    }
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'n')
            number = strtoull(optarg, NULL, 10);
        else if (option == 'v')
            verbose = true;
        else if (more != NULL && option >= FIRST_NUMBER)
            more[option - FIRST_NUMBER].value = strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned long long i = 0; i < number; i++) {
        write_command(again, sizeof again, argv[0], seed + i, more);
        play(seed + i, verbose, again);
    }
    printf("ok %llu %s from seed %llu\n", number, things, seed);
    count_print();
    return 0;
}
