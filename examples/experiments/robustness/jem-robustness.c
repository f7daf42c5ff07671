/* SPDX-License-Identifier: MIT */

/* jem-robustness: accuracy under attack (JEM section 5.4 and its appendix). The defence JEM-k
 * takes k steps of SGLD on log p(x) from the image before it classifies; JEM-0 is the plain
 * classifier. Attacks go through these steps exactly, or around them, as the paper's did. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/images/image.h"
#include "kit/lab/lab.h"
#include "robustness.h"
#include "robustness_protocol.h"
#include "robustness_study.h"

static struct lab lab = {.input_noise = -1}; /* what the norm says */
static struct study study = {.lab = &lab};
static struct {
    const char *source, *norm, *eps, *refine;
    struct cli_list presets, sets;
    struct robustness_refine defences; /* that `refine` names */
} arg;

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    LAB_DATA(lab, "labelled images, the test split: "),
    {NULL, "count", "N", "only N images, evenly spaced; 0: all", "100", .integer = &lab.count,
     .max = INT64_MAX},
    {"Defence", "refine", "LIST", "SGLD steps before the classification: JEM-0, JEM-1, ...",
     "0,1,10", .text = &arg.refine},
    {NULL, "chains", "N", "chains per image, whose logits are averaged (paper: 5)", "1",
     .integer = &study.chains, .min = 1, .max = 1000},
    {NULL, "input-noise", "STD",
     "Gaussian noise that each chain begins with, of images in [-1, 1]; without it 0.03 for "
     "linf and 0 for l2, as the official code has it",
     NULL, .real = &lab.input_noise},
    {NULL, "preset", "NAME", PRESET_HELP "; only its sgld.* count", NULL, .list = &arg.presets},
    {NULL, "set", "NAME=VALUE", SET_HELP ", for example sgld.step_size=1", NULL,
     .list = &arg.sets},
    {"Attack", "attack", "NAME",
     "pgd, pgd-min, apgd, square, hopskipjump, pointwise, noise or transfer; may be repeated "
     "(default: pgd)",
     NULL, .list = &study.attacks},
    {NULL, "norm", "NAME", "linf or l2", "linf", .text = &arg.norm},
    {NULL, "eps", "LIST",
     "sizes of the perturbation, of images in [0, 1]; without it 1/255,2/255,4/255,8/255,"
     "16/255 for linf and 0.25,0.5,1,2 for l2",
     NULL, .text = &arg.eps},
    {NULL, "gradient", "NAME",
     "through the SGLD steps: exact; straight: as if they were not there; or both", "both",
     .text = &study.gradient},
    {NULL, "steps", "N", "of pgd, pgd-min, apgd and transfer", "40",
     .integer = &study.settings.steps, .min = 1, .max = 100000},
    {NULL, "restarts", "N",
     "random starts of pgd, pgd-min, apgd and transfer; the worst counts (paper: 20)", "1",
     .integer = &study.settings.restarts, .min = 1, .max = 10000},
    {NULL, "eot", "N",
     "gradients, and margins that square and noise compare, averaged over fresh noise", "1",
     .integer = &study.settings.eot, .min = 1, .max = 10000},
    {NULL, "eval-draws", "N",
     "draws of the defence's noise, all fresh, that decide whether an attack succeeded, by "
     "majority",
     "5", .integer = &study.settings.votes, .min = 1, .max = 10000},
    {NULL, "queries", "N",
     "questions per image that square, hopskipjump and pointwise may ask (AutoAttack: 5000); "
     "square asks 2 x --eot per proposal where the defence has noise",
     "1000", .integer = &study.settings.queries, .min = 1, .max = 10000000},
    {NULL, "noises", "N", "of noise: draws per image and eps; the worst counts", "10",
     .integer = &study.settings.noises, .min = 1, .max = 100000},
    {NULL, "source", "FILE",
     "of transfer: the model that is attacked in place of --model, without refinement", NULL,
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

static int refuse_attack(const char *name)
{
    char known[256] = "";

    for (int k = 0; k < attack_count; k++) {
        const size_t used = strlen(known);

        snprintf(known + used, sizeof known - used, "%s%s", k > 0 ? ", " : "",
                 attack_kinds[k].name);
    }
    return report_usage("--attack %s: unknown; there are %s", name, known);
}

static int check_attacks(void)
{
    static const char *pgd = "pgd";
    int transfer = 0;

    if (study.attacks.count == 0)
        study.attacks = (struct cli_list){&pgd, 1};
    for (int64_t i = 0; i < study.attacks.count; i++) {
        if (attack_find(study.attacks.items[i]) == NULL)
            return refuse_attack(study.attacks.items[i]);
        if (strcmp(study.attacks.items[i], "pointwise") == 0 && !is_l2())
            return report_usage("--attack pointwise changes few values, but these by as much "
                                "as there is, which is no attack in L-inf: it needs --norm l2");
        transfer |= strcmp(study.attacks.items[i], "transfer") == 0;
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
    if (strcmp(study.gradient, "straight") != 0 && strcmp(study.gradient, "exact") != 0 &&
        strcmp(study.gradient, "both") != 0)
        return report_usage("--gradient %s: must be straight, exact or both", study.gradient);
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

static void open_source(void)
{
    int64_t shape[4];

    if (arg.source == NULL)
        return;
    study.source = lab_model(&lab, arg.source);
    must_jem(jem_model_shape(study.source, shape));
    if (memcmp(shape, lab.shape, sizeof shape) != 0)
        must(report_failed(
            "--source %s reads %d x %d x %d images of %d classes, --model %d x %d "
            "x %d of %d",
            arg.source, (int)shape[0], (int)shape[1], (int)shape[2], (int)shape[3],
            (int)lab.shape[0], (int)lab.shape[1], (int)lab.shape[2], (int)lab.shape[3]));
}

/* All that does not fit shows before any work. */
static void set_up(void)
{
    const char *eps = arg.eps;

    if (eps == NULL)
        eps = is_l2() ? "0.25,0.5,1,2" : "1/255,2/255,4/255,8/255,16/255";
    must(robustness_parse_eps(eps, is_l2() ? sqrt((double)lab.size) : 1, &study.result.eps));
    study.opts = lab_settings(&lab, lab.model_file, &arg.presets, &arg.sets);
    open_source();
    study.in = choose_images();
    study.settings.norm = is_l2() ? ATTACK_L2 : ATTACK_LINF;
    study.result.norm = arg.norm;
    study.result.input_noise = lab.input_noise;
    lab_has_folder(&lab);
    study_begin(&study, arg.defences.count);
}

static void draw(void)
{
    char path[FILE_PATH_BYTES];

    robustness_draw(&lab, &study.result);
    study_draw_images(&study, path);
    printf("\npictures   %s/*.svg, %s (the images, then for each attack, in the order of the "
           "table, a\n           row of what they have become and one of the differences, %g "
           "times)\n",
           lab.out, path, study_difference_factor(&study));
}

int main(int argc, char **argv)
{
    lab_begin(&lab, &command_line, argc, argv);
    lab_open(&lab);
    if (lab_no_classes(&lab) != NULL)
        must(report_failed("%s has no classes to attack: %s", lab.model_file,
                           lab_no_classes(&lab)));
    set_up();
    for (int i = 0; i < arg.defences.count; i++)
        study_defence(&study, arg.defences.steps[i]);
    robustness_record(&lab, &study.result);
    record_protocol(lab.record, "%s", robustness_describe(&study));
    json_set_number(record_json(lab.record), "input_noise", lab.input_noise);
    if (lab.out != NULL)
        study_note_picture(&study);
    lab_tell(&lab);
    if (lab.out != NULL)
        draw();
    return lab_end(&lab);
}
