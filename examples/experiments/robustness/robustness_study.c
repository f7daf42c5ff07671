/* SPDX-License-Identifier: MIT */

/* See robustness_study.h. */

#include "robustness_study.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define SHOWN 10 /* images in adversarial.png */

static void release_defence(void *defence)
{
    defence_close(defence);
}

/* JEM-k of a model. It is the lab's. */
static void open_defence(struct study *s, jem_model *model, int64_t k, int64_t chains,
                         double input_noise, struct defence *out)
{
    must(defence_open(model, s->opts, k, chains, input_noise, s->lab->seed, out));
    lab_keep(s->lab, out, release_defence);
}

/* The first images as `all` has them. */
static void show(struct study *s, const float *all)
{
    const int64_t values = s->shown_columns * s->size;

    memcpy(s->shown + s->shown_rows++ * values, all, (size_t)values * sizeof *all);
}

void study_begin(struct study *s, int defences)
{
    const int64_t n = s->in->n, rows = defences * (2 * s->attacks.count + 1);
    struct lab *lab = s->lab;

    s->size = lab->size;
    s->result.n = n;
    s->result.rows = lab_array(lab, rows, sizeof *s->result.rows);
    s->x = lab_floats(lab, n * s->size);
    s->best = lab_floats(lab, n * s->size);
    s->all = lab_floats(lab, n * s->size);
    s->y = lab_array(lab, n, sizeof *s->y);
    s->eps = lab_array(lab, n, sizeof *s->eps);
    s->distance = lab_array(lab, n, sizeof *s->distance);
    s->standing = lab_array(lab, n, sizeof *s->standing);
    s->everyone = lab_keep(lab, attack_everyone(n), free);
    s->wrong = lab_array(lab, n, 1);
    s->clean = lab_array(lab, n, 1);
    s->shown_columns = n < SHOWN ? n : SHOWN;
    s->shown = lab_floats(lab, (rows + 1) * s->shown_columns * s->size);
    show(s, s->in->x);
    if (s->source != NULL)
        open_defence(s, s->source, 0, 1, 0, &s->source_defence);
}

/* --- One row: an attack on a defence ------------------------------------------------------ */

/* The images standing[] for an attack within eps. */
static struct attack_images gather(struct study *s, int64_t count, double eps)
{
    const size_t bytes = (size_t)s->size * sizeof *s->x;

    for (int64_t i = 0; i < count; i++) {
        memcpy(s->x + i * s->size, s->in->x + s->standing[i] * s->size, bytes);
        memcpy(s->best + i * s->size, s->in->x + s->standing[i] * s->size, bytes);
        s->y[i] = s->in->labels[s->standing[i]];
        s->eps[i] = 2 * eps; /* of images in [-1, 1] */
    }
    return (struct attack_images){s->x, s->y, s->eps, count, s->best, s->distance};
}

/* Attacks within each eps, from the smallest on; an image that has fallen lies in all larger
 * balls too. */
static void run_within(struct study *s, const struct attack_kind *kind,
                       struct robustness_row *row, int64_t count)
{
    const struct robustness_eps *eps = &s->result.eps;
    const char *label = s->attack.label;

    for (int e = 0; e < eps->count && count > 0; e++) {
        struct attack_images im = gather(s, count, eps->value[e]);
        int64_t left = 0;

        s->attack.label = lab_text(s->lab, "%s, eps %s", label, eps->text[e]);
        must(kind->within(&s->attack, &im));
        must(attack_verdict(&s->attack, &im, s->everyone, count, s->best, s->wrong));
        for (int64_t i = 0; i < count; i++) {
            const int64_t g = s->standing[i];

            memcpy(s->all + g * s->size, s->best + i * s->size,
                   (size_t)s->size * sizeof *s->all);
            if (s->wrong[i])
                row->reach[g] = eps->value[e];
            else
                s->standing[left++] = g;
        }
        count = left;
    }
}

/* The smallest eps of each image, as the attack itself finds it. */
static void run_smallest(struct study *s, const struct attack_kind *kind,
                         struct robustness_row *row, int64_t count)
{
    struct attack_images im = gather(s, count, 0);

    s->attack.no_start = 0;
    if (count > 0)
        must(kind->smallest(&s->attack, &im));
    row->smallest = 1;
    row->no_start = s->attack.no_start;
    for (int64_t i = 0; i < count; i++) {
        row->reach[s->standing[i]] = s->distance[i] / 2;
        memcpy(s->all + s->standing[i] * s->size, s->best + i * s->size,
               (size_t)s->size * sizeof *s->all);
    }
}

static void run_row(struct study *s, const struct attack_kind *kind, const char *gradient)
{
    struct robustness_row *row =
        robustness_add(s->lab, &s->result, kind->name, gradient, s->victim.steps);
    int64_t count = 0;

    s->attack.label =
        lab_text(s->lab, "JEM-%" PRId64 ", %s, gradient %s", row->refine, kind->name, gradient);
    memcpy(s->all, s->in->x, (size_t)(s->in->n * s->size) * sizeof *s->all);
    for (int64_t i = 0; i < s->in->n; i++)
        if (!s->clean[i]) {
            row->reach[i] = (double)INFINITY;
            s->standing[count++] = i;
        }
    s->victim.exact = strcmp(gradient, "exact") == 0;
    if (kind->within != NULL)
        run_within(s, kind, row, count);
    else
        run_smallest(s, kind, row, count);
    progress_clear(&s->lab->progress);
    show(s, s->all);
}

/* One attack: once, or with both gradients where they differ. */
static void run_attack(struct study *s, const struct attack_kind *kind)
{
    const int both = strcmp(s->gradient, "both") == 0;

    if (!kind->gradient) {
        run_row(s, kind, "none");
        return;
    }
    if (!both || s->victim.steps > 0)
        run_row(s, kind, both ? "straight" : s->gradient);
    if (both)
        run_row(s, kind, "exact");
}

/* The attacks' view of a defence and its images. */
static struct attack aim(struct study *s)
{
    const struct robustness_eps *eps = &s->result.eps;
    struct attack a = s->settings;

    a.victim = &s->victim;
    a.source = s->source == NULL ? NULL : &s->source_defence;
    a.channels = s->lab->shape[0];
    a.height = s->lab->shape[1];
    a.width = s->lab->shape[2];
    a.set = s->in->x;
    a.set_count = s->in->n;
    a.widest = 2 * eps->value[eps->count - 1];
    a.seed = s->lab->seed;
    a.progress = &s->lab->progress;
    return a;
}

void study_defence(struct study *s, int64_t k)
{
    const int first = s->result.count;
    const int64_t n = s->in->n;
    struct attack_images im;

    open_defence(s, s->lab->model, k, s->chains, s->result.input_noise, &s->victim);
    s->attack = aim(s);
    must(attack_open(&s->attack, n));
    memcpy(s->standing, s->everyone, (size_t)n * sizeof *s->standing);
    im = gather(s, n, 0);
    must(attack_verdict(&s->attack, &im, s->everyone, n, s->x, s->clean));
    for (int64_t i = 0; i < s->attacks.count; i++)
        run_attack(s, attack_find(s->attacks.items[i]));
    robustness_add_worst(s->lab, &s->result, first);
    attack_close(&s->attack);
    lab_drop(s->lab, &s->victim);
}
