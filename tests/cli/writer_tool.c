/* SPDX-License-Identifier: MIT */

/* The kit's file_writer without random numbers, with a clock that stands, and on a disk that fails:
 * this program has getrandom(), clock_gettime() and fsync() of its own. Prints "ok NAME" or
 * "FAIL NAME" for each case; files.sh runs it.
 *
 *     writer_tool FOLDER      an empty one */

#define _DEFAULT_SOURCE /* getrandom */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kit/base/file_writer.h"
#include "kit/base/report.h"

static char path[FILE_PATH_BYTES], synced[8];
static int failed, disk_fails;

ssize_t getrandom(void *out, size_t size, unsigned flags)
{
    (void)out, (void)size, (void)flags;
    errno = ENOSYS;
    return -1;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = 1};
    return 0;
}

/* Notes what is synced: f, a file, while the target is not there; F, while it is; d, D: a folder. */
int fsync(int fd)
{
    struct stat about;
    const size_t n = strlen(synced);
    const int there = access(path, F_OK) == 0;

    if (fstat(fd, &about) == 0 && n + 1 < sizeof synced)
        synced[n] = S_ISDIR(about.st_mode) ? (there ? 'D' : 'd') : (there ? 'F' : 'f');
    errno = EIO;
    return disk_fails ? -1 : 0;
}

static void verdict(const char *name, int good)
{
    printf("%s %s\n", good ? "ok" : "FAIL", name);
    failed |= !good;
}

static int write_file(const char *text)
{
    struct file_writer w;

    return file_writer_open(&w, path) == EXIT_OK && fputs(text, w.stream) >= 0 &&
           file_writer_close(&w, 1) == EXIT_OK;
}

static int holds(const char *text)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    const int good = file_read(path, &bytes, &length) == EXIT_OK && length == strlen(text) &&
                     memcmp(bytes, text, length) == 0;

    free(bytes);
    return good;
}

/* Two files for one target at once, and nothing by which their names could differ but the try. */
static void check_names(void)
{
    static struct file_writer w, first;
    char names[2][FILE_PATH_BYTES];
    int good = file_writer_open(&w, path) == EXIT_OK;

    memcpy(names[0], w.temporary, sizeof names[0]);
    first = w;
    good = good && file_writer_open(&w, path) == EXIT_OK;
    memcpy(names[1], w.temporary, sizeof names[1]);
    verdict("two temporary files without random numbers",
            good && strcmp(names[0], names[1]) != 0);
    if (good)
        (void)file_writer_close(&w, 0);
    (void)file_writer_close(&first, 0);
}

int main(int argc, char **argv)
{
    if (argc != 2 || file_join(path, argv[1], "target") != EXIT_OK)
        return EXIT_USAGE;
    verdict("a new file", write_file("one") && holds("one"));
    verdict("its bytes reach the disk before its name, then the name",
            strcmp(synced, "fD") == 0);
    disk_fails = 1;
    verdict("a disk that fails is said", !write_file("two"));
    verdict("the old file stays", holds("one"));
    disk_fails = 0;
    check_names();
    (void)unlink(path);
    verdict("nothing stays beside it", rmdir(argv[1]) == 0);
    return failed;
}
