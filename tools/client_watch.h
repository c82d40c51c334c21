/*
 * Watches one long request while the process waits for its answer, on a thread of its own: draws
 * how far it is (progress_line.h), and on the first SIGINT, SIGTERM or SIGHUP cancels it, through
 * the door or in this process. The answer is then awaited as before; it says whether the request
 * was cancelled or came to its end first. The second signal does what it always does: the process
 * ends, and a server goes on with the request, cancelled or not.
 *
 *   client_watch_begin · the request, with the token as its operation · client_watch_end
 *
 * One at a time in a process.
 */
#ifndef TOOLS_CLIENT_WATCH_H
#define TOOLS_CLIENT_WATCH_H

#include <stdbool.h>

struct client_watch;

enum { CLIENT_TOKEN = 32 };

/* Draws a token and adds it to the target, as the name by which the request is watched. The target
 * is new memory. EXIT_DONE, or EXIT_FAILED with a sentence. */
int client_track(const char *target, char ret_token[CLIENT_TOKEN], char **ret_target);

/* True once a signal told the process to stop. */
bool client_watch_was_told(void);

/* `always`: shows lines also where there is no terminal. The strings outlive the watch. NULL when
 * there is no thread or memory for it: then the request runs unwatched. */
struct client_watch *client_watch_begin(const char *store, const char *token, bool always);
void client_watch_end(struct client_watch *watch); /* takes NULL */

#endif
