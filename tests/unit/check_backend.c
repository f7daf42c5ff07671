/* SPDX-License-Identifier: MIT */
/* The backends. One table of tests runs over the reference and every kernel set of the machine
 * (check_backend_lab.h). What each must do is checked by hand where numbers are small
 * (check_backend_closed.c), against the double-precision reference where they are not
 * (check_backend_oracle.c, check_backend_vectors.c), and for what no number shows: equal bits
 * however the work is cut, no byte out of bounds, no block lost (check_backend_guard.c). */

#include "check_backend_lab.h"

Suite *jem_backend_suite(void);

Suite *jem_backend_suite(void)
{
    Suite *suite = suite_create("backend");

    suite_add_tcase(suite, jem_backend_targets_case());
    suite_add_tcase(suite, jem_backend_closed_case());
    suite_add_tcase(suite, jem_backend_oracle_case());
    suite_add_tcase(suite, jem_backend_vectors_case());
    suite_add_tcase(suite, jem_backend_kernels_case());
    suite_add_tcase(suite, jem_backend_same_bits_case());
    suite_add_tcase(suite, jem_backend_memory_case());
    return suite;
}
