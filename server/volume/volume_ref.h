/*
 * A ref: how a user names what can be attached. The one place that takes refs apart. Pure.
 *
 *     VOLUME              the volume
 *     VOLUME@SNAPSHOT     a snapshot of it              |
 *     DATASET:VERSION     also a tag, latest, ~N        | known here by their form only, so that
 * they get TEAM/DATASET:...                                  | a sentence of their own REF..REF
 * what differs                  |
 */
#ifndef VOLUME_VOLUME_REF_H
#define VOLUME_VOLUME_REF_H

#include <varve/volume.h>

struct volume_ref {
    char volume[VARVE_NAME_MAX + 1];
};

/* -EINVAL: no ref of any form; -ENOTSUP: of a form that nothing here serves. */
int volume_ref_parse(const char *text, struct volume_ref *ret_ref);

#endif
