/* SPDX-License-Identifier: MIT */
/* The bench of the backend tests; see check_backend_lab.h. */

#include "check_backend_lab.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/reference/reference.h"
#include "core/context.h"
#include "core/error.h"
#include "core/threads/threads.h"

/* --- Targets ------------------------------------------------------------------------------ */

static const jem_lab_target known[] = {{"reference", &jem__backend_reference, ""},
                                       {"cpu:avx512", &jem__backend_cpu, "avx512"},
                                       {"cpu:avx2", &jem__backend_cpu, "avx2"},
                                       {"cpu:blis", &jem__backend_cpu, "blis"}};
#define KNOWN ((int)(sizeof known / sizeof known[0]))

/* Asked while the suites are made: no error text may stay behind for their tests. */
static int32_t runs_here(const jem_lab_target *target)
{
    char text[96];

    if (target->backend->describe(target->variant, text, sizeof text) == JEM_OK)
        return 1;
    (void)jem__fail(JEM_OK, "%s", "");
    return 0;
}

int jem_lab_targets(void)
{
    int count = 0;

    for (int k = 0; k < KNOWN; k++)
        count += runs_here(&known[k]);
    return count;
}

const jem_lab_target *jem_lab_target_at(int i)
{
    int k = 0;

    ck_assert_int_lt(i, jem_lab_targets());
    for (; !runs_here(&known[k]) || i > 0; k++)
        i -= runs_here(&known[k]);
    return &known[k];
}

jem_lab_turn jem_lab_all(int i)
{
    const int targets = jem_lab_targets();

    return (jem_lab_turn){jem_lab_target_at(i % targets), i / targets};
}

jem_lab_turn jem_lab_fast(int i)
{
    const int targets = jem_lab_targets() - 1;

    return (jem_lab_turn){jem_lab_target_at(1 + i % targets), i / targets};
}

static void add_rows(TCase *tc, const jem_lab_row *rows, int count, int targets)
{
    for (int i = 0; i < count; i++)
        tcase_add_loop_test(tc, rows[i].test, rows[i].first * targets,
                            (rows[i].first + rows[i].cases) * targets);
}

void jem_lab_add_all(TCase *tc, const jem_lab_row *rows, int count)
{
    add_rows(tc, rows, count, jem_lab_targets());
}

void jem_lab_add_fast(TCase *tc, const jem_lab_row *rows, int count)
{
    add_rows(tc, rows, count, jem_lab_targets() - 1);
}

/* What is not run, and why. */
START_TEST(targets_of_this_machine)
{
    char text[96];
    int count = 0;

    for (int k = 0; k < KNOWN; k++) {
        if (known[k].backend->describe(known[k].variant, text, sizeof text) == JEM_OK)
            count++;
        else
            printf("backend: %s is skipped: %s\n", known[k].name, jem_last_error());
    }
    ck_assert_int_eq(count, jem_lab_targets());
    ck_assert_int_ge(count, 2); /* BLIS runs anywhere */
    ck_assert_str_eq(jem_lab_target_at(0)->name, "reference");

    jem_check_ok(jem__backend_cpu.describe("", text, sizeof text)); /* "" is the best */
    ck_assert_ptr_nonnull(strstr(text, jem_lab_target_at(1)->variant));
}
END_TEST

TCase *jem_backend_targets_case(void)
{
    TCase *tc = tcase_create("targets");

    tcase_add_test(tc, targets_of_this_machine);
    return tc;
}

/* --- The bench ---------------------------------------------------------------------------- */

void jem_lab_note(jem_lab *lab, jem_status status)
{
    if (lab->status == JEM_OK)
        lab->status = status;
}

void jem_lab_open(jem_lab *lab, const jem_lab_target *target, int32_t threads,
                  jem_alloc_fn alloc, jem_release_fn release, void *user)
{
    const jem__backend *backend = target->backend;

    *lab = (jem_lab){.backend = backend, .guarded = alloc != NULL};
    jem_lab_note(lab,
                 jem__context_create(backend, target->name, alloc, release, user, &lab->ctx));
    if (lab->status != JEM_OK)
        return;
    snprintf(lab->ctx->variant, sizeof lab->ctx->variant, "%s", target->variant);
    jem__pool_free(lab->ctx, lab->ctx->pool);
    lab->ctx->pool = NULL;
    jem_lab_note(lab, jem__pool_create(lab->ctx, threads, &lab->ctx->pool));
    if (lab->status == JEM_OK)
        jem_lab_note(lab, backend->queue_create(lab->ctx, 0, &lab->queue));
}

void jem_lab_forget(jem_lab *lab)
{
    for (int i = 0; i < lab->blocks; i++)
        lab->backend->mem_free(lab->ctx, lab->block[i]);
    lab->blocks = 0;
}

void jem_lab_close(jem_lab *lab)
{
    if (lab->ctx == NULL)
        return;
    jem_lab_forget(lab);
    lab->backend->queue_free(lab->queue);
    jem__context_unref(lab->ctx);
}

static void keep_block(jem_lab *lab, jem__mem *mem)
{
    ck_assert_int_lt(lab->blocks, JEM_LAB_BLOCKS);
    lab->block[lab->blocks++] = mem;
}

/* Host memory for uploads and downloads; with an allocator of the test's own its next byte is
 * forbidden. */
static float *host_alloc(const jem_lab *lab, int64_t count)
{
    const int64_t bytes = count * (int64_t)sizeof(float);
    jem_test_memory memory = {0};
    float *host = lab->guarded ? jem_test_guard_alloc(bytes, sizeof *host, &memory)
                               : malloc((size_t)bytes);

    ck_assert_ptr_nonnull(host);
    return host;
}

static void host_free(const jem_lab *lab, float *host, int64_t count)
{
    jem_test_memory memory = {0};

    if (lab->guarded)
        jem_test_guard_release(host, count * (int64_t)sizeof *host, &memory);
    else
        free(host);
}

jem__tensor jem_lab_tensor(jem_lab *lab, int64_t n, int64_t c, int64_t h, int64_t w,
                           const float *values)
{
    const int64_t count = n * c * h * w;
    jem__tensor t = {NULL, (16 - count % 16) % 16, n, c, h, w};
    float *host = NULL;

    if (lab->status != JEM_OK)
        return t;
    jem_lab_note(lab, lab->backend->mem_create(lab->ctx, t.at + count, &t.mem));
    if (lab->status != JEM_OK) {
        ck_assert_ptr_null(t.mem);
        return t;
    }
    keep_block(lab, t.mem);
    if (count == 0)
        return t;
    host = host_alloc(lab, count);
    for (int64_t e = 0; e < count; e++)
        host[e] = values != NULL ? values[e] : NAN;
    jem_lab_note(lab, lab->backend->upload(lab->queue, &t, host));
    host_free(lab, host, count);
    return t;
}

jem__signs jem_lab_signs_space(jem_lab *lab, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const int64_t bytes = n * lab->backend->signs_bytes(c, h, w);
    jem__signs signs = {NULL, (64 - bytes % 64) % 64};

    if (lab->status != JEM_OK)
        return signs;
    jem_lab_note(lab, lab->backend->mem_create_bits(lab->ctx, signs.at + bytes, &signs.mem));
    if (lab->status == JEM_OK)
        keep_block(lab, signs.mem);
    else
        ck_assert_ptr_null(signs.mem);
    return signs;
}

jem__signs jem_lab_signs_of(jem_lab *lab, const jem__tensor *x)
{
    const int64_t c = x->c;
    const jem__conv conv = {c, x->h, x->w, c, 1, 1, 1, 0, x->h, x->w, 1};
    const jem__signs signs = jem_lab_signs_space(lab, x->n, c, x->h, x->w);
    float *identity = calloc((size_t)(c * c), sizeof *identity);
    jem__tensor w, y;

    for (int64_t i = 0; i < c; i++)
        identity[i * c + i] = 1;
    w = jem_lab_tensor(lab, c, c, 1, 1, identity);
    y = jem_lab_tensor(lab, x->n, c, x->h, x->w, NULL);
    free(identity);
    if (lab->status == JEM_OK)
        jem_lab_note(
            lab, lab->backend->conv_forward(lab->queue, &conv, x, &w, NULL, NULL, &y, &signs));
    return signs;
}

void jem_lab_fetch(jem_lab *lab, const jem__tensor *t, double *out)
{
    const int64_t count = t->n * t->c * t->h * t->w;
    float *host = NULL;

    if (lab->status != JEM_OK || count == 0)
        return;
    if (lab->backend == &jem__backend_reference) {
        memcpy(out, jem__reference_numbers(t->mem) + t->at, (size_t)count * sizeof *out);
        return;
    }
    host = host_alloc(lab, count);
    jem_lab_note(lab, lab->backend->download(lab->queue, t, host));
    for (int64_t e = 0; e < count; e++)
        out[e] = (double)host[e];
    host_free(lab, host, count);
}

/* --- Numbers ------------------------------------------------------------------------------ */

uint32_t jem_lab_next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u; /* Numerical Recipes; the high bits are good */
    return *state >> 8;
}

void jem_lab_random(uint32_t seed, int64_t n, float *out)
{
    uint32_t state = seed * 2654435761u + 12345u;

    for (int64_t i = 0; i < n; i++) {
        const uint32_t word = jem_lab_next(&state);

        out[i] = word % 16 == 5 ? 0.0F : (float)word * 0x1p-23F - 1.0F;
    }
}

static float *random_floats(uint32_t seed, int64_t n)
{
    float *out = malloc((size_t)(n > 0 ? n : 1) * sizeof *out);

    jem_lab_random(seed, n, out);
    return out;
}

/* --- Convolutions ------------------------------------------------------------------------- */

jem__conv jem_lab_conv(const jem_lab_case *what)
{
    const jem_lab_case *q = what;
    const int64_t oh = (q->h + 2 * q->pad - q->kh) / q->stride + 1;
    const int64_t ow = (q->w + 2 * q->pad - q->kw) / q->stride + 1;
    const jem__conv conv = {q->c,      q->h,   q->w, q->k, q->kh,   q->kw,
                            q->stride, q->pad, oh,   ow,   q->slope};

    return conv;
}

void jem_lab_data_make(const jem_lab_case *what, uint32_t seed, jem_lab_data *out)
{
    const jem__conv v = jem_lab_conv(what);
    const int64_t in = what->n * v.c * v.h * v.w, made = what->n * v.k * v.oh * v.ow;
    const int64_t taps = v.k * v.c * v.kh * v.kw;

    out->x = random_floats(seed + 1, in);
    out->w = random_floats(seed + 2, taps);
    out->b = random_floats(seed + 3, v.k);
    out->add_y = random_floats(seed + 4, made);
    out->gy = random_floats(seed + 5, made);
    out->add_x = random_floats(seed + 6, in);
    out->gw = random_floats(seed + 7, taps);
    out->gb = random_floats(seed + 8, v.k);
}

void jem_lab_data_free(jem_lab_data *data)
{
    free(data->x);
    free(data->w);
    free(data->b);
    free(data->add_y);
    free(data->gy);
    free(data->add_x);
    free(data->gw);
    free(data->gb);
}

static double *doubles(int64_t count)
{
    return calloc((size_t)(count > 0 ? count : 1), sizeof(double));
}

void jem_lab_result_make(const jem_lab_case *what, jem_lab_result *out)
{
    const jem__conv v = jem_lab_conv(what);

    out->count[0] = out->count[1] = what->n * v.k * v.oh * v.ow;
    out->count[2] = what->n * v.c * v.h * v.w;
    out->count[3] = v.k * v.c * v.kh * v.kw;
    out->count[4] = v.k;
    out->y = doubles(out->count[0]);
    out->slope = doubles(out->count[1]);
    out->gx = doubles(out->count[2]);
    out->gw = doubles(out->count[3]);
    out->gb = doubles(out->count[4]);
}

void jem_lab_result_free(jem_lab_result *result)
{
    free(result->y);
    free(result->slope);
    free(result->gx);
    free(result->gw);
    free(result->gb);
}

/* Slopes at y: what pool_backward makes of a gradient of oh * ow. */
static void fetch_slopes(jem_lab *lab, const jem__conv *v, int64_t n, const jem__signs *signs,
                         double *out)
{
    const jem__tensor gx = jem_lab_tensor(lab, n, v->k, v->oh, v->ow, NULL);
    const jem__tensor gy = jem_lab_tensor(lab, n, v->k, 1, 1, NULL);

    if (lab->status == JEM_OK)
        jem_lab_note(lab, lab->backend->fill(lab->queue, &gy, (float)(v->oh * v->ow)));
    if (lab->status == JEM_OK)
        jem_lab_note(lab, lab->backend->pool_backward(lab->queue, &gy, signs, 0.2F, &gx));
    jem_lab_fetch(lab, &gx, out);
}

static void run_forward(jem_lab *lab, const jem_lab_case *what, const jem_lab_data *data,
                        const jem__tensor *x, const jem__tensor *w, jem_lab_result *out)
{
    const jem__conv v = jem_lab_conv(what);
    const int64_t n = what->n;
    const jem__tensor b = jem_lab_tensor(lab, 1, v.k, 1, 1, data->b);
    const jem__tensor add = jem_lab_tensor(lab, n, v.k, v.oh, v.ow, data->add_y);
    const jem__tensor y = jem_lab_tensor(lab, n, v.k, v.oh, v.ow, NULL);
    const jem__tensor plain = jem_lab_tensor(lab, n, v.k, v.oh, v.ow, NULL);
    const jem__signs signs = jem_lab_signs_space(lab, n, v.k, v.oh, v.ow), none = {NULL, 0};
    const jem__tensor *bias = what->bias ? &b : NULL, *also = what->add ? &add : NULL;

    if (lab->status == JEM_OK)
        jem_lab_note(lab,
                     lab->backend->conv_forward(lab->queue, &v, x, w, bias, also, &y, &signs));
    fetch_slopes(lab, &v, n, &signs, out->slope);
    if (lab->status == JEM_OK) /* without signs the same numbers must come out */
        jem_lab_note(
            lab, lab->backend->conv_forward(lab->queue, &v, x, w, bias, also, &plain, &none));
    jem_lab_fetch(lab, &y, out->y);
    if (lab->status == JEM_OK && out->count[0] > 0) {
        double *again = doubles(out->count[0]);

        jem_lab_fetch(lab, &plain, again);
        if (lab->status == JEM_OK)
            ck_assert_msg(memcmp(again, out->y, (size_t)out->count[0] * sizeof *again) == 0,
                          "%s: %s: other numbers without signs", lab->backend->name,
                          jem_lab_name(what));
        free(again);
    }
}

void jem_lab_run(jem_lab *lab, const jem_lab_case *what, const jem_lab_data *data,
                 jem_lab_result *out)
{
    const jem__conv v = jem_lab_conv(what);
    const int64_t n = what->n;
    const jem__tensor x = jem_lab_tensor(lab, n, v.c, v.h, v.w, data->x);
    const jem__tensor w = jem_lab_tensor(lab, v.k, v.c, v.kh, v.kw, data->w);
    const jem__tensor gy = jem_lab_tensor(lab, n, v.k, v.oh, v.ow, data->gy);
    const jem__tensor add = jem_lab_tensor(lab, n, v.c, v.h, v.w, data->add_x);
    const jem__tensor other = jem_lab_tensor(lab, n, v.c, v.h, v.w, NULL);
    const jem__tensor *gx = what->add == 2 ? &add : &other;
    const jem__tensor gw = jem_lab_tensor(lab, v.k, v.c, v.kh, v.kw, data->gw);
    const jem__tensor gb = jem_lab_tensor(lab, 1, v.k, 1, 1, data->gb);
    const jem__signs signs = jem_lab_signs_of(lab, &x);

    run_forward(lab, what, data, &x, &w, out);
    if (lab->status == JEM_OK)
        jem_lab_note(lab, lab->backend->conv_backward_x(lab->queue, &v, &gy, &w,
                                                        jem__activates(v.slope) ? &signs : NULL,
                                                        what->add ? &add : NULL, gx));
    if (lab->status == JEM_OK)
        jem_lab_note(lab, lab->backend->conv_backward_w(lab->queue, &v, &x, &gy, &gw,
                                                        what->bias ? &gb : NULL));
    jem_lab_fetch(lab, gx, out->gx);
    jem_lab_fetch(lab, &gw, out->gw);
    jem_lab_fetch(lab, &gb, out->gb);
    jem_lab_forget(lab);
}

const char *jem_lab_name(const jem_lab_case *what)
{
    static char text[200];

    snprintf(text, sizeof text,
             "n %" PRId64 ", %" PRId64 "x%" PRId64 "x%" PRId64 ", k %" PRId64
             ", kernel %" PRId64 "x%" PRId64 ", stride %" PRId64 ", pad %" PRId64
             ", slope %g, bias %d, add %d",
             what->n, what->c, what->h, what->w, what->k, what->kh, what->kw, what->stride,
             what->pad, (double)what->slope, (int)what->bias, (int)what->add);
    return text;
}

/* --- The list ----------------------------------------------------------------------------- */

static int64_t pick(uint32_t *state, const int64_t *from, int count)
{
    return from[jem_lab_next(state) % (uint32_t)count];
}

static jem_lab_case random_case(uint32_t *state)
{
    static const int64_t channels[] = {1, 3, 5, 16, 17, 32, 48};
    static const int64_t filters[] = {1, 7, 10, 16, 33, 64};
    static const int64_t images[] = {1, 1, 2, 5, 17};
    static const float slopes[] = {0.2F, 1, 0, 1, 0.1F, 1};
    jem_lab_case q = {.n = pick(state, images, 5),
                      .c = pick(state, channels, 7),
                      .h = 1 + jem_lab_next(state) % 33,
                      .w = 1 + jem_lab_next(state) % 33,
                      .k = pick(state, filters, 6),
                      .stride = 1 + jem_lab_next(state) % 2,
                      .slope = slopes[jem_lab_next(state) % 6],
                      .bias = (int32_t)(jem_lab_next(state) % 2),
                      .add = (int32_t)(jem_lab_next(state) % 3)};
    const uint32_t kind = jem_lab_next(state) % 8;

    q.kh = q.kw = kind < 2 ? 1 : 3;
    q.pad = kind < 6 ? q.kh / 2 : 0;
    if (kind == 7) { /* fully connected */
        q.kh = q.h;
        q.kw = q.w;
        q.stride = 1;
    }
    return q;
}

/* Corner cases by hand, then random ones that fit and are small enough for plain loops. */
jem_lab_case jem_lab_case_at(int i)
{
    static const jem_lab_case corners[] = {
        {0, 3, 8, 8, 16, 3, 3, 1, 1, 0.2F, 1, 1},
        {1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0},
        {1, 1, 1, 1, 1, 3, 3, 1, 1, 0, 1, 1},
        {2, 48, 1, 1, 10, 1, 1, 1, 0, 1, 1, 0},
        {5, 64, 1, 1, 10, 1, 1, 1, 0, 0.1F, 1, 0},
        {5, 3, 28, 28, 10, 28, 28, 1, 0, 1, 1, 0},
        {1, 3, 32, 32, 16, 3, 3, 1, 1, 1, 1, 0},
        {1, 16, 33, 31, 16, 3, 3, 1, 1, 0.2F, 1, 1},
        {2, 17, 16, 16, 33, 3, 3, 2, 1, 0, 1, 2},
        {2, 32, 16, 16, 64, 1, 1, 2, 0, 1, 1, 2},
        {1, 48, 17, 15, 33, 3, 3, 1, 1, 0.1F, 1, 1},
        {2, 64, 8, 8, 64, 3, 3, 1, 1, 0.2F, 1, 2},
        {5, 5, 3, 3, 7, 3, 3, 1, 0, 0, 0, 1},
        {5, 5, 4, 4, 7, 3, 3, 2, 0, 0.1F, 0, 1},
        {1, 160, 3, 5, 160, 3, 3, 1, 1, 0.2F, 1, 1},
        {17, 16, 2, 2, 32, 3, 3, 2, 1, 0, 1, 1},
        /* Winograd: vectors that are not whole */
        {5, 24, 28, 28, 40, 3, 3, 1, 1, 0.1F, 1, 1},
        {3, 40, 15, 14, 24, 3, 3, 2, 1, 0.2F, 1, 2},
        {2, 8, 9, 7, 8, 3, 3, 1, 1, 0, 1, 2},
        {2, 24, 32, 32, 8, 3, 3, 2, 1, 0.1F, 1, 0},
        /* few input channels: every width, groups that are not whole, bands, phases, odd
         * kernels */
        {5, 1, 28, 28, 16, 3, 3, 1, 1, 1, 1, 0},
        {2, 1, 30, 33, 33, 5, 5, 1, 2, 0.2F, 1, 1},
        {3, 3, 17, 19, 24, 3, 3, 2, 1, 0, 1, 2},
        {2, 4, 9, 50, 7, 3, 3, 1, 0, 1, 0, 2},
        {2, 2, 40, 37, 40, 3, 5, 3, 1, 1, 1, 1},
        {17, 3, 8, 8, 48, 3, 3, 1, 1, 1, 1, 1},
        {3, 2, 1, 1, 20, 3, 3, 1, 1, 0.1F, 1, 1},
        {2, 3, 2, 3, 8, 2, 2, 2, 3, 1, 1, 1},
        {2, 2, 7, 9, 8, 1, 2, 3, 0, 0.2F, 0, 1},
        {1, 1, 100, 40, 16, 3, 3, 1, 1, 1, 1, 0},
        {1, 4, 24, 40, 65, 1, 1, 1, 0, 0, 1, 2},
        {2, 3, 20, 40, 64, 3, 3, 1, 1, 1, 1, 2},
        {40, 2, 5, 20, 17, 4, 3, 1, 1, 1, 1, 2},
        /* Winograd: whole blocks and a rest, both strides; several groups of a wide layer.
         * Sanitizers make these too slow: JEM_LAB_CASES. */
        {5, 16, 28, 28, 48, 3, 3, 1, 1, 0.1F, 1, 1},
        {9, 32, 27, 29, 16, 3, 3, 2, 1, 0.2F, 1, 2},
        {8, 320, 32, 32, 16, 3, 3, 2, 1, 0, 1, 1},
        {5, 16, 28, 26, 416, 3, 3, 2, 1, 0.1F, 1, 1},
    };
    const int by_hand = (int)(sizeof corners / sizeof corners[0]);
    uint32_t state = 2020u + (uint32_t)i * 7919u;

    if (i < by_hand)
        return corners[i];
    for (;;) {
        const jem_lab_case q = random_case(&state);
        const jem__conv v = jem_lab_conv(&q);
        const int32_t fits = q.h + 2 * q.pad >= q.kh && q.w + 2 * q.pad >= q.kw;

        if (fits && q.n * v.k * v.oh * v.ow * v.c * v.kh * v.kw <= 300000)
            return q;
    }
}
