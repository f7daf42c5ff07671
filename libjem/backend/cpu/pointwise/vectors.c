/* SPDX-License-Identifier: MIT */

/* Elementwise work on long blocks: parameters, gradients, optimiser state. Tasks are fixed
 * chunks; a sum adds the chunks' sums in order. */

#include "backend/cpu/cpu.h"
#include "core/threads/threads.h"

#include <math.h>
#include <string.h>

#define CHUNK 16384

typedef struct vector_job {
    int64_t count;
    const float *a;             /* gradient, source, target */
    const float *factor, *term; /* NULL: 1, 0 */
    double t;
    float *x, *m, *v;
    float c0, c1, c2, c3, c4, c5, c6, c7, c8; /* constants, named where they are used */
    int32_t first;
    double *sums;
} vector_job;

static int64_t numbers(const jem__tensor *t)
{
    return t->n * t->c * t->h * t->w;
}

static void chunk(const vector_job *job, int64_t task, int64_t *first, int64_t *end)
{
    *first = task * CHUNK;
    *end = jem__min(job->count, *first + CHUNK);
}

static void run(jem__queue *queue, jem__task_fn task, vector_job *job)
{
    jem__cpu_for(queue, jem__ceil_div(job->count, CHUNK), task, job);
}

static void fill_task(void *arg, int64_t task, int32_t worker)
{
    const vector_job *job = arg;
    int64_t first, end;

    (void)worker;
    chunk(job, task, &first, &end);
    for (int64_t i = first; i < end; i++)
        job->x[i] = job->c0;
}

jem_status jem__cpu_fill(jem__queue *queue, const jem__tensor *x, float value)
{
    vector_job job = {.count = numbers(x), .x = jem__floats(x), .c0 = value};

    x->mem->packed.version++;
    run(queue, fill_task, &job);
    return JEM_OK;
}

static void copy_task(void *arg, int64_t task, int32_t worker)
{
    const vector_job *job = arg;
    int64_t first, end;

    (void)worker;
    chunk(job, task, &first, &end);
    memcpy(job->x + first, job->a + first, (size_t)(end - first) * sizeof *job->x);
}

jem_status jem__cpu_copy(jem__queue *queue, const jem__tensor *src, const jem__tensor *dst)
{
    vector_job job = {.count = numbers(dst), .a = jem__floats(src), .x = jem__floats(dst)};

    dst->mem->packed.version++;
    run(queue, copy_task, &job);
    return JEM_OK;
}

static void add_task(void *arg, int64_t task, int32_t worker)
{
    const vector_job *job = arg;
    int64_t first, end;

    (void)worker;
    chunk(job, task, &first, &end);
    for (int64_t i = first; i < end; i++)
        job->x[i] += job->a[i];
}

jem_status jem__cpu_add(jem__queue *queue, const jem__tensor *src, const jem__tensor *x)
{
    vector_job job = {.count = numbers(x), .a = jem__floats(src), .x = jem__floats(x)};

    x->mem->packed.version++;
    run(queue, add_task, &job);
    return JEM_OK;
}

static void lerp_task(void *arg, int64_t task, int32_t worker)
{
    const vector_job *job = arg;
    const float t = job->c0;
    int64_t first, end;

    (void)worker;
    chunk(job, task, &first, &end);
    for (int64_t i = first; i < end; i++)
        job->x[i] += t * (job->a[i] - job->x[i]);
}

jem_status jem__cpu_lerp(jem__queue *queue, double t, const jem__tensor *to,
                         const jem__tensor *x)
{
    vector_job job = {
        .count = numbers(x), .a = jem__floats(to), .x = jem__floats(x), .c0 = (float)t};

    x->mem->packed.version++;
    run(queue, lerp_task, &job);
    return JEM_OK;
}

static void multiply_add_task(void *arg, int64_t task, int32_t worker)
{
    const vector_job *job = arg;
    const float *factor = job->factor, *term = job->term;
    int64_t first, end;

    (void)worker;
    chunk(job, task, &first, &end);
    for (int64_t i = first; i < end; i++) {
        const double product = (factor != NULL ? (double)factor[i] : 1.0) * (double)job->a[i];
        job->x[i] = (float)(job->t * product + (term != NULL ? (double)term[i] : 0.0));
    }
}

jem_status jem__cpu_multiply_add(jem__queue *queue, double t, const jem__tensor *a,
                                 const jem__tensor *x, const jem__tensor *b,
                                 const jem__tensor *y)
{
    vector_job job = {.count = numbers(y),
                      .a = jem__floats(x),
                      .factor = a != NULL ? jem__floats(a) : NULL,
                      .term = b != NULL ? jem__floats(b) : NULL,
                      .t = t,
                      .x = jem__floats(y)};

    y->mem->packed.version++;
    run(queue, multiply_add_task, &job);
    return JEM_OK;
}

static void squares_task(void *arg, int64_t task, int32_t worker)
{
    const vector_job *job = arg;
    double sum = 0.0;
    int64_t first, end;

    (void)worker;
    chunk(job, task, &first, &end);
    for (int64_t i = first; i < end; i++)
        sum += (double)job->a[i] * (double)job->a[i];
    job->sums[task] = sum;
}

jem_status jem__cpu_sum_squares(jem__queue *queue, const jem__tensor *x, double *out)
{
    vector_job job = {.count = numbers(x), .a = jem__floats(x)};
    const int64_t chunks = jem__ceil_div(job.count, CHUNK);
    jem__scratch scratch;

    JEM__TRY(jem__cpu_scratch(queue, 2 * chunks, 0, &scratch));
    job.sums = (double *)(void *)scratch.shared;
    run(queue, squares_task, &job);
    *out = 0.0;
    for (int64_t i = 0; i < chunks; i++)
        *out += job.sums[i];
    return JEM_OK;
}

/* m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
 * p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps) */
static void adam_task(void *arg, int64_t task, int32_t worker)
{
    const vector_job *job = arg;
    const float beta1 = job->c0, beta2 = job->c1, eps = job->c2, decay = job->c3;
    const float scale = job->c4, rate = job->c5, root = job->c6;
    const float rest1 = job->c7, rest2 = job->c8; /* 1 - beta, which float would round away */
    const float *g_all = job->a;
    float *m = job->m, *v = job->v, *p = job->x;
    int64_t first, end;

    (void)worker;
    chunk(job, task, &first, &end);
    for (int64_t i = first; i < end; i++) {
        const float g = scale * g_all[i] + decay * p[i];
        m[i] = beta1 * m[i] + rest1 * g;
        v[i] = beta2 * v[i] + rest2 * g * g;
        p[i] -= rate * (m[i] / (sqrtf(v[i]) * root + eps));
    }
}

jem_status jem__cpu_adam_step(jem__queue *queue, const jem__adam *what, const jem__tensor *grad,
                              const jem__tensor *m, const jem__tensor *v,
                              const jem__tensor *param)
{
    const double t = (double)what->step;
    vector_job job = {.count = numbers(param),
                      .a = jem__floats(grad),
                      .x = jem__floats(param),
                      .m = jem__floats(m),
                      .v = jem__floats(v),
                      .c0 = (float)what->beta1,
                      .c1 = (float)what->beta2,
                      .c2 = (float)what->eps,
                      .c3 = (float)what->weight_decay,
                      .c4 = (float)what->grad_scale,
                      .c5 = (float)(what->lr / (1.0 - pow(what->beta1, t))),
                      .c6 = (float)(1.0 / sqrt(1.0 - pow(what->beta2, t))),
                      .c7 = (float)(1.0 - what->beta1),
                      .c8 = (float)(1.0 - what->beta2)};

    param->mem->packed.version++;
    run(queue, adam_task, &job);
    return JEM_OK;
}

/* u = momentum u + g (the first time u = g);  p -= lr u */
static void sgd_task(void *arg, int64_t task, int32_t worker)
{
    const vector_job *job = arg;
    const float momentum = job->c0, rate = job->c1, decay = job->c3, scale = job->c4;
    float *u = job->m, *p = job->x;
    int64_t first, end;

    (void)worker;
    chunk(job, task, &first, &end);
    for (int64_t i = first; i < end; i++) {
        const float g = scale * job->a[i] + decay * p[i];
        u[i] = job->first ? g : momentum * u[i] + g;
        p[i] -= rate * u[i];
    }
}

jem_status jem__cpu_sgd_step(jem__queue *queue, const jem__sgd *what, const jem__tensor *grad,
                             const jem__tensor *velocity, const jem__tensor *param)
{
    vector_job job = {.count = numbers(param),
                      .a = jem__floats(grad),
                      .x = jem__floats(param),
                      .m = jem__floats(velocity),
                      .c0 = (float)what->momentum,
                      .c1 = (float)what->lr,
                      .c3 = (float)what->weight_decay,
                      .c4 = (float)what->grad_scale,
                      .first = what->first};

    param->mem->packed.version++;
    run(queue, sgd_task, &job);
    return JEM_OK;
}
