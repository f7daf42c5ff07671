/* SPDX-License-Identifier: MIT */

#include "core/check.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "core/arithmetic.h"
#include "core/error.h"

#define BLOCK 1024 /* numbers looked at before the first question */

jem_status jem__check_images(const char *caller, const float *x, int64_t n, int64_t image_size)
{
    int64_t bytes;

    if (n < 0)
        return jem__fail(JEM_E_ARGUMENT, "%s: n = %" PRId64 ", must be at least 0", caller, n);
    if (x == NULL && n > 0)
        return jem__fail_null(caller, "x");
    if (!jem__mul(n, image_size * (int64_t)sizeof *x, &bytes))
        return jem__fail(JEM_E_RANGE, "%s: n = %" PRId64 ", is more than memory can hold",
                         caller, n);
    return JEM_OK;
}

/* Without a branch in the loop, so that it becomes vector code. */
static int32_t all_finite(const float *x, int64_t count)
{
    int32_t bad = 0;

    for (int64_t i = 0; i < count; i++)
        bad |= !(fabsf(x[i]) <= FLT_MAX);
    return !bad;
}

int64_t jem__first_not_finite(const float *x, int64_t count)
{
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t n = jem__min(count - first, BLOCK);

        if (all_finite(x + first, n))
            continue;
        for (int64_t i = first; i < first + n; i++) {
            if (!isfinite(x[i]))
                return i;
        }
    }
    return -1;
}

jem_status jem__check_finite(const char *caller, const float *x, int64_t n, int64_t image_size)
{
    const int64_t at = jem__first_not_finite(x, n * image_size);

    if (at < 0)
        return JEM_OK;
    return jem__fail(JEM_E_NUMERIC,
                     "%s: value %" PRId64 " of image %" PRId64 " is %g, must be finite", caller,
                     at % image_size, at / image_size, (double)x[at]);
}

static jem_status check_label(const char *caller, const int32_t *y, int64_t i, int32_t least,
                              int64_t classes)
{
    if (y[i] < least || y[i] >= classes)
        return jem__fail(JEM_E_RANGE,
                         "%s: y[%" PRId64 "] = %" PRId32 ", must be %" PRId32 " to %" PRId64,
                         caller, i, y[i], least, classes - 1);
    return JEM_OK;
}

jem_status jem__check_class(const char *caller, const int32_t *y, int64_t i, int64_t classes)
{
    return check_label(caller, y, i, 0, classes);
}

jem_status jem__check_classes(const char *caller, const int32_t *y, int64_t n, int64_t classes)
{
    for (int64_t i = 0; y != NULL && i < n; i++)
        JEM__TRY(check_label(caller, y, i, 0, classes));
    return JEM_OK;
}

jem_status jem__check_labels(const char *caller, const int32_t *y, int64_t n, int64_t classes)
{
    for (int64_t i = 0; y != NULL && i < n; i++)
        JEM__TRY(check_label(caller, y, i, -1, classes));
    return JEM_OK;
}
