/* SPDX-License-Identifier: MIT */

/* See file_writer.h; libjem/core/file.c is the same for the library, and docs/decisions.md says why there
 * are two. */

#define _DEFAULT_SOURCE /* flock, getrandom */

#include "kit/base/file_writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kit/base/report.h"
#include "kit/base/splitmix.h"

#define LINKS     40 /* as many as Linux follows */
#define TRIES     100
#define TEMPORARY ".tmp-"
#define DIGITS    16 /* hexadecimal, after it */

static int cannot_write(const char *name)
{
    return report_failed("cannot write %s: %s", name, strerror(errno));
}

/* The file descriptor that a path names; -1: none. */
static int descriptor_of(const char *path)
{
    static const char *const places[] = {"/proc/self/fd/", "/dev/fd/"};

    if (strcmp(path, "-") == 0)
        return STDOUT_FILENO;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *digits = path + strlen(places[i]);

        if (strncmp(path, places[i], strlen(places[i])) == 0 && *digits != '\0' &&
            strspn(digits, "0123456789") == strlen(digits) && strlen(digits) <= 6)
            return (int)strtol(digits, NULL, 10);
    }
    return -1;
}

/* path = what it leads to. Stops at a file descriptor. */
static int follow_links(const char *name, char path[FILE_PATH_BYTES])
{
    for (int i = 0; i < LINKS && descriptor_of(path) < 0; i++) {
        char link[FILE_PATH_BYTES], folder[FILE_PATH_BYTES];
        const ssize_t length = readlink(path, link, sizeof link - 1);

        if (length < 0 && (errno == EINVAL || errno == ENOENT))
            return EXIT_OK;
        if (length < 0)
            return cannot_write(name);
        link[length] = '\0';
        TRY(file_folder_of(folder, path));
        if (link[0] == '/')
            memcpy(path, link, (size_t)length + 1);
        else
            TRY(file_join(path, folder, link));
    }
    if (descriptor_of(path) >= 0)
        return EXIT_OK;
    errno = ELOOP;
    return cannot_write(name);
}

/* Where a name leads, and what is there: 1: a regular file, 0: nothing, -1: no file but something
 * to write to. */
static int find_target(const char *name, char path[FILE_PATH_BYTES], struct stat *about,
                       int *kind)
{
    if (strlen(name) >= FILE_PATH_BYTES)
        return report_failed("file name too long: %.60s...", name);
    memcpy(path, name, strlen(name) + 1);
    TRY(follow_links(name, path));
    *kind = -1;
    if (descriptor_of(path) >= 0)
        return EXIT_OK;
    memset(about, 0, sizeof *about);
    errno = 0;
    if (stat(path, about) != 0) {
        *kind = 0;
        return errno == ENOENT ? EXIT_OK : cannot_write(name);
    }
    if (S_ISREG(about->st_mode))
        *kind = 1;
    if (!S_ISDIR(about->st_mode))
        return EXIT_OK;
    errno = EISDIR;
    return cannot_write(name);
}

int file_is_stdout(const char *name)
{
    char path[FILE_PATH_BYTES];

    if (name == NULL || strlen(name) >= sizeof path)
        return 0;
    if (strcmp(name, "-") == 0)
        return 1;
    if (strncmp(name, "/dev/", 5) != 0 && strncmp(name, "/proc/", 6) != 0)
        return 0;
    memcpy(path, name, strlen(name) + 1);
    return follow_links(name, path) == EXIT_OK && descriptor_of(path) == STDOUT_FILENO;
}

int file_writable(const char *name)
{
    char path[FILE_PATH_BYTES], folder[FILE_PATH_BYTES];
    struct stat about;
    int kind = 0;

    TRY(find_target(name, path, &about, &kind));
    if (descriptor_of(path) >= 0)
        return fcntl(descriptor_of(path), F_GETFL) != -1 ? EXIT_OK : cannot_write(name);
    if (kind < 0)
        return access(path, W_OK) == 0 ? EXIT_OK : cannot_write(name);
    TRY(file_folder_of(folder, path));
    if (access(folder, W_OK | X_OK) != 0)
        return report_failed("cannot write %s: the folder %s: %s", name, folder,
                             strerror(errno));
    return EXIT_OK;
}

static int claimed = -1; /* what standard output was */

int file_claim_stdout(void)
{
    if (claimed >= 0)
        return EXIT_OK;
    fflush(stdout);
    claimed = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    if (claimed < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return cannot_write("standard output");
    return EXIT_OK;
}

static int open_direct(struct file_writer *w)
{
    int number = descriptor_of(w->path);

    if (number == STDOUT_FILENO && claimed < 0) {
        w->stream = stdout;
        return EXIT_OK;
    }
    if (number == STDOUT_FILENO)
        number = claimed;
    const int fd = number >= 0 ? fcntl(number, F_DUPFD_CLOEXEC, 0)
                               : open(w->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return cannot_write(w->name);
    w->stream = fdopen(fd, "wb");
    if (w->stream == NULL) {
        (void)close(fd);
        return report_no_memory();
    }
    return EXIT_OK;
}

/* A name that no other process, living or dead, has. Without random numbers it is made of what differs
 * between processes, and of the number of the try, since nothing else need change between two. */
static int name_temporary(struct file_writer *w, int try)
{
    uint64_t salt = 0;

    if (getrandom(&salt, sizeof salt, GRND_NONBLOCK) != (ssize_t)sizeof salt) {
        struct timespec now = {0, 0};

        (void)clock_gettime(CLOCK_REALTIME, &now);
        salt = (uint64_t)now.tv_sec;
        salt = splitmix_next(&salt) + (uint64_t)now.tv_nsec;
        salt = splitmix_next(&salt) + (uint64_t)getpid();
        salt = splitmix_next(&salt) + (uint64_t)(uintptr_t)w;
        salt = splitmix_next(&salt) + (uint64_t)try;
    }
    const int length = snprintf(w->temporary, sizeof w->temporary, "%s" TEMPORARY "%016" PRIx64,
                                w->path, salt);
    if (length > 0 && (size_t)length < sizeof w->temporary)
        return EXIT_OK;
    w->temporary[0] = '\0';
    return report_failed("file name too long: %.60s...", w->name);
}

static int is_temporary(const char *name, const char *target)
{
    const size_t length = strlen(target);
    const char *digits = name + length + strlen(TEMPORARY);

    return strncmp(name, target, length) == 0 &&
           strncmp(name + length, TEMPORARY, strlen(TEMPORARY)) == 0 &&
           strspn(digits, "0123456789abcdef") == DIGITS && digits[DIGITS] == '\0';
}

/* A living writer holds a lock on its temporary file: what can be locked was left behind. */
static void remove_leftovers(const struct file_writer *w)
{
    char folder[FILE_PATH_BYTES];
    DIR *list = file_folder_of(folder, w->path) == EXIT_OK ? opendir(folder) : NULL;

    if (list == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (!is_temporary(entry->d_name, file_name_of(w->path)))
            continue;
        const int fd =
            openat(dirfd(list), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            (void)unlinkat(dirfd(list), entry->d_name, 0);
        if (fd >= 0)
            (void)close(fd);
    }
    (void)closedir(list);
}

static int open_temporary(struct file_writer *w)
{
    for (int i = 0; i < TRIES; i++) {
        struct stat about;

        TRY(name_temporary(w, i));
        const int fd = open(w->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd < 0)
            return cannot_write(w->temporary);
        (void)flock(fd, LOCK_EX | LOCK_NB); /* not every file system can */
        /* Another process may have taken it for a leftover before it was locked. */
        if (fstat(fd, &about) == 0 && about.st_nlink > 0) {
            w->stream = fdopen(fd, "wb");
            if (w->stream != NULL)
                return EXIT_OK;
            (void)unlink(w->temporary);
            (void)close(fd);
            return report_no_memory();
        }
        (void)unlink(w->temporary); /* it may be there and only not be seen */
        (void)close(fd);
    }
    return report_failed("cannot write %s: no name for a temporary file", w->name);
}

static void keep_mode(const struct file_writer *w, const struct stat *old)
{
    mode_t mode = old->st_mode & 07777;

    if (fchown(fileno(w->stream), old->st_uid, old->st_gid) != 0)
        mode &= 0777;
    (void)fchmod(fileno(w->stream), mode);
}

int file_writer_open(struct file_writer *w, const char *name)
{
    struct stat about;
    int kind = 0;

    w->name = name;
    w->temporary[0] = '\0';
    w->stream = NULL;
    TRY(find_target(name, w->path, &about, &kind));
    if (kind < 0)
        return open_direct(w);
    remove_leftovers(w);
    TRY(open_temporary(w));
    if (kind > 0)
        keep_mode(w, &about);
    return EXIT_OK;
}

/* All bytes on the disk, before the name: a power cut after the renaming leaves a whole file. */
static int settle(const struct file_writer *w)
{
    int rc;

    do {
        rc = fsync(fileno(w->stream));
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

/* The renaming itself, as far as the file system can. */
static void settle_folder(const struct file_writer *w)
{
    char folder[FILE_PATH_BYTES];
    const int fd = file_folder_of(folder, w->path) == EXIT_OK
                       ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                       : -1;

    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

/* The lock holds until the stream is closed, which is after the renaming. */
static int take_place(struct file_writer *w, int sound)
{
    if (sound && settle(w) && rename(w->temporary, w->path) == 0) {
        settle_folder(w);
        return 1;
    }
    const int error = errno;
    (void)unlink(w->temporary);
    errno = error;
    return 0;
}

int file_writer_close(struct file_writer *w, int sound)
{
    /* After a write that failed, errno is still its. */
    if (!ferror(w->stream))
        errno = 0;
    sound = !ferror(w->stream) && fflush(w->stream) == 0 && sound;
    if (w->stream == stdout)
        return sound ? EXIT_OK : cannot_write("standard output");
    if (w->temporary[0] != '\0')
        sound = take_place(w, sound);
    const int error = errno;
    if (fclose(w->stream) == 0 && sound)
        return EXIT_OK;
    return report_failed("cannot write %s: %s", w->name,
                         error != 0 ? strerror(error) : "writing failed");
}
