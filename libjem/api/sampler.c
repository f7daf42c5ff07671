/* SPDX-License-Identifier: MIT */

/* The public functions of sampler.h: check the arguments, call energy/sgld and energy/start. */

#include <jem/sampler.h>

#include <inttypes.h>

#include "core/error.h"
#include "energy/sgld.h"

#define MAX_STEPS ((INT64_C(1) << 24) - 1) /* the address of a random number has 24 bits */

static jem_status check(const char *caller, const jem_sampler *s, const float *x, int64_t n)
{
    if (s == NULL)
        return jem__fail_null(caller, "sampler");
    return jem__check_images(caller, x, n, s->head->image_size);
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
    jem__sampler_seed(s, seed, stream);
    return JEM_OK;
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
    return jem__start_fit(s->start, "jem_sampler_fit_start", data);
}

jem_status jem_sampler_init(jem_sampler *s, const int32_t *y, float *x, int64_t n)
{
    JEM__TRY(check("jem_sampler_init", s, x, n));
    return jem__sampler_init(s, "jem_sampler_init", y, x, n);
}

jem_status jem_sampler_run(jem_sampler *s, float *x, const int32_t *y, int64_t n, int64_t steps)
{
    JEM__TRY(check("jem_sampler_run", s, x, n));
    if (steps > MAX_STEPS) {
        return jem__fail(JEM_E_RANGE,
                         "jem_sampler_run: steps = %" PRId64 ", must be at most %" PRId64,
                         steps, MAX_STEPS);
    }
    return jem__sampler_run(s, "jem_sampler_run", x, y, n, steps);
}

void jem_sampler_free(jem_sampler *s)
{
    jem__sampler_unref(s);
}
