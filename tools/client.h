/*
 * One request to a store, whether it is served or not. With a server the request goes through the
 * control door (HTTP on STORE/control.sock); when nobody serves, the store is opened in this
 * process and the same request table is called. Requests that change nothing (GET) open it
 * read-only.
 *
 * The target is a path with an optional query, as in include/varve/control.h; client_target makes
 * one with its arguments escaped.
 */
#ifndef TOOLS_CLIENT_H
#define TOOLS_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

struct invocation;

/* Performs the request. `parameters` is an object or NULL, and is not consumed. Returns EXIT_DONE
 * with the answer in *ret_answer (free it with json_decref), or prints one sentence to standard
 * error and returns the exit code that fits. */
int client_request(const char *store, const char *method, const char *target,
                   const json_t *parameters, json_t **ret_answer);

/* The same, and takes the target and the parameters. */
int client_ask(const struct invocation *invocation, const char *method, char *target,
               json_t *parameters, json_t **ret_answer);

/* client_request for what may take long (there is no limit on the time then): on a terminal it
 * shows how far it is, if the request says so with varve_progress; Ctrl-C cancels it, and then it
 * fails with EXIT_CANCELLED. The command should have COMMAND_PROGRESS. */
int client_request_long(const struct invocation *invocation, const char *method, const char *target,
                        const json_t *parameters, json_t **ret_answer);

/* The same as client_request, but without a server it fails with EXIT_NO_ANSWER and says how to
 * start one. */
int client_request_server(const char *store, const char *method, const char *target,
                          const json_t *parameters, json_t **ret_answer);

/* The target `before` + `argument` + `after`, with the argument percent-encoded, in new memory.
 * Never NULL. */
char *client_target(const char *before, const char *argument, const char *after);

/* client_ask with POST, for a change. NULL for parameters means that
 * an argument was no text (json_pack says so), which is refused with EXIT_USAGE. */
int client_change(const struct invocation *invocation, char *target, json_t *parameters,
                  json_t **ret_answer);

/* Prints an answer for programs (--json). */
void client_print_json(const json_t *answer);

/* How a verb ends: with EXIT_DONE it prints the answer, for programs or by `print`, and lets it go;
 * with another code there is none. Returns `code`. */
int client_finish(const struct invocation *invocation, int code, json_t *answer,
                  void (*print)(const json_t *answer));
/* The same with one line for people: "SAID: MEMBER", like "Deleted volume: demo". */
int client_finish_saying(const struct invocation *invocation, int code, json_t *answer,
                         const char *said, const char *member);
/* The same of a list: `member` of the answer goes to `print`, or where it is empty the line `none`
 * to standard error. */
int client_finish_list(const struct invocation *invocation, int code, json_t *answer,
                       const char *member, void (*print)(const json_t *list), const char *none);
/* The same with the text `name` of each alone, one a line. */
int client_finish_names(const struct invocation *invocation, int code, json_t *answer,
                        const char *member, const char *name);

#endif
