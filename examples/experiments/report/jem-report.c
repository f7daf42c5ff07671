/* SPDX-License-Identifier: MIT */

/* jem-report: all experiments of the paper on a set of checkpoints, as one page. It runs the
 * other programs and puts their figures beside the paper's; it computes nothing itself. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kit/base/json_log.h"
#include "kit/base/stop.h"
#include "paper_page.h"

static struct lab lab;
static struct paper_plan plan = {.lab = &lab};

static const struct cli_option options[] = {
    {"Checkpoints", "jem", "FILE", "the model in question (.safetensors)", NULL,
     .text = &plan.model[ROLE_JEM], .required = 1},
    {NULL, "classifier", "FILE",
     "a classifier of the same data, to compare with, and for the features of FD-clf", NULL,
     .text = &plan.model[ROLE_CLASSIFIER]},
    {NULL, "ebm", "FILE", "an energy-based model of p(x) alone, to compare with", NULL,
     .text = &plan.model[ROLE_EBM]},
    {NULL, "factored", "FILE", "a training with --preset factored, for Table 1", NULL,
     .text = &plan.model[ROLE_FACTORED]},
    {NULL, "class-conditional", "FILE",
     "a training with --preset class-conditional, for Table 1", NULL,
     .text = &plan.model[ROLE_CLASS_CONDITIONAL]},
    {NULL, "inception", "FILE",
     "weights of Inception-v3 for FID and Inception Score, as jem-hybrid takes them", NULL,
     .text = &plan.inception},
    {"Images", "data", "KIND",
     "what the checkpoints were trained on: " DATA_HELP "; model: what --jem was trained on",
     LAB_DATA_OF_MODEL, .text = &lab.data, .check = lab_check_data},
    {NULL, "ood", "KIND",
     "other images for jem-ood; may be repeated (without it: those that jem-ood makes)", NULL,
     .list = &plan.ood, .check = out_set_check},
    {NULL, "count", "N",
     "no more than N test images or samples in anything; 0: as many as each program wants", "0",
     .integer = &lab.count, .max = INT32_MAX},
    {NULL, "quick", NULL,
     "few images, short chains, weak attacks: minutes instead of hours, and rough figures",
     NULL, .flag = &plan.quick},
    {"Results", "out", "DIR", "folder for index.html, pictures, results and logs", NULL,
     .text = &lab.out},
    {NULL, "json", "FILE", "all results in one object", NULL, .text = &lab.json, .written = 1},
    LAB_QUIET(lab),
    {"Computing", "seed", "N", "of all programs", "1", .integer = &lab.seed},
    {NULL, "threads", "N", THREADS_HELP, "0", .integer = &lab.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &lab.backend},
};

static int check(void)
{
    if (lab.out == NULL)
        return report_usage("--out DIR is missing: where should the page go?");
    if (lab.count > 0 && lab.count < 4)
        return report_usage("--count: a distance of two sets of images needs 4 or more");
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-report",
    .usage = "--jem FILE --out DIR [options]",
    .about = "Run the programs of the paper's experiments on a set of checkpoints and put all "
             "that they find on one page, in the paper's order and beside its figures.",
    .notes = "A program that fails is named on the page with the end of its log; the others go "
             "on, and the\nexit code is 1. An experiment that the data or a checkpoint do not "
             "allow is left out, and\nthe page says why. Ctrl-C ends the program that is "
             "running and writes a page of what is\ndone; the same command goes on from there: "
             "runs in --out of the same programs,\ncheckpoints, data and settings are kept "
             "(files are compared by their MD5, not by name).\nDelete the folder to begin "
             "anew.\n\nExample:\n"
             "  jem-report --jem demo/best.safetensors --classifier plain/best.safetensors \\\n"
             "      --quick --out report\n",
    CLI_OPTIONS(options),
    .stoppable = 1,
    .check = check,
};

/* The programs stand beside this one. Started by its bare name, it does not know where that is,
 * but Linux does. */
static void find_programs(const char *self)
{
    char file[FILE_PATH_BYTES];
    const ssize_t got =
        strchr(self, '/') == NULL ? readlink("/proc/self/exe", file, sizeof file - 1) : 0;

    if (got > 0) {
        file[got] = '\0';
        self = file;
    }
    const char *slash = strrchr(self, '/');
    const size_t length = slash == NULL ? 0 : (size_t)(slash - self) + 1;

    if (length >= sizeof plan.folder)
        must(report_failed("%.60s...: too long a name", self));
    memcpy(plan.folder, self, length);
}

static const struct record_column columns[] = {
    {NULL, "checkpoint", .kind = RECORD_TEXT},
    {"model", "file", .kind = RECORD_TEXT},
    {"model_md5", "MD5", .kind = RECORD_TEXT},
    {NULL, "channels, height, width, classes", .kind = RECORD_TEXT},
};

static const struct record_layout checkpoints = {
    .title = PAPER_CHECKPOINTS, .only_page = 1, RECORD_COLUMNS(columns)};

/* The open checkpoint, on the page and in the file. */
static void note(int role, struct record_table *t)
{
    const json_t *json = record_json(lab.record);
    const int64_t *s = lab.shape;
    json_t *shape = json_pack("{s[IIII]}", "shape", (json_int_t)s[0], (json_int_t)s[1],
                              (json_int_t)s[2], (json_int_t)s[3]);
    char place[64], text[96];

    json_object_set_new(json_object_get(json, "checkpoints"), paper_roles[role].name, shape);
    snprintf(place, sizeof place, "checkpoints.%s", paper_roles[role].name);
    snprintf(text, sizeof text, "%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64, s[0], s[1],
             s[2], s[3]);
    record_row_at(t, place);
    record_text(t, "checkpoint", paper_roles[role].title);
    record_text(t, "model", json_string_value(json_object_get(json, "model")));
    record_text(t, "model_md5", json_string_value(json_object_get(json, "model_md5")));
    record_text(t, "channels, height, width, classes", text);
}

/* What --data model stands for, kept beyond lab_close(). */
static char *data_of_jem;

static void keep_data(void)
{
    data_of_jem = strdup(lab.data);
    if (data_of_jem == NULL)
        must(report_no_memory());
    lab.data = data_of_jem;
    lab.data_of_model = 0;
}

/* Does a checkpoint fit the data? */
static void look_at(int role, struct record_table *t)
{
    const struct image_input *two;
    int64_t sets;

    lab.model_file = plan.model[role];
    lab.remark = lab_text(&lab, "that was --%s %s; nothing has been run",
                          paper_roles[role].name, lab.model_file);
    lab_open(&lab);
    two = lab_images(&lab, lab.data, "test", 2, role != ROLE_EBM);
    note(role, t);
    plan.facts.no_classes[role] = lab_no_classes(&lab);
    snprintf(plan.facts.md5[role], sizeof plan.facts.md5[role], "%s",
             json_string_value(json_object_get(record_json(lab.record), "model_md5")));
    if (role == ROLE_JEM && plan.ood.count > 0)
        lab_others(&lab, &plan.ood, two, 1, &sets);
    if (role == ROLE_JEM && plan.inception != NULL && !file_exists(plan.inception))
        must(report_failed("--inception %s: no such file", plan.inception));
    if (role == ROLE_JEM && plan.inception != NULL)
        must(digest_md5(plan.inception, plan.facts.inception_md5));
    if (role == ROLE_JEM)
        paper_facts_of_data(&lab, &plan.ood, &plan.facts);
    lab.remark = NULL;
    if (role == ROLE_JEM)
        keep_data();
    lab_close(&lab);
}

/* All of them, before the first program runs. The file's own "model" is the JEM. */
static void look_at_all(void)
{
    struct record_table *t = record_table(lab.record, &checkpoints);
    json_t *json = record_json(lab.record), *jem;

    json_object_set_new(json, "checkpoints", json_object());
    look_at(ROLE_JEM, t);
    jem = json_copy(json);
    for (int role = ROLE_JEM + 1; role < ROLES; role++)
        if (plan.model[role] != NULL)
            look_at(role, t);
    json_object_update(json, jem);
    json_decref(jem);
}

static json_t *runs_json(const struct paper_runs *runs)
{
    json_t *list = json_array();

    for (int i = 0; i < runs->count; i++) {
        const struct paper_run *r = &runs->run[i];
        json_t *o = json_pack("{ss ss ss si}", "name", r->name, "section", r->step->section,
                              "checkpoint", paper_roles[r->role].name, "exit_code", r->code);

        json_set_text(o, "command", r->command);
        json_set_number(o, "seconds", r->seconds);
        json_object_set_new(o, "kept", json_boolean(r->kept));
        json_object_set_new(o, "result",
                            r->result == NULL ? json_null() : json_incref(r->result));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *left_out_json(const struct paper_runs *runs)
{
    json_t *list = json_array();

    for (int i = 0; i < runs->left_outs; i++) {
        json_t *o = json_pack("{ss ss}", "name", runs->left_out[i].name, "section",
                              runs->left_out[i].section);

        json_set_text(o, "why", runs->left_out[i].why);
        json_array_append_new(list, o);
    }
    return list;
}

static void say_end(const struct paper_runs *runs)
{
    const int not_made = runs->wanted - runs->count;
    char page[FILE_PATH_BYTES];

    must(file_join(page, lab.out, "index.html"));
    printf("runs       %d, of which %d failed\n", runs->count, runs->failed);
    for (int i = 0; i < runs->left_outs; i++)
        printf("left out   %s: %s\n", runs->left_out[i].name, runs->left_out[i].why);
    if (not_made > 0)
        printf("stopped    %d of %d runs have not been made; the same command goes on\n",
               not_made, runs->wanted);
    printf("page       %s\n", page);
}

static void say_protocol(int runs)
{
    record_protocol(
        lab.record,
        "%d runs of the programs of the paper's experiments on %s, %s; each with a protocol of "
        "its own. The paper's figures are of CIFAR-10 (calibration: CIFAR-100) and a "
        "WRN-28-10: they say which way a figure should go, not which value it should have.",
        runs, lab.data,
        plan.quick ? "with few images, short chains and weak attacks (--quick)"
                   : "at full size");
}

int main(int argc, char **argv)
{
    lab_begin(&lab, &command_line, argc, argv);
    find_programs(argv[0]);
    look_at_all();
    stop_install();

    const struct paper_runs *runs = paper_run_all(&plan);
    json_t *json = record_json(lab.record);

    say_protocol(runs->count);
    json_object_set_new(json, "quick", json_boolean(plan.quick));
    json_object_set_new(json, "runs", runs_json(runs));
    json_object_set_new(json, "left_out", left_out_json(runs));
    json_object_set_new(json, "wanted", json_integer(runs->wanted));
    json_object_set_new(json, "failed", json_integer(runs->failed));
    paper_page_write(&plan, runs);
    lab_write(&lab);
    say_end(runs);
    if (stop_signal() != 0)
        lab_quit(128 + stop_signal());
    if (runs->failed > 0)
        lab_quit(EXIT_FAILED);
    return lab_end(&lab);
}
