/* SPDX-License-Identifier: MIT */
/* Data sets: making, copying and splitting them.
 *
 * Images stay as they came, bytes or floats: a byte is a quarter of the memory, and turning it
 * into a float is cheap next to anything a network does with it. */

#include "data/dataset.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/check.h"
#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/random.h"

#define MAX_SIDE    4096
#define MAX_CLASSES 65536

static int64_t image_size(const jem_dataset *d)
{
    return d->c * d->h * d->w;
}

static jem_status check_sizes(const char *caller, int64_t n, const int64_t shape[3],
                              int64_t classes)
{
    static const char *const side[3] = {"channels", "height", "width"};

    if (n < 1)
        return jem__fail(JEM_E_ARGUMENT, "%s: n = %" PRId64 ", must be at least 1", caller, n);
    for (int32_t i = 0; i < 3; i++) {
        if (shape[i] < 1 || shape[i] > MAX_SIDE)
            return jem__fail(JEM_E_RANGE, "%s: %s = %" PRId64 ", must be 1 to %d", caller,
                             side[i], shape[i], MAX_SIDE);
    }
    if (classes < 1 || classes > MAX_CLASSES)
        return jem__fail(JEM_E_RANGE, "%s: classes = %" PRId64 ", must be 1 to %d", caller,
                         classes, MAX_CLASSES);
    int64_t bytes; /* of the images as floats: the largest number that anybody computes */
    if (!jem__mul(n, shape[0] * shape[1] * shape[2] * (int64_t)sizeof(float), &bytes))
        return jem__fail(JEM_E_SHAPE,
                         "%s: %" PRId64 " images of %" PRId64 " x %" PRId64 " x %" PRId64
                         " are more bytes than a 64-bit number counts",
                         caller, n, shape[0], shape[1], shape[2]);
    return JEM_OK;
}

jem_status jem__dataset_create(jem_context *ctx, const char *caller, int64_t n, int64_t c,
                               int64_t h, int64_t w, int64_t classes, int32_t floats,
                               jem_dataset **out)
{
    *out = NULL;
    JEM__TRY(check_sizes(caller, n, (const int64_t[3]){c, h, w}, classes));
    jem_dataset *d = jem__alloc(ctx, 1, sizeof *d);
    if (d == NULL)
        return JEM_E_NOMEM;
    atomic_init(&d->refs, 1);
    d->ctx = jem__context_ref(ctx);
    d->n = n;
    d->c = c;
    d->h = h;
    d->w = w;
    d->classes = classes;
    d->labels = jem__alloc_raw(ctx, n, sizeof *d->labels);
    if (floats)
        d->floats = jem__alloc_raw(ctx, n * image_size(d), sizeof *d->floats);
    else
        d->bytes = jem__alloc_raw(ctx, n * image_size(d), sizeof *d->bytes);
    if (d->labels == NULL || (d->floats == NULL && d->bytes == NULL)) {
        jem__dataset_unref(d);
        return JEM_E_NOMEM;
    }
    for (int64_t i = 0; i < n; i++)
        d->labels[i] = -1;
    *out = d;
    return JEM_OK;
}

jem_dataset *jem__dataset_ref(jem_dataset *d)
{
    atomic_fetch_add(&d->refs, 1);
    return d;
}

void jem__dataset_unref(jem_dataset *d)
{
    if (d == NULL || atomic_fetch_sub(&d->refs, 1) != 1)
        return;
    jem_context *ctx = d->ctx;
    jem__free(ctx, d->bytes);
    jem__free(ctx, d->floats);
    jem__free(ctx, d->labels);
    jem__free(ctx, d);
    jem__context_unref(ctx);
}

/* Two float operations, each rounded once: the same bits everywhere. 0 gives -1, 255 gives 1. */
void jem__dataset_image(const jem_dataset *d, int64_t i, float *out)
{
    const int64_t size = image_size(d);

    if (d->floats != NULL) {
        memcpy(out, d->floats + i * size, (size_t)size * sizeof *out);
        return;
    }
    const uint8_t *bytes = d->bytes + i * size;
    for (int64_t e = 0; e < size; e++)
        out[e] = (float)bytes[e] / 127.5F - 1.0F;
}

jem_status jem__dataset_from_f32(jem_context *ctx, const char *caller, const float *x,
                                 const int32_t *y, int64_t n, const int64_t shape[3],
                                 int64_t classes, jem_dataset **out)
{
    *out = NULL;
    JEM__TRY(check_sizes(caller, n, shape, classes));
    JEM__TRY(jem__check_labels(caller, y, n, classes));
    const int64_t size = shape[0] * shape[1] * shape[2];
    const int64_t bad = jem__first_not_finite(x, n * size);
    if (bad >= 0)
        return jem__fail(JEM_E_NUMERIC,
                         "%s: image %" PRId64 " has %s at position %" PRId64 ", must be finite",
                         caller, bad / size, isnan(x[bad]) ? "NaN" : "an infinity", bad % size);
    jem_dataset *d;
    JEM__TRY(jem__dataset_create(ctx, caller, n, shape[0], shape[1], shape[2], classes, 1, &d));
    memcpy(d->floats, x, (size_t)(n * size) * sizeof *x);
    if (y != NULL)
        memcpy(d->labels, y, (size_t)n * sizeof *y);
    *out = d;
    return JEM_OK;
}

jem_status jem__dataset_from_u8(jem_context *ctx, const char *caller, const uint8_t *x,
                                const int32_t *y, int64_t n, const int64_t shape[3],
                                int64_t classes, jem_dataset **out)
{
    *out = NULL;
    JEM__TRY(check_sizes(caller, n, shape, classes));
    JEM__TRY(jem__check_labels(caller, y, n, classes));
    jem_dataset *d;
    JEM__TRY(jem__dataset_create(ctx, caller, n, shape[0], shape[1], shape[2], classes, 0, &d));
    memcpy(d->bytes, x, (size_t)(n * image_size(d)));
    if (y != NULL)
        memcpy(d->labels, y, (size_t)n * sizeof *y);
    *out = d;
    return JEM_OK;
}

/* Image `from` of `src` and its label become image `to` of `dst`, which holds floats when `src`
 * does. */
static void copy_image(jem_dataset *dst, int64_t to, const jem_dataset *src, int64_t from)
{
    const int64_t size = image_size(src);

    dst->labels[to] = src->labels[from];
    if (dst->floats != NULL)
        jem__dataset_image(src, from, dst->floats + to * size);
    else
        memcpy(dst->bytes + to * size, src->bytes + from * size, (size_t)size);
}

jem_status jem__dataset_concat(jem_dataset *const *parts, int64_t count, jem_dataset **out)
{
    const jem_dataset *one = parts[0];
    int64_t n = 0;
    int32_t floats = 0;

    *out = NULL;
    for (int64_t p = 0; p < count; p++) {
        const jem_dataset *d = parts[p];
        if (d->c != one->c || d->h != one->h || d->w != one->w || d->classes != one->classes)
            return jem__fail(
                JEM_E_SHAPE,
                "jem_dataset_concat: part %" PRId64 " has images of %" PRId64 " x %" PRId64
                " x %" PRId64 " in %" PRId64 " classes, must be as part 0: %" PRId64
                " x %" PRId64 " x %" PRId64 " in %" PRId64,
                p, d->c, d->h, d->w, d->classes, one->c, one->h, one->w, one->classes);
        if (!jem__add(n, d->n, &n))
            return jem__fail(JEM_E_SHAPE,
                             "jem_dataset_concat: part %" PRId64
                             ": more images than a 64-bit number counts",
                             p);
        floats |= d->floats != NULL;
    }
    jem_dataset *all;
    JEM__TRY(jem__dataset_create(one->ctx, "jem_dataset_concat", n, one->c, one->h, one->w,
                                 one->classes, floats, &all));
    int64_t to = 0;
    for (int64_t p = 0; p < count; p++) {
        for (int64_t i = 0; i < parts[p]->n; i++)
            copy_image(all, to++, parts[p], i);
    }
    *out = all;
    return JEM_OK;
}

jem_status jem__dataset_subset(const jem_dataset *d, const char *caller, const int64_t *indices,
                               int64_t count, jem_dataset **out)
{
    jem_dataset *part;

    *out = NULL;
    /* Memory first: a count that cannot be is refused before a number is read. */
    JEM__TRY(jem__dataset_create(d->ctx, caller, count, d->c, d->h, d->w, d->classes,
                                 d->floats != NULL, &part));
    for (int64_t i = 0; i < count; i++) {
        if (indices[i] < 0 || indices[i] >= d->n) {
            jem__dataset_unref(part);
            return jem__fail(JEM_E_RANGE,
                             "%s: indices[%" PRId64 "] = %" PRId64 ", must be 0 to %" PRId64,
                             caller, i, indices[i], d->n - 1);
        }
        copy_image(part, i, d, indices[i]);
    }
    *out = part;
    return JEM_OK;
}

/* The first `second` numbers of a random order make the second part; both parts keep the order
 * of the data set, so that only the choice is random. */
jem_status jem__dataset_split(const jem_dataset *d, int64_t second, int64_t seed,
                              jem_dataset **out_a, jem_dataset **out_b)
{
    const char *caller = "jem_dataset_split";
    const jem__rng rng = {jem__rng_key(seed, 0), JEM__RNG_SPLIT, 0, 0};

    *out_a = NULL;
    *out_b = NULL;
    if (second < 1 || second >= d->n)
        return jem__fail(JEM_E_RANGE, "%s: second = %" PRId64 ", must be 1 to %" PRId64, caller,
                         second, d->n - 1);
    jem_status status = JEM_E_NOMEM;
    int64_t *order = jem__alloc(d->ctx, d->n, sizeof *order);
    uint8_t *in_second = jem__alloc(d->ctx, d->n, sizeof *in_second);
    if (order == NULL || in_second == NULL)
        goto done;
    jem__rng_permutation(&rng, d->n, order);
    for (int64_t i = 0; i < second; i++)
        in_second[order[i]] = 1;
    int64_t a = 0, b = d->n - second; /* the first part's numbers, then the second's */
    for (int64_t i = 0; i < d->n; i++)
        order[in_second[i] ? b++ : a++] = i;
    status = jem__dataset_subset(d, caller, order, d->n - second, out_a);
    if (status != JEM_OK)
        goto done;
    status = jem__dataset_subset(d, caller, order + (d->n - second), second, out_b);
    if (status != JEM_OK) {
        jem__dataset_unref(*out_a);
        *out_a = NULL;
    }
done:
    jem__free(d->ctx, in_second);
    jem__free(d->ctx, order);
    return status;
}
