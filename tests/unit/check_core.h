/* SPDX-License-Identifier: MIT */
#ifndef JEM_CHECK_CORE_H
#define JEM_CHECK_CORE_H

/* The core suite is one test case per source file of libjem/core; check_core.c puts them
 * together. */

#include <check.h>

TCase *jem_core_numbers_case(void);
TCase *jem_core_threads_case(void);
TCase *jem_core_random_case(void);
TCase *jem_core_options_case(void);
TCase *jem_core_file_case(void);

#endif
