/* SPDX-License-Identifier: MIT */

/* See npy_images.h. */

#include "kit/formats/npy_images.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

#define BEYOND 2 /* no sample of a sound model is larger */

int npy_range_read(const char *text, enum npy_range *out)
{
    static const char *const names[] = {"", "-1..1", "0..1", "0..255"};

    for (int k = NPY_RANGE_MODEL; k <= NPY_RANGE_BYTE; k++)
        if (strcmp(text, names[k]) == 0) {
            *out = (enum npy_range)k;
            return 1;
        }
    return 0;
}

/* "10000 x 28 x 28" */
static const char *sizes_text(int dims, const int64_t *shape, char out[128])
{
    int at = 0;

    snprintf(out, 128, "one number");
    for (int i = 0; i < dims && at < 100; i++)
        at += snprintf(out + at, 128 - (size_t)at, "%s%" PRId64, i > 0 ? " x " : "", shape[i]);
    return out;
}

static void set_shape(struct npy_images *out, int last, int64_t n, const int64_t *size)
{
    out->channels_last = last;
    out->shape[0] = n;
    out->shape[1] = last ? size[2] : size[0];
    out->shape[2] = last ? size[0] : size[1];
    out->shape[3] = last ? size[1] : size[2];
}

/* Without a shape to go by. */
static int guess(const struct npy_array *a, struct npy_images *out)
{
    const int64_t *s = a->shape;

    if (a->dims == 3)
        set_shape(out, 0, s[0], (const int64_t[3]){1, s[1], s[2]});
    else if (a->dims == 4)
        set_shape(out, (s[3] == 1 || s[3] == 3) && s[1] != 1 && s[1] != 3, s[0], s + 1);
    return a->dims == 3 || a->dims == 4;
}

/* Is it, with channels first or last, so many images of C x H x W? */
static int match(int64_t n, const int64_t *size, const int64_t *want, struct npy_images *out)
{
    for (int last = 0; last < 2; last++) {
        set_shape(out, last, n, size);
        if (memcmp(out->shape + 1, want, 3 * sizeof *want) == 0)
            return 1;
    }
    return 0;
}

static int fit(const struct npy_array *a, const int64_t *want, struct npy_images *out)
{
    const int64_t *s = a->shape;
    const int grey = want[0] == 1;

    if (a->dims == 4)
        return match(s[0], s + 1, want, out);
    if (a->dims == 2)
        return grey && match(1, (const int64_t[3]){1, s[0], s[1]}, want, out);
    return a->dims == 3 &&
           (match(1, s, want, out) ||
            (grey && match(s[0], (const int64_t[3]){1, s[1], s[2]}, want, out)));
}

int npy_images_shape(const struct npy_array *a, const char *path, const int64_t *want,
                     struct npy_images *out)
{
    char have[128], model[128];

    if (want != NULL && !fit(a, want, out))
        return report_failed("%s holds an array of %s; the model reads N x %s (images x "
                             "channels x height x width; or the channels last)",
                             path, sizes_text(a->dims, a->shape, have),
                             sizes_text(3, want, model));
    if (want == NULL && !guess(a, out))
        return report_failed("%s: an array of %d dimensions (%s); images are N x C x H x W, "
                             "N x H x W or N x H x W x C",
                             path, a->dims, sizes_text(a->dims, a->shape, have));
    if (a->count < 1)
        return report_failed("%s: there is no image in it", path);
    if (a->type != 'f' && !(a->type == 'u' && a->item == 1))
        return report_failed("%s holds %s of %d byte(s); images are floats in [-1, 1] or bytes "
                             "0..255 (save with .astype(numpy.uint8))",
                             path, a->type == 'b' ? "bools" : "integers", a->item);
    return EXIT_OK;
}

/* Where value k of N x C x H x W lies in an array whose values are in C order. */
static int64_t place_of(const struct npy_images *how, int64_t k)
{
    const int64_t *s = how->shape;
    const int64_t pixels = s[2] * s[3], c = k / pixels % s[1];

    return how->channels_last ? (k / (pixels * s[1]) * pixels + k % pixels) * s[1] + c : k;
}

/* The same where an array of Fortran's order has it: sizes from the last to the first. */
static int64_t fortran_place(const struct npy_array *a, int64_t k)
{
    int64_t at[4] = {0}, place = 0;

    for (int d = a->dims - 1; d >= 0; d--) {
        at[d] = k % a->shape[d];
        k /= a->shape[d];
    }
    for (int d = a->dims - 1; d >= 0; d--)
        place = place * a->shape[d] + at[d];
    return place;
}

void npy_images_bytes(const struct npy_array *a, const struct npy_images *how, uint8_t *out)
{
    for (int64_t k = 0; k < a->count; k++) {
        const int64_t place = place_of(how, k);

        out[k] = a->values[a->fortran ? fortran_place(a, place) : place];
    }
}

/* What the values look like, taken together. */
struct extent {
    float least, most;
};

static int measure(const char *path, const float *x, int64_t n, int64_t size, struct extent *e)
{
    *e = (struct extent){x[0], x[0]};
    for (int64_t k = 0; k < n; k++) {
        if (!isfinite(x[k]))
            return report_failed("%s: image %" PRId64 " has a value that is NaN or infinite",
                                 path, k / size);
        e->least = fminf(e->least, x[k]);
        e->most = fmaxf(e->most, x[k]);
    }
    return EXIT_OK;
}

static int check_range(const char *path, const struct extent *e, enum npy_range range,
                       const char *remedy)
{
    const double least = (double)e->least, most = (double)e->most;

    if (range == NPY_RANGE_ASK && (least < -BEYOND || most > BEYOND))
        return report_failed("%s: floats from %g to %g; models read [-1, 1]: say what the "
                             "values are with %s (" NPY_RANGE_HELP ")",
                             path, least, most, remedy);
    if (range == NPY_RANGE_ASK && least >= 0 && most <= 1 && most > 0)
        return report_failed("%s: all floats lie in [0, 1], from %g to %g; models read [-1, "
                             "1]: say what the values are with %s (0..1, or -1..1 where they "
                             "are right as they stand)",
                             path, least, most, remedy);
    if ((range == NPY_RANGE_UNIT || range == NPY_RANGE_BYTE) &&
        (least < 0 || most > (range == NPY_RANGE_BYTE ? 255 : 1)))
        return report_failed("%s: floats from %g to %g do not lie in the range %s", path, least,
                             most, range == NPY_RANGE_BYTE ? "0..255" : "0..1");
    return EXIT_OK;
}

/* N x H x W x C becomes N x C x H x W. */
static int move_channels(const struct npy_images *how, int64_t count, float *x)
{
    float *old = malloc((size_t)count * sizeof *old);

    if (old == NULL)
        return report_no_memory();
    memcpy(old, x, (size_t)count * sizeof *old);
    for (int64_t k = 0; k < count; k++)
        x[k] = old[place_of(how, k)];
    free(old);
    return EXIT_OK;
}

int npy_images_floats(const struct npy_array *a, const char *path, const struct npy_images *how,
                      enum npy_range range, const char *remedy, float *out)
{
    const float scale = range == NPY_RANGE_BYTE ? 127.5f : 0.5f;
    struct extent e;

    TRY(npy_get_f32(a, path, out));
    TRY(measure(path, out, a->count, a->count / how->shape[0], &e));
    TRY(check_range(path, &e, range, remedy));
    for (int64_t k = 0; k < a->count && (range == NPY_RANGE_BYTE || range == NPY_RANGE_UNIT);
         k++)
        out[k] = out[k] / scale - 1.0f;
    return how->channels_last ? move_channels(how, a->count, out) : EXIT_OK;
}
