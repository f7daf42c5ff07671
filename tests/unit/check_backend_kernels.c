/* SPDX-License-Identifier: MIT */
/* The CPU backend picks the best kernels that the processor runs; here the others get their
 * turn. In a file of its own, since both backends define struct jem__device. */

#include "check_backend_lab.h"

#include "backend/cpu/cpu.h"

void jem_lab_set_kernels(jem_lab *lab, int which)
{
    if (lab->status != JEM_OK || which == JEM_LAB_BEST)
        return;
    lab->dev->kernels = &jem__kernels_blis;
#if defined(__x86_64__)
    if (which == JEM_LAB_AVX2 && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("fma"))
        lab->dev->kernels = &jem__kernels_avx2;
#endif
}
