/* SPDX-License-Identifier: MIT */
/* jem/data.h: arguments are checked here, the work is done in data/. */

#include <jem/data.h>

#include <inttypes.h>
#include <string.h>

#include "core/arithmetic.h"
#include "core/error.h"
#include "core/file.h"
#include "data/fingerprint.h"
#include "data/formats.h"

jem_status jem_dataset_from_f32(jem_context *ctx, const float *x, const int32_t *y, int64_t n,
                                const int64_t shape[3], int64_t classes, jem_dataset **out)
{
    const char *caller = "jem_dataset_from_f32";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    *out = NULL;
    if (ctx == NULL || x == NULL || shape == NULL)
        return jem__fail_null(caller, ctx == NULL ? "ctx" : x == NULL ? "x" : "shape");
    return jem__dataset_from_f32(ctx, caller, x, y, n, shape, classes, out);
}

jem_status jem_dataset_from_u8(jem_context *ctx, const uint8_t *x, const int32_t *y, int64_t n,
                               const int64_t shape[3], int64_t classes, jem_dataset **out)
{
    const char *caller = "jem_dataset_from_u8";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    *out = NULL;
    if (ctx == NULL || x == NULL || shape == NULL)
        return jem__fail_null(caller, ctx == NULL ? "ctx" : x == NULL ? "x" : "shape");
    return jem__dataset_from_u8(ctx, caller, x, y, n, shape, classes, out);
}

jem_status jem_dataset_from_bytes(jem_context *ctx, const char *kind, const char *name,
                                  const uint8_t *images, int64_t images_len,
                                  const uint8_t *labels, int64_t labels_len, jem_dataset **out)
{
    const char *caller = "jem_dataset_from_bytes";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    *out = NULL;
    if (ctx == NULL || kind == NULL || images == NULL)
        return jem__fail_null(caller, ctx == NULL ? "ctx" : kind == NULL ? "kind" : "images");
    if (images_len < 0)
        return jem__fail(JEM_E_ARGUMENT, "%s: images_len = %" PRId64 ", must be at least 0",
                         caller, images_len);
    if (labels_len < 0 || (labels == NULL && labels_len != 0))
        return jem__fail(JEM_E_ARGUMENT, "%s: labels_len = %" PRId64 ", must be %s", caller,
                         labels_len, labels == NULL ? "0 without labels" : "at least 0");
    const char *text = name != NULL ? jem__path_end(name) : "(memory)";
    const jem__blob x = {text, images, images_len}, y = {text, labels, labels_len};
    return jem__formats_parse(ctx, caller, kind, &x, &y, out);
}

jem_status jem_dataset_open(jem_context *ctx, const char *kind, const char *images,
                            const char *labels, jem_dataset **out)
{
    const char *caller = "jem_dataset_open";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    *out = NULL;
    if (ctx == NULL || kind == NULL || images == NULL)
        return jem__fail_null(caller, ctx == NULL ? "ctx" : kind == NULL ? "kind" : "images");
    return jem__formats_open(ctx, caller, kind, images, labels, out);
}

jem_status jem_dataset_concat(jem_dataset *const *parts, int64_t count, jem_dataset **out)
{
    const char *caller = "jem_dataset_concat";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    *out = NULL;
    if (parts == NULL)
        return jem__fail_null(caller, "parts");
    if (count < 1)
        return jem__fail(JEM_E_ARGUMENT, "%s: count = %" PRId64 ", must be at least 1", caller,
                         count);
    for (int64_t i = 0; i < count; i++) {
        if (parts[i] == NULL)
            return jem__fail(JEM_E_ARGUMENT, "%s: parts[%" PRId64 "] is NULL", caller, i);
    }
    return jem__dataset_concat(parts, count, out);
}

jem_status jem_dataset_subset(const jem_dataset *d, const int64_t *indices, int64_t count,
                              jem_dataset **out)
{
    const char *caller = "jem_dataset_subset";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    *out = NULL;
    if (d == NULL || indices == NULL)
        return jem__fail_null(caller, d == NULL ? "d" : "indices");
    if (count < 1)
        return jem__fail(JEM_E_ARGUMENT, "%s: count = %" PRId64 ", must be at least 1", caller,
                         count);
    int64_t bytes;
    if (!jem__mul(count, d->c * d->h * d->w * (int64_t)sizeof(float), &bytes))
        return jem__fail(JEM_E_RANGE, "%s: count = %" PRId64 ", is more than memory can hold",
                         caller, count);
    return jem__dataset_subset(d, caller, indices, count, out);
}

jem_status jem_dataset_split(const jem_dataset *d, int64_t second, int64_t seed,
                             jem_dataset **out_a, jem_dataset **out_b)
{
    const char *caller = "jem_dataset_split";
    if (out_a != NULL)
        *out_a = NULL;
    if (out_b != NULL)
        *out_b = NULL;
    if (out_a == NULL || out_b == NULL || d == NULL)
        return jem__fail_null(caller, d == NULL ? "d" : out_a == NULL ? "out_a" : "out_b");
    return jem__dataset_split(d, second, seed, out_a, out_b);
}

jem_status jem_dataset_size(const jem_dataset *d, int64_t *out)
{
    if (d == NULL || out == NULL)
        return jem__fail_null("jem_dataset_size", d == NULL ? "d" : "out");
    *out = d->n;
    return JEM_OK;
}

jem_status jem_dataset_shape(const jem_dataset *d, int64_t shape[4])
{
    if (d == NULL || shape == NULL)
        return jem__fail_null("jem_dataset_shape", d == NULL ? "d" : "shape");
    shape[0] = d->c;
    shape[1] = d->h;
    shape[2] = d->w;
    shape[3] = d->classes;
    return JEM_OK;
}

jem_status jem_dataset_fingerprint(const jem_dataset *d, int64_t *out)
{
    if (out == NULL)
        return jem__fail_null("jem_dataset_fingerprint", "out");
    *out = 0;
    if (d == NULL)
        return jem__fail_null("jem_dataset_fingerprint", "d");
    const uint64_t hash = jem__fingerprint(d);
    memcpy(out, &hash, sizeof *out);
    return JEM_OK;
}

jem_status jem_dataset_read(const jem_dataset *d, int64_t first, int64_t n, float *x,
                            int32_t *y)
{
    const char *caller = "jem_dataset_read";
    if (d == NULL)
        return jem__fail_null(caller, "d");
    if (n < 0)
        return jem__fail(JEM_E_ARGUMENT, "%s: n = %" PRId64 ", must be at least 0", caller, n);
    if (first < 0 || first > d->n || n > d->n - first)
        return jem__fail(JEM_E_RANGE,
                         "%s: first = %" PRId64 ", n = %" PRId64
                         ", must lie within the %" PRId64 " images",
                         caller, first, n, d->n);
    for (int64_t i = 0; i < n && x != NULL; i++)
        jem__dataset_image(d, first + i, x + i * d->c * d->h * d->w);
    if (y != NULL && n > 0)
        memcpy(y, d->labels + first, (size_t)n * sizeof *y);
    return JEM_OK;
}

void jem_dataset_free(jem_dataset *d)
{
    jem__dataset_unref(d);
}
