/* SPDX-License-Identifier: MIT */
#ifndef JEM_STATUS_H
#define JEM_STATUS_H

/**
 * @file
 * Status codes, and the text of the last failure.
 *
 * Every function that can fail returns a jem_status: 0 or a negative code. The numbers never
 * change; new ones may be added, so treat an unknown negative code as a failure.
 *
 * What holds after a failure: handles asked for are set to NULL; output arrays hold
 * unspecified values unless the function says otherwise; every object passed in stays valid
 * and usable; nothing leaks. libjem never prints, aborts, exits, raises a signal, or changes
 * locale, environment, current folder or floating-point mode.
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Success. */
#define JEM_OK 0
/** A promise inside libjem was broken: please report it with the text. */
#define JEM_E_INTERNAL (-1)
/** An argument makes no sense: NULL, negative, not a number. */
#define JEM_E_ARGUMENT (-2)
/** Memory ran out. */
#define JEM_E_NOMEM (-3)
/** A name is not known: option, metric, parameter, backend, data-set kind. */
#define JEM_E_UNKNOWN (-4)
/** A value lies outside its bounds; the text names both. */
#define JEM_E_RANGE (-5)
/** Sizes do not fit together: channels, height, width, classes, lengths. */
#define JEM_E_SHAPE (-6)
/** An output array is too short; the text names the length needed. */
#define JEM_E_SPACE (-7)
/** The object is not in a state that allows the call. */
#define JEM_E_STATE (-8)
/** Well formed, understood, and not supported. */
#define JEM_E_UNSUPPORTED (-9)
/** The operating system refused: open, read, write, rename; the text has its words. */
#define JEM_E_IO (-10)
/** A file's bytes are not what the format asks for; the text names file and place. */
#define JEM_E_FORMAT (-11)
/** A file was written by a newer libjem. */
#define JEM_E_VERSION (-12)
/** A number is NaN or infinite, or a training exploded. */
#define JEM_E_NUMERIC (-13)
/** A backend failed for a reason of its own. */
#define JEM_E_BACKEND (-14)

/**
 * The name of a status code, for example "JEM_E_SHAPE".
 *
 * @param status any number
 * @return a literal; "JEM_E_?" for an unknown number; any thread
 * @since 0.1
 */
JEM_API const char *jem_status_name(jem_status status);

/**
 * What went wrong last on this thread: which function, which value, which limit.
 *
 * Set by every failing call, left alone by a successful one; starts empty. The text lies in
 * a fixed thread-local array of the library, so reporting "out of memory" needs no memory.
 * It is for people: do not parse it. It is valid UTF-8 without control characters: what is not,
 * in a name or path that it quotes, shows as "?". Runtimes that move a task between threads
 * must read it before the task can move.
 *
 * @return the text, valid until the next failure on this thread; never NULL
 * @since 0.1
 */
JEM_API const char *jem_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
