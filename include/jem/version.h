/* SPDX-License-Identifier: MIT */
#ifndef JEM_VERSION_H
#define JEM_VERSION_H

/**
 * @file
 * The version of libjem, at compile time and at run time.
 *
 * The macros say which header a program was compiled with; the functions say which
 * library it runs with. Until 1.0 the shared library is `libjem.so.0` and a minor release
 * may change the ABI; see docs/abi.md.
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** First number: rises when a compiled program would stop working; 0 before the first release
 *  whose ABI is frozen. */
#define JEM_VERSION_MAJOR 0
/** Second number: rises when something is added. */
#define JEM_VERSION_MINOR 1
/** Third number: rises when something is mended. */
#define JEM_VERSION_PATCH 0

/** The header's version as one number: 10203 stands for 1.2.3. */
#define JEM_VERSION_NUMBER                                                                     \
    (JEM_VERSION_MAJOR * 10000 + JEM_VERSION_MINOR * 100 + JEM_VERSION_PATCH)

/**
 * The library's version as one number: 10203 stands for 1.2.3.
 *
 * @return the number; never fails; any thread
 * @since 0.1
 */
JEM_API int32_t jem_version_number(void);

/**
 * The library's version as text, for example "0.1.0".
 *
 * @return a literal that lives for ever; any thread
 * @since 0.1
 */
JEM_API const char *jem_version_string(void);

#ifdef __cplusplus
}
#endif

#endif
