/* SPDX-License-Identifier: MIT */

/* jem-robustness: accuracy under attack (JEM section 5.4 and its appendix). The defence JEM-k
 * takes k steps of SGLD on log p(x) from the image before it classifies; JEM-0 is the plain
 * classifier. Attacks go through these steps exactly, or around them, as the paper's did. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "kit/attack/attack.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/images/image.h"
#include "kit/lab/lab.h"
#include "robustness.h"
#include "robustness_protocol.h"

#define SHOWN 10 /* images in adversarial.png */

static struct lab lab = {.input_noise = -1}; /* what the norm says */
static struct attack asked;                  /* the settings of all attacks */
static struct {
    const char *source, *norm, *eps, *refine, *gradient;
    struct cli_list attacks, presets, sets;
    int64_t chains;
    struct robustness_refine defences; /* that `refine` names */
} arg;

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    LAB_DATA(lab, "labelled images, the test split: "),
    {NULL, "count", "N", "N images, evenly spaced; 0: all", "100", .integer = &lab.count,
     .max = INT64_MAX},
    {"Defence", "refine", "LIST", "SGLD steps before the classification: JEM-0, JEM-1, ...",
     "0,1,10", .text = &arg.refine},
    {NULL, "chains", "N", "chains per image, whose logits are averaged (paper: 5)", "1",
     .integer = &arg.chains, .min = 1, .max = 1000},
    {NULL, "input-noise", "STD",
     "Gaussian noise that each chain begins with, of images in [-1, 1]; without it 0.03 for "
     "linf and 0 for l2, as the official code has it",
     NULL, .real = &lab.input_noise},
    {NULL, "preset", "NAME", "sgld.* of a preset instead of the model's own; may be repeated",
     NULL, .list = &arg.presets},
    {NULL, "set", "NAME=VALUE", "one setting, for example sgld.step_size=1", NULL,
     .list = &arg.sets},
    {"Attack", "attack", "NAME",
     "pgd, pgd-min, apgd, square, hopskipjump, pointwise, noise or transfer; may be repeated "
     "[pgd]",
     NULL, .list = &arg.attacks},
    {NULL, "norm", "NAME", "linf or l2", "linf", .text = &arg.norm},
    {NULL, "eps", "LIST",
     "sizes of the perturbation, of images in [0, 1]; without it 1/255,2/255,4/255,8/255,"
     "16/255 for linf and 0.25,0.5,1,2 for l2",
     NULL, .text = &arg.eps},
    {NULL, "gradient", "NAME",
     "through the SGLD steps: exact; straight: as if they were not there; or both", "both",
     .text = &arg.gradient},
    {NULL, "steps", "N", "of pgd, pgd-min, apgd and transfer", "40", .integer = &asked.steps,
     .min = 1, .max = 100000},
    {NULL, "restarts", "N", "random starts of these; the worst counts (paper: 20)", "1",
     .integer = &asked.restarts, .min = 1, .max = 10000},
    {NULL, "eot", "N",
     "gradients, and margins that square and noise compare, averaged over fresh noise", "1",
     .integer = &asked.eot, .min = 1, .max = 10000},
    {NULL, "eval-draws", "N",
     "draws of the defence's noise, all fresh, that decide whether an attack succeeded, by "
     "majority",
     "5", .integer = &asked.votes, .min = 1, .max = 10000},
    {NULL, "queries", "N",
     "questions per image that square, hopskipjump and pointwise may ask (AutoAttack: 5000); "
     "square asks 2 x --eot per proposal where the defence has noise",
     "1000", .integer = &asked.queries, .min = 1, .max = 10000000},
    {NULL, "noises", "N", "draws of noise per image and eps; the worst counts", "10",
     .integer = &asked.noises, .min = 1, .max = 100000},
    {NULL, "source", "FILE", "the model that transfer attacks, without refinement", NULL,
     .text = &arg.source},
    LAB_SEED(lab, "of all noise"),
    LAB_OUT(lab, "Results", "folder for a curve per attack (.svg) and adversarial.png"),
    LAB_REST(lab),
};

static const char notes[] =
    "Attacks:\n"
    "  pgd          projected gradient descent from a random start, steps of 2.5 eps / N\n"
    "  pgd-min      the smallest eps at which pgd succeeds, by bisection per image\n"
    "  apgd         APGD-CE (Croce and Hein 2020)\n"
    "  square       Square attack (Andriushchenko et al. 2020); asks for logits only\n"
    "  hopskipjump  HopSkipJump (Chen et al. 2020), successor of the boundary attack; asks "
    "for\n"
    "               classes only\n"
    "  pointwise    Pointwise attack (Schott et al. 2019); asks for classes only; --norm l2\n"
    "  noise        uniform noise\n"
    "  transfer     pgd on --source, scored by --model\n"
    "\nGradients: straight usually flatters the defence; exact is 0 where sgld.clamp_x\n"
    "acted, which can mask gradients. Of the two the smaller accuracy counts.\n"
    "\nExamples:\n"
    "  jem-robustness --model demo/best.safetensors --out robust --json robust.json\n"
    "  jem-robustness --model demo/best.safetensors --norm l2 --attack apgd --attack square\n";

static int is_l2(void)
{
    return strcmp(arg.norm, "l2") == 0;
}

static int check_attacks(void)
{
    static const char *pgd = "pgd";
    int transfer = 0;

    if (arg.attacks.count == 0)
        arg.attacks = (struct cli_list){&pgd, 1};
    for (int64_t i = 0; i < arg.attacks.count; i++) {
        if (attack_find(arg.attacks.items[i]) == NULL)
            return report_usage("--attack %s: unknown", arg.attacks.items[i]);
        if (strcmp(arg.attacks.items[i], "pointwise") == 0 && !is_l2())
            return report_usage("--attack pointwise changes few values, but these by as much "
                                "as there is, which is no attack in L-inf: it needs --norm l2");
        transfer |= strcmp(arg.attacks.items[i], "transfer") == 0;
    }
    if (transfer && arg.source == NULL)
        return report_usage("--attack transfer needs the model to attack: --source FILE");
    if (!transfer && arg.source != NULL)
        return report_usage("--source is for --attack transfer");
    return CLI_GO;
}

static int check(void)
{
    int rc;

    if (strcmp(arg.norm, "linf") != 0 && !is_l2())
        return report_usage("--norm %s: must be linf or l2", arg.norm);
    if (lab.input_noise < 0)
        lab.input_noise = is_l2() ? 0 : 0.03;
    if (strcmp(arg.gradient, "straight") != 0 && strcmp(arg.gradient, "exact") != 0 &&
        strcmp(arg.gradient, "both") != 0)
        return report_usage("--gradient %s: must be straight, exact or both", arg.gradient);
    rc = check_attacks();
    return rc == CLI_GO ? robustness_parse_refine(arg.refine, &arg.defences) : rc;
}

static const struct cli command_line = {
    .program = "jem-robustness",
    .usage = "--model FILE [options]",
    .about =
        "Accuracy of a model under attack, with and without refinement of the image by SGLD "
        "before it is classified (JEM-k). An image that is wrong without an attack counts as "
        "not robust.",
    .notes = notes,
    CLI_OPTIONS(options),
    .check = check,
};

struct study {
    jem_options *opts;            /* "sgld.*" */
    const struct image_input *in; /* labelled images only */
    struct defence victim, source;
    struct attack attack;
    struct robustness result;

    /* Of the row that is being found: images still standing, gathered; all images as they
     * became. */
    float *x, *best, *all;
    int32_t *y;
    double *eps, *distance;
    int64_t *standing, *everyone;
    uint8_t *wrong, *clean; /* clean: wrong without an attack */
    float *shown;           /* for adversarial.png: SHOWN images, then as many per row */
    int64_t shown_rows;
};

/* --- What is attacked --------------------------------------------------------------------- */

/* Images without a label cannot be attacked; images beyond [-1, 1] have no box. */
static const struct image_input *choose_images(void)
{
    struct image_input *in = lab_images(&lab, lab.data, "test", lab.count, 1);
    int64_t kept = 0;

    for (int64_t i = 0; i < in->n; i++) {
        if (in->labels[i] < 0)
            continue;
        memmove(in->x + kept * lab.size, in->x + i * lab.size,
                (size_t)lab.size * sizeof *in->x);
        in->labels[kept++] = in->labels[i];
    }
    in->n = kept;
    for (int64_t j = 0; j < kept * lab.size; j++)
        if (!(fabsf(in->x[j]) <= 1))
            must(report_failed("--data %s: image %" PRId64 " has the value %g; attacks need "
                               "images in [-1, 1]",
                               lab.data, j / lab.size, (double)in->x[j]));
    return in;
}

static void release_defence(void *defence)
{
    defence_close(defence);
}

/* JEM-k of a model. It is the lab's. */
static void open_defence(struct study *s, jem_model *model, int64_t k, int64_t chains,
                         double input_noise, struct defence *out)
{
    must(defence_open(model, s->opts, k, chains, input_noise, lab.seed, out));
    lab_keep(&lab, out, release_defence);
}

static void open_source(struct study *s)
{
    jem_model *source;
    int64_t shape[4];

    if (arg.source == NULL)
        return;
    source = lab_model(&lab, arg.source);
    must_jem(jem_model_shape(source, shape));
    if (memcmp(shape, lab.shape, sizeof shape) != 0)
        must(report_failed(
            "--source %s reads %d x %d x %d images of %d classes, --model %d x %d "
            "x %d of %d",
            arg.source, (int)shape[0], (int)shape[1], (int)shape[2], (int)shape[3],
            (int)lab.shape[0], (int)lab.shape[1], (int)lab.shape[2], (int)lab.shape[3]));
    open_defence(s, source, 0, 1, 0, &s->source);
}

static void set_up(struct study *s)
{
    const char *eps = arg.eps;
    int64_t n, rows = arg.defences.count * (2 * arg.attacks.count + 1);

    if (eps == NULL)
        eps = is_l2() ? "0.25,0.5,1,2" : "1/255,2/255,4/255,8/255,16/255";
    must(robustness_parse_eps(eps, is_l2() ? sqrt((double)lab.size) : 1, &s->result.eps));
    s->opts = lab_options(&lab, &arg.presets, &arg.sets);
    open_source(s);
    s->in = choose_images();
    lab_has_folder(&lab);
    n = s->in->n;
    s->result.norm = arg.norm;
    s->result.input_noise = lab.input_noise;
    s->result.n = n;
    s->result.rows = lab_array(&lab, rows, sizeof *s->result.rows);
    s->x = lab_floats(&lab, n * lab.size);
    s->best = lab_floats(&lab, n * lab.size);
    s->all = lab_floats(&lab, n * lab.size);
    s->y = lab_array(&lab, n, sizeof *s->y);
    s->eps = lab_array(&lab, n, sizeof *s->eps);
    s->distance = lab_array(&lab, n, sizeof *s->distance);
    s->standing = lab_array(&lab, n, sizeof *s->standing);
    s->everyone = lab_keep(&lab, attack_everyone(n), free);
    s->wrong = lab_array(&lab, n, 1);
    s->clean = lab_array(&lab, n, 1);
    s->shown = lab_floats(&lab, (rows + 1) * SHOWN * lab.size);
}

/* --- One row: an attack on a defence ------------------------------------------------------ */

/* The first SHOWN images as `all` has them. */
static void show(struct study *s, const float *all)
{
    const int64_t n = s->in->n < SHOWN ? s->in->n : SHOWN;

    memcpy(s->shown + s->shown_rows++ * n * lab.size, all,
           (size_t)(n * lab.size) * sizeof *all);
}

/* The images standing[] for an attack within eps. */
static struct attack_images gather(struct study *s, int64_t count, double eps)
{
    const size_t bytes = (size_t)lab.size * sizeof *s->x;

    for (int64_t i = 0; i < count; i++) {
        memcpy(s->x + i * lab.size, s->in->x + s->standing[i] * lab.size, bytes);
        memcpy(s->best + i * lab.size, s->in->x + s->standing[i] * lab.size, bytes);
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

        s->attack.label = lab_text(&lab, "%s, eps %s", label, eps->text[e]);
        must(kind->within(&s->attack, &im));
        must(attack_verdict(&s->attack, &im, s->everyone, count, s->best, s->wrong));
        for (int64_t i = 0; i < count; i++) {
            const int64_t g = s->standing[i];

            memcpy(s->all + g * lab.size, s->best + i * lab.size,
                   (size_t)lab.size * sizeof *s->all);
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
        memcpy(s->all + s->standing[i] * lab.size, s->best + i * lab.size,
               (size_t)lab.size * sizeof *s->all);
    }
}

static void run_row(struct study *s, const struct attack_kind *kind, const char *gradient)
{
    struct robustness_row *row =
        robustness_add(&lab, &s->result, kind->name, gradient, s->victim.steps);
    int64_t count = 0;

    s->attack.label =
        lab_text(&lab, "JEM-%" PRId64 ", %s, gradient %s", row->refine, kind->name, gradient);
    memcpy(s->all, s->in->x, (size_t)(s->in->n * lab.size) * sizeof *s->all);
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
    progress_clear(&lab.progress);
    show(s, s->all);
}

/* One attack: once, or with both gradients where they differ. */
static void run_attack(struct study *s, const struct attack_kind *kind)
{
    const int both = strcmp(arg.gradient, "both") == 0;

    if (!kind->gradient) {
        run_row(s, kind, "none");
        return;
    }
    if (!both || s->victim.steps > 0)
        run_row(s, kind, both ? "straight" : arg.gradient);
    if (both)
        run_row(s, kind, "exact");
}

/* All attacks on JEM-k. */
static void run_defence(struct study *s, int64_t k)
{
    const int first = s->result.count;
    const int64_t n = s->in->n;
    struct attack_images im;

    open_defence(s, lab.model, k, arg.chains, lab.input_noise, &s->victim);
    s->attack = asked;
    s->attack.victim = &s->victim;
    s->attack.source = arg.source == NULL ? NULL : &s->source;
    s->attack.norm = is_l2() ? ATTACK_L2 : ATTACK_LINF;
    s->attack.channels = lab.shape[0];
    s->attack.height = lab.shape[1];
    s->attack.width = lab.shape[2];
    s->attack.set = s->in->x;
    s->attack.set_count = n;
    s->attack.widest = 2 * s->result.eps.value[s->result.eps.count - 1];
    s->attack.seed = lab.seed;
    s->attack.progress = &lab.progress;
    must(attack_open(&s->attack, n));
    memcpy(s->standing, s->everyone, (size_t)n * sizeof *s->standing);
    im = gather(s, n, 0);
    must(attack_verdict(&s->attack, &im, s->everyone, n, s->x, s->clean));
    for (int64_t i = 0; i < arg.attacks.count; i++)
        run_attack(s, attack_find(arg.attacks.items[i]));
    robustness_add_worst(&lab, &s->result, first);
    attack_close(&s->attack);
    lab_drop(&lab, &s->victim);
}

static void draw(const struct study *s)
{
    const int64_t columns = s->in->n < SHOWN ? s->in->n : SHOWN;
    char path[FILE_PATH_BYTES];

    robustness_draw(&lab, &s->result);
    must(file_join(path, lab.out, "adversarial.png"));
    must(image_write_grid(path, s->shown, s->shown_rows * columns, lab.shape, columns));
    printf("\npictures   %s/*.svg, %s (the images, then a row per attack, in the order of "
           "the table)\n",
           lab.out, path);
}

int main(int argc, char **argv)
{
    static struct study s;

    lab_begin(&lab, &command_line, argc, argv);
    lab_open(&lab);
    set_up(&s);
    show(&s, s.in->x);
    for (int i = 0; i < arg.defences.count; i++)
        run_defence(&s, arg.defences.steps[i]);
    robustness_record(&lab, &s.result);
    record_protocol(lab.record, "%s",
                    robustness_describe(&lab, &(struct robustness_protocol){
                                                  &s.result, s.opts, arg.chains, &asked}));
    json_set_number(record_json(lab.record), "input_noise", lab.input_noise);
    lab_tell(&lab);
    if (lab.out != NULL)
        draw(&s);
    return lab_end(&lab);
}
