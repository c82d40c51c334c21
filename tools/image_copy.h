/*
 * Copies between an image file and an export, with nbdcopy (and qemu-nbd, for qcow2), as programs
 * of the host. On a terminal it shows how far it is. What interrupt_catch catches ends the copy.
 */
#ifndef TOOLS_IMAGE_COPY_H
#define TOOLS_IMAGE_COPY_H

#include <stdbool.h>
#include <stdint.h>

enum image_format { IMAGE_RAW, IMAGE_QCOW2 };
/* "raw", "qcow2". */
const char *image_format_name(enum image_format format);
/* EXIT_DONE, or one sentence and EXIT_USAGE. */
int image_format_parse(const char *text, enum image_format *ret_format);
/* Whether the programs are there, for files of that format; else one sentence. */
int image_copy_check(enum image_format format);

struct image_copy {
    const char *step; /* for the line that shows how far it is */
    const char *file; /* absolute */
    const char *uri;  /* of the export */
    enum image_format format;
    bool to_file;   /* else from it */
    bool exact;     /* what is data stays data, also where it is zeroes */
    bool progress;  /* show lines also without a terminal */
    uint64_t bytes; /* of the disk, to say how far it is */
};

/* The destination must read as zeroes and have the right size (a raw file may have none): holes are
 * passed over. What was copied is durable. Returns EXIT_DONE; or prints one sentence and returns
 * EXIT_CANCELLED or EXIT_FAILED. */
int image_copy_run(const struct image_copy *copy);

#endif
