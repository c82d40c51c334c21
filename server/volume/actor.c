#include <pwd.h>
#include <stdio.h>
#include <unistd.h>
#include <varve/server.h>

static _Thread_local char actor[VARVE_ACTOR_MAX + 1];

void varve_set_actor(const char *who)
{
    snprintf(actor, sizeof actor, "%s", who == NULL ? "" : who);
}

const char *varve_actor(void)
{
    if (actor[0] == '\0') {
        char text[1024];
        struct passwd entry, *found = NULL;

        if (getpwuid_r(geteuid(), &entry, text, sizeof text, &found) == 0 && found != NULL)
            varve_set_actor(found->pw_name);
        else
            snprintf(actor, sizeof actor, "uid %u", (unsigned)geteuid());
    }
    return actor;
}
