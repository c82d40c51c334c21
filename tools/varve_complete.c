/* varve complete: what could stand where the cursor is, for the shell. From the tables that the
 * parser reads, so it is never out of date. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command_line.h"
#include "field.h"

/* Where the words so far lead to. */
struct position {
    const struct command *command;
    const char *store;
    int arguments; /* plain ones of a leaf */
    bool value;    /* the next word is the value of an option */
    bool plain;    /* "--" was there: no more options */
};

/* The option table of a name like "--size" or "-s", or NULL. */
static const struct poptOption *find_option(const struct poptOption *options, const char *word)
{
    for (const struct poptOption *o = options; o != NULL && o->longName != NULL; o++)
        if ((strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->longName) == 0) ||
            (word[0] == '-' && word[1] != '\0' && word[1] == o->shortName && word[2] == '\0'))
            return o;
    return NULL;
}

static void step_option(struct position *at, const char *word, const char *next)
{
    struct command_globals unused = {0};
    struct poptOption globals[COMMAND_GLOBAL_OPTIONS];
    command_global_options(at->command, &unused, globals);
    const struct poptOption *option = find_option(at->command->options, word);
    if (option == NULL)
        option = find_option(globals, word);
    at->value = option != NULL && option->argDescrip != NULL;
    if (strcmp(word, "--store") == 0 && next != NULL)
        at->store = next;
    if (strncmp(word, "--store=", 8) == 0)
        at->store = word + 8;
}

/* Takes one finished word. */
static void step(struct position *at, const char *word, const char *next)
{
    if (at->value) {
        at->value = false;
    } else if (!at->plain && strcmp(word, "--") == 0) {
        at->plain = true;
    } else if (!at->plain && word[0] == '-') {
        step_option(at, word, next);
    } else if (at->command->run == NULL) {
        const struct command *below = command_find(at->command, word);
        if (below != NULL)
            at->command = below;
    } else {
        at->arguments++;
    }
}

static void offer(const char *before, const char *candidate, const char *word)
{
    size_t length = strlen(word), skip = strlen(before);
    if (strncmp(before, word, length < skip ? length : skip) == 0 &&
        (length <= skip || strncmp(candidate, word + skip, length - skip) == 0))
        printf("%s%s\n", before, candidate);
}

static void offer_options(const struct command *command, const char *word)
{
    struct command_globals unused = {0};
    struct poptOption globals[COMMAND_GLOBAL_OPTIONS];
    command_global_options(command, &unused, globals);
    for (const struct poptOption *o = command->options; o != NULL && o->longName != NULL; o++)
        offer("--", o->longName, word);
    for (const struct poptOption *o = globals; o->longName != NULL; o++)
        offer("--", o->longName, word);
}

/* The member `name` of each object in the array `list` of an answer. */
static void offer_answers(const char *store, const char *target, const char *list,
                          const char *member, const char *word)
{
    json_t *answer, *object;
    size_t i;
    if (client_request(store, "GET", target, NULL, &answer) != EXIT_DONE)
        return;
    json_array_foreach(json_object_get(answer, list), i, object)
        offer("", field_text(object, member), word);
    json_decref(answer);
}

/* Once the dataset stands there: its versions and tags. */
static void offer_versions(const char *store, const char *word)
{
    const char *colon = strchr(word, ':');
    if (colon == NULL) {
        offer_answers(store, "/v1/datasets", "datasets", "full_name", word);
        return;
    }
    char *dataset = strndup(word, (size_t)(colon - word));
    if (dataset == NULL)
        return;
    char *versions = client_target("/v1/datasets/", dataset, "/versions?all=true");
    char *tags = client_target("/v1/datasets/", dataset, "/tags");
    offer_answers(store, versions, "versions", "ref", word);
    offer_answers(store, tags, "tags", "ref", word);
    free(tags);
    free(versions);
    free(dataset);
}

/* Once the volume stands there: its snapshots. */
static void offer_snapshots(const char *store, const char *word)
{
    char *volume = strndup(word, strcspn(word, "@"));
    if (volume == NULL)
        return;
    char *target = client_target("/v1/snapshots?volume=", volume, "");
    offer_answers(store, target, "snapshots", "ref", word);
    free(target);
    free(volume);
}

static void offer_things(const struct position *at, const char *word)
{
    const char *store = at->store != NULL ? at->store : getenv("VARVE_STORE");
    if (store == NULL)
        return;
    switch (at->command->argument_kinds[at->arguments]) {
    case COMMAND_ARGUMENT_VOLUME:
        offer_answers(store, "/v1/volumes", "volumes", "name", word);
        if (strchr(word, ':') != NULL)
            offer_versions(store, word);
        else if (strchr(word, '@') != NULL)
            offer_snapshots(store, word);
        break;
    case COMMAND_ARGUMENT_DATASET:
        offer_answers(store, "/v1/datasets", "datasets", "full_name", word);
        break;
    case COMMAND_ARGUMENT_VERSION:
        offer_versions(store, word);
        break;
    case COMMAND_ARGUMENT_NONE:
    case COMMAND_ARGUMENT_FILE:
        break;
    }
}

static int run(const struct invocation *invocation)
{
    struct position at = {.command = &command_varve};
    const char *const *words = invocation->arguments;
    int last = invocation->argument_count - 1;
    for (int i = 0; i < last; i++)
        step(&at, words[i], i + 1 < last ? words[i + 1] : NULL);
    if (last < 0 || at.value)
        return EXIT_DONE;
    /* It may be empty, which the parser refuses of an argument: the shell puts an x before it. */
    const char *word = words[last] + 1;
    if (!at.plain && word[0] == '-')
        offer_options(at.command, word);
    else if (at.command->run == NULL)
        for (const struct command *const *c = at.command->commands; *c != NULL; c++) {
            if (((*c)->flags & COMMAND_HIDDEN) == 0)
                offer("", (*c)->name, word);
        }
    else if (at.arguments < COMMAND_ARGUMENTS)
        offer_things(&at, word);
    return EXIT_DONE;
}

const struct command command_complete = {
    .name = "complete",
    .summary = "Prints what could complete a command line; the shell calls it.",
    .arguments = "-- [WORD...] xLAST",
    .flags = COMMAND_HIDDEN,
    .arguments_max = 1000,
    .run = run,
};
