/* SPDX-License-Identifier: MIT */

/* For LD_PRELOAD: what a file system and a power failure can do at a rename, which is the moment
 * when a saved file comes into being.
 *
 *     KILL_BEFORE=N, KILL_AFTER=N     kill -9 at the N-th rename
 *     FULL_FROM=N, FULL_TO=N          these renames fail: no space left
 *     RENAMES=FILE                    gets their number at the end */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long count;

static long number(const char *name)
{
    const char *text = getenv(name);

    return text == NULL ? 0 : strtol(text, NULL, 10);
}

static void note(void)
{
    const char *path = getenv("RENAMES");
    FILE *out = path == NULL ? NULL : fopen(path, "w");

    if (out == NULL)
        return;
    fprintf(out, "%ld\n", count);
    fclose(out);
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = NULL;
    int rc;

    *(void **)&real = dlsym(RTLD_NEXT, "rename");
    count++;
    note();
    if (count == number("KILL_BEFORE"))
        raise(SIGKILL);
    if (count >= number("FULL_FROM") && count <= number("FULL_TO")) {
        errno = ENOSPC;
        return -1;
    }
    rc = real(from, to);
    if (count == number("KILL_AFTER"))
        raise(SIGKILL);
    return rc;
}
