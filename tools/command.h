/*
 * What every subcommand of `varve` is made of: a description that help, completion and the parser
 * share, and a function. One subcommand is one `const struct command command_NAME` in its own
 * varve_NAME.c, listed in the table of varve.c.
 *
 * A run function gets its options and arguments parsed and counted. It prints results to standard
 * output and at most one sentence of failure to standard error, through the command_fail functions,
 * and returns an exit code of exit_codes.h: `return command_fail(EXIT_USAGE, "port '%s' is ...",
 * port)`.
 *
 * Options are popt's: a static table that ends with POPT_TABLEEND (or NULL for none) whose entries
 * store into static variables of the same file; each needs its descrip, and its argDescrip if it
 * takes a value. The options --help, --store, --json and --yes are added by the parser as the flags
 * say: never list them.
 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include <popt.h>
#include <stdbool.h>
#include <stdint.h>

#include "exit_codes.h"

enum command_flags {
    COMMAND_STORE = 1,  /* works on a store: takes --store DIR or VARVE_STORE, and insists on one */
    COMMAND_JSON = 2,   /* takes --json */
    COMMAND_YES = 4,    /* destroys something: takes --yes, and calls command_confirm */
    COMMAND_HIDDEN = 8, /* for programs: not listed in help */
    COMMAND_VERSION = 16,  /* takes --version: the root */
    COMMAND_PROGRESS = 32, /* may take long: takes --progress, and calls client_request_long */
};

/* What a plain argument is, for completion. */
enum command_argument {
    COMMAND_ARGUMENT_NONE,
    COMMAND_ARGUMENT_VOLUME,  /* the name of a volume, or a ref */
    COMMAND_ARGUMENT_DATASET, /* the name of a dataset */
    COMMAND_ARGUMENT_VERSION, /* DATASET:VERSION or DATASET:TAG */
    COMMAND_ARGUMENT_FILE,    /* a path */
};

enum { COMMAND_ARGUMENTS = 4 };

/* A parsed command line. The strings live until the process ends. */
struct invocation {
    const char *store; /* the store's directory; NULL without COMMAND_STORE */
    bool json;
    bool yes;
    bool progress; /* show how far it is, also without a terminal */
    int argument_count;
    const char *const *arguments; /* argument_count of them, then NULL */
};

struct command {
    const char *name;
    const char *alias;     /* accepted as well, not listed; or NULL */
    const char *summary;   /* one sentence: what it does */
    const char *arguments; /* for the usage line, e.g. "REF [MOUNTPOINT]", or NULL */
    const char *details;   /* further lines of help, each below 80 columns, or NULL */
    const char *example;   /* one or more command lines, one a line, or NULL */
    unsigned flags;
    int arguments_min, arguments_max;
    enum command_argument argument_kinds[COMMAND_ARGUMENTS];
    const struct poptOption *options;
    int (*run)(const struct invocation *invocation); /* NULL for a group */
    const struct command *const *commands;           /* a group's, ending with NULL */
};

/* Prints "varve: " and the sentence to standard error and returns `code`. Bytes that a terminal
 * could take for a command are replaced. The sentence has no newline and no full stop. */
int command_fail(enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with varve_error() (or what strerror says, when that is empty) for a negative errno, and
 * the exit code that fits. */
int command_fail_error(int error);

/* A warning, in the same form; the command goes on. */
void command_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Asks on the terminal and returns EXIT_DONE when the answer is yes, or --yes was given. Without a
 * terminal it fails with EXIT_USAGE and says that --yes is needed. The question has no question
 * mark: "delete volume 'a' (10 GiB)". */
int command_confirm(const struct invocation *invocation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, and the answer must be `name`: for what takes much with it. */
int command_confirm_typed(const struct invocation *invocation, const char *name, const char *format,
                          ...) __attribute__((format(printf, 3, 4)));

/* What --rate says, in bytes a second; 0 where `text` is NULL. `verb` is what a rate of 0 would do
 * with nothing. */
int command_rate(const char *text, const char *verb, uint64_t *ret_rate);

/* The root, and all subcommands. */
extern const struct command command_varve;
extern const struct command command_init;
extern const struct command command_serve;
extern const struct command command_volumes;
extern const struct command command_snapshots;
extern const struct command command_datasets;
extern const struct command command_attach;
extern const struct command command_detach;
extern const struct command command_inspect;
extern const struct command command_holds;
extern const struct command command_log;
extern const struct command command_du;
extern const struct command command_export;
extern const struct command command_import;
extern const struct command command_check;
extern const struct command command_operations;
extern const struct command command_scrub;
extern const struct command command_stats;
extern const struct command command_complete;

#endif
