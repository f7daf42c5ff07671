/* SPDX-License-Identifier: MIT */

/* See hybrid_samples.h. */

#include "hybrid_samples.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/table.h"
#include "kit/data/checkpoint.h"
#include "kit/images/image.h"
#include "kit/stats/sorted.h"

#define SLICE 10  /* steps between two lines of progress */
#define SHOWN 100 /* images in a picture */

static void read_buffer(struct lab *l, const char *path, struct hybrid_samples *s)
{
    struct checkpoint file;
    int rc = checkpoint_open(path, &file);

    must(rc);
    rc = checkpoint_buffer(&file, l->shape, s->n, &s->ends, &s->n, &s->stored);
    checkpoint_close(&file);
    must(rc);
    lab_keep(l, s->ends, free);
}

static const char *text_of(struct lab *l, const jem_options *opts, const char *name)
{
    char text[64];

    must(settings_text(opts, name, text));
    return lab_text(l, "%s", text);
}

static int is_gaussian(struct lab *l, const jem_options *opts)
{
    return strcmp(text_of(l, opts, "start.kind"), "gaussian") == 0;
}

static const char *describe(struct lab *l, const jem_options *opts,
                            const struct hybrid_samples *s)
{
    const char *start = is_gaussian(l, opts)
                            ? "a Gaussian per class, fitted to the training images"
                            : "uniform noise";

    if (!s->fresh)
        return lab_text(l,
                        "%" PRId64 " of the %" PRId64
                        " images of the replay buffer, as they are; starts: as many of %s",
                        s->n, s->stored, start);
    return lab_text(
        l,
        "%" PRId64 " chains of %" PRId64
        " SGLD steps on %s (step_size %s, noise_std %s, clamp_grad %s, clamp_x %s; seed "
        "%" PRId64 "), from %s",
        s->n, s->steps, s->y != NULL ? "log p(x|y), the classes in turn," : "log p(x)",
        text_of(l, opts, "sgld.step_size"), text_of(l, opts, "sgld.noise_std"),
        text_of(l, opts, "sgld.clamp_grad"), text_of(l, opts, "sgld.clamp_x"), l->seed, start);
}

static void release_head(void *head)
{
    jem_head_free(head);
}

static void release_sampler(void *sampler)
{
    jem_sampler_free(sampler);
}

static jem_sampler *create_sampler(struct lab *l, const jem_options *opts, int64_t batch,
                                   const jem_dataset *train)
{
    jem_head *head = NULL;
    jem_sampler *sampler = NULL;

    must_jem(jem_head_create(l->model, batch, &head));
    lab_keep(l, head, release_head);
    must_jem(jem_sampler_create(head, opts, &sampler));
    lab_keep(l, sampler, release_sampler);
    must_jem(jem_sampler_seed(sampler, l->seed, 0));
    if (is_gaussian(l, opts))
        must_jem(jem_sampler_fit_start(sampler, train));
    return sampler;
}

struct hybrid_samples hybrid_samples_prepare(struct lab *l, const struct hybrid_plan *plan,
                                             const jem_dataset *train)
{
    const int fresh = plan->buffer == NULL;
    struct hybrid_samples s = {
        .n = plan->count, .steps = fresh ? plan->steps : 0, .fresh = fresh};
    const jem_options *opts =
        lab_settings(l, fresh ? l->model_file : plan->buffer, &plan->presets, &plan->sets);

    if (fresh)
        s.ends = lab_floats(l, s.n * l->size);
    else
        read_buffer(l, plan->buffer, &s);
    s.starts = lab_floats(l, s.n * l->size);
    if (settings_number(opts, "sgld.class_cond") != 0) {
        s.y = lab_array(l, s.n, sizeof *s.y);
        for (int64_t i = 0; i < s.n; i++)
            s.y[i] = (int32_t)(i % l->classes);
    }
    s.how = describe(l, opts, &s);
    s.sampler = create_sampler(l, opts, plan->batch, train);
    return s;
}

void hybrid_samples_draw(struct lab *l, struct hybrid_samples *s)
{
    const double start = progress_clock();

    must_jem(jem_sampler_init(s->sampler, s->y, s->starts, s->n));
    if (s->fresh)
        memcpy(s->ends, s->starts, (size_t)(s->n * l->size) * sizeof s->ends[0]);
    for (int64_t done = 0; done < s->steps;) {
        const int64_t m = s->steps - done < SLICE ? s->steps - done : SLICE;
        char left[32];

        must_jem(jem_sampler_run(s->sampler, s->ends, s->y, s->n, m));
        done += m;
        if (progress_due(&l->progress))
            progress_show(&l->progress, "chains: step %" PRId64 "/%" PRId64 "  left %s", done,
                          s->steps,
                          format_duration((progress_clock() - start) / (double)done *
                                              (double)(s->steps - done),
                                          left));
    }
    progress_clear(&l->progress);
}

/* How many of each class are kept. */
static int64_t *shares(struct lab *l, const struct evaluation *e, int64_t percent)
{
    int64_t *room = lab_array(l, e->classes, sizeof *room);

    for (int64_t i = 0; i < e->n; i++)
        room[e->pred[i]]++;
    for (int64_t k = 0; k < e->classes; k++)
        room[k] = room[k] * percent / 100;
    return room;
}

int64_t *hybrid_samples_keep(struct lab *l, const struct hybrid_samples *s, int64_t percent,
                             int64_t *n)
{
    struct image_input ends = {.n = s->n, .x = s->ends};
    const struct evaluation *e = lab_evaluate(l, &ends);
    int64_t *order = lab_array(l, s->n, sizeof *order), *room = shares(l, e, percent);
    int64_t *kept = lab_array(l, s->n, sizeof *kept);
    float *doubt = lab_floats(l, s->n);
    uint8_t *taken = lab_array(l, s->n, sizeof *taken);

    for (int64_t i = 0; i < s->n; i++)
        doubt[i] = -e->prob_y[i * e->classes + e->pred[i]];
    must(sort_order(doubt, s->n, order));
    for (int64_t i = 0; i < s->n; i++)
        taken[order[i]] = room[e->pred[order[i]]]-- > 0;
    *n = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (taken[i])
            kept[(*n)++] = i;
    lab_drop(l, taken);
    lab_drop(l, doubt);
    lab_drop(l, room);
    lab_drop(l, order);
    lab_drop(l, e);
    return kept;
}

/* The first images; of a buffer, which may be sorted by class, some from all of it. */
void hybrid_samples_show(struct lab *l, const struct hybrid_samples *s, const char *name,
                         const float *x)
{
    const int64_t n = s->n < SHOWN ? s->n : SHOWN, step = s->stored > 0 ? s->n / n : 1;
    float *shown = lab_floats(l, n * l->size);
    char path[FILE_PATH_BYTES];

    for (int64_t i = 0; i < n; i++)
        memcpy(shown + i * l->size, x + i * step * l->size, (size_t)l->size * sizeof *shown);
    must(file_join(path, l->out, name));
    must(image_write_grid(path, shown, n, l->shape, 10));
    lab_drop(l, shown);
}
