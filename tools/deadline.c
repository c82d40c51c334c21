#include "deadline.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

enum { FIRST_PAUSE = 5, LONGEST_PAUSE = 100 };

static volatile sig_atomic_t interrupted;

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

struct deadline deadline_in(int seconds)
{
    return (struct deadline){now() + (int64_t)seconds * 1000, FIRST_PAUSE};
}

bool deadline_wait(struct deadline *deadline)
{
    if (interrupted || now() >= deadline->end) {
        return false;
    }
    poll(NULL, 0, deadline->milliseconds);
    if (deadline->milliseconds < LONGEST_PAUSE) {
        deadline->milliseconds *= 2;
    }
    return true;
}

static void note_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void set_action(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

void interrupt_catch(void)
{
    set_action(note_signal);
}

bool interrupt_seen(void)
{
    return interrupted != 0;
}

void interrupt_ignore(void)
{
    interrupted = 0;
    set_action(SIG_IGN);
}
