/* SPDX-License-Identifier: MIT */

/* Operations that look at one image at a time: pooling, densities, the SGLD update. A task is
 * an image, or a few where an image is little work. */

#include "backend/cpu/cpu.h"
#include "core/threads/threads.h"

#include <math.h>

typedef struct pool_job {
    const jem__kernels *kernels;
    jem__scratch scratch;
    const float *in;
    float *out;
    const uint8_t *bits;
    float slope;
    int64_t c, pixels;
} pool_job;

static void leak_image(void *arg, int64_t image, int32_t worker)
{
    const pool_job *job = arg;
    const int64_t row = jem__sign_row(job->c);

    (void)worker;
    for (int64_t p = image * job->pixels; p < (image + 1) * job->pixels; p++)
        job->kernels->epilogue_backward(job->in + p * job->c, job->bits + p * row, job->slope,
                                        NULL, job->out + p * job->c, job->c);
}

jem_status jem__cpu_leak(jem__queue *queue, const jem__tensor *x, const jem__signs *signs,
                         float slope, const jem__tensor *y)
{
    pool_job job = {.kernels = queue->kernels,
                    .in = jem__floats(x),
                    .out = jem__floats(y),
                    .bits = jem__bits(signs),
                    .slope = slope,
                    .c = x->c,
                    .pixels = x->h * x->w};

    jem__cpu_for(queue, x->n, leak_image, &job);
    return JEM_OK;
}

/* y += the activation of the pixel x */
static void pool_pixel(const float *x, float slope, int64_t c, float *y)
{
    for (int64_t j = 0; j < c; j++) {
        const float small = slope * x[j];
        y[j] += x[j] > small ? x[j] : small;
    }
}

static void pool_image(void *arg, int64_t image, int32_t worker)
{
    const pool_job *job = arg;
    const float *x = job->in + image * job->pixels * job->c;
    float *y = job->out + image * job->c;
    const int64_t row = jem__sign_row(job->c);
    const float scale = 1.0F / (float)job->pixels;

    for (int64_t j = 0; j < job->c; j++)
        y[j] = 0.0F;
    for (int64_t p = 0; p < job->pixels; p++, x += job->c) {
        if (job->bits == NULL) {
            pool_pixel(x, job->slope, job->c, y);
            continue;
        }
        float *leaked = job->scratch.workers + worker * job->scratch.per_worker;
        job->kernels->epilogue_backward(x, job->bits + (image * job->pixels + p) * row,
                                        job->slope, NULL, leaked, job->c);
        for (int64_t j = 0; j < job->c; j++)
            y[j] += leaked[j];
    }
    for (int64_t j = 0; j < job->c; j++)
        y[j] *= scale;
}

jem_status jem__cpu_pool_forward(jem__queue *queue, const jem__tensor *x,
                                 const jem__signs *signs, float slope, const jem__tensor *y)
{
    pool_job job = {.kernels = queue->kernels,
                    .in = jem__floats(x),
                    .out = jem__floats(y),
                    .bits = signs != NULL ? jem__bits(signs) : NULL,
                    .slope = slope,
                    .c = x->c,
                    .pixels = x->h * x->w};

    if (signs != NULL)
        JEM__TRY(jem__cpu_scratch(queue, 0, job.c, &job.scratch));
    jem__cpu_for(queue, x->n, pool_image, &job);
    return JEM_OK;
}

/* gx = (1 or slope) * gy / pixels; gy / pixels is made once per image. */
static void unpool_image(void *arg, int64_t image, int32_t worker)
{
    const pool_job *job = arg;
    const float *gy = job->in + image * job->c;
    float *gx = job->out + image * job->pixels * job->c;
    float *share = job->scratch.workers + worker * job->scratch.per_worker;
    const int64_t row = jem__sign_row(job->c);
    const float scale = 1.0F / (float)job->pixels;

    for (int64_t j = 0; j < job->c; j++)
        share[j] = gy[j] * scale;
    for (int64_t p = 0; p < job->pixels; p++) {
        const uint8_t *bits =
            job->bits != NULL ? job->bits + (image * job->pixels + p) * row : NULL;
        job->kernels->epilogue_backward(share, bits, job->slope, NULL, gx + p * job->c, job->c);
    }
}

jem_status jem__cpu_pool_backward(jem__queue *queue, const jem__tensor *gy,
                                  const jem__signs *signs_x, float slope, const jem__tensor *gx)
{
    pool_job job = {.kernels = queue->kernels,
                    .in = jem__floats(gy),
                    .out = jem__floats(gx),
                    .bits = jem__activates(slope) ? jem__bits(signs_x) : NULL,
                    .slope = slope,
                    .c = gx->c,
                    .pixels = gx->h * gx->w};

    JEM__TRY(jem__cpu_scratch(queue, 0, job.c, &job.scratch));
    jem__cpu_for(queue, gx->n, unpool_image, &job);
    return JEM_OK;
}

#define DENSITY_IMAGES 16 /* per task */

typedef struct density_job {
    jem__density what;
    const float *logits;
    const int32_t *y;
    double *log_px, *log_pxy;
    float *grad_logits;
    int64_t n, classes;
} density_job;

/* d loss / d F, the part of a class left out. With gamma = 0 its term is not computed. */
static double loss_slope(const jem__density *what, double log_px)
{
    const double slope = what->alpha + 2.0 * what->lambda * log_px;

    if (what->gamma == 0.0)
        return slope;
    return slope + what->gamma / (1.0 + exp(what->gamma > 0.0 ? -log_px : log_px));
}

/* F = m + log sum exp(f - m) with m the largest logit: no overflow, and no cancellation. */
static void density_image(const density_job *job, int64_t i)
{
    const int64_t classes = job->classes;
    const float *f = job->logits + i * classes;
    double largest = (double)f[0], sum = 0.0;

    for (int64_t k = 1; k < classes; k++)
        if ((double)f[k] > largest)
            largest = (double)f[k];
    for (int64_t k = 0; k < classes; k++)
        sum += exp((double)f[k] - largest);
    const double log_px = largest + log(sum);
    if (job->log_px != NULL)
        job->log_px[i] = log_px;
    if (job->log_pxy != NULL)
        job->log_pxy[i] = (double)f[job->y[i]];
    if (job->grad_logits == NULL)
        return;
    const double slope = job->what.scale * loss_slope(&job->what, log_px);
    const double even = job->what.scale * job->what.mu / (double)classes;
    float *grad_logits = job->grad_logits + i * classes;
    for (int64_t k = 0; k < classes; k++) {
        double value = slope * (exp((double)f[k] - largest) / sum);
        if (job->y != NULL && k == job->y[i])
            value += job->what.scale * job->what.beta;
        if (even != 0.0) /* adding 0 would turn -0 into 0 */
            value += even;
        grad_logits[k] = (float)value;
    }
}

static void density_task(void *arg, int64_t task, int32_t worker)
{
    const density_job *job = arg;
    const int64_t end = jem__min(job->n, (task + 1) * DENSITY_IMAGES);

    (void)worker;
    for (int64_t i = task * DENSITY_IMAGES; i < end; i++)
        density_image(job, i);
}

jem_status jem__cpu_density(jem__queue *queue, const jem__density *what,
                            const jem__tensor *logits, const int32_t *y, double *log_px,
                            double *log_pxy, const jem__tensor *grad_logits)
{
    density_job job = {.what = *what,
                       .logits = jem__floats(logits),
                       .y = y,
                       .log_px = log_px,
                       .log_pxy = y != NULL ? log_pxy : NULL,
                       .grad_logits = grad_logits != NULL ? jem__floats(grad_logits) : NULL,
                       .n = logits->n,
                       .classes = logits->c};

    jem__cpu_for(queue, jem__ceil_div(job.n, DENSITY_IMAGES), density_task, &job);
    return JEM_OK;
}

jem_status jem__cpu_softmax_tangent(jem__queue *queue, const jem__tensor *t,
                                    const jem__tensor *p)
{
    (void)queue; /* a few numbers per image: no work for threads */
    for (int64_t i = 0; i < p->n; i++) {
        const float *change = jem__floats(t) + i * p->c;
        float *prob = jem__floats(p) + i * p->c;
        double mean = 0.0;

        for (int64_t k = 0; k < p->c; k++)
            mean += (double)prob[k] * (double)change[k];
        for (int64_t k = 0; k < p->c; k++)
            prob[k] = (float)((double)prob[k] * ((double)change[k] - mean));
    }
    return JEM_OK;
}

typedef struct sgld_job {
    jem__sgld_step what;
    const jem__kernels *kernels;
    const float *g;
    float *x;
    int64_t c, pixels;
    jem__scratch scratch;
} sgld_job;

static inline float clamped(float value, float limit)
{
    /* Written so that a NaN stays one, for the check above the seam to find. */
    const float low = value < -limit ? -limit : value;

    return value > limit ? limit : low;
}

/* n numbers move; noise NULL: none. The loop has no branches, so that it becomes vectors. */
static inline void move(const jem__sgld_step *s, const float *restrict g,
                        const float *restrict noise, int64_t n, float *restrict x)
{
    const float clamp_g = s->clamp_grad > 0.0F ? s->clamp_grad : INFINITY;
    const float clamp_x = s->clamp_x > 0.0F ? s->clamp_x : INFINITY;
    const float step_size = s->step_size, noise_std = s->noise_std;

    for (int64_t i = 0; i < n; i++) {
        /* g - g is 0, or NaN where a clamp would hide an infinite gradient. */
        float value = x[i] + step_size * clamped(g[i], clamp_g) + (g[i] - g[i]);
        if (noise != NULL)
            value += noise_std * noise[i];
        x[i] = clamped(value, clamp_x);
    }
}

/* Noise is numbered c, h, w; memory runs h, w, c. A constant c makes the loop vectors. */
static inline void interleave(const float *restrict in, int64_t c, int64_t pixels,
                              float *restrict out)
{
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t j = 0; j < c; j++)
            out[p * c + j] = in[j * pixels + p];
}

static void sgld_image(void *arg, int64_t image, int32_t worker)
{
    const sgld_job *job = arg;
    const jem__sgld_step *s = &job->what;
    const int64_t c = job->c, size = c * job->pixels;
    const float *g = job->g + image * size;
    float *x = job->x + image * size;
    float *noise = job->scratch.workers + worker * job->scratch.per_worker;
    float *ordered = noise + size;
    const jem__rng rng = {s->key, JEM__RNG_SGLD, s->step, s->first_chain + (uint64_t)image};

    if (!(s->noise_std > 0.0F)) {
        move(s, g, NULL, size, x);
        return;
    }
    job->kernels->normal(&rng, 0, size, noise);
    if (c == 1)
        ordered = noise;
    else if (c == 3)
        interleave(noise, 3, job->pixels, ordered);
    else
        interleave(noise, c, job->pixels, ordered);
    move(s, g, ordered, size, x);
}

jem_status jem__cpu_sgld_step(jem__queue *queue, const jem__sgld_step *what,
                              const jem__tensor *g, const jem__tensor *x)
{
    sgld_job job = {.what = *what,
                    .kernels = queue->kernels,
                    .g = jem__floats(g),
                    .x = jem__floats(x),
                    .c = x->c,
                    .pixels = x->h * x->w};

    JEM__TRY(jem__cpu_scratch(queue, 0, 2 * job.c * job.pixels, &job.scratch));
    jem__cpu_for(queue, x->n, sgld_image, &job);
    return JEM_OK;
}
