/* SPDX-License-Identifier: MIT */
/* What the targets share. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

static FILE *stderr_then; /* while it is hushed */

void fuzz_hush(void)
{
    static FILE *nowhere;
    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "w");
    fuzz_require(nowhere != NULL, "/dev/null");
    stderr_then = stderr;
    stderr = nowhere;
}

void fuzz_speak(void)
{
    if (stderr_then != NULL)
        stderr = stderr_then;
    stderr_then = NULL;
}

void fuzz_require(int true_or_not, const char *text)
{
    if (true_or_not)
        return;
    fuzz_speak();
    fprintf(stderr, "fuzz: must hold: %s\n", text);
    abort();
}

int fuzz_made(jem_status status, const void *handle)
{
    fuzz_require(status <= 0, "status <= 0");
    fuzz_require((status == JEM_OK) == (handle != NULL), "a handle if and only if JEM_OK");
    fuzz_require(status == JEM_OK || jem_last_error()[0] != '\0', "an error has a text");
    fuzz_require(status != JEM_E_INTERNAL, "no input is a bug of libjem");
    return handle != NULL;
}

jem_context *fuzz_context(void)
{
    static jem_context *ctx;
    if (ctx == NULL) {
        fuzz_require(jem_context_create(NULL, &ctx) == JEM_OK, "a context");
        fuzz_require(jem_context_set_threads(ctx, 1) == JEM_OK, "one thread");
    }
    return ctx;
}

const char *fuzz_file(const uint8_t *data, size_t size, int64_t zeros)
{
    static char path[64];
    static int fd = -1;
    if (fd <
        0) { /* in memory where there is such a place; without a name, so it goes by itself */
        char shm[] = "/dev/shm/jem-fuzz-XXXXXX", tmp[] = "/tmp/jem-fuzz-XXXXXX";
        char *name = shm;
        fd = mkstemp(shm);
        if (fd < 0)
            fd = mkstemp(name = tmp);
        fuzz_require(fd >= 0 && unlink(name) == 0, "a temporary file");
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    fuzz_require(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size &&
                     ftruncate(fd, (off_t)size + (off_t)zeros) == 0,
                 "writing the temporary file");
    return path;
}
