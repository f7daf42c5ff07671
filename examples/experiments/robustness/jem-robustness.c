/* SPDX-License-Identifier: MIT */

/* jem-robustness: accuracy under attack (JEM section 5.4 and its appendix). The defence JEM-k
 * takes k steps of SGLD on log p(x) from the image before it classifies; JEM-0 is the plain
 * classifier. Attacks go through these steps exactly, or around them, as the paper's did. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "kit/attack/attack.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/checkpoint.h"
#include "kit/data/data.h"
#include "kit/images/image.h"
#include "kit/lab/experiment.h"
#include "robustness.h"
#include "robustness_protocol.h"

#define SHOWN      10 /* images in adversarial.png */
#define MAX_REFINE 8  /* defences of one run */

static struct {
    const char *model, *data, *out, *json, *source, *norm, *eps, *refine, *gradient, *backend;
    struct cli_list attacks, presets, sets;
    int64_t count, seed, chains, steps, restarts, eot, votes, queries, noises, threads;
    double input_noise;
    int quiet;
} arg;

static const struct cli_option options[] = {
    {"Model, images and results", "model", "FILE", "a model or a training (.safetensors)", NULL,
     .text = &arg.model},
    {NULL, "data", "KIND", "labelled images, the test split: " DATA_HELP, "fashion-mnist",
     .text = &arg.data},
    {NULL, "count", "N", "N images, evenly spaced; 0: all", "100", .integer = &arg.count,
     .max = INT64_MAX},
    {NULL, "out", "DIR", "folder for a curve per attack (.svg) and adversarial.png", NULL,
     .text = &arg.out},
    {NULL, "json", "FILE", "the figures for programs", NULL, .text = &arg.json, .written = 1},
    {"Defence", "refine", "LIST", "SGLD steps before the classification: JEM-0, JEM-1, ...",
     "0,1,10", .text = &arg.refine},
    {NULL, "chains", "N", "chains per image, whose logits are averaged (paper: 5)", "1",
     .integer = &arg.chains, .min = 1, .max = 1000},
    {NULL, "input-noise", "STD",
     "Gaussian noise that each chain begins with, of images in [-1, 1]; without it 0.03 for "
     "linf and 0 for l2, as the official code has it",
     NULL, .real = &arg.input_noise},
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
    {NULL, "steps", "N", "of pgd, pgd-min, apgd and transfer", "40", .integer = &arg.steps,
     .min = 1, .max = 100000},
    {NULL, "restarts", "N", "random starts of these; the worst counts (paper: 20)", "1",
     .integer = &arg.restarts, .min = 1, .max = 10000},
    {NULL, "eot", "N",
     "gradients, and margins that square and noise compare, averaged over fresh noise", "1",
     .integer = &arg.eot, .min = 1, .max = 10000},
    {NULL, "eval-draws", "N",
     "draws of the defence's noise, all fresh, that decide whether an attack succeeded, by "
     "majority",
     "5", .integer = &arg.votes, .min = 1, .max = 10000},
    {NULL, "queries", "N",
     "questions per image that square, hopskipjump and pointwise may ask (AutoAttack: 5000); "
     "square asks 2 x --eot per proposal where the defence has noise",
     "1000", .integer = &arg.queries, .min = 1, .max = 10000000},
    {NULL, "noises", "N", "draws of noise per image and eps; the worst counts", "10",
     .integer = &arg.noises, .min = 1, .max = 100000},
    {NULL, "source", "FILE", "the model that transfer attacks, without refinement", NULL,
     .text = &arg.source},
    {"Computing", "seed", "N", "of all noise", "1", .integer = &arg.seed},
    {NULL, "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
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

static const struct cli command_line = {
    .program = "jem-robustness",
    .usage = "--model FILE [options]",
    .about =
        "Accuracy of a model under attack, with and without refinement of the image by SGLD "
        "before it is classified (JEM-k). An image that is wrong without an attack counts as "
        "not robust.",
    .notes = notes,
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
};

struct study {
    struct experiment e;
    jem_options *opts;
    jem_model *source;
    struct image_input in; /* labelled images only */
    int64_t size;
    int64_t refine[MAX_REFINE];
    int refine_count;
    struct robustness result;
    struct defence victim, source_defence;
    struct attack attack;
    struct progress progress;
    char label[96];

    /* Of the row that is being found: images still standing, gathered; all images as they
     * became. */
    float *x, *best, *all;
    int32_t *y;
    double *eps, *distance;
    int64_t *standing;
    uint8_t *wrong, *clean; /* clean: wrong without an attack */
    float *shown;           /* for adversarial.png: SHOWN images, then as many per row */
    int64_t shown_rows;
};

/* --- What is asked for -------------------------------------------------------------------- */

static int check_attacks(void)
{
    int transfer = 0;

    for (int64_t i = 0; i < arg.attacks.count; i++) {
        if (attack_find(arg.attacks.items[i]) == NULL)
            return report_usage("--attack %s: unknown", arg.attacks.items[i]);
        if (strcmp(arg.attacks.items[i], "pointwise") == 0 && strcmp(arg.norm, "l2") != 0)
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

static int check_arguments(void)
{
    static const char *fallback[] = {"pgd"};

    if (arg.model == NULL)
        return report_usage("--model FILE is missing");
    if (strcmp(arg.norm, "linf") != 0 && strcmp(arg.norm, "l2") != 0)
        return report_usage("--norm %s: must be linf or l2", arg.norm);
    if (arg.input_noise < 0)
        arg.input_noise = strcmp(arg.norm, "linf") == 0 ? 0.03 : 0;
    if (strcmp(arg.gradient, "straight") != 0 && strcmp(arg.gradient, "exact") != 0 &&
        strcmp(arg.gradient, "both") != 0)
        return report_usage("--gradient %s: must be straight, exact or both", arg.gradient);
    if (arg.attacks.count == 0) {
        const char **items = malloc(sizeof items[0]);

        if (items == NULL)
            return report_no_memory();
        items[0] = fallback[0];
        arg.attacks = (struct cli_list){items, 1};
    }
    return check_attacks();
}

static int parse_refine(struct study *s)
{
    const char *at = arg.refine;

    for (;;) {
        char *end = NULL;
        const long long steps = strtoll(at, &end, 10);

        if (end == at || (*end != ',' && *end != '\0') || steps < 0 || steps > 10000)
            return report_usage("--refine %s: must be numbers from 0 to 10000 with commas "
                                "between",
                                arg.refine);
        if (s->refine_count == MAX_REFINE)
            return report_usage("--refine %s: more than %d", arg.refine, MAX_REFINE);
        s->refine[s->refine_count++] = steps;
        if (*end == '\0')
            return EXIT_OK;
        at = end + 1;
    }
}

static int parse_eps(struct study *s)
{
    const int l2 = strcmp(arg.norm, "l2") == 0;
    const char *eps = arg.eps;

    if (eps == NULL)
        eps = l2 ? "0.25,0.5,1,2" : "1/255,2/255,4/255,8/255,16/255";
    s->result.norm = arg.norm;
    return robustness_parse_eps(eps, l2 ? sqrt((double)s->size) : 1, &s->result.eps);
}

/* Images without a label cannot be attacked; images beyond [-1, 1] have no box. */
static int choose_images(struct study *s)
{
    struct image_input *in = &s->in;
    int64_t kept = 0;

    for (int64_t i = 0; i < in->n; i++) {
        if (in->labels[i] < 0)
            continue;
        memmove(in->x + kept * s->size, in->x + i * s->size, (size_t)s->size * sizeof in->x[0]);
        in->labels[kept++] = in->labels[i];
    }
    in->n = kept;
    for (int64_t j = 0; j < kept * s->size; j++)
        if (!(fabsf(in->x[j]) <= 1))
            return report_failed("--data %s: image %" PRId64 " has the value %g; attacks need "
                                 "images in [-1, 1]",
                                 arg.data, j / s->size, (double)in->x[j]);
    return EXIT_OK;
}

static int open_source(struct study *s)
{
    int64_t shape[4];
    int rc;

    if (arg.source == NULL)
        return EXIT_OK;
    rc = report_jem(jem_model_load(s->e.ctx, arg.source, &s->source));
    if (rc == EXIT_OK)
        rc = report_jem(jem_model_shape(s->source, shape));
    if (rc == EXIT_OK && memcmp(shape, s->e.shape, sizeof shape) != 0)
        rc = report_failed(
            "--source %s reads %d x %d x %d images of %d classes, --model %d x %d "
            "x %d of %d",
            arg.source, (int)shape[0], (int)shape[1], (int)shape[2], (int)shape[3],
            (int)s->e.shape[0], (int)s->e.shape[1], (int)s->e.shape[2], (int)s->e.shape[3]);
    if (rc == EXIT_OK)
        rc = defence_open(s->source, s->opts, 0, 1, 0, arg.seed, &s->source_defence);
    return rc;
}

static int load_settings(struct study *s)
{
    struct checkpoint file;
    int rc = report_jem(jem_options_create(s->e.ctx, &s->opts));

    if (rc == EXIT_OK)
        rc = checkpoint_open(arg.model, &file);
    if (rc != EXIT_OK)
        return rc;
    rc = checkpoint_settings(&file, s->opts);
    checkpoint_close(&file);
    if (rc == EXIT_OK)
        rc = settings_apply(s->opts, &arg.presets, &arg.sets);
    return rc;
}

static int allocate(struct study *s)
{
    const size_t n = (size_t)s->in.n + 1, values = n * (size_t)s->size; /* never malloc(0) */
    const size_t rows = (size_t)(s->refine_count * (2 * arg.attacks.count + 1) + 1);

    s->x = malloc(values * sizeof s->x[0]);
    s->best = malloc(values * sizeof s->best[0]);
    s->all = malloc(values * sizeof s->all[0]);
    s->y = malloc(n * sizeof s->y[0]);
    s->eps = malloc(n * sizeof s->eps[0]);
    s->distance = malloc(n * sizeof s->distance[0]);
    s->standing = attack_everyone(s->in.n);
    s->wrong = calloc(n, 1);
    s->clean = calloc(n, 1);
    s->shown = calloc(rows * SHOWN * (size_t)s->size, sizeof s->shown[0]);
    s->result.n = s->in.n;
    return s->x != NULL && s->best != NULL && s->all != NULL && s->y != NULL &&
                   s->eps != NULL && s->distance != NULL && s->standing != NULL &&
                   s->wrong != NULL && s->clean != NULL && s->shown != NULL
               ? EXIT_OK
               : report_no_memory();
}

static int set_up(struct study *s)
{
    int rc = parse_refine(s);

    if (rc == EXIT_OK)
        rc = experiment_open(arg.model, arg.backend, arg.threads, arg.seed, &s->e);
    s->size = s->e.shape[0] * s->e.shape[1] * s->e.shape[2];
    if (rc == EXIT_OK)
        rc = parse_eps(s);
    if (rc == EXIT_OK)
        rc = load_settings(s);
    if (rc == EXIT_OK)
        rc = open_source(s);
    if (rc == EXIT_OK)
        rc = experiment_data(&s->e, arg.data, "test", arg.count, 1, &s->in);
    if (rc == EXIT_OK)
        rc = choose_images(s);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = file_make_folder(arg.out);
    if (rc == EXIT_OK)
        rc = allocate(s);
    progress_start(&s->progress, arg.quiet);
    return rc;
}

/* --- One row: an attack on a defence ------------------------------------------------------ */

/* The first SHOWN images as `all` has them. */
static void show(struct study *s, const float *all)
{
    const int64_t n = s->in.n < SHOWN ? s->in.n : SHOWN;

    memcpy(s->shown + s->shown_rows++ * n * s->size, all,
           (size_t)(n * s->size) * sizeof all[0]);
}

/* The images standing[] for an attack within eps. */
static struct attack_images gather(struct study *s, int64_t count, double eps)
{
    const size_t bytes = (size_t)s->size * sizeof s->x[0];

    for (int64_t i = 0; i < count; i++) {
        memcpy(s->x + i * s->size, s->in.x + s->standing[i] * s->size, bytes);
        memcpy(s->best + i * s->size, s->in.x + s->standing[i] * s->size, bytes);
        s->y[i] = s->in.labels[s->standing[i]];
        s->eps[i] = 2 * eps; /* of images in [-1, 1] */
    }
    return (struct attack_images){s->x, s->y, s->eps, count, s->best, s->distance};
}

/* What the line of progress says. */
static void label(struct study *s, const struct robustness_row *row, const char *eps)
{
    snprintf(s->label, sizeof s->label, "JEM-%" PRId64 ", %s, gradient %s%s%s", row->refine,
             row->attack, row->gradient, eps[0] == '\0' ? "" : ", eps ", eps);
    s->attack.label = s->label;
}

/* Attacks within each eps, from the smallest on; an image that has fallen lies in all larger
 * balls too. */
static int run_within(struct study *s, const struct attack_kind *kind,
                      struct robustness_row *row, int64_t count)
{
    int64_t *everyone = attack_everyone(s->in.n);
    int rc = everyone != NULL ? EXIT_OK : EXIT_FAILED;

    for (int e = 0; e < s->result.eps.count && rc == EXIT_OK && count > 0; e++) {
        struct attack_images im = gather(s, count, s->result.eps.value[e]);
        int64_t left = 0;

        label(s, row, s->result.eps.text[e]);
        rc = kind->within(&s->attack, &im);
        if (rc == EXIT_OK)
            rc = attack_verdict(&s->attack, &im, everyone, count, s->best, s->wrong);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
            const int64_t g = s->standing[i];

            memcpy(s->all + g * s->size, s->best + i * s->size,
                   (size_t)s->size * sizeof s->all[0]);
            if (s->wrong[i])
                row->reach[g] = s->result.eps.value[e];
            else
                s->standing[left++] = g;
        }
        count = left;
    }
    free(everyone);
    return rc;
}

static int run_smallest(struct study *s, const struct attack_kind *kind,
                        struct robustness_row *row, int64_t count)
{
    struct attack_images im = gather(s, count, 0);
    int rc = EXIT_OK;

    s->attack.no_start = 0;
    if (count > 0)
        rc = kind->smallest(&s->attack, &im);
    row->smallest = 1;
    row->no_start = s->attack.no_start;
    for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
        row->reach[s->standing[i]] = s->distance[i] / 2;
        memcpy(s->all + s->standing[i] * s->size, s->best + i * s->size,
               (size_t)s->size * sizeof s->all[0]);
    }
    return rc;
}

static int run_row(struct study *s, const struct attack_kind *kind, const char *gradient)
{
    struct robustness_row *row =
        robustness_add(&s->result, kind->name, gradient, s->victim.steps);
    int64_t count = 0;
    int rc;

    if (row == NULL)
        return EXIT_FAILED;
    label(s, row, "");
    memcpy(s->all, s->in.x, (size_t)(s->in.n * s->size) * sizeof s->all[0]);
    for (int64_t i = 0; i < s->in.n; i++)
        if (!s->clean[i]) {
            row->reach[i] = (double)INFINITY;
            s->standing[count++] = i;
        }
    s->victim.exact = strcmp(gradient, "exact") == 0;
    rc = kind->within != NULL ? run_within(s, kind, row, count)
                              : run_smallest(s, kind, row, count);
    progress_clear(&s->progress);
    show(s, s->all);
    return rc;
}

/* One attack: once, or with both gradients where they differ. */
static int run_attack(struct study *s, const struct attack_kind *kind)
{
    const int both = strcmp(arg.gradient, "both") == 0;
    int rc = EXIT_OK;

    if (!kind->gradient)
        return run_row(s, kind, "none");
    if (!both || s->victim.steps > 0)
        rc = run_row(s, kind, both ? "straight" : arg.gradient);
    if (both && rc == EXIT_OK)
        rc = run_row(s, kind, "exact");
    return rc;
}

static int run_defence(struct study *s, int64_t refine)
{
    const int first = s->result.count;
    struct attack_images im;
    int rc = defence_open(s->e.model, s->opts, refine, arg.chains, arg.input_noise, arg.seed,
                          &s->victim);

    if (rc != EXIT_OK)
        return rc;
    s->attack = (struct attack){
        .victim = &s->victim,
        .source = s->source == NULL ? NULL : &s->source_defence,
        .norm = strcmp(arg.norm, "l2") == 0 ? ATTACK_L2 : ATTACK_LINF,
        .channels = s->e.shape[0],
        .height = s->e.shape[1],
        .width = s->e.shape[2],
        .steps = arg.steps,
        .restarts = arg.restarts,
        .eot = arg.eot,
        .queries = arg.queries,
        .noises = arg.noises,
        .votes = arg.votes,
        .set = s->in.x,
        .set_count = s->in.n,
        .widest = 2 * s->result.eps.value[s->result.eps.count - 1],
        .seed = arg.seed,
        .progress = &s->progress,
    };
    rc = attack_open(&s->attack, s->in.n);
    for (int64_t i = 0; i < s->in.n; i++)
        s->standing[i] = i;
    if (rc == EXIT_OK) {
        im = gather(s, s->in.n, 0);
        rc = attack_verdict(&s->attack, &im, s->standing, s->in.n, s->x, s->clean);
    }
    for (int64_t i = 0; i < arg.attacks.count && rc == EXIT_OK; i++)
        rc = run_attack(s, attack_find(arg.attacks.items[i]));
    if (rc == EXIT_OK)
        rc = robustness_add_worst(&s->result, first);
    attack_close(&s->attack);
    defence_close(&s->victim);
    return rc;
}

/* --- What is told ------------------------------------------------------------------------- */

static void set_protocol(struct study *s)
{
    char text[ROBUSTNESS_PROTOCOL_BYTES];
    const struct robustness_protocol protocol = {
        &s->result, s->opts,      arg.input_noise, arg.chains,  arg.votes,
        arg.steps,  arg.restarts, arg.eot,         arg.queries, arg.noises};

    robustness_describe(&protocol, text);
    experiment_set_protocol(&s->e, "%s", text);
}

static int tell(struct study *s)
{
    const int64_t columns = s->in.n < SHOWN ? s->in.n : SHOWN;
    char path[FILE_PATH_BYTES];
    int rc = robustness_print(&s->result);

    set_protocol(s);
    if (rc == EXIT_OK)
        experiment_print_protocol(&s->e);
    json_set_number(s->e.json, "input_noise", arg.input_noise);
    json_object_set_new(s->e.json, "curve", robustness_curve(&s->result));
    json_object_set_new(s->e.json, "smallest", robustness_smallest(&s->result));
    if (rc == EXIT_OK)
        rc = experiment_write(&s->e, arg.json);
    if (rc != EXIT_OK || arg.out == NULL)
        return rc;
    rc = robustness_draw(&s->result, arg.out);
    if (rc == EXIT_OK)
        rc = file_join(path, arg.out, "adversarial.png");
    if (rc == EXIT_OK)
        rc = image_write_grid(path, s->shown, s->shown_rows * columns, s->e.shape, columns);
    if (rc == EXIT_OK)
        printf("\npictures   %s/*.svg, %s (the images, then a row per attack, in the order of "
               "the table)\n",
               arg.out, path);
    return rc;
}

static void close_study(struct study *s)
{
    free(s->x);
    free(s->best);
    free(s->all);
    free(s->y);
    free(s->eps);
    free(s->distance);
    free(s->standing);
    free(s->wrong);
    free(s->clean);
    free(s->shown);
    robustness_free(&s->result);
    defence_close(&s->source_defence);
    jem_model_free(s->source);
    jem_options_free(s->opts);
    image_input_free(&s->in);
    experiment_close(&s->e);
}

static int run(void)
{
    struct study s = {0};
    int rc = set_up(&s);

    if (rc == EXIT_OK)
        show(&s, s.in.x);
    for (int i = 0; i < s.refine_count && rc == EXIT_OK; i++)
        rc = run_defence(&s, s.refine[i]);
    if (rc == EXIT_OK)
        rc = tell(&s);
    close_study(&s);
    return rc;
}

int main(int argc, char **argv)
{
    int rc;

    arg.input_noise = -1; /* what the norm says */
    rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    if (rc == CLI_GO)
        rc = report_flush(run());
    cli_list_free(&arg.attacks);
    cli_list_free(&arg.presets);
    cli_list_free(&arg.sets);
    return rc;
}
