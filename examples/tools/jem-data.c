/* SPDX-License-Identifier: MIT */

/* jem-data: looks at a data set before anything is trained on it: counts, classes, pixels, and
 * whether its files are the published ones. Writes it as arrays, or as a picture. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "kit/base/digest.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/data/data_stats.h"
#include "kit/images/image.h"

#define GRID_SIDE      10
#define GRID_CELLS     (GRID_SIDE * GRID_SIDE)
#define CHANNELS_SHOWN 16

static struct {
    struct cli_list words;
    const char *split, *out, *json;
    int kinds, quiet;
} arg;

static const struct cli_option options[] = {
    {"What", "split", "NAME", "train or test; of SVHN also extra", "train", .text = &arg.split},
    {NULL, "kinds", NULL, "list what KIND:PATH can be, and do nothing else", NULL,
     .flag = &arg.kinds},
    {"Results", "json", "FILE", "of info: write the same as JSON", NULL, .text = &arg.json,
     .written = 1},
    {NULL, "out", "PATH", "of export: a folder; of grid: a .png file", NULL, .text = &arg.out},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
};

static const struct cli command_line = {
    .program = "jem-data",
    .usage = "info|export|grid KIND[:PATH] [options]",
    .about =
        "Look at a data set. info counts images and classes, gives mean and standard "
        "deviation of each channel, and says of known files whether they are the published "
        "ones. export writes images.npy (N x C x H x W) and labels.npy. grid draws ten "
        "images of each class, or the first hundred where there are more than ten classes "
        "or no labels.",
    .notes = "Examples:\n"
             "  jem-data --kinds\n"
             "  jem-data info fashion-mnist --split test\n"
             "  jem-data info cifar10:DIR --json cifar10.json\n"
             "  jem-data export svhn:DIR --split test --out svhn-test\n"
             "  jem-data grid npy:images.npy,labels.npy --out images.png\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
    .operands = &arg.words,
};

struct work {
    jem_context *ctx;
    jem_dataset *data;
    const char *spec;
    struct data_stats stats;
    struct data_files files;
    char md5[DATA_FILES][DIGEST_MD5_TEXT];
    enum digest_verdict verdict[DATA_FILES];
};

/* What is left of "/a/b/c" behind its last slash. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* --- info --------------------------------------------------------------------------------- */

static int digest_files(struct work *w)
{
    char kind[32];
    int rc = data_list_files(w->spec, arg.split, &w->files);

    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(w->spec, ":"), w->spec);
    for (int i = 0; i < w->files.count && rc == EXIT_OK; i++)
        rc = digest_file(kind, w->files.path[i], w->md5[i], &w->verdict[i]);
    return rc;
}

static int print_files(const struct work *w)
{
    static const char *const headings[] = {"file", "md5", "verdict", NULL};
    struct table *t = table_create(headings);
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int i = 0; i < w->files.count; i++) {
        table_cell(t, "%s", base_name(w->files.path[i]));
        table_cell(t, "%s", w->md5[i]);
        table_cell(t, "%s", digest_verdict_text(w->verdict[i]));
    }
    putchar('\n');
    rc = table_print(t, stdout);
    table_free(t);
    return rc;
}

static int print_channels(const struct data_stats *s)
{
    static const char *const headings[] = {"channel", ">mean", ">std", ">min", ">max", NULL};
    static const char *const colours[] = {"red", "green", "blue"};
    struct table *t = table_create(headings);
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < s->shape[0] && i < CHANNELS_SHOWN; i++) {
        const struct data_channel *c = &s->channel[i];

        if (s->shape[0] == 3)
            table_cell(t, "%s", colours[i % 3]);
        else
            table_cell(t, "%" PRId64, i);
        table_cell(t, "%.4f", c->mean);
        table_cell(t, "%.4f", c->std);
        table_cell(t, "%.4f", c->min);
        table_cell(t, "%.4f", c->max);
    }
    printf("\nPixels in [0, 1]:\n");
    rc = table_print(t, stdout);
    table_free(t);
    if (s->shape[0] > CHANNELS_SHOWN)
        printf("... and %" PRId64 " more\n", s->shape[0] - CHANNELS_SHOWN);
    return rc;
}

static int print_classes(const struct work *w)
{
    static const char *const headings[] = {">class", "name", ">images", ">%", NULL};
    const struct data_stats *s = &w->stats;
    struct table *t;
    int rc;

    if (s->unlabelled == s->n) {
        printf("\nNo image is labelled.\n");
        return EXIT_OK;
    }
    t = table_create(headings);
    if (t == NULL)
        return report_no_memory();
    for (int64_t y = 0; y < s->shape[3]; y++) {
        const char *name = data_class_name(w->spec, y);

        table_cell(t, "%" PRId64, y);
        table_cell(t, "%s", name == NULL ? "" : name);
        table_cell(t, "%" PRId64, s->per_class[y]);
        table_cell(t, "%.2f", 100 * (double)s->per_class[y] / (double)s->n);
    }
    putchar('\n');
    rc = table_print(t, stdout);
    table_free(t);
    if (s->unlabelled > 0)
        printf("Not labelled: %" PRId64 "\n", s->unlabelled);
    return rc;
}

static int print_info(const struct work *w)
{
    const struct data_stats *s = &w->stats;
    int rc;

    printf("data     %s, split %s\n", w->spec, arg.split);
    printf("images   %" PRId64 " of %" PRId64 " x %" PRId64 " x %" PRId64
           " (channels x height x width), %s\n",
           s->n, s->shape[0], s->shape[1], s->shape[2], s->is_bytes ? "bytes" : "floats");
    printf("classes  %" PRId64 "\n", s->shape[3]);
    printf("sha256   %s (pixels, then labels)\n", s->sha256);
    rc = w->files.count > 0 ? print_files(w) : EXIT_OK;
    if (rc == EXIT_OK)
        rc = print_channels(s);
    return rc == EXIT_OK ? print_classes(w) : rc;
}

static json_t *channels_json(const struct data_stats *s)
{
    json_t *list = json_array();

    for (int64_t i = 0; i < s->shape[0]; i++) {
        json_t *o = json_object();

        json_set_number(o, "mean", s->channel[i].mean);
        json_set_number(o, "std", s->channel[i].std);
        json_set_number(o, "min", s->channel[i].min);
        json_set_number(o, "max", s->channel[i].max);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *classes_json(const struct work *w)
{
    json_t *list = json_array();

    for (int64_t y = 0; y < w->stats.shape[3]; y++) {
        const char *name = data_class_name(w->spec, y);
        json_t *o = json_object();

        json_object_set_new(o, "name", name == NULL ? json_null() : json_string(name));
        json_set_number(o, "images", (double)w->stats.per_class[y]);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *files_json(const struct work *w)
{
    json_t *list = json_array();

    for (int i = 0; i < w->files.count; i++) {
        const enum digest_verdict v = w->verdict[i];
        json_t *o = json_object(), *same = json_null();

        if (v == DIGEST_PUBLISHED || v == DIGEST_REPACKED)
            same = json_true();
        else if (v == DIGEST_DIFFERENT)
            same = json_false();
        json_object_set_new(o, "name", json_string(base_name(w->files.path[i])));
        json_object_set_new(o, "md5", json_string(w->md5[i]));
        json_object_set_new(o, "published", same);
        json_array_append_new(list, o);
    }
    return list;
}

static int write_json(const struct work *w)
{
    const struct data_stats *s = &w->stats;
    json_t *o = json_object(), *shape = json_array();

    for (int i = 0; i < 3; i++)
        json_array_append_new(shape, json_integer((json_int_t)s->shape[i]));
    json_object_set_new(o, "data", json_string(w->spec));
    json_object_set_new(o, "split", json_string(arg.split));
    json_set_number(o, "images", (double)s->n);
    json_object_set_new(o, "shape", shape);
    json_object_set_new(o, "values", json_string(s->is_bytes ? "bytes" : "floats"));
    json_object_set_new(o, "sha256", json_string(s->sha256));
    json_object_set_new(o, "channels", channels_json(s));
    json_object_set_new(o, "classes", classes_json(w));
    json_set_number(o, "unlabelled", (double)s->unlabelled);
    json_object_set_new(o, "files", files_json(w));
    return json_write_file(arg.json, o);
}

static int info(struct work *w)
{
    int rc = data_stats_compute(w->data, arg.quiet, &w->stats);

    if (rc == EXIT_OK)
        rc = digest_files(w);
    if (rc == EXIT_OK)
        rc = print_info(w);
    if (rc == EXIT_OK && arg.json != NULL)
        rc = write_json(w);
    return rc;
}

/* --- export, grid ------------------------------------------------------------------------- */

static int export_arrays(struct work *w)
{
    int rc = data_stats_compute(w->data, arg.quiet, &w->stats);

    if (rc == EXIT_OK)
        rc = data_stats_export(w->data, &w->stats, arg.out, arg.quiet);
    if (rc == EXIT_OK)
        printf("%s/images.npy, %s/labels.npy: %" PRId64 " images\n", arg.out, arg.out,
               w->stats.n);
    return rc;
}

/* Which images: a row of ten of each class, or the first hundred. -1: an empty place. */
static int64_t choose(const int32_t *y, int64_t n, int64_t classes, int64_t chosen[GRID_CELLS])
{
    int64_t count = 0, labelled = 0;

    for (int64_t c = 0; c < classes && classes <= GRID_SIDE; c++) {
        const int64_t end = count + GRID_SIDE;

        for (int64_t i = 0; i < n && count < end; i++)
            if (y[i] == c)
                chosen[count++] = i;
        labelled += count > end - GRID_SIDE;
        while (count < end)
            chosen[count++] = -1;
    }
    if (labelled > 0)
        return count;
    for (count = 0; count < n && count < GRID_CELLS; count++)
        chosen[count] = count;
    return count;
}

static int grid(struct work *w)
{
    int64_t chosen[GRID_CELLS], shape[4] = {0, 0, 0, 0}, n = 0, size, count;
    int32_t *y = NULL;
    float *x = NULL;
    int rc = report_jem(jem_dataset_size(w->data, &n));

    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_shape(w->data, shape));
    if (rc != EXIT_OK)
        return rc;
    size = shape[0] * shape[1] * shape[2];
    y = malloc((size_t)n * sizeof y[0]);
    x = malloc((size_t)(GRID_CELLS * size) * sizeof x[0]);
    rc = x == NULL || y == NULL ? report_no_memory()
                                : report_jem(jem_dataset_read(w->data, 0, n, NULL, y));
    count = rc == EXIT_OK ? choose(y, n, shape[3], chosen) : 0;
    for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
        for (int64_t k = 0; k < size && chosen[i] < 0; k++)
            x[i * size + k] = 1; /* white */
        if (chosen[i] >= 0)
            rc = report_jem(jem_dataset_read(w->data, chosen[i], 1, x + i * size, NULL));
    }
    if (rc == EXIT_OK)
        rc = image_write_grid(arg.out, x, count, shape, GRID_SIDE);
    if (rc == EXIT_OK)
        printf("%s\n", arg.out);
    free(x);
    free(y);
    return rc;
}

/* --- The program -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(struct work *w);
    int needs_out;
} commands[] = {{"info", info, 0}, {"export", export_arrays, 1}, {"grid", grid, 1}};
#define COMMANDS ((int)(sizeof commands / sizeof commands[0]))

static int check_arguments(int *command)
{
    if (arg.words.count < 1)
        return report_usage("the command is missing: info, export or grid");
    for (*command = 0; *command < COMMANDS; (*command)++)
        if (strcmp(commands[*command].name, arg.words.items[0]) == 0)
            break;
    if (*command == COMMANDS)
        return report_usage("unknown command %s: there are info, export and grid",
                            arg.words.items[0]);
    if (arg.words.count < 2)
        return report_usage("%s: KIND[:PATH] is missing; jem-data --kinds lists what there is",
                            arg.words.items[0]);
    if (arg.words.count > 2)
        return report_usage("one data set at a time; \"%s\" is too much", arg.words.items[2]);
    if (commands[*command].needs_out && arg.out == NULL)
        return report_usage("%s needs --out PATH to write to", arg.words.items[0]);
    if (!commands[*command].needs_out && arg.out != NULL)
        return report_usage("%s takes no --out; it prints, and writes with --json FILE",
                            arg.words.items[0]);
    if (arg.json != NULL && commands[*command].needs_out)
        return report_usage("--json goes with info only");
    return CLI_GO;
}

static int run(struct work *w, int command)
{
    struct progress progress;
    int rc = settings_context("cpu", 1, &w->ctx);

    w->spec = arg.words.items[1];
    progress_start(&progress, arg.quiet);
    if (progress.terminal)
        progress_show(&progress, "reading %s", w->spec);
    if (rc == EXIT_OK)
        rc = data_open(w->ctx, w->spec, arg.split, &w->data);
    progress_clear(&progress);
    return rc == EXIT_OK ? commands[command].run(w) : rc;
}

int main(int argc, char **argv)
{
    static struct work w;
    int command = 0, rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO && arg.kinds)
        rc = report_flush(data_print_kinds());
    if (rc == CLI_GO)
        rc = check_arguments(&command);
    if (rc == CLI_GO)
        rc = report_flush(run(&w, command));
    data_stats_free(&w.stats);
    jem_dataset_free(w.data);
    jem_context_free(w.ctx);
    cli_list_free(&arg.words);
    return rc;
}
