/* SPDX-License-Identifier: MIT */
/* What can only be seen in a kernel set itself. In a file of its own, since both backends
 * define struct jem__queue. */

#include "check_backend_lab.h"

#include <stdlib.h>

#include "backend/cpu/cpu.h"

/* Of many numbers: where a product and a sum are contracted to one rounding, few results tell.
 * And a target computes with the set whose name it has. */
START_TEST(normals_have_the_same_bits_in_every_set)
{
    enum { N = 2000003 };
    const jem__rng rng = {jem__rng_key(2020, 7), JEM__RNG_SGLD, 5, UINT64_C(1) << 40};
    float *expected = malloc(N * sizeof *expected), *actual = malloc(N * sizeof *actual);
    jem_lab lab;

    ck_assert(expected != NULL && actual != NULL);
    jem_lab_open(&lab, jem_lab_fast(_i).target, 1, NULL, NULL, NULL);
    jem_check_ok(lab.status);
    ck_assert_str_eq(lab.queue->kernels->name, jem_lab_fast(_i).target->variant);
    jem__rng_normal(&rng, 0, N, expected);
    lab.queue->kernels->normal(&rng, 0, N, actual);
    ck_assert_mem_eq(actual, expected, N * sizeof *expected);
    jem_lab_close(&lab);
    free(expected);
    free(actual);
}
END_TEST

TCase *jem_backend_kernels_case(void)
{
    TCase *tc = tcase_create("kernels");

    tcase_set_timeout(tc, 30);
    jem_lab_add_fast(tc, &(jem_lab_row){normals_have_the_same_bits_in_every_set, 0, 1}, 1);
    return tc;
}
