/*
 * Look-ahead: where nbdkit lets a plugin work on one request of a connection at a time, a client
 * that has many reads under way would wait for the disk for each of them alone. So a read that has
 * to wait for the disk looks what waits behind it in the connection's socket, without taking it
 * out, and begins those reads too. They are hints: bytes are only ever read for the request at
 * hand. Reads from memory pay nothing.
 *
 * Threads: a connection's own, in which nbdkit makes all its calls when it serializes requests.
 */
#ifndef NBDKIT_PLUGIN_LOOKAHEAD_H
#define NBDKIT_PLUGIN_LOOKAHEAD_H

#include <varve/export.h>

/* In .open, with the connection's socket (or -1); only when nbdkit serializes requests. */
void lookahead_begin(int fd);

/* As varve_export_read. */
int lookahead_read(struct varve_export *export, void *buffer, uint32_t length, uint64_t offset);

#endif
