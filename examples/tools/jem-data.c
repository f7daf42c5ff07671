/* SPDX-License-Identifier: MIT */

/* jem-data: looks at a data set before anything is trained on it: counts, classes, pixels, and
 * whether its files are the published ones. Writes it as arrays, or as a picture. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/digest.h"
#include "kit/base/evenly.h"
#include "kit/base/json_log.h"
#include "kit/data/data_stats.h"
#include "kit/images/image.h"
#include "kit/lab/lab.h"

#define GRID_SIDE      10
#define GRID_CELLS     (GRID_SIDE * GRID_SIDE)
#define CHANNELS_SHOWN 16

static void info(const jem_dataset *data);
static void export_arrays(const jem_dataset *data);
static void grid(const jem_dataset *data);

static const struct command {
    const char *name;
    void (*run)(const jem_dataset *data);
    int needs_out;
} commands[] = {{"info", info, 0}, {"export", export_arrays, 1}, {"grid", grid, 1}};
#define COMMANDS ((int)(sizeof commands / sizeof commands[0]))

static struct lab lab = {.backend = "cpu", .threads = 1};
static struct {
    struct cli_list words;
    const struct command *command;
    const char *split;
    int kinds;
} arg;

static const struct cli_option options[] = {
    {"What", "split", "NAME", SPLIT_HELP, "train", .text = &arg.split},
    {NULL, "kinds", NULL, "list what KIND:PATH can be, and do nothing else", NULL,
     .flag = &arg.kinds},
    {"Results", "json", "FILE", "of info: write the same as JSON", NULL, .text = &lab.json,
     .written = 1},
    {NULL, "out", "PATH", "of export: a folder; of grid: a .png file", NULL, .text = &lab.out},
    LAB_QUIET(lab),
};

static int check(void)
{
    int k = 0;

    if (arg.kinds)
        return CLI_GO;
    if (arg.words.count < 1)
        return report_usage("the command is missing: info, export or grid");
    while (k < COMMANDS && strcmp(commands[k].name, arg.words.items[0]) != 0)
        k++;
    if (k == COMMANDS)
        return report_usage("unknown command %s: there are info, export and grid",
                            arg.words.items[0]);
    if (arg.words.count < 2)
        return report_usage("%s: KIND[:PATH] is missing; jem-data --kinds lists what there is",
                            arg.words.items[0]);
    if (arg.words.count > 2)
        return report_usage("one data set at a time; \"%s\" is too much", arg.words.items[2]);
    if (commands[k].needs_out && lab.out == NULL)
        return report_usage("%s needs --out PATH to write to", arg.words.items[0]);
    if (commands[k].run == grid && image_check_name(lab.out) != EXIT_OK)
        return EXIT_USAGE;
    if (!commands[k].needs_out && lab.out != NULL)
        return report_usage("%s takes no --out; it prints, and writes with --json FILE",
                            arg.words.items[0]);
    if (lab.json != NULL && commands[k].needs_out)
        return report_usage("--json goes with info only");
    arg.command = &commands[k];
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-data",
    .usage = "info|export|grid KIND[:PATH] [options]",
    .about =
        "Look at a data set. info counts images and classes, gives mean and standard "
        "deviation of each channel, and says of known files whether they are the published "
        "ones. export writes images.npy (N x C x H x W) and labels.npy. grid draws ten "
        "images of each class, or a hundred, evenly spaced, where there are more than ten "
        "classes or no labels.",
    .notes = "Examples:\n"
             "  jem-data --kinds\n"
             "  jem-data info fashion-mnist --split test\n"
             "  jem-data info cifar10:DIR --json cifar10.json\n"
             "  jem-data export svhn:DIR --split test --out svhn-test\n"
             "  jem-data grid npy:images.npy,labels.npy --out images.png\n",
    CLI_OPTIONS(options),
    .operands = &arg.words,
    .check = check,
};

/* What is left of "/a/b/c" behind its last slash. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static void release_stats(void *stats)
{
    data_stats_free(stats);
    free(stats);
}

static const struct data_stats *compute_stats(const jem_dataset *data)
{
    struct data_stats *stats = lab_keep(&lab, calloc(1, sizeof *stats), release_stats);

    must(data_stats_compute(data, lab.quiet, stats));
    return stats;
}

/* --- info --------------------------------------------------------------------------------- */

static const struct record_column file_columns[] = {
    {"name", "file", .kind = RECORD_TEXT},
    {"md5", "md5", .kind = RECORD_TEXT},
    {NULL, "verdict", .kind = RECORD_TEXT},
    {"published", NULL, .kind = RECORD_TRUTH},
};

static const struct record_column channel_columns[] = {
    {NULL, "channel", .kind = RECORD_TEXT}, {"mean", "mean", .decimals = 4},
    {"std", "std", .decimals = 4},          {"min", "min", .decimals = 4},
    {"max", "max", .decimals = 4},
};

static const struct record_column class_columns[] = {
    {NULL, "class", .kind = RECORD_WHOLE},
    {"name", "name", .kind = RECORD_TEXT},
    {"images", "images", .kind = RECORD_WHOLE},
    {NULL, "%", .percent = 1, .decimals = 2},
};

static void tell_files(void)
{
    struct record_layout layout = {"files", RECORD_COLUMNS(file_columns)};
    struct data_files files;
    struct record_table *t;
    char kind[32];

    must(data_list_files(lab.data, arg.split, &files));
    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(lab.data, ":"), lab.data);
    layout.only_files = files.count == 0;
    if (files.count > 0)
        record_say(lab.record, "\n");
    t = record_table(lab.record, &layout);
    for (int i = 0; i < files.count; i++) {
        char md5[DIGEST_MD5_TEXT];
        enum digest_verdict v;

        must(digest_file(kind, files.path[i], md5, &v));
        record_row(t);
        record_text(t, "name", base_name(files.path[i]));
        record_text(t, "md5", md5);
        record_text(t, "verdict", digest_verdict_text(v));
        if (v == DIGEST_PUBLISHED || v == DIGEST_REPACKED || v == DIGEST_DIFFERENT)
            record_truth(t, "published", v != DIGEST_DIFFERENT);
        else
            record_missing(t, "published");
    }
}

static void tell_channels(const struct data_stats *s)
{
    static const struct record_layout layout = {"channels", RECORD_COLUMNS(channel_columns)};
    static const char *const colours[] = {"red", "green", "blue"};
    struct record_table *t;

    record_say(lab.record, "\nPixels in [0, 1]:\n");
    t = record_table(lab.record, &layout);
    for (int64_t i = 0; i < s->shape[0]; i++) {
        record_row(t);
        record_text(t, "channel",
                    s->shape[0] == 3 ? colours[i] : lab_text(&lab, "%" PRId64, i));
        record_number(t, "mean", s->channel[i].mean);
        record_number(t, "std", s->channel[i].std);
        record_number(t, "min", s->channel[i].min);
        record_number(t, "max", s->channel[i].max);
        if (i >= CHANNELS_SHOWN)
            record_hide(t);
    }
    if (s->shape[0] > CHANNELS_SHOWN)
        record_say(lab.record, "... and %" PRId64 " more\n", s->shape[0] - CHANNELS_SHOWN);
}

static void tell_classes(const struct data_stats *s)
{
    struct record_layout layout = {"classes", RECORD_COLUMNS(class_columns)};
    struct record_table *t;

    layout.only_files = s->unlabelled == s->n;
    record_say(lab.record, layout.only_files ? "\nNo image is labelled.\n" : "\n");
    t = record_table(lab.record, &layout);
    for (int64_t y = 0; y < s->shape[3]; y++) {
        const char *name = data_class_name(lab.data, y);

        record_row(t);
        record_whole(t, "class", y);
        record_text(t, "name", name);
        record_words(t, "name", name == NULL ? "" : name);
        record_whole(t, "images", s->per_class[y]);
        record_number(t, "%", (double)s->per_class[y] / (double)s->n);
    }
    if (!layout.only_files && s->unlabelled > 0)
        record_say(lab.record, "Not labelled: %" PRId64 "\n", s->unlabelled);
}

/* The file speaks of the data alone. */
static void note(const struct data_stats *s)
{
    json_t *json = record_json(lab.record);

    json_object_clear(json);
    json_set_text(json, "data", lab.data);
    json_set_text(json, "split", arg.split);
    json_set_number(json, "images", (double)s->n);
    json_object_set_new(json, "shape",
                        json_pack("[III]", (json_int_t)s->shape[0], (json_int_t)s->shape[1],
                                  (json_int_t)s->shape[2]));
    json_set_text(json, "values", s->is_bytes ? "bytes" : "floats");
    json_set_text(json, "sha256", s->sha256);
    json_set_number(json, "unlabelled", (double)s->unlabelled);
}

static void info(const jem_dataset *data)
{
    const struct data_stats *s = compute_stats(data);
    char made[DATA_TEST_TEXT], words[128] = "";

    note(s);
    must(data_test_text(lab.data, made));
    if (made[0] != '\0')
        snprintf(words, sizeof words,
                 "test     %s, drawn from images without a test split (,test=0: none)\n", made);
    record_say(lab.record,
               "data     %s, split %s\n%s"
               "images   %" PRId64 " of %" PRId64 " x %" PRId64 " x %" PRId64
               " (channels x height x width), %s\n"
               "classes  %" PRId64 "\n"
               "sha256   %s (pixels, then labels)\n",
               lab.data, arg.split, words, s->n, s->shape[0], s->shape[1], s->shape[2],
               s->is_bytes ? "bytes" : "floats", s->shape[3], s->sha256);
    tell_files();
    tell_channels(s);
    tell_classes(s);
    lab_print(&lab);
    if (lab.json != NULL)
        must(record_write_json(lab.record, lab.json));
}

/* --- export, grid ------------------------------------------------------------------------- */

static void export_arrays(const jem_dataset *data)
{
    const struct data_stats *s = compute_stats(data);

    must(data_stats_export(data, s, lab.out, lab.quiet));
    printf("%s/images.npy, %s/labels.npy: %" PRId64 " images\n", lab.out, lab.out, s->n);
}

/* Of each class so many, evenly spaced, in a row. -1: an empty place. */
static void choose_row(const int32_t *y, int64_t n, int64_t c, int64_t row[GRID_SIDE])
{
    int64_t of = 0, seen = 0, count = 0;

    for (int64_t i = 0; i < n; i++)
        of += y[i] == c;
    for (int64_t i = 0; i < n && count < GRID_SIDE; i++) {
        const int64_t shown = of < GRID_SIDE ? of : GRID_SIDE;

        if (y[i] == c && count < shown && seen++ == evenly(count, shown, of))
            row[count++] = i;
    }
    while (count < GRID_SIDE)
        row[count++] = -1;
}

/* Which images: a row of ten of each class, or a hundred. */
static int64_t choose(const int32_t *y, int64_t n, int64_t classes, int64_t chosen[GRID_CELLS])
{
    const int64_t shown = n < GRID_CELLS ? n : GRID_CELLS;
    int labelled = 0;

    for (int64_t i = 0; i < n && !labelled; i++)
        labelled = y[i] >= 0;
    for (int64_t c = 0; c < classes && classes <= GRID_SIDE && labelled; c++)
        choose_row(y, n, c, chosen + c * GRID_SIDE);
    if (labelled && classes <= GRID_SIDE)
        return classes * GRID_SIDE;
    for (int64_t i = 0; i < shown; i++)
        chosen[i] = evenly(i, shown, n);
    return shown;
}

static void grid(const jem_dataset *data)
{
    int64_t chosen[GRID_CELLS] = {0}, shape[4], n, size, count;
    int32_t *y;
    float *x;

    must_jem(jem_dataset_size(data, &n));
    must_jem(jem_dataset_shape(data, shape));
    size = shape[0] * shape[1] * shape[2];
    y = lab_array(&lab, n, sizeof *y);
    x = lab_floats(&lab, GRID_CELLS * size);
    must_jem(jem_dataset_read(data, 0, n, NULL, y));
    count = choose(y, n, shape[3], chosen);
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < size && chosen[i] < 0; k++)
            x[i * size + k] = 1; /* white */
        if (chosen[i] >= 0)
            must_jem(jem_dataset_read(data, chosen[i], 1, x + i * size, NULL));
    }
    must(image_write_grid(lab.out, x, count, shape, GRID_SIDE));
    printf("%s\n", lab.out);
}

/* --- The program -------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    const jem_dataset *data;

    lab_begin(&lab, &command_line, argc, argv);
    if (arg.kinds)
        lab_quit(data_print_kinds());
    lab_open(&lab);
    lab.data = arg.words.items[1];
    if (lab.progress.terminal)
        progress_show(&lab.progress, "reading %s", lab.data);
    data = lab_dataset(&lab, lab.data, arg.split);
    progress_clear(&lab.progress);
    arg.command->run(data);
    return lab_end(&lab);
}
