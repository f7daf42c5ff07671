/* SPDX-License-Identifier: MIT */

/* A single convolution under the clock. The public API has none, so this calls the backend
 * (libjem/backend/backend.h); a network of one layer checks the sizes and knows the shapes. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "bench_work.h"
#include "core/context.h"
#include "kit/base/report.h"
#include "kit/cli/whole_numbers.h"
#include "nets/network.h"

enum pass { FWD, BWD_X, BWD_W };

static const char *const pass_names[] = {"fwd", "bwd_x", "bwd_w"};

struct conv_run {
    jem_context *ctx;
    const jem__backend *backend;
    jem__queue *queue;
    jem__network *net; /* one convolution */
    jem__conv conv;
    enum pass pass;
    jem__tensor x, w, y; /* bwd_x writes x, bwd_w writes w */
};

static int run(struct bench_work *work)
{
    const struct conv_run *r = work->state;

    switch (r->pass) {
    case FWD:
        return report_jem(r->backend->conv_forward(r->queue, &r->conv, &r->x, &r->w, NULL, NULL,
                                                   &r->y, NULL));
    case BWD_X:
        return report_jem(
            r->backend->conv_backward_x(r->queue, &r->conv, &r->y, &r->w, NULL, NULL, &r->x));
    case BWD_W:
        break;
    }
    return report_jem(
        r->backend->conv_backward_w(r->queue, &r->conv, &r->x, &r->y, &r->w, NULL));
}

static void close_run(struct bench_work *work)
{
    struct conv_run *r = work->state;

    r->backend->mem_free(r->ctx, r->x.mem);
    r->backend->mem_free(r->ctx, r->w.mem);
    r->backend->mem_free(r->ctx, r->y.mem);
    r->backend->queue_free(r->queue);
    jem__network_free(r->net);
    free(r);
    *work = (struct bench_work){0};
}

/* Memory for a tensor, with numbers in [-scale, scale]. */
static int make_tensor(struct conv_run *r, jem__tensor *t, float scale)
{
    const int64_t count = t->n * t->c * t->h * t->w;
    float *values;
    int rc;

    TRY(report_jem(r->backend->mem_create(r->ctx, count, &t->mem)));
    values = calloc((size_t)count, sizeof *values);
    if (values == NULL)
        return report_no_memory();
    bench_fill(values, count, scale);
    rc = report_jem(r->backend->upload(r->queue, t, values));
    free(values);
    return rc;
}

static int make_layer(struct conv_run *r, const int64_t size[7])
{
    int32_t value = 0;

    TRY(report_jem(jem__network_create(r->ctx, size[1], size[2], size[3], &r->net)));
    TRY(report_jem(jem__network_conv(r->net, "conv", 0, 1.0F, size[4], size[5], size[6],
                                     size[5] / 2, -1, &value)));
    r->conv = r->net->layers[0].conv;
    return EXIT_OK;
}

static int make_tensors(struct conv_run *r, int64_t n)
{
    const jem__conv *c = &r->conv;
    const double fan_in = (double)(c->c * c->kh * c->kw);

    TRY(report_jem(r->backend->queue_create(r->ctx, 0, &r->queue)));
    r->x = (jem__tensor){.n = n, .c = c->c, .h = c->h, .w = c->w};
    r->w = (jem__tensor){.n = c->k, .c = c->c, .h = c->kh, .w = c->kw};
    r->y = (jem__tensor){.n = n, .c = c->k, .h = c->oh, .w = c->ow};
    TRY(make_tensor(r, &r->x, 1));
    TRY(make_tensor(r, &r->w, (float)(1 / sqrt(fan_in))));
    return make_tensor(r, &r->y, 1);
}

static int open_run(struct conv_run *r, const int64_t size[7])
{
    TRY(make_layer(r, size));
    return make_tensors(r, size[0]);
}

static int find_pass(const char *pass)
{
    for (int i = 0; i < (int)(sizeof pass_names / sizeof pass_names[0]); i++)
        if (strcmp(pass, pass_names[i]) == 0)
            return i;
    return -1;
}

int bench_open_conv(jem_context *ctx, const char *shape, const char *pass,
                    struct bench_work *out)
{
    int64_t size[7] = {1, 1, 1, 1, 1, 3, 1};
    struct conv_run *r;
    int rc;

    if (find_pass(pass) < 0)
        return report_usage("--pass %s: must be fwd, bwd_x or bwd_w", pass);
    if (whole_numbers_read(shape, ',', 1, INT64_MAX, 7, size) < 5)
        return report_usage("--shape %s: must be N,C,H,W,K[,kernel,stride], for example "
                            "16,160,32,32,160",
                            shape);
    if (size[0] > 65536)
        return report_usage("--shape %s: N must lie between 1 and 65536", shape);
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return report_no_memory();
    r->ctx = ctx;
    r->backend = ctx->backend;
    r->pass = (enum pass)find_pass(pass);
    *out = (struct bench_work){.run = run, .close = close_run, .images = size[0], .state = r};
    rc = open_run(r, size);
    if (rc != EXIT_OK) {
        close_run(out);
        return rc;
    }
    out->madds = (double)(size[0] * r->conv.k * r->conv.oh * r->conv.ow) *
                 (double)(r->conv.c * r->conv.kh * r->conv.kw);
    return EXIT_OK;
}
