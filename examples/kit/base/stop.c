/* SPDX-License-Identifier: MIT */

/* Signals set a flag that the main loop looks at between steps. SA_RESETHAND restores the
 * default action, so a second signal ends the program at once. A step can take a minute, so the
 * handler itself says that it heard, with write(), which a handler may call. */

#include "kit/base/stop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t came;

static void on_signal(int number)
{
    static const char heard[] = "\nstopping after this step; again to end at once\n";
    const int error = errno;
    const ssize_t written = write(STDERR_FILENO, heard, sizeof heard - 1);

    (void)written;
    errno = error;
    came = number;
}

void stop_install(void)
{
    struct sigaction action, old;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL); /* nohup's stays ignored */
}

int stop_signal(void)
{
    return came;
}
