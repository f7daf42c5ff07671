/* SPDX-License-Identifier: MIT */

/* The inner product through BLIS: the path for machines that the tile kernels do not know. The
 * only file that includes blis.h.
 *
 * BLIS 0.9.0 stops the process on bad sizes (ours were checked when the network was built) and
 * reads out of bounds in its small-matrix ("sup") path on AVX2, which is therefore switched off
 * in the per-call runtime object (flame/blis issues 635 and 821, mended in 1.1). Each call runs
 * on one thread; the parallel work is ours, so the result does not depend on the flavour of
 * BLIS that is installed, nor on its environment variables for threads. */

#include "backend/cpu/kernels.h"

#include <blis.h>

/* Wide panels: BLIS does its own blocking. */
#define PANEL_COLS 256

static void gemm(const jem__gemm *g)
{
    rntm_t rntm = BLIS_RNTM_INITIALIZER;
    const float *b = g->b;
    float one = 1.0F, beta = g->accumulate ? 1.0F : 0.0F;

    if (g->m == 0 || g->n == 0)
        return;
    bli_rntm_set_num_threads(1, &rntm);
    bli_rntm_disable_l3_sup(&rntm);
    for (int64_t j = 0; j < g->n; j += PANEL_COLS, b += g->b_panel) {
        const int64_t n = g->n - j < PANEL_COLS ? g->n - j : PANEL_COLS;
        /* BLIS declares its operands without const, and does not write to a and b. */
        bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, g->m, n, g->k, &one,
                     (float *)(uintptr_t)g->a, g->a_row, g->a_step, (float *)(uintptr_t)b,
                     g->b_step, 1, &beta, g->c + j, g->c_row, 1, NULL, &rntm);
    }
}

static void epilogue_forward(const float *in, const float *bias, const float *add, float *out,
                             uint8_t *bits, int64_t n)
{
    jem__epilogue_forward_plain(in, bias, add, out, bits, 0, n);
}

static void epilogue_backward(const float *in, const uint8_t *bits, float slope,
                              const float *add, float *out, int64_t n)
{
    jem__epilogue_backward_plain(in, bits, slope, add, out, 0, n);
}

const jem__kernels jem__kernels_blis = {.name = "blis",
                                        .cols = PANEL_COLS,
                                        .gemm = gemm,
                                        .epilogue_forward = epilogue_forward,
                                        .epilogue_backward = epilogue_backward,
                                        .rows = 1,
                                        .normal = jem__rng_normal};

const char *jem__blis_version(void)
{
    return bli_info_get_version_str();
}
