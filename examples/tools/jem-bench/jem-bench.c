/* SPDX-License-Identifier: MIT */

/* jem-bench: how long the main operations take. It is linked with the library's objects, because a
 * single convolution cannot be reached from outside. tests/bench/run.py compares with others. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "bench_clock.h"
#include "bench_work.h"
#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/cli/whole_numbers.h"

#define MOST_BATCHES 64
#define MIB          (1024.0 * 1024.0)

static struct {
    const char *model, *input, *shape, *pass, *backend;
    struct cli_list ops, batches, sets;
    int64_t classes, steps, threads, repeat;
    int json, paced;
} arg;

static const struct cli_option options[] = {
    {"What", "op", "NAME",
     "logits; grad: d log p(x)/dx; sgld: steps of a chain; train: one labelled batch, forward, "
     "all gradients and the update; conv: a single convolution. May be repeated "
     "(default: logits, grad, sgld, train)",
     NULL, .list = &arg.ops},
    {NULL, "batch", "N", "images at a time; may be repeated (default: 16)", NULL,
     .list = &arg.batches},
    {NULL, "steps", "N", "of sgld", "1", .integer = &arg.steps, .min = 1, .max = 1000000},
    {"Network", "model", "NAME", "wrn-DEPTH-WIDTH, small, mlp, or demo (the preset's)",
     "wrn-28-10", .text = &arg.model},
    {NULL, "input", "CxHxW", "size of images (default: 3x32x32; demo: 1x28x28)", NULL,
     .text = &arg.input},
    {NULL, "classes", "N", "outputs of the network", "10", .integer = &arg.classes, .min = 1,
     .max = 65536},
    {NULL, "set", "NAME=VALUE", SET_HELP "; model.* and sgld.*", NULL, .list = &arg.sets},
    {"Convolution", "shape", "SIZES",
     "of --op conv: N,C,H,W,K[,kernel,stride]; N images of C channels, K filters, padded by "
     "half the kernel; without them kernel 3 and stride 1",
     NULL, .text = &arg.shape},
    {NULL, "pass", "NAME", "fwd; bwd_x, gradient in the input; bwd_w, gradient in the weights",
     "fwd", .text = &arg.pass},
    {"Measuring", "repeat", "N", "timed runs, after one that is not timed", "7",
     .integer = &arg.repeat, .min = 1, .max = 1000000},
    {NULL, "threads", "N", THREADS_HELP, "0", .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
    {NULL, "json", NULL, "one JSON object per line instead of a table", NULL,
     .flag = &arg.json},
    {NULL, "paced", NULL,
     "read a number of runs from each line of standard input, do them, answer with one JSON "
     "line: for taking turns with other programs; one op and one batch",
     NULL, .flag = &arg.paced},
};

/* The sizes of --batch. */
static int64_t batches[MOST_BATCHES];

static int check(void)
{
    if (arg.batches.count > MOST_BATCHES)
        return report_usage("--batch: at most %d of them", MOST_BATCHES);
    for (int64_t i = 0; i < arg.batches.count; i++)
        if (whole_numbers_read(arg.batches.items[i], '\0', 1, 65536, 1, &batches[i]) != 1)
            return report_usage("--batch %s: must lie between 1 and 65536",
                                arg.batches.items[i]);
    for (int64_t i = 0; i < arg.ops.count; i++) {
        const int conv = strcmp(arg.ops.items[i], "conv") == 0;

        if (!conv && !bench_is_network_op(arg.ops.items[i]))
            return report_usage("--op %s: must be logits, grad, sgld, train or conv",
                                arg.ops.items[i]);
        if (conv && arg.shape == NULL)
            return report_usage("--op conv needs --shape N,C,H,W,K");
    }
    if (arg.paced && (arg.ops.count != 1 || arg.batches.count > 1))
        return report_usage("--paced needs one --op and at most one --batch");
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-bench",
    .usage = "[--op NAME]... [--batch N]... [options]",
    .about =
        "Time the main operations on random weights and images. GFLOP/s count two for each "
        "multiply-add that direct convolutions would make, whatever the kernels do.",
    .notes =
        "Peak memory is that of the whole process so far: for the memory of one operation, "
        "run\none operation on one batch. \"library\" is what libjem asked for, "
        "\"workspace\" what the\nhead or the trainer asked for when it was made.\n\n"
        "Examples:\n"
        "  jem-bench --model wrn-28-10 --batch 16 --threads 2 --op sgld --json\n"
        "  jem-bench --op conv --shape 16,160,32,32,160 --pass bwd_x\n",
    .check = check,
    CLI_OPTIONS(options),
};

/* What all cases share. */
struct bench {
    jem_context *ctx;
    jem_model *model; /* made when the first op needs it */
    jem_options *opts;
    struct table *table;
};

/* One op on one batch, ready to run. */
struct bench_case {
    const char *op;
    int64_t workspace; /* bytes */
    struct bench_work work;
};

static int open_case(struct bench *b, const char *op, int64_t batch, struct bench_case *c)
{
    int64_t before;
    int rc;

    c->op = op;
    if (strcmp(op, "conv") == 0)
        return bench_open_conv(b->ctx, arg.shape, arg.pass, &c->work);
    if (b->model == NULL)
        TRY(bench_model(b->ctx, arg.model, arg.input, arg.classes, &arg.sets, &b->opts,
                        &b->model));
    before = bench_bytes();
    rc = bench_open_network(b->model, b->opts, op, batch, arg.steps, &c->work);
    c->workspace = bench_bytes() - before;
    return rc;
}

static double gflops(const struct bench_case *c, const struct bench_times *t)
{
    return t->median > 0 ? 2e-9 * c->work.madds / t->median : 0;
}

static double images_per_second(const struct bench_case *c, const struct bench_times *t)
{
    return t->median > 0 ? (double)c->work.images / t->median : 0;
}

static int print_json(const struct bench *b, const struct bench_case *c,
                      const struct bench_times *t, int64_t repeat)
{
    const int conv = strcmp(c->op, "conv") == 0;
    json_t *object = json_object(), *seconds = json_object();

    json_set_text(object, "op", c->op);
    json_set_text(object, "model", conv ? arg.shape : arg.model);
    if (conv)
        json_set_text(object, "pass", arg.pass);
    if (strcmp(c->op, "sgld") == 0)
        json_set_number(object, "steps", (double)arg.steps);
    json_set_number(object, "batch", (double)c->work.images);
    json_set_number(object, "threads", jem_context_threads(b->ctx));
    json_set_text(object, "kernels", jem_context_kernels(b->ctx));
    json_set_number(object, "repeat", (double)repeat);
    json_set_number(seconds, "min", t->min);
    json_set_number(seconds, "median", t->median);
    json_set_number(seconds, "max", t->max);
    json_object_set_new(object, "seconds", seconds);
    json_set_number(object, "images_per_second", images_per_second(c, t));
    json_set_number(object, "effective_gflops", gflops(c, t));
    json_set_number(object, "peak_rss_bytes", (double)bench_peak_rss());
    json_set_number(object, "library_peak_bytes", (double)bench_peak_bytes());
    if (!conv)
        json_set_number(object, "workspace_bytes", (double)c->workspace);
    return json_log_line(stdout, object);
}

static void add_row(const struct bench *b, const struct bench_case *c,
                    const struct bench_times *t)
{
    const int conv = strcmp(c->op, "conv") == 0;

    table_cell(b->table, conv ? "conv %s" : "%s", conv ? arg.pass : c->op);
    table_cell(b->table, "%s", conv ? arg.shape : arg.model);
    table_cell(b->table, "%" PRId64, c->work.images);
    table_cell(b->table, "%.3f", 1e3 * t->median);
    table_cell(b->table, "%.3f", 1e3 * t->min);
    table_cell(b->table, "%.3f", 1e3 * t->max);
    table_cell(b->table, "%.1f", images_per_second(c, t));
    table_cell(b->table, "%.1f", gflops(c, t));
    table_cell(b->table, "%.1f", (double)bench_peak_rss() / MIB);
    table_cell(b->table, "%.1f", (double)bench_peak_bytes() / MIB);
}

static int measure_case(const struct bench *b, struct bench_case *c)
{
    struct bench_times times;

    TRY(bench_measure(&c->work, 1, &times)); /* to warm up */
    TRY(bench_measure(&c->work, arg.repeat, &times));
    if (arg.json)
        return print_json(b, c, &times, arg.repeat);
    add_row(b, c, &times);
    return EXIT_OK;
}

/* Runs when told to, so that others have the machine in between. */
static int pace_case(const struct bench *b, struct bench_case *c)
{
    struct bench_times times;
    char line[64];

    while (fgets(line, sizeof line, stdin) != NULL) {
        int64_t repeat = 0;

        line[strcspn(line, "\n")] = '\0';
        if (whole_numbers_read(line, '\0', 1, 1000000, 1, &repeat) != 1)
            return report_usage("--paced: \"%s\" is not a number of runs", line);
        TRY(bench_measure(&c->work, repeat, &times));
        TRY(print_json(b, c, &times, repeat));
    }
    return EXIT_OK;
}

/* Batch number i of --batch. */
static int run_case(struct bench *b, const char *op, int64_t i)
{
    struct bench_case c = {0};
    int rc;

    bench_peak_reset();
    TRY(open_case(b, op, arg.batches.count > 0 ? batches[i] : 16, &c));
    rc = arg.paced ? pace_case(b, &c) : measure_case(b, &c);
    c.work.close(&c.work);
    return rc;
}

/* A convolution's batch is in its shape. */
static int run_op(struct bench *b, const char *op)
{
    const int conv = strcmp(op, "conv") == 0;
    const int64_t count = conv || arg.batches.count == 0 ? 1 : arg.batches.count;

    for (int64_t i = 0; i < count; i++)
        TRY(run_case(b, op, i));
    return EXIT_OK;
}

static int run_all(struct bench *b)
{
    static const char *const usual[] = {"logits", "grad", "sgld", "train"};
    const int64_t count = arg.ops.count > 0 ? arg.ops.count : 4;

    for (int64_t i = 0; i < count; i++)
        TRY(run_op(b, arg.ops.count > 0 ? arg.ops.items[i] : usual[i]));
    return EXIT_OK;
}

static int run(struct bench *b)
{
    static const char *const headings[] = {"op",        "model",    ">batch",   ">ms",
                                           ">min",      ">max",     ">image/s", ">GFLOP/s",
                                           ">peak MiB", ">library", NULL};

    TRY(bench_context(arg.backend, arg.threads, &b->ctx));
    b->table = table_create(headings);
    if (b->table == NULL)
        return report_no_memory();
    TRY(run_all(b));
    if (arg.json || arg.paced)
        return EXIT_OK;
    printf("%s, %" PRId32 " thread(s), median of %" PRId64 "\n\n", jem_context_kernels(b->ctx),
           jem_context_threads(b->ctx), arg.repeat);
    return table_print(b->table, stdout);
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = run(&b);
    table_free(b.table);
    jem_model_free(b.model);
    jem_options_free(b.opts);
    jem_context_free(b.ctx);
    cli_list_free(&arg.ops);
    cli_list_free(&arg.batches);
    cli_list_free(&arg.sets);
    return rc;
}
