/* SPDX-License-Identifier: MIT */

/* jem-distal: distal adversarial images (JEM section 5.4). Gradient ascent on p(y|x) begins at
 * noise and goes on until the model is sure of class y. A classifier is soon sure of what is
 * noise to people; a model that knows p(x) as well should arrive at something that looks like
 * the class.
 *
 *     x_0 ~ U(box),   x <- project to the box (x + step * g / ||g||),   g = d log p(y|x) / dx
 */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "kit/attack/attack_random.h"
#include "kit/base/file.h"
#include "kit/images/image.h"
#include "kit/lab/lab.h"
#include "kit/stats/share.h"

static struct lab lab;
static struct {
    const char *start;
    int64_t steps;
    double threshold, step;
} arg;

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    {NULL, "data", "KIND",
     "1000 test images whose log p(x) is shown beside, and names for the classes of a model "
     "that has none: " DATA_HELP "; model: what the model was trained on",
     NULL, .text = &lab.data, .check = lab_check_data},
    {"Search", "count", "N", "images per class", "10", .integer = &lab.count, .min = 1,
     .max = 10000},
    {NULL, "start", "NAME", "noise: every value uniform; grey: all values in the middle",
     "noise", .text = &arg.start},
    {NULL, "threshold", "P", "stop where p(y|x) is larger", "0.9", .real = &arg.threshold},
    {NULL, "steps", "N", "steps at most", "1000", .integer = &arg.steps, .min = 1,
     .max = 1000000},
    {NULL, "step-size", "L", "length of a step (L2, of images in [0, 1])", "0.5",
     .real = &arg.step, .above_zero = 1},
    LAB_SEED(lab, "of the noise"),
    LAB_OUT(lab, "Results", "folder for distal.png, with a row per class"),
    LAB_REST(lab),
};

static int check(void)
{
    if (strcmp(arg.start, "noise") != 0 && strcmp(arg.start, "grey") != 0)
        return report_usage("--start %s: must be noise or grey", arg.start);
    if (!(arg.threshold > 0) || !(arg.threshold < 1))
        return report_usage("--threshold %g: must lie between 0 and 1", arg.threshold);
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-distal",
    .usage = "--model FILE [options]",
    .about = "Images made from noise by gradient ascent on p(y|x): what is the model sure "
             "of? Every class is a target.",
    .notes = "Example:\n"
             "  jem-distal --model demo/best.safetensors --data fashion-mnist --out distal\n",
    CLI_OPTIONS(options),
    .check = check,
};

static const struct record_column columns[] = {
    {NULL, "target", .kind = RECORD_TEXT},
    {"class", NULL, .kind = RECORD_WHOLE},
    {"reached", "reached", .kind = RECORD_WHOLE},
    {"n", NULL, .kind = RECORD_WHOLE, .join = "/"},
    {"steps", "steps", .decimals = 1},
    {"prob_y", "p(y|x)", .decimals = 3},
    {"log_px_start", "log p(x) at start", .decimals = 3},
    {"log_px_end", "at the end", .decimals = 3},
};

static const struct record_layout by_class = {.name = "classes", RECORD_COLUMNS(columns)};

static const struct record_column overall_columns[] = {
    {"reached", "reached their class %", .percent = 1, .decimals = 1},
    {NULL, "steps", .decimals = 1},
    {NULL, "log p(x) at the start", .decimals = 2},
    {NULL, "at the end", .decimals = 2},
    {"log_px_data", "of real images", .decimals = 2},
    {NULL, "images", .kind = RECORD_WHOLE},
};

static const struct record_layout overall = {
    .name = "distal", .only_page = 1, RECORD_COLUMNS(overall_columns)};

/* The images on their way, those of class 0 first. */
struct search {
    int64_t n;
    float *x;
    int32_t *target;
    int64_t *steps; /* made so far */
    uint8_t *reached;
    jem_head *head;
    float *some, *grad, *prob; /* LAB_BATCH images that go on, their gradients; p(y|x) of all */
};

static struct search begin(void)
{
    struct search s = {.n = lab.count * lab.classes, .head = lab_head(&lab)};

    s.x = lab_floats(&lab, s.n * lab.size);
    s.target = lab_array(&lab, s.n, sizeof *s.target);
    s.steps = lab_array(&lab, s.n, sizeof *s.steps);
    s.reached = lab_array(&lab, s.n, 1);
    s.some = lab_floats(&lab, LAB_BATCH * lab.size);
    s.grad = lab_floats(&lab, LAB_BATCH * lab.size);
    s.prob = lab_floats(&lab, LAB_BATCH * lab.classes);
    for (int64_t i = 0; i < s.n; i++) {
        struct attack_random r = attack_random_at(lab.seed, ATTACK_FOR_START, 0, i);

        s.target[i] = (int32_t)(i / lab.count);
        for (int64_t j = 0; strcmp(arg.start, "noise") == 0 && j < lab.size; j++)
            s.x[i * lab.size + j] = (float)attack_random_signed(&r);
    }
    return s;
}

/* One step along the gradient, and back into the box. */
static void ascend(float *x, const float *grad)
{
    double squares = 0, step;

    for (int64_t j = 0; j < lab.size; j++)
        squares += (double)grad[j] * (double)grad[j];
    step = squares > 0 ? 2 * arg.step / sqrt(squares) : 0; /* x is in [-1, 1] */
    for (int64_t j = 0; j < lab.size; j++)
        x[j] = (float)fmin(fmax((double)x[j] + step * (double)grad[j], -1), 1);
}

/* A step for those of the images first, ..., first + m - 1 that have not reached their class;
 * returns how many these were. */
static int64_t step_batch(struct search *s, int64_t first, int64_t m)
{
    const int64_t size = lab.size, classes = lab.classes;
    int64_t which[LAB_BATCH], k = 0;
    int32_t y[LAB_BATCH];

    must_jem(jem_head_prob_y(s->head, s->x + first * size, m, s->prob, m * classes));
    for (int64_t i = first; i < first + m; i++) {
        s->reached[i] = (double)s->prob[(i - first) * classes + s->target[i]] > arg.threshold;
        if (s->reached[i] || s->steps[i] == arg.steps)
            continue;
        memcpy(s->some + k * size, s->x + i * size, (size_t)size * sizeof *s->x);
        y[k] = s->target[i];
        which[k++] = i;
    }
    must_jem(jem_head_grad_log_py(s->head, s->some, y, k, s->grad, k * size));
    for (int64_t i = 0; i < k; i++) {
        ascend(s->x + which[i] * size, s->grad + i * size);
        s->steps[which[i]]++;
    }
    return k;
}

static void search_all(struct search *s)
{
    for (int64_t first = 0; first < s->n; first += LAB_BATCH) {
        const int64_t m = s->n - first < LAB_BATCH ? s->n - first : LAB_BATCH;
        int64_t left = m;

        for (int64_t t = 0; left > 0; t++) {
            left = step_batch(s, first, m);
            if (progress_due(&lab.progress))
                progress_show(&lab.progress,
                              "images %" PRId64 " to %" PRId64 " of %" PRId64 ": step %" PRId64
                              ", %" PRId64 " on the way",
                              first, first + m - 1, s->n, t, left);
        }
    }
}

/* Of some images. The steps are the mean of those that reached their class. */
struct summary {
    int64_t n, reached;
    double steps, prob_y, start, end;
};

static struct summary summarise(const struct search *s, const struct evaluation *before,
                                const struct evaluation *after, int64_t first, int64_t n)
{
    struct summary m = {.n = n};

    for (int64_t i = first; i < first + n; i++) {
        m.reached += s->reached[i];
        m.steps += s->reached[i] ? (double)s->steps[i] : 0;
        m.prob_y += (double)after->prob_y[i * lab.classes + s->target[i]] / (double)n;
        m.start += (double)before->log_px[i] / (double)n;
        m.end += (double)after->log_px[i] / (double)n;
    }
    m.steps = m.reached > 0 ? m.steps / (double)m.reached : (double)NAN;
    return m;
}

static void tell(struct record_table *t, const char *target, const struct summary *m)
{
    record_text(t, "target", target);
    record_whole(t, "reached", m->reached);
    record_whole(t, "n", m->n);
    record_number(t, "steps", m->steps);
    record_number(t, "prob_y", m->prob_y);
    record_number(t, "log_px_start", m->start);
    record_number(t, "log_px_end", m->end);
}

static void tell_classes(const struct search *s, const struct evaluation *before,
                         const struct evaluation *after, const struct summary *all)
{
    struct record_table *t = record_table(lab.record, &by_class);

    for (int64_t k = 0; k < lab.classes; k++) {
        const struct summary m = summarise(s, before, after, k * lab.count, lab.count);
        const char *name = lab_class_name(&lab, k);

        record_row(t);
        record_whole(t, "class", k);
        tell(t, lab_text(&lab, "class %" PRId64 " %s", k, name == NULL ? "" : name), &m);
    }
    record_row_at(t, "all");
    tell(t, "all", all);
}

static void tell_overall(const struct summary *all, const struct image_input *real,
                         double log_px_data)
{
    struct record_table *t = record_table(lab.record, &overall);
    const double share = (double)all->reached / (double)all->n;
    double low, high;

    record_row_at(t, ".");
    record_number(t, "reached", share);
    record_number(t, "steps", all->steps);
    record_number(t, "log p(x) at the start", all->start);
    record_number(t, "at the end", all->end);
    record_number(t, "log_px_data", log_px_data);
    record_whole(t, "images", all->n);
    share_interval(all->reached, all->n, &low, &high);
    record_say(lab.record, "\nreached %.1f %% of their class (95 %% interval %.0f to %.0f)\n",
               100 * share, 100 * low, 100 * high);
    if (real != NULL)
        record_say(lab.record, "log p(x) of %" PRId64 " %s: %.3f\n", real->n,
                   lab_images_are(&lab), log_px_data);
}

static void say_protocol(void)
{
    record_protocol(
        lab.record,
        "Gradient ascent on log p(y|x) for each class y from %s, steps of length %g (L2, of "
        "images in [0, 1]) along the gradient, cut to the box [0, 1], until p(y|x) > %g or for "
        "%" PRId64 " steps; %" PRId64 " images per class, seed %" PRId64
        ". No SGLD, no noise on the way. Steps: mean over the images that reached their class. "
        "log p(x) up to the model's constant: compare it with that of test images of the same "
        "model only.",
        strcmp(arg.start, "noise") == 0 ? "uniform noise" : "grey", arg.step, arg.threshold,
        arg.steps, lab.count, lab.seed);
}

int main(int argc, char **argv)
{
    lab_begin(&lab, &command_line, argc, argv);
    lab_open(&lab);
    if (lab_no_classes(&lab) != NULL)
        must(report_failed("%s has no classes to reach: %s", lab.model_file,
                           lab_no_classes(&lab)));

    const struct image_input *real = NULL;
    double log_px_data = (double)NAN;

    if (lab.data != NULL) {
        real = lab_images(&lab, lab.data, "test", 1000, 0);
        log_px_data = lab_evaluate(&lab, real)->mean_log_px;
    } else
        json_set_text(record_json(lab.record), "data", NULL);
    const int picture = lab_has_folder(&lab);
    struct search s = begin();
    const struct image_input images = {.n = s.n, .of = s.n, .x = s.x};
    const struct evaluation *before = lab_evaluate(&lab, &images), *after;
    char path[FILE_PATH_BYTES];

    search_all(&s);
    after = lab_evaluate(&lab, &images);
    const struct summary all = summarise(&s, before, after, 0, s.n);

    tell_classes(&s, before, after, &all);
    tell_overall(&all, real, log_px_data);
    say_protocol();
    lab_tell(&lab);
    if (picture) {
        must(file_join(path, lab.out, "distal.png"));
        must(image_write_grid(path, s.x, s.n, lab.shape, lab.count));
        printf("\npicture    %s (a row per class)\n", path);
    }
    return lab_end(&lab);
}
