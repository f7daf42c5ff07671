/* SPDX-License-Identifier: MIT */

/* p0, the distribution that chains begin with.
 *
 * The Gaussian of a class is one block of floats: the mean, then the factor A (image_size x
 * columns, row-major). Images are drawn from the block alone, so a sampler that read it from a
 * file draws the same bits as the one that fitted it. There are two kinds of factor, which
 * differ in their number of columns:
 *
 *     columns = image_size   Cholesky factor, lower triangle
 *     columns < image_size   one centred image / sqrt(n) per column; the 1e-4 I that makes the
 *                            covariance regular is added as 1e-2 z' when drawing */

#include "energy/start.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/check.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads/threads.h"
#include "energy/covariance.h"

#define RIDGE      1e-4  /* added to the covariance's diagonal */
#define RIDGE_STD  1e-2F /* its root */
#define DRAW_CHUNK 1024  /* normals on the stack at once; a multiple of 4 */
#define DRAW_LANES 8     /* partial sums of a row's product */
#define MIN_IMAGES 2     /* of a class */

struct jem__start {
    jem_context *ctx; /* for memory and threads only, not a reference */
    int32_t gaussian;
    int64_t image_size, classes;
    float **blocks;   /* per class: mean (image_size), factor (image_size x columns); or NULL */
    int64_t *columns; /* per class */
};

jem_status jem__start_create(jem_context *ctx, const jem_options *opts, int64_t image_size,
                             int64_t classes, jem__start **out)
{
    jem__start *start = jem__alloc(ctx, 1, sizeof *start);

    *out = NULL;
    if (start == NULL)
        return JEM_E_NOMEM;
    start->ctx = ctx;
    start->gaussian = strcmp(jem__option_str(opts, "start.kind"), "gaussian") == 0;
    start->image_size = image_size;
    start->classes = classes;
    start->blocks = jem__alloc(ctx, classes, sizeof *start->blocks);
    start->columns =
        start->blocks == NULL ? NULL : jem__alloc(ctx, classes, sizeof *start->columns);
    if (start->columns == NULL) {
        jem__start_free(start);
        return JEM_E_NOMEM;
    }
    *out = start;
    return JEM_OK;
}

static void free_blocks(jem_context *ctx, float **blocks, int64_t classes)
{
    for (int64_t k = 0; blocks != NULL && k < classes; k++)
        jem__free(ctx, blocks[k]);
    jem__free(ctx, blocks);
}

void jem__start_free(jem__start *start)
{
    if (start == NULL)
        return;
    free_blocks(start->ctx, start->blocks, start->classes);
    jem__free(start->ctx, start->columns);
    jem__free(start->ctx, start);
}

int32_t jem__start_ready(const jem__start *start)
{
    for (int64_t k = 0; start->gaussian && k < start->classes; k++) {
        if (start->blocks[k] == NULL)
            return 0;
    }
    return 1;
}

jem_status jem__start_check(const jem__start *start, const char *caller)
{
    if (jem__start_ready(start))
        return JEM_OK;
    return jem__fail(JEM_E_STATE,
                     "%s: the \"gaussian\" start has not been fitted, call "
                     "jem_sampler_fit_start() first",
                     caller);
}

/* The blocks of a fit, and memory to compute them with. They replace the blocks of the start once
 * every class has succeeded. */
struct fit {
    const jem_dataset *data;
    int64_t size, classes;
    int64_t *numbers; /* image numbers, class after class */
    int64_t *count;   /* images per class */
    double *sums;     /* image_size */
    float *image;     /* image_size */
    jem__covariance *cov;
    float **blocks;
    int64_t *columns;
};

static void fit_free(jem_context *ctx, struct fit *fit)
{
    jem__covariance_free(fit->cov);
    jem__free(ctx, fit->numbers);
    jem__free(ctx, fit->count);
    jem__free(ctx, fit->sums);
    jem__free(ctx, fit->image);
    free_blocks(ctx, fit->blocks, fit->classes);
    jem__free(ctx, fit->columns);
}

static jem_status fit_alloc(jem_context *ctx, struct fit *fit)
{
    fit->numbers = jem__alloc(ctx, fit->data->n, sizeof *fit->numbers);
    if (fit->numbers == NULL)
        return JEM_E_NOMEM;
    fit->count = jem__alloc(ctx, fit->classes, sizeof *fit->count);
    if (fit->count == NULL)
        return JEM_E_NOMEM;
    fit->columns = jem__alloc(ctx, fit->classes, sizeof *fit->columns);
    if (fit->columns == NULL)
        return JEM_E_NOMEM;
    fit->blocks = jem__alloc(ctx, fit->classes, sizeof *fit->blocks);
    if (fit->blocks == NULL)
        return JEM_E_NOMEM;
    fit->sums = jem__alloc(ctx, fit->size, sizeof *fit->sums);
    if (fit->sums == NULL)
        return JEM_E_NOMEM;
    fit->image = jem__alloc(ctx, fit->size, sizeof *fit->image);
    return fit->image == NULL ? JEM_E_NOMEM : JEM_OK;
}

/* Sort the image numbers by class, in the order of the data; unlabelled ones are left out. */
static jem_status fit_classes(struct fit *fit, const char *caller)
{
    const jem_dataset *data = fit->data;
    int64_t at = 0;

    for (int64_t k = 0; k < fit->classes; k++) {
        for (int64_t i = 0; i < data->n; i++) {
            if (data->labels[i] == k) {
                fit->numbers[at++] = i;
                fit->count[k]++;
            }
        }
        if (fit->count[k] < MIN_IMAGES) {
            return jem__fail(JEM_E_STATE,
                             "%s: class %" PRId64 " has %" PRId64
                             " labelled images, must have at least %d",
                             caller, k, fit->count[k], MIN_IMAGES);
        }
    }
    return JEM_OK;
}

/* The centred images over sqrt(n) as the columns of A. */
static void fit_few(struct fit *fit, const int64_t *numbers, int64_t n, const float *mean,
                    float *factor)
{
    const float scale = (float)(1.0 / sqrt((double)n));

    for (int64_t i = 0; i < n; i++) {
        jem__dataset_image(fit->data, numbers[i], fit->image);
        for (int64_t j = 0; j < fit->size; j++)
            factor[j * n + i] = (fit->image[j] - mean[j]) * scale;
    }
}

static jem_status fit_class(jem_context *ctx, struct fit *fit, const char *caller, int64_t k,
                            const int64_t *numbers)
{
    const int64_t n = fit->count[k], size = fit->size;
    const int64_t columns = jem__min(n, size);
    float *block = jem__alloc_raw(ctx, size, (columns + 1) * (int64_t)sizeof *block);

    if (block == NULL)
        return JEM_E_NOMEM;
    fit->blocks[k] = block;
    fit->columns[k] = columns;
    jem__mean(fit->data, numbers, n, size, fit->sums, fit->image, block);
    if (n < size)
        fit_few(fit, numbers, n, block, block + size);
    else {
        jem__covariance_factor(fit->cov, fit->data, numbers, n, block, RIDGE, fit->image,
                               block + size);
    }
    if (jem__first_not_finite(block, size * (columns + 1)) >= 0)
        return jem__fail(JEM_E_NUMERIC,
                         "%s: the covariance of class %" PRId64
                         " is not finite: its images hold too large values",
                         caller, k);
    return JEM_OK;
}

static jem_status fit_all(jem_context *ctx, struct fit *fit, const char *caller)
{
    int64_t largest = 0;
    const int64_t *numbers;

    JEM__TRY(fit_alloc(ctx, fit));
    JEM__TRY(fit_classes(fit, caller));
    for (int64_t k = 0; k < fit->classes; k++)
        largest = jem__max(largest, fit->count[k]);
    if (largest >= fit->size)
        JEM__TRY(jem__covariance_create(ctx, fit->size, largest, &fit->cov));
    numbers = fit->numbers;
    for (int64_t k = 0; k < fit->classes; k++) {
        JEM__TRY(fit_class(ctx, fit, caller, k, numbers));
        numbers += fit->count[k];
    }
    return JEM_OK;
}

jem_status jem__start_fit(jem__start *start, const char *caller, const jem_dataset *data)
{
    jem_context *ctx = start->ctx;
    struct fit fit = {.data = data, .size = start->image_size, .classes = start->classes};
    jem_status status;

    if (!start->gaussian) {
        return jem__fail(JEM_E_STATE,
                         "%s: start.kind is \"uniform\", only \"gaussian\" can be fitted",
                         caller);
    }
    if (data->c * data->h * data->w != start->image_size || data->classes != start->classes) {
        return jem__fail(JEM_E_SHAPE,
                         "%s: the data has %" PRId64 " values per image and %" PRId64
                         " classes, the model %" PRId64 " and %" PRId64,
                         caller, data->c * data->h * data->w, data->classes, start->image_size,
                         start->classes);
    }
    status = fit_all(ctx, &fit, caller);
    if (status == JEM_OK) { /* swap, so that fit_free() gives the old blocks back */
        float **blocks = start->blocks;
        int64_t *columns = start->columns;

        start->blocks = fit.blocks;
        start->columns = fit.columns;
        fit.blocks = blocks;
        fit.columns = columns;
    }
    fit_free(ctx, &fit);
    return status;
}

/* sum a[i] * b[i] in eight interleaved partial sums, which a compiler may turn into vector code
 * without changing their order. */
static float dot(const float *a, const float *b, int64_t count)
{
    float lanes[DRAW_LANES] = {0};
    float sum = 0;
    int64_t i = 0;

    for (; i + DRAW_LANES <= count; i += DRAW_LANES) {
        for (int64_t l = 0; l < DRAW_LANES; l++)
            lanes[l] += a[i + l] * b[i + l];
    }
    for (; i < count; i++)
        sum += a[i] * b[i];
    for (int64_t l = 0; l < DRAW_LANES; l++)
        sum += lanes[l];
    return sum;
}

struct draw {
    const jem__start *start;
    jem__key key;
    uint64_t first;
    const int32_t *y;
    float *x;
    int32_t *classes;
};

/* x = clamp(mean + A z [+ 1e-2 z'], -1, 1). Numbers of the address: z first, z' after it, from
 * the next multiple of four. */
static void draw_gaussian(const jem__start *start, const jem__rng *rng, int64_t k, float *x)
{
    const int64_t size = start->image_size, columns = start->columns[k];
    const int64_t columns_up = jem__round_up(columns, 4);
    const float *mean = start->blocks[k], *factor = mean + size;
    float z[DRAW_CHUNK];

    memcpy(x, mean, (size_t)size * sizeof *x);
    for (int64_t from = 0; from < columns; from += DRAW_CHUNK) {
        const int64_t width = jem__min(columns - from, DRAW_CHUNK);

        jem__rng_normal(rng, (uint32_t)from, width, z);
        if (columns < size) {
            for (int64_t j = 0; j < size; j++)
                x[j] += dot(factor + j * columns + from, z, width);
        } else { /* A is a lower triangle */
            for (int64_t j = from; j < size; j++)
                x[j] += dot(factor + j * columns + from, z, jem__min(j - from + 1, width));
        }
    }
    for (int64_t from = 0; columns < size && from < size; from += DRAW_CHUNK) {
        const int64_t width = jem__min(size - from, DRAW_CHUNK);

        jem__rng_normal(rng, (uint32_t)(columns_up + from), width, z);
        for (int64_t j = 0; j < width; j++)
            x[from + j] += RIDGE_STD * z[j];
    }
    for (int64_t j = 0; j < size; j++)
        x[j] = x[j] < -1.0F ? -1.0F : x[j] > 1.0F ? 1.0F : x[j];
}

/* Task: one image. */
static void draw_image(void *arg, int64_t i, int32_t worker)
{
    const struct draw *draw = arg;
    const jem__start *start = draw->start;
    const uint64_t number = draw->first + (uint64_t)i;
    const jem__rng rng = {.key = draw->key, .purpose = JEM__RNG_START, .index = number};
    float *x = draw->x + i * start->image_size;
    int64_t k = -1;

    (void)worker;
    if (!start->gaussian) {
        jem__rng_uniform(&rng, 0, start->image_size, x);
        for (int64_t j = 0; j < start->image_size; j++)
            x[j] = 2.0F * x[j] - 1.0F;
    } else {
        if (draw->y != NULL) {
            k = draw->y[i];
        } else {
            const jem__rng which = {
                .key = draw->key, .purpose = JEM__RNG_START_CLASS, .index = number};
            uint32_t words[4];

            jem__rng_words(&which, 0, 4, words);
            k = jem__rng_below(words, start->classes);
        }
        draw_gaussian(start, &rng, k, x);
    }
    if (draw->classes != NULL)
        draw->classes[i] = (int32_t)k;
}

void jem__start_draw(const jem__start *start, jem__key key, uint64_t first, const int32_t *y,
                     int64_t n, float *x, int32_t *classes_out)
{
    struct draw draw = {
        .start = start, .key = key, .first = first, .y = y, .x = x, .classes = classes_out};

    jem__parallel_for(start->ctx, n, draw_image, &draw);
}

int64_t jem__start_block_size(const jem__start *start, int64_t class_number)
{
    if (start->blocks[class_number] == NULL)
        return 0;
    return start->image_size * (start->columns[class_number] + 1);
}

const float *jem__start_block(const jem__start *start, int64_t class_number)
{
    return start->blocks[class_number];
}

jem_status jem__start_set_block(jem__start *start, int64_t class_number, const float *block,
                                int64_t size)
{
    const int64_t columns = size / start->image_size - 1;
    float *copy;

    if (columns < 1 || columns > start->image_size || size % start->image_size != 0) {
        return jem__fail(JEM_E_FORMAT,
                         "jem_trainer_load: the start of class %" PRId64 " holds %" PRId64
                         " numbers, must be 2 to %" PRId64 " times %" PRId64,
                         class_number, size, start->image_size + 1, start->image_size);
    }
    const int64_t bad = jem__first_not_finite(block, size);
    if (bad >= 0)
        return jem__fail(JEM_E_NUMERIC,
                         "jem_trainer_load: number %" PRId64 " of the start of class %" PRId64
                         " is %g, must be finite",
                         bad, class_number, (double)block[bad]);
    copy = jem__alloc_raw(start->ctx, size, sizeof *copy);
    if (copy == NULL)
        return JEM_E_NOMEM;
    memcpy(copy, block, (size_t)size * sizeof *copy);
    jem__free(start->ctx, start->blocks[class_number]);
    start->blocks[class_number] = copy;
    start->columns[class_number] = columns;
    return JEM_OK;
}
