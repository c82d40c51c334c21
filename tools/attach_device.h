/*
 * Devices of this machine: made of an export, looked at, let go. Two ways: the kernel's nbd driver,
 * and nbdfuse, which shows the export as a file, with a loop device on it.
 *
 * Functions that return int return EXIT_DONE, or print one sentence and return another exit code.
 * What a failed one leaves behind is for attachment_undo.
 */
#ifndef TOOLS_ATTACH_DEVICE_H
#define TOOLS_ATTACH_DEVICE_H

#include "attachment.h"

/* Connects the export; sets the device and saves the state. */
int attach_kernel(struct attachment *attachment);
/* The nbd device that was connected for the attachment; "" when there is none. */
void attach_find_kernel(const struct attachment *attachment, char device[ATTACHMENT_DEVICE]);
/* When the server of a device that waits for it is gone, so that all use of the device would wait
 * too: refuses, or lets the device go with what waits to be written to it. */
int attach_kernel_see_to_server(const struct attachment *attachment, bool give_up);

/* Shows the export as a file. */
int attach_fuse(const struct attachment *attachment, const char *socket);
int attach_end_fuse(const struct attachment *attachment);
void attach_fuse_file(const struct attachment *attachment, char file[PATH_MAX]);

/* Makes a loop device of the file and sets the device. */
int attach_loop(struct attachment *attachment);
/* The loop device on the attachment's file; "" when there is none. */
void attach_find_loop(const struct attachment *attachment, char device[ATTACHMENT_DEVICE]);

/* Makes the partitions of a device appear. */
void attach_show_partitions(const char *device);
/* How many the kernel shows. */
unsigned attach_count_partitions(const char *device);
/* Whether the kernel lets nobody write to it. */
bool attach_is_read_only(const char *device);

/* Whether something has it for itself: a mount (of any namespace), swap, device mapper, mkfs. */
bool attach_is_busy(const char *device);
/* Writes back what is cached and frees the device. EXIT_BUSY while something uses it. */
int attach_free_device(const struct attachment *attachment, const char *device);

#endif
