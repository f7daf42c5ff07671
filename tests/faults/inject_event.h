/* SPDX-License-Identifier: MIT */
#ifndef JEM_FAULTS_INJECT_EVENT_H
#define JEM_FAULTS_INJECT_EVENT_H

/* What the interposed functions share. */

/* Must this event fail? */
int inject_event(int kind, const char *name);

/* An event that changes files: the process ends here if it is to be killed at it. */
void inject_kill(const char *name);

extern _Thread_local int inject_inside; /* of inject.so: its own calls are no events */

/* `real`: the function that is interposed. */
#define REAL(type, name, ...)                                                                  \
    static type (*real)(__VA_ARGS__);                                                          \
    if (real == NULL) {                                                                        \
        const int was_inside = inject_inside;                                                  \
        inject_inside = 1;                                                                     \
        *(void **)&real = dlsym(RTLD_NEXT, name);                                              \
        inject_inside = was_inside;                                                            \
    }

#endif
