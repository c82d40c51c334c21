/* The verbs of `varve datasets versions` that freeze content, prove it, list it and compare it. */
#ifndef TOOLS_VERSION_PROOF_H
#define TOOLS_VERSION_PROOF_H

#include "command.h"

extern const struct command version_commit, version_verify, version_diff, version_manifest;

#endif
