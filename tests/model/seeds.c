#include "seeds.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "counts.h"

int seeds_main(int argc, char **argv, const char *things, seeds_play play)
{
    const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                     {things, required_argument, NULL, 'n'},
                                     {"verbose", no_argument, NULL, 'v'},
                                     {0}};
    unsigned long long seed = 1, number = 1;
    bool verbose = false;
    char again[120];
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'n')
            number = strtoull(optarg, NULL, 10);
        else if (option == 'v')
            verbose = true;
        else
            return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned long long i = 0; i < number; i++) {
        snprintf(again, sizeof again, "%s --seed %llu", argv[0], seed + i);
        play(seed + i, verbose, again);
    }
    printf("ok %llu %s from seed %llu\n", number, things, seed);
    count_print();
    return 0;
}
