/* SPDX-License-Identifier: MIT */
/* See processors.h. Files that are not there, or say something unknown, limit nothing. */

#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT */

#include "core/threads/processors.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/arithmetic.h"

#define GROUP_BYTES 4096 /* of the file that names the groups, and of a path */

/* The beginning of a small file, zero-ended; 0: there is none. */
static int32_t read_text(const char *path, char *out, size_t size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;

    if (fd < 0)
        return 0;
    while (used < size - 1) {
        const ssize_t n = read(fd, out + used, size - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    (void)close(fd);
    out[used] = '\0';
    return used > 0;
}

/* A number above 0 at the beginning of a text; 0: "max", -1 or anything else. */
static int64_t positive(const char *text, const char **end)
{
    char *after;

    errno = 0;
    const long long value = strtoll(text, &after, 10);
    *end = after;
    return after != text && errno == 0 && value > 0 ? value : 0;
}

static int64_t whole_processors(int64_t quota, int64_t period)
{
    return quota > 0 && period > 0 ? jem__ceil_div(jem__min(quota, INT64_MAX - period), period)
                                   : 0;
}

/* cpu.max: "QUOTA PERIOD" or "max PERIOD". */
static int64_t quota_of_2(const char *folder)
{
    char path[GROUP_BYTES], text[128];
    const char *rest;

    const int length = snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (length < 0 || (size_t)length >= sizeof path || !read_text(path, text, sizeof text))
        return 0;
    const int64_t quota = positive(text, &rest);
    return whole_processors(quota, positive(rest, &rest));
}

/* cpu.cfs_quota_us, -1 for none, and cpu.cfs_period_us. */
static int64_t quota_of_1(const char *folder)
{
    static const char *const names[] = {"cpu.cfs_quota_us", "cpu.cfs_period_us"};
    int64_t numbers[2];

    for (int32_t i = 0; i < 2; i++) {
        char path[GROUP_BYTES], text[64];
        const char *rest;
        const int length = snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (length < 0 || (size_t)length >= sizeof path || !read_text(path, text, sizeof text))
            return 0;
        numbers[i] = positive(text, &rest);
    }
    return whole_processors(numbers[0], numbers[1]);
}

static int64_t tighter(int64_t a, int64_t b)
{
    return a == 0 ? b : b == 0 ? a : jem__min(a, b);
}

/* The limits of `base`/`name` and of each folder above it, up to `base`. */
static int64_t walk_up(const char *base, const char *name, int64_t (*quota)(const char *))
{
    char path[GROUP_BYTES];
    const size_t top = strlen(base);
    int64_t found = 0;

    const int length = snprintf(path, sizeof path, "%s%s", base, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return quota(base);
    for (;;) {
        found = tighter(found, quota(path));
        char *slash = strrchr(path + top, '/');
        if (slash == NULL)
            return found;
        *slash = '\0';
    }
}

/* Does the list "a,b,c" of a line hold "cpu"? */
static int32_t controls_cpu(const char *list)
{
    for (;;) {
        const size_t length = strcspn(list, ",");
        if (length == 3 && strncmp(list, "cpu", 3) == 0)
            return 1;
        if (list[length] == '\0')
            return 0;
        list += length + 1;
    }
}

/* Lines "NUMBER:CONTROLLERS:PATH"; version 2 has no controllers. */
int64_t jem__group_quota(const char *group, const char *mount)
{
    char text[GROUP_BYTES], *rest = text, base[GROUP_BYTES];
    int64_t found = 0;

    if (!read_text(group, text, sizeof text))
        return 0;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *path++ = '\0';
        controllers++;
        if (controllers[0] == '\0') {
            found = tighter(found, walk_up(mount, path, quota_of_2));
        } else if (controls_cpu(controllers)) {
            const int length = snprintf(base, sizeof base, "%s/cpu", mount);
            if (length > 0 && (size_t)length < sizeof base)
                found = tighter(found, walk_up(base, path, quota_of_1));
        }
    }
    return found;
}

/* The fixed cpu_set_t is too small for machines of more than 1024 processors. */
static int64_t granted_by_affinity(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
    return sysconf(_SC_NPROCESSORS_ONLN);
}

int64_t jem__processors(void)
{
    const int64_t quota = jem__group_quota("/proc/self/cgroup", "/sys/fs/cgroup");

    return jem__max(1, tighter(jem__max(0, granted_by_affinity()), quota));
}
