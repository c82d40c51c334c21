/*
 * How `varve` ends: programs may rely on these numbers, and `varve --help` and varve(1) list them.
 */
#ifndef TOOLS_EXIT_CODES_H
#define TOOLS_EXIT_CODES_H

enum exit_code {
    EXIT_DONE = 0,          /* what was asked for was done */
    EXIT_FAILED = 1,        /* it failed, for a reason that has no number of its own */
    EXIT_USAGE = 2,         /* the command line, a name or a size is wrong; nothing was done */
    EXIT_NOT_FOUND = 3,     /* no such store, volume or export */
    EXIT_BUSY = 4,          /* in use: by a client, by another server, or by a command */
    EXIT_NO_SPACE = 5,      /* the store or the disk below it is full */
    EXIT_DAMAGED = 6,       /* damage was found, or the store refuses work after an I/O error */
    EXIT_NOT_PERMITTED = 7, /* the user or the volume's state does not allow it */
    EXIT_EXISTS = 8,        /* the name is taken */
    EXIT_NO_ANSWER = 9,     /* a server holds the store and its control door does not answer */
    EXIT_CANCELLED = 10,    /* it was told to stop before it was done, and undid what it had done */
    EXIT_STALE = 11,        /* a tag is not where it was expected to be; nothing was done */
};

/* The code for a negative errno as varve's functions return it, or for 0. */
enum exit_code exit_code_of(int error);

#endif
