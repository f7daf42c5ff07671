/* SPDX-License-Identifier: MIT */
/* The CPU backend picks the best kernels that the processor runs; here the others get their
 * turn. In a file of its own, since both backends define struct jem__queue. */

#include "check_backend_lab.h"

#include <stdlib.h>

#include "backend/cpu/cpu.h"

void jem_lab_set_kernels(jem_lab *lab, int which)
{
    if (lab->status != JEM_OK || which == JEM_LAB_BEST)
        return;
    lab->queue->kernels = &jem__kernels_blis;
#if defined(__x86_64__)
    if (which == JEM_LAB_AVX2 && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("fma"))
        lab->queue->kernels = &jem__kernels_avx2;
#endif
}

/* Many numbers: where a product and a sum are contracted to one rounding, few results tell. */
static void check_normals(const jem__kernels *kernels)
{
    enum { N = 2000003 };
    const jem__rng rng = {jem__rng_key(2020, 7), JEM__RNG_SGLD, 5, UINT64_C(1) << 40};
    float *expected = malloc(N * sizeof *expected), *actual = malloc(N * sizeof *actual);

    ck_assert(expected != NULL && actual != NULL);
    jem__rng_normal(&rng, 0, N, expected);
    kernels->normal(&rng, 0, N, actual);
    ck_assert_mem_eq(actual, expected, N * sizeof *expected);
    free(expected);
    free(actual);
}

START_TEST(normals_have_the_same_bits_in_every_set)
{
    check_normals(&jem__kernels_blis);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        check_normals(&jem__kernels_avx2);
    if (__builtin_cpu_supports("avx512f"))
        check_normals(&jem__kernels_avx512);
#endif
}
END_TEST

TCase *jem_backend_kernels_case(void)
{
    TCase *tc = tcase_create("kernels");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, normals_have_the_same_bits_in_every_set);
    return tc;
}
