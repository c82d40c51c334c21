/* The command line: options before and after the verb, and each way to get it wrong. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "command_line.h"

static struct invocation seen;
static char seen_store[64], seen_first[64];
static int runs;
static char *size_text;

static int run(const struct invocation *invocation)
{
    seen = *invocation;
    runs++;
    snprintf(seen_store, sizeof seen_store, "%s",
             invocation->store != NULL ? invocation->store : "");
    snprintf(seen_first, sizeof seen_first, "%s",
             invocation->argument_count > 0 ? invocation->arguments[0] : "");
    return EXIT_DONE;
}

static const struct poptOption options[] = {
    {"size", 's', POPT_ARG_STRING, &size_text, 0, "a size", "SIZE"}, POPT_TABLEEND};
static const struct command command_make = {.name = "make",
                                            .summary = "Makes.",
                                            .arguments = "NAME",
                                            .flags = COMMAND_STORE | COMMAND_JSON,
                                            .arguments_min = 1,
                                            .arguments_max = 1,
                                            .options = options,
                                            .run = run};
static const struct command command_bare = {.name = "bare", .summary = "Bare.", .run = run};
static const struct command *const verbs[] = {&command_make, NULL};
static const struct command command_things = {
    .name = "things", .alias = "thing", .summary = "Things.", .commands = verbs};
static const struct command *const nouns[] = {&command_things, &command_bare, NULL};
static const struct command root = {
    .name = "varve", .summary = "Root.", .flags = COMMAND_VERSION, .commands = nouns};

static char said[8192]; /* on standard error */

/* Runs a line of words; standard error and output are caught in `said`. */
static int line(const char *words)
{
    char copy[256];
    const char *argv[16] = {"varve"};
    int argc = 1;
    snprintf(copy, sizeof copy, "%s", words);
    char *rest = copy;
    for (char *word = strsep(&rest, " "); word != NULL && word[0] != '\0';
         word = strsep(&rest, " "))
        argv[argc++] = strcmp(word, "''") == 0 ? "" : word;
    FILE *catch = tmpfile();
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    fflush(stdout);
    dup2(fileno(catch), STDOUT_FILENO);
    dup2(fileno(catch), STDERR_FILENO);
    runs = 0;
    int code = command_line(&root, argc, argv);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    rewind(catch);
    size_t length = fread(said, 1, sizeof said - 1, catch);
    said[length] = '\0';
    fclose(catch);
    free(size_text);
    size_text = NULL;
    return code;
}

static void store_before_and_after(void)
{
    static const char *const lines[] = {
        "--store S things make x",        "things --store S make x",    "things make --store S x",
        "things make x --store S",        "things make x --store=S",    "thing make x --store S",
        "--json --store S things make x", "things make --store S -- x",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        CHECK_EQ(line(lines[i]), EXIT_DONE);
        CHECK_EQ(runs, 1);
        CHECK(strcmp(seen_store, "S") == 0);
        CHECK(strcmp(seen_first, "x") == 0);
        CHECK_EQ(seen.argument_count, 1);
    }
}

static void store_of_environment(void)
{
    setenv("VARVE_STORE", "E", 1);
    CHECK_EQ(line("things make x"), EXIT_DONE);
    CHECK(strcmp(seen_store, "E") == 0);
    CHECK_EQ(line("things make x --store S"), EXIT_DONE);
    CHECK(strcmp(seen_store, "S") == 0);
    unsetenv("VARVE_STORE");
    CHECK_EQ(line("things make x"), EXIT_USAGE);
    CHECK_HAS(said, "--store DIR or set VARVE_STORE");
    CHECK_EQ(runs, 0);
}

static void wrong_lines(void)
{
    static const struct {
        const char *line, *says;
    } wrong[] = {
        {"thinks", "'thinks' is not a command of 'varve'"},
        {"things brew", "'brew' is not a command of 'varve things'"},
        {"things make --store S", "usage is 'varve things make NAME'"},
        {"things make --store S a b", "'b' is one argument too many"},
        {"things make --store S ''", "argument 1 of 'varve things make' is empty"},
        {"things make --store S x --colour", "--colour: unknown option"},
        {"things make --store S x --size", "--size: missing argument"},
        {"things make --store S x --yes", "--yes: unknown option"},
        {"--yes things make --store S x", "'varve things make' does not take --yes"},
        {"--store S bare", "'varve bare' does not take --store"},
        {"--colour", "--colour: unknown option"},
        {"", "Usage: varve COMMAND"},
        {"things", "Usage: varve things COMMAND"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_EQ(line(wrong[i].line), EXIT_USAGE);
        CHECK_HAS(said, wrong[i].says);
        CHECK_EQ(runs, 0);
    }
}

static void help_at_every_level(void)
{
    static const char *const lines[] = {"--help", "things --help", "thing -h", "things make --help",
                                        "--help things make"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        CHECK_EQ(line(lines[i]), EXIT_DONE);
        CHECK_HAS(said, "Usage: varve");
        CHECK_HAS(said, "--help");
        CHECK_EQ(runs, 0);
    }
    CHECK_EQ(line("things make --help"), EXIT_DONE);
    CHECK_HAS(said, "-s, --size SIZE");
    CHECK_EQ(line("--version"), EXIT_DONE);
    CHECK_HAS(said, "varve ");
}

static void asks_nobody_without_a_terminal(void)
{
    const struct invocation yes = {.yes = true}, no = {.yes = false};
    CHECK_EQ(command_confirm(&yes, "delete '%s'", "x"), EXIT_DONE);
    int in = dup(STDIN_FILENO);
    CHECK(freopen("/dev/null", "r", stdin) != NULL);
    CHECK_EQ(command_confirm(&no, "delete '%s'", "x"), EXIT_USAGE);
    dup2(in, STDIN_FILENO);
    close(in);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"store before and after", store_before_and_after},
        {"store of environment", store_of_environment},
        {"wrong lines", wrong_lines},
        {"help at every level", help_at_every_level},
        {"asks nobody without a terminal", asks_nobody_without_a_terminal},
    };
    unsetenv("VARVE_STORE");
    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
