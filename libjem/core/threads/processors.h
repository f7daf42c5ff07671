/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_THREADS_PROCESSORS_H
#define JEM_CORE_THREADS_PROCESSORS_H

/* How many threads a process can use: a container grants processors by affinity, or time on them
 * by a quota of its control group. Threads beyond either only wait for each other. */

#include <stdint.h>

/* At least 1. */
int64_t jem__processors(void);

/* The processors' worth of time that a control group grants, rounded up; 0: no limit. `group` is
 * a file like /proc/self/cgroup; version 2 hierarchies are mounted at `mount`, those of version
 * 1 in its folder "cpu". The tightest limit of the group and its ancestors counts. */
int64_t jem__group_quota(const char *group, const char *mount);

#endif
