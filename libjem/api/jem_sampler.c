/* SPDX-License-Identifier: MIT */

/* The public functions of sampler.h: check the arguments, call energy/sampler and energy/start. */

#include <jem/sampler.h>

#include <inttypes.h>

#include "core/error.h"
#include "core/memory.h"
#include "energy/sampler.h"

#define MAX_STEPS ((INT64_C(1) << 24) - 1) /* the address of a random number has 24 bits */

static jem_status check(const char *caller, const jem_sampler *s, const float *x, int64_t n)
{
    if (s == NULL)
        return jem__fail_null(caller, "sampler");
    return jem__check_images(caller, x, n, s->head->image_size);
}

/* A sampler works with its head: both are in use. */
static jem_status begin(const char *caller, jem_sampler *s)
{
    JEM__TRY(jem__use_begin(&s->use, caller, "sampler"));
    const jem_status status = jem__use_begin(&s->head->use, caller, "sampler's head");
    if (status != JEM_OK)
        jem__use_end(&s->use);
    return status;
}

static jem_status end(jem_sampler *s, jem_status status)
{
    jem__use_end(&s->head->use);
    jem__use_end(&s->use);
    return status;
}

jem_status jem_sampler_create(jem_head *head, const jem_options *opts, jem_sampler **out)
{
    if (out == NULL)
        return jem__fail_null("jem_sampler_create", "out");
    *out = NULL;
    if (head == NULL)
        return jem__fail_null("jem_sampler_create", "head");
    return jem__sampler_create(head, opts, out);
}

jem_status jem_sampler_seed(jem_sampler *s, int64_t seed, int64_t stream)
{
    if (s == NULL)
        return jem__fail_null("jem_sampler_seed", "sampler");
    JEM__TRY(begin("jem_sampler_seed", s));
    jem__sampler_seed(s, seed, stream);
    return end(s, JEM_OK);
}

jem_status jem_sampler_fit_start(jem_sampler *s, const jem_dataset *data)
{
    const jem_model *model;

    if (s == NULL)
        return jem__fail_null("jem_sampler_fit_start", "sampler");
    if (data == NULL)
        return jem__fail_null("jem_sampler_fit_start", "data");
    model = s->head->model;
    if (data->c != model->c || data->h != model->h || data->w != model->w) {
        return jem__fail(JEM_E_SHAPE,
                         "jem_sampler_fit_start: images are %" PRId64 " x %" PRId64
                         " x %" PRId64 ", the model takes %" PRId64 " x %" PRId64 " x %" PRId64,
                         data->c, data->h, data->w, model->c, model->h, model->w);
    }
    JEM__TRY(begin("jem_sampler_fit_start", s));
    return end(s, jem__start_fit(s->start, "jem_sampler_fit_start", data));
}

jem_status jem_sampler_init(jem_sampler *s, const int32_t *y, float *x, int64_t n)
{
    JEM__TRY(check("jem_sampler_init", s, x, n));
    JEM__TRY(begin("jem_sampler_init", s));
    return end(s, jem__sampler_init(s, "jem_sampler_init", y, x, n));
}

jem_status jem_sampler_run(jem_sampler *s, float *x, const int32_t *y, int64_t n, int64_t steps)
{
    JEM__TRY(check("jem_sampler_run", s, x, n));
    if (steps > MAX_STEPS) {
        return jem__fail(JEM_E_RANGE,
                         "jem_sampler_run: steps = %" PRId64 ", must be at most %" PRId64,
                         steps, MAX_STEPS);
    }
    JEM__TRY(begin("jem_sampler_run", s));
    return end(s, jem__sampler_run(s, "jem_sampler_run", x, y, n, steps));
}

/* The states of n chains of `steps` steps: can they exist, in `trace_len` numbers? */
static jem_status check_trace(const char *caller, const jem_sampler *s, int64_t n,
                              int64_t steps, const float *trace, int64_t trace_len)
{
    int64_t want = 0, bytes;

    if (steps < 0 || steps > MAX_STEPS)
        return jem__fail(JEM_E_RANGE, "%s: steps = %" PRId64 ", must be 0 to %" PRId64, caller,
                         steps, MAX_STEPS);
    if (trace == NULL && n > 0)
        return jem__fail_null(caller, "trace");
    if (!jem__mul(n * s->head->image_size, steps + 1, &want) ||
        !jem__mul(want, (int64_t)sizeof *trace, &bytes))
        return jem__fail(JEM_E_RANGE,
                         "%s: %" PRId64 " chains of %" PRId64
                         " steps are more than memory can hold",
                         caller, n, steps);
    if (trace_len < want)
        return jem__fail(JEM_E_SPACE, "%s: trace_len = %" PRId64 ", must be at least %" PRId64,
                         caller, trace_len, want);
    return JEM_OK;
}

jem_status jem_sampler_trace(jem_sampler *s, const float *x, const int32_t *y, int64_t n,
                             int64_t steps, float *trace, int64_t trace_len)
{
    static const char caller[] = "jem_sampler_trace";

    JEM__TRY(check(caller, s, x, n));
    JEM__TRY(check_trace(caller, s, n, steps, trace, trace_len));
    JEM__TRY(begin(caller, s));
    return end(s, jem__sampler_trace(s, caller, x, y, n, steps, trace));
}

jem_status jem_sampler_backward(jem_sampler *s, const float *trace, int64_t trace_len,
                                const int32_t *y, int64_t n, int64_t steps, float *grad)
{
    static const char caller[] = "jem_sampler_backward";

    JEM__TRY(check(caller, s, grad, n));
    JEM__TRY(check_trace(caller, s, n, steps, trace, trace_len));
    JEM__TRY(begin(caller, s));
    return end(s, jem__sampler_backward(s, caller, trace, y, n, steps, grad));
}

void jem_sampler_free(jem_sampler *s)
{
    jem__sampler_unref(s);
}
