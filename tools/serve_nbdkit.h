/* The nbdkit that `varve serve` becomes: where it is, what it can do, and where varve's plugin is.
 */
#ifndef TOOLS_SERVE_NBDKIT_H
#define TOOLS_SERVE_NBDKIT_H

#include <limits.h>

struct serve_nbdkit {
    char program[PATH_MAX]; /* a path, or a name to look up in PATH */
    unsigned major, minor;
    char plugin[PATH_MAX];
};

/* Asks nbdkit (`nbdkit`, or $VARVE_NBDKIT) and looks for the plugin: $VARVE_PLUGIN_PATH, beside the
 * command in a build folder, or where it is installed. Returns EXIT_DONE, or prints one sentence
 * and returns another exit code. */
int serve_find_nbdkit(struct serve_nbdkit *ret_nbdkit);

#endif
