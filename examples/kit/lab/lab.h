/* SPDX-License-Identifier: MIT */
#ifndef KIT_LAB_LAB_H
#define KIT_LAB_LAB_H

/* Where an experiment is made: what every program of the paper's experiments has, owned in one
 * place. The main() of one reads as the paper's paragraph does:
 *
 *     static struct lab lab;
 *
 *     static const struct cli_option options[] = {
 *         LAB_MODEL(lab, "Model and images"),
 *         LAB_DATA(lab, "the test images: "),
 *         ...
 *     };
 *
 *     int main(int argc, char **argv)
 *     {
 *         lab_begin(&lab, &command_line, argc, argv);
 *         lab_open(&lab);
 *         images = lab_images(&lab, lab.data, "test", lab.count, 1);
 *         ... the mathematics; record_row(t), record_number(t, "accuracy", accuracy) ...
 *         return lab_end(&lab);
 *     }
 *
 * A program ends at the first failure. Functions of the kit below the lab report an error and
 * return an exit code; must() ends the program with it, after putting the terminal in order and
 * giving back what the lab holds. Functions of the lab end the program themselves, so what they
 * return is sound. What they return belongs to the lab, which gives it back at the end.
 *
 * The file of --json has, for every program: program, version, kernels, threads, model, model_md5,
 * seed, data, protocol, tables and seconds. */

#include <stdnoreturn.h>

#include <jem/jem.h>

#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/data/image_input.h"
#include "kit/data/provenance.h"
#include "kit/lab/evaluate.h"
#include "kit/lab/out_set.h"
#include "kit/lab/record.h"

struct lab {
    /* What the options below say. */
    const char *model_file, *data, *out, *json, *csv, *backend;
    int64_t count, seed, threads;
    int64_t batch; /* images at a time; 0: LAB_BATCH */
    double input_noise;
    int quiet;

    /* Since lab_begin(). */
    struct record *record;
    struct progress progress;
    const char *remark; /* said after the error that ends the program; NULL: nothing */

    /* Since lab_open(). */
    jem_context *ctx;
    jem_model *model; /* NULL: the program makes its models itself */
    int64_t shape[4]; /* of the model: channels, height, width, classes */
    int64_t size;     /* values of an image */
    int64_t classes;
    const char **class_name; /* of each class; NULL: the model does not remember it */
    int data_of_model;       /* `data` was found in the model's file */
    int role_known;
    enum provenance_role role; /* of the first images that were read, to the model */

    struct lab_thing *things; /* what is given back at the end */
    double began;
};

/* What --data takes: a data set (data_check), or the word for what the model was trained on, which
 * lab_open() replaces by what the model's file says. */
#define LAB_DATA_OF_MODEL "model"
int lab_check_data(const char *spec);

/* Rows of the option table. `section`: a heading above the row, or NULL. */
/* clang-format off */
#define LAB_MODEL(lab, section) \
    {section, "model", "FILE", "a model or a training (.safetensors)", NULL, \
     .text = &(lab).model_file, .required = 1}
#define LAB_DATA(lab, what) \
    {NULL, "data", "KIND", what DATA_HELP "; model: what the model was trained on", \
     LAB_DATA_OF_MODEL, .text = &(lab).data, .check = lab_check_data}
#define LAB_COUNT(lab, what) \
    {NULL, "count", "N", "only N " what ", evenly spaced; 0: all", "0", \
     .integer = &(lab).count, .max = INT64_MAX}
#define LAB_INPUT_NOISE(lab) \
    {NULL, "input-noise", "STD", \
     "standard deviation of Gaussian noise on all images; the official code has 0.03", "0", \
     .real = &(lab).input_noise}
#define LAB_SEED(lab, what) \
    {NULL, "seed", "N", what, "1", .integer = &(lab).seed}
#define LAB_OUT(lab, section, what) \
    {section, "out", "DIR", what, NULL, .text = &(lab).out}
#define LAB_FILES(lab) \
    {NULL, "json", "FILE", "the figures for programs", NULL, .text = &(lab).json, \
     .written = 1}, \
    {NULL, "csv", "FILE", "the tables for spreadsheets", NULL, .text = &(lab).csv, \
     .written = 1}
#define LAB_QUIET(lab) \
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &(lab).quiet}
#define LAB_COMPUTING(lab, section) \
    {section, "threads", "N", THREADS_HELP, "0", \
     .integer = &(lab).threads, .max = 64}, \
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &(lab).backend}
/* What most tables end with, after --out. */
#define LAB_REST(lab) \
    LAB_FILES(lab), LAB_QUIET(lab), LAB_COMPUTING(lab, "Computing")
/* clang-format on */

/* --- From the command line to the results ------------------------------------------------- */

/* Take the command line; after --help and the like, or bad usage, the program ends. */
void lab_begin(struct lab *l, const struct cli *cli, int argc, char **argv);

/* A context and, if there is a model_file, the model of it; the data it was trained on, if these are
 * asked for. */
void lab_open(struct lab *l);

/* Where `data` is LAB_DATA_OF_MODEL, put what the model's file says in its place; lab_open() has done
 * so, unless the program asks for it later. */
void lab_find_data(struct lab *l);

/* For a program that makes its models: their shape. */
void lab_set_shape(struct lab *l, const int64_t shape[4]);

/* Print what the record has and has not printed yet. */
void lab_print(struct lab *l);

/* The same, then the protocol, then lab_write(). */
void lab_tell(struct lab *l);

/* Write --json and --csv. */
void lab_write(struct lab *l);

/* Give back all that the lab holds; it can be opened again. */
void lab_close(struct lab *l);

/* lab_close(), and the exit code. */
int lab_end(struct lab *l);

/* --- Ending at the first failure ---------------------------------------------------------- */

/* Go on if the exit code is EXIT_OK, otherwise end the program with it:
 *
 *     must(file_join(path, lab.out, "a.png"));
 *     must(report_usage("--steps %d: ...", steps)); */
void must(int code);

/* The same for libjem's functions, with the text of report_reason(). */
void must_jem(jem_status status);

/* End the program. */
noreturn void lab_quit(int code);

/* --- What belongs to the lab -------------------------------------------------------------- */

/* n things of `size` bytes, all 0. */
void *lab_array(struct lab *l, int64_t n, size_t size);
float *lab_floats(struct lab *l, int64_t n);

/* -values. */
float *lab_negated(struct lab *l, const float *values, int64_t n);

/* A text like printf's. */
const char *lab_text(struct lab *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* `thing` is the lab's, which gives it back with `release`. */
void *lab_keep(struct lab *l, void *thing, void (*release)(void *));

/* Give something back before the end. */
void lab_drop(struct lab *l, const void *thing);

/* Another model than that of the options. */
jem_model *lab_model(struct lab *l, const char *file);

/* A head for lab.batch images at a time. */
#define LAB_BATCH 250
jem_head *lab_head(struct lab *l);

/* Settings: those of a model's file (NULL: the library's own), presets, then "name=value" texts. */
jem_options *lab_settings(struct lab *l, const char *file, const struct cli_list *presets,
                          const struct cli_list *sets);

/* Images of a data set's split, `count` of them (0: all), evenly spaced. They have the model's
 * size and, if `labelled`, labels of its classes; otherwise labels may be anything. The first
 * ones are the "data" of the file. */
struct image_input *lab_images(struct lab *l, const char *spec, const char *split,
                               int64_t count, int labelled);

/* The "data" of the file, where lab_images() did not say it. */
void lab_note_data(struct lab *l, const char *spec, const char *split, int64_t n);

/* data_own_splits() of --data. */
int lab_own_splits(const struct lab *l);

/* A data set; and a data set parted in two: `held_out` images, which the split seed draws, and
 * the rest. */
jem_dataset *lab_dataset(struct lab *l, const char *spec, const char *split);
void lab_split(struct lab *l, const jem_dataset *all, int64_t held_out, int64_t split_seed,
               jem_dataset **rest, jem_dataset **held);

/* Images of a data set that is open, as lab_images() reads them; `spec` is what errors call it. */
struct image_input *lab_pick(struct lab *l, const jem_dataset *data, const char *spec,
                             int64_t count);

/* Images in files of their own: see image_input.h. */
struct image_input *lab_image_files(struct lab *l, const struct cli_list *files,
                                    enum npy_range range);

/* Noise of --input-noise on them; `stream` parts the sets of one seed. */
void lab_add_noise(struct lab *l, struct image_input *in, uint64_t stream);

/* What the model says about images, with their labels if they have some: see evaluate.h. */
const struct evaluation *lab_evaluate(struct lab *l, const struct image_input *in);
/* The same, and the features of each image from the same pass; NULL: they are not wanted. */
const struct evaluation *lab_evaluate_features(struct lab *l, const struct image_input *in,
                                               float *features);

/* Sets of images that are not of the model's data, `count` of each at most (0: all): those that
 * `specs` names, or all that can be made of `in` (out_set.h). *sets = how many. */
struct out_set *lab_others(struct lab *l, const struct cli_list *specs,
                           const struct image_input *in, int64_t count, int64_t *sets);

/* Find out what the images of `data` were to the model, and say so if they are no test images. Done
 * for the first that lab_images() or lab_pick() read, which are those the program is about. */
void lab_recognise(struct lab *l, const jem_dataset *data, const char *spec);

/* "test images", "training images" ...: what the first images that were read were to the model, by
 * what its file says; "images" where that is not known. The file of --json has it in "data". */
const char *lab_images_are(const struct lab *l);

/* The name of class y: the model's, or that of --data; NULL: not known. */
const char *lab_class_name(const struct lab *l, int64_t y);

/* Why the classes of the model mean nothing; NULL: they mean something. */
const char *lab_no_classes(struct lab *l);

/* Make the folder of --out; 0 where none is asked for. */
int lab_has_folder(struct lab *l);

/* --- Batches ------------------------------------------------------------------------------ */

/* Some of many images; {0} before the first. */
struct lab_batch {
    int64_t first, n;
    const float *x;
};

/* The next images, at most LAB_BATCH; 0 when there are none. Shows how far `what` is:
 *
 *     for (struct lab_batch b = {0}; lab_next(&lab, "test images", images, &b);)
 *         must_jem(jem_head_logits(head, b.x, b.n, logits + b.first * k, b.n * k)); */
int lab_next(struct lab *l, const char *what, const struct image_input *in,
             struct lab_batch *b);

#endif
