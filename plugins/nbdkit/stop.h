/*
 * A stop that is bounded, whatever the clients do.
 *
 * nbdkit, told to stop, waits until all its connections ended, and an idle client's never does; and
 * what it reads meanwhile it answers with an error that is none (gate.h). So a thread of the plugin
 * takes the signals instead (they are blocked everywhere else), and sees to the connections:
 *
 *   signal              no new connections; requests that come in from now are not begun
 *   at most 3 seconds   requests under way end and are answered
 *   then                all connections are cut, and nbdkit is told: no client hears anything after
 *                       its last true answer. What was answered is made durable
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
