/* SPDX-License-Identifier: MIT */

/* Runs all suites. Check reads CK_RUN_SUITE, CK_RUN_CASE, CK_FORK, CK_VERBOSITY and
 * CK_TIMEOUT_MULTIPLIER from the environment, so that one test can be looked at alone:
 *
 *     CK_RUN_SUITE=nets CK_FORK=no gdb build/tests/unit
 */

#include <check.h>
#include <stdlib.h>

Suite *jem_core_suite(void);
Suite *jem_backend_suite(void);
Suite *jem_data_suite(void);
Suite *jem_nets_suite(void);
Suite *jem_metrics_suite(void);
Suite *jem_io_suite(void);
Suite *jem_energy_suite(void);
Suite *jem_train_suite(void);
Suite *jem_golden_suite(void);

int main(void)
{
    SRunner *runner = srunner_create(jem_core_suite());
    srunner_add_suite(runner, jem_backend_suite());
    srunner_add_suite(runner, jem_data_suite());
    srunner_add_suite(runner, jem_nets_suite());
    srunner_add_suite(runner, jem_metrics_suite());
    srunner_add_suite(runner, jem_io_suite());
    srunner_add_suite(runner, jem_energy_suite());
    srunner_add_suite(runner, jem_train_suite());
    srunner_add_suite(runner, jem_golden_suite());

    srunner_run_all(runner, CK_ENV);
    const int run = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return run > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
