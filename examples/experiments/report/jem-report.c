/* SPDX-License-Identifier: MIT */

/* jem-report: all experiments of the paper on a set of checkpoints, as one page. It runs the
 * other programs and puts their figures beside the paper's; it computes nothing itself. */

#include <stdio.h>
#include <string.h>

#include <jem/jem.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/lab/experiment.h"
#include "kit/lab/out_set.h"
#include "paper_page.h"
#include "paper_run.h"

static struct {
    struct paper_plan plan;
    struct cli_list ood;
    const char *json;
    int quiet;
} arg;

static const struct cli_option options[] = {
    {"Checkpoints", "jem", "FILE", "the model in question (.safetensors)", NULL,
     .text = &arg.plan.model[ROLE_JEM]},
    {NULL, "classifier", "FILE",
     "a classifier of the same data, to compare with, and for the features of FD-clf", NULL,
     .text = &arg.plan.model[ROLE_CLASSIFIER]},
    {NULL, "ebm", "FILE", "an energy-based model of p(x) alone, to compare with", NULL,
     .text = &arg.plan.model[ROLE_EBM]},
    {NULL, "factored", "FILE", "a training with --preset factored, for Table 1", NULL,
     .text = &arg.plan.model[ROLE_FACTORED]},
    {NULL, "class-conditional", "FILE",
     "a training with --preset class-conditional, for Table 1", NULL,
     .text = &arg.plan.model[ROLE_CLASS_CONDITIONAL]},
    {NULL, "inception", "FILE",
     "weights of Inception-v3 for FID and Inception Score, as jem-hybrid takes them", NULL,
     .text = &arg.plan.inception},
    {"Images", "data", "KIND", "what the checkpoints were trained on: " DATA_HELP,
     "fashion-mnist", .text = &arg.plan.data},
    {NULL, "ood", "KIND",
     "other images for jem-ood; may be repeated (without it: those that jem-ood makes)", NULL,
     .list = &arg.ood},
    {NULL, "count", "N",
     "no more than N test images or samples in anything; 0: as many as each program wants", "0",
     .integer = &arg.plan.count, .max = INT32_MAX},
    {NULL, "quick", NULL,
     "few images, short chains, weak attacks: minutes instead of hours, and rough figures",
     NULL, .flag = &arg.plan.quick},
    {"Results", "out", "DIR", "folder for index.html, pictures, results and logs", NULL,
     .text = &arg.plan.out},
    {NULL, "json", "FILE", "all results in one object", NULL, .text = &arg.json, .written = 1},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
    {"Computing", "seed", "N", "of all programs", "1", .integer = &arg.plan.seed},
    {NULL, "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.plan.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.plan.backend},
};

static const struct cli command_line = {
    .program = "jem-report",
    .usage = "--jem FILE --out DIR [options]",
    .about = "Run the programs of the paper's experiments on a set of checkpoints and put all "
             "that they find on one page, in the paper's order and beside its figures.",
    .notes = "A program that fails is named on the page with the end of its log; the others go "
             "on, and the\nexit code is 1.\n\nExample:\n"
             "  jem-report --jem demo/best.safetensors --classifier plain/best.safetensors \\\n"
             "      --quick --out report\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
};

/* The programs stand beside this one. Started by its bare name, it is on the PATH, and so are
 * they. */
static int find_programs(const char *self, char folder[FILE_PATH_BYTES])
{
    const char *slash = strrchr(self, '/');
    const size_t length = slash == NULL ? 0 : (size_t)(slash - self) + 1;

    if (length >= FILE_PATH_BYTES)
        return report_failed("%.60s...: too long a name", self);
    memcpy(folder, self, length);
    folder[length] = '\0';
    return EXIT_OK;
}

/* Do the other images fit the model? `two` are test images, to mix where a set is made of them. */
static int look_at_others(const struct experiment *e, const struct image_input *two)
{
    int rc = EXIT_OK;

    for (int64_t i = 0; i < arg.ood.count && rc == EXIT_OK; i++) {
        struct out_set set = {0};

        rc = out_set_open(e->ctx, e->shape, arg.ood.items[i], two, 1, arg.plan.seed, &set);
        out_set_free(&set);
    }
    if (rc == EXIT_OK && arg.plan.inception != NULL && !file_exists(arg.plan.inception))
        rc = report_failed("--inception %s: no such file", arg.plan.inception);
    return rc;
}

/* Does a checkpoint fit the data? Asked of all before the first program runs. */
static int look_at(int role, struct experiment *e)
{
    const struct paper_plan *plan = &arg.plan;
    struct image_input two = {0};
    int rc = experiment_open(plan->model[role], plan->backend, plan->threads, plan->seed, e);

    if (rc == EXIT_OK)
        rc = experiment_data(e, plan->data, "test", 2, role != ROLE_EBM, &two);
    if (rc != EXIT_OK)
        report_note("that was --%s %s; nothing has been run", paper_roles[role].name,
                    plan->model[role]);
    else if (role == ROLE_JEM)
        rc = look_at_others(e, &two);
    image_input_free(&two);
    return rc;
}

/* What is known of all checkpoints, and the JSON of the report, which is the JEM's. */
static int look_at_all(struct experiment *e)
{
    json_t *all = json_object();
    int rc = look_at(ROLE_JEM, e);

    for (int role = 0; role < ROLES && rc == EXIT_OK; role++) {
        struct experiment other = {0}, *which = role == ROLE_JEM ? e : &other;

        if (arg.plan.model[role] == NULL)
            continue;
        if (role != ROLE_JEM)
            rc = look_at(role, &other);
        if (rc == EXIT_OK)
            json_object_set_new(
                all, paper_roles[role].name,
                json_pack("{sO sO s[IIII]}", "model", json_object_get(which->json, "model"),
                          "model_md5", json_object_get(which->json, "model_md5"), "shape",
                          (json_int_t)which->shape[0], (json_int_t)which->shape[1],
                          (json_int_t)which->shape[2], (json_int_t)which->shape[3]));
        if (role != ROLE_JEM)
            experiment_close(&other);
    }
    if (rc == EXIT_OK)
        json_object_set(e->json, "checkpoints", all);
    json_decref(all);
    return rc;
}

static json_t *runs_json(const struct paper_runs *runs)
{
    json_t *list = json_array();

    for (int i = 0; i < runs->count; i++) {
        const struct paper_run *r = &runs->run[i];
        json_t *o = json_pack("{ss ss ss ss si}", "name", r->name, "section", r->step->section,
                              "checkpoint", paper_roles[r->role].name, "command", r->command,
                              "exit_code", r->code);

        json_set_number(o, "seconds", r->seconds);
        json_object_set_new(o, "result",
                            r->result == NULL ? json_null() : json_incref(r->result));
        json_array_append_new(list, o);
    }
    return list;
}

static int tell(struct experiment *e, const struct paper_runs *runs)
{
    char page[FILE_PATH_BYTES];
    int rc;

    experiment_set_protocol(
        e,
        "%d runs of the programs of the paper's experiments on %s, %s; each with a protocol of "
        "its own. The paper's figures are of CIFAR-10 (calibration: CIFAR-100) and a "
        "WRN-28-10: they say which way a figure should go, not which value it should have.",
        runs->count, arg.plan.data,
        arg.plan.quick ? "with few images, short chains and weak attacks (--quick)"
                       : "at full size");
    json_object_set_new(e->json, "quick", json_boolean(arg.plan.quick));
    json_object_set_new(e->json, "runs", runs_json(runs));
    json_object_set_new(e->json, "failed", json_integer(runs->failed));
    rc = paper_page_write(&arg.plan, runs, e->json);
    if (rc == EXIT_OK)
        rc = experiment_write(e, arg.json);
    if (rc == EXIT_OK)
        rc = file_join(page, arg.plan.out, "index.html");
    if (rc == EXIT_OK)
        printf("runs       %d, of which %d failed\npage       %s\n", runs->count, runs->failed,
               page);
    return rc == EXIT_OK && runs->failed > 0 ? EXIT_FAILED : rc;
}

static int run(const char *self)
{
    struct experiment e = {0};
    struct paper_runs runs = {0};
    char folder[FILE_PATH_BYTES];
    int rc = find_programs(self, folder);

    arg.plan.folder = folder;
    arg.plan.ood = &arg.ood;
    if (rc == EXIT_OK)
        rc = look_at_all(&e);
    if (rc == EXIT_OK)
        rc = paper_run_all(&arg.plan, arg.quiet, &runs);
    if (rc == EXIT_OK)
        rc = tell(&e, &runs);
    paper_runs_free(&runs);
    experiment_close(&e);
    return rc;
}

static int check_arguments(void)
{
    if (arg.plan.model[ROLE_JEM] == NULL)
        return report_usage("--jem FILE is missing");
    if (arg.plan.out == NULL)
        return report_usage("--out DIR is missing: where should the page go?");
    if (arg.plan.count > 0 && arg.plan.count < 4)
        return report_usage("--count: a distance of two sets of images needs 4 or more");
    return CLI_GO;
}

int main(int argc, char **argv)
{
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    if (rc == CLI_GO)
        rc = report_flush(run(argv[0]));
    cli_list_free(&arg.ood);
    return rc;
}
