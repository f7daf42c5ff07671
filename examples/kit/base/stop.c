/* SPDX-License-Identifier: MIT */

/* Signals set a flag that the main loop looks at between steps. SA_RESETHAND restores the
 * default action, so a second signal ends the program at once. */

#include "kit/base/stop.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t came;

static void on_signal(int number)
{
    came = number;
}

void stop_install(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int stop_signal(void)
{
    return came;
}
