/* SPDX-License-Identifier: MIT */

#include "hybrid_samples.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/cli/settings.h"
#include "kit/data/checkpoint.h"
#include "kit/lab/evaluate.h"

#define SLICE 10 /* steps between two lines of progress */

/* Settings: the file's, then presets, then --set. A buffer sets how many samples there are. */
static int read_files(const struct hybrid_plan *plan, const int64_t shape[4],
                      struct hybrid_samples *s)
{
    struct checkpoint file;
    int rc = checkpoint_open(plan->buffer != NULL ? plan->buffer : plan->model, &file);

    s->n = plan->count;
    if (rc == EXIT_OK)
        rc = checkpoint_settings(&file, s->opts);
    if (rc == EXIT_OK && plan->buffer != NULL)
        rc = checkpoint_buffer(&file, shape, s->n, &s->ends, &s->n, &s->stored);
    checkpoint_close(&file);
    return rc == EXIT_OK ? settings_apply(s->opts, plan->presets, plan->sets) : rc;
}

static int allocate(struct hybrid_samples *s, int64_t classes)
{
    const int by_class = settings_number(s->opts, "sgld.class_cond") != 0;
    const size_t values = (size_t)(s->n * s->size);

    s->starts = malloc(values * sizeof s->starts[0]);
    s->fresh = s->ends == NULL; /* not the images of a buffer */
    if (s->fresh)
        s->ends = malloc(values * sizeof s->ends[0]);
    if (by_class)
        s->y = malloc((size_t)s->n * sizeof s->y[0]);
    if (s->starts == NULL || s->ends == NULL || (by_class && s->y == NULL))
        return report_no_memory();
    for (int64_t i = 0; i < s->n && by_class; i++)
        s->y[i] = (int32_t)(i % classes);
    return EXIT_OK;
}

static int describe(const struct hybrid_plan *plan, struct hybrid_samples *s)
{
    char text[5][64];
    const char *start;
    static const char *const names[] = {"sgld.step_size", "sgld.noise_std", "sgld.clamp_grad",
                                        "sgld.clamp_x", "start.kind"};
    int rc = EXIT_OK;

    for (size_t i = 0; i < 5 && rc == EXIT_OK; i++)
        rc = settings_text(s->opts, names[i], text[i]);
    if (rc != EXIT_OK)
        return rc;
    start = strcmp(text[4], "gaussian") == 0
                ? "a Gaussian per class, fitted to the training images"
                : "uniform noise";
    if (plan->buffer != NULL)
        snprintf(s->how, sizeof s->how,
                 "%" PRId64 " of the %" PRId64
                 " images of the replay buffer, as they are; starts: as many of %s",
                 s->n, s->stored, start);
    else
        snprintf(
            s->how, sizeof s->how,
            "%" PRId64 " chains of %" PRId64
            " SGLD steps on %s (step_size %s, noise_std %s, clamp_grad %s, clamp_x %s; seed "
            "%" PRId64 "), from %s",
            s->n, s->steps, s->y != NULL ? "log p(x|y), the classes in turn," : "log p(x)",
            text[0], text[1], text[2], text[3], plan->seed, start);
    return EXIT_OK;
}

int hybrid_samples_prepare(jem_context *ctx, jem_model *model, const struct hybrid_plan *plan,
                           const jem_dataset *train, struct hybrid_samples *out)
{
    int64_t shape[4] = {0, 0, 0, 0};
    char kind[64];
    int rc;

    memset(out, 0, sizeof *out);
    out->steps = plan->buffer != NULL ? 0 : plan->steps;
    rc = report_jem(jem_options_create(ctx, &out->opts));
    if (rc == EXIT_OK)
        rc = report_jem(jem_model_shape(model, shape));
    out->size = shape[0] * shape[1] * shape[2];
    if (rc == EXIT_OK)
        rc = read_files(plan, shape, out);
    if (rc == EXIT_OK)
        rc = allocate(out, shape[3]);
    if (rc == EXIT_OK)
        rc = describe(plan, out);
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_create(model, plan->batch, &out->head));
    if (rc == EXIT_OK)
        rc = report_jem(jem_sampler_create(out->head, out->opts, &out->sampler));
    if (rc == EXIT_OK)
        rc = report_jem(jem_sampler_seed(out->sampler, plan->seed, 0));
    if (rc == EXIT_OK)
        rc = settings_text(out->opts, "start.kind", kind);
    if (rc == EXIT_OK && strcmp(kind, "gaussian") == 0)
        rc = report_jem(jem_sampler_fit_start(out->sampler, train));
    if (rc != EXIT_OK)
        hybrid_samples_free(out);
    return rc;
}

void hybrid_samples_free(struct hybrid_samples *s)
{
    free(s->starts);
    free(s->ends);
    free(s->y);
    jem_sampler_free(s->sampler);
    jem_head_free(s->head);
    jem_options_free(s->opts);
    memset(s, 0, sizeof *s);
}

int hybrid_samples_draw(struct hybrid_samples *s, struct progress *progress)
{
    const double start = progress_clock();
    int rc = report_jem(jem_sampler_init(s->sampler, s->y, s->starts, s->n));

    if (rc == EXIT_OK && s->fresh)
        memcpy(s->ends, s->starts, (size_t)(s->n * s->size) * sizeof s->ends[0]);
    for (int64_t done = 0; done < s->steps && rc == EXIT_OK;) {
        const int64_t m = s->steps - done < SLICE ? s->steps - done : SLICE;
        char left[32];

        rc = report_jem(jem_sampler_run(s->sampler, s->ends, s->y, s->n, m));
        done += m;
        if (progress_due(progress))
            progress_show(progress, "chains: step %" PRId64 "/%" PRId64 "  left %s", done,
                          s->steps,
                          format_duration((progress_clock() - start) / (double)done *
                                              (double)(s->steps - done),
                                          left));
    }
    progress_clear(progress);
    return rc;
}

/* An image, and how sure the model is of its class. */
struct sure {
    int32_t class;
    float prob;
    int64_t number;
};

/* By class, then the surest first. */
static int by_confidence(const void *a, const void *b)
{
    const struct sure *p = a, *q = b;

    if (p->class != q->class)
        return p->class < q->class ? -1 : 1;
    if (p->prob > q->prob || p->prob < q->prob)
        return p->prob > q->prob ? -1 : 1;
    return p->number < q->number ? -1 : 1;
}

static int by_number(const void *a, const void *b)
{
    const int64_t *p = a, *q = b;

    return (*p > *q) - (*p < *q);
}

/* The top of each class in a sorted list. */
static int64_t take_tops(const struct sure *list, int64_t n, int64_t percent, int64_t *kept)
{
    int64_t taken = 0;

    for (int64_t first = 0, end; first < n; first = end) {
        for (end = first; end < n && list[end].class == list[first].class;)
            end++;
        for (int64_t i = first; i < first + (end - first) * percent / 100; i++)
            kept[taken++] = list[i].number;
    }
    return taken;
}

int hybrid_samples_keep(jem_model *model, const struct hybrid_samples *s, int64_t percent,
                        int64_t *kept, int64_t *n)
{
    struct evaluation e;
    struct sure *list;
    const int rc = evaluate_images(model, s->ends, s->n, 100, &e);

    if (rc != EXIT_OK)
        return rc;
    list = malloc((size_t)s->n * sizeof *list);
    for (int64_t i = 0; i < s->n && list != NULL; i++)
        list[i] = (struct sure){e.pred[i], e.prob_y[i * e.classes + e.pred[i]], i};
    evaluate_free(&e);
    if (list == NULL)
        return report_no_memory();
    qsort(list, (size_t)s->n, sizeof *list, by_confidence);
    *n = take_tops(list, s->n, percent, kept);
    qsort(kept, (size_t)*n, sizeof *kept, by_number);
    free(list);
    return EXIT_OK;
}
