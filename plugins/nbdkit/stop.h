/*
 * A stop that is bounded, whatever the clients do.
 *
 * nbdkit, told to stop, waits until all its connections ended, and an idle client's never does. So
 * a thread of the plugin takes the signals instead (they are blocked everywhere else), tells nbdkit
 * to stop, and sees to the connections:
 *
 *   signal              nbdkit_shutdown: no new connections, no new requests
 *   at once             connections are shut down for reading: requests in progress end and are
 *                       answered; what was answered so far is made durable
 *   after 3 seconds     for writing too: a client that does not take its answers is cut
 *   when none is left   nbdkit calls .cleanup, which closes the store (flush, checkpoint)
 *   after 9 seconds     the process leaves; the next start recovers, as it does after any death
 */
#ifndef NBDKIT_PLUGIN_STOP_H
#define NBDKIT_PLUGIN_STOP_H

/* Blocks the signals in the calling thread and all that it will start: call it in .after_fork
 * before any other thread is started. */
void stop_block_signals(void);

/* Starts the thread. Returns 0 or a positive errno. */
int stop_watch(void);

/* Ends the thread, which uses the store: call it before the store is closed. The time limit of a
 * stop that began stays. Nothing happens when the thread was never started. */
void stop_unwatch(void);

/* Takes the time limit away: the store is closed. */
void stop_done(void);

#endif
