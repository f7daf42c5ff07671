/* SPDX-License-Identifier: MIT */

/* See lab.h. */

#include "kit/lab/lab.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/digest.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/data/checkpoint.h"
#include "kit/data/outliers.h"
#include "kit/lab/class_meaning.h"

struct lab_thing {
    struct lab_thing *next; /* that was taken in before */
    void *thing;
    void (*release)(void *);
};

/* What must() puts in order; a program has one lab. */
static struct lab *in_use;

/* --- Ending ------------------------------------------------------------------------------- */

noreturn void lab_quit(int code)
{
    struct lab *l = in_use;

    in_use = NULL;
    if (l != NULL) {
        if (code != EXIT_OK && l->remark != NULL)
            report_note("%s", l->remark);
        progress_clear(&l->progress);
        lab_close(l);
        record_free(l->record);
    }
    exit(report_flush(code));
}

void must(int code)
{
    if (code != EXIT_OK)
        lab_quit(code);
}

void must_jem(jem_status status)
{
    must(report_jem(status));
}

void lab_close(struct lab *l)
{
    while (l->things != NULL) {
        struct lab_thing *one = l->things;

        l->things = one->next;
        one->release(one->thing);
        free(one);
    }
    jem_model_free(l->model);
    jem_context_free(l->ctx);
    l->model = NULL;
    l->ctx = NULL;
    l->class_name = NULL;
}

int lab_end(struct lab *l)
{
    in_use = NULL;
    progress_clear(&l->progress);
    lab_close(l);
    record_free(l->record);
    l->record = NULL;
    return report_flush(EXIT_OK);
}

/* --- From the command line to the results ------------------------------------------------- */

void lab_begin(struct lab *l, const struct cli *cli, int argc, char **argv)
{
    const int rc = cli_parse(cli, argc, argv);

    if (rc != CLI_GO)
        lab_quit(rc);
    in_use = l;
    l->began = progress_clock();
    progress_start(&l->progress, l->quiet);
    l->record = record_create();
    if (l->record == NULL)
        lab_quit(EXIT_FAILED);
}

static void load(struct lab *l, const char *file, jem_model **out)
{
    const jem_status status = jem_model_load(l->ctx, file, out);
    const int rc = report_jem(status);

    if (status == JEM_E_FORMAT)
        checkpoint_advise(file);
    must(rc);
}

static void note_model(struct lab *l)
{
    json_t *json = record_json(l->record);
    char md5[DIGEST_MD5_TEXT];

    must(digest_md5(l->model_file, md5));
    json_set_text(json, "model", file_name_of(l->model_file));
    json_set_text(json, "model_md5", md5);
}

static void read_class_names(struct lab *l)
{
    l->class_name = lab_array(l, l->classes, sizeof *l->class_name);
    for (int64_t y = 0; y < l->classes; y++) {
        char *name = NULL;

        must(provenance_class(l->model, y, &name));
        if (name != NULL)
            l->class_name[y] = lab_keep(l, name, free);
    }
}

int lab_check_data(const char *spec)
{
    return strcmp(spec, LAB_DATA_OF_MODEL) == 0 ? EXIT_OK : data_check(spec);
}

/* What --data model stands for. A file that does not say it is one of other programs, or older. */
void lab_find_data(struct lab *l)
{
    char *spec = NULL;

    if (l->data == NULL || strcmp(l->data, LAB_DATA_OF_MODEL) != 0)
        return;
    must(provenance_spec(l->model, &spec));
    if (spec == NULL) {
        report_note("%s does not say what it was trained on; --data fashion-mnist is assumed",
                    l->model_file);
        l->data = "fashion-mnist";
        return;
    }
    l->data = lab_keep(l, spec, free);
    l->data_of_model = 1;
}

void lab_open(struct lab *l)
{
    json_t *json = record_json(l->record);
    int64_t shape[4];

    must(settings_context(l->backend, l->threads, &l->ctx));
    json_set_text(json, "program", report_program_name());
    json_set_text(json, "version", jem_version_string());
    json_set_text(json, "kernels", jem_context_kernels(l->ctx));
    json_object_set_new(json, "threads", json_integer(jem_context_threads(l->ctx)));
    json_set_text(json, "model", NULL);
    json_set_text(json, "model_md5", NULL);
    json_object_set_new(json, "seed", json_integer((json_int_t)l->seed));
    if (l->model_file == NULL)
        return;
    load(l, l->model_file, &l->model);
    must_jem(jem_model_shape(l->model, shape));
    lab_set_shape(l, shape);
    note_model(l);
    read_class_names(l);
    lab_find_data(l);
}

void lab_set_shape(struct lab *l, const int64_t shape[4])
{
    memcpy(l->shape, shape, sizeof l->shape);
    l->size = shape[0] * shape[1] * shape[2];
    l->classes = shape[3];
}

void lab_print(struct lab *l)
{
    progress_clear(&l->progress);
    must(record_print(l->record, stdout));
}

void lab_tell(struct lab *l)
{
    lab_print(l);
    must(record_print_protocol(l->record, stdout));
    lab_write(l);
}

void lab_write(struct lab *l)
{
    json_set_number(record_json(l->record), "seconds", progress_clock() - l->began);
    if (l->json != NULL)
        must(record_write_json(l->record, l->json));
    if (l->csv != NULL)
        must(record_write_csv(l->record, l->csv));
}

/* --- What belongs to the lab -------------------------------------------------------------- */

void *lab_keep(struct lab *l, void *thing, void (*release)(void *))
{
    struct lab_thing *one = malloc(sizeof *one);

    if (thing == NULL || one == NULL) {
        free(one);
        if (thing != NULL)
            release(thing);
        must(report_no_memory());
        return NULL;
    }
    *one = (struct lab_thing){l->things, thing, release};
    l->things = one;
    return thing;
}

void lab_drop(struct lab *l, const void *thing)
{
    for (struct lab_thing **at = &l->things; *at != NULL; at = &(*at)->next)
        if ((*at)->thing == thing) {
            struct lab_thing *one = *at;

            *at = one->next;
            one->release(one->thing);
            free(one);
            return;
        }
}

void *lab_array(struct lab *l, int64_t n, size_t size)
{
    return lab_keep(l, n < 0 ? NULL : calloc((size_t)n + (n == 0), size), free);
}

float *lab_floats(struct lab *l, int64_t n)
{
    return lab_array(l, n, sizeof(float));
}

float *lab_negated(struct lab *l, const float *values, int64_t n)
{
    float *out = lab_floats(l, n);

    for (int64_t i = 0; i < n; i++)
        out[i] = -values[i];
    return out;
}

const char *lab_text(struct lab *l, const char *format, ...)
{
    va_list args;
    char *text;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = lab_array(l, length < 0 ? -1 : (int64_t)length + 1, 1);
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

static void release_model(void *model)
{
    jem_model_free(model);
}

jem_model *lab_model(struct lab *l, const char *file)
{
    jem_model *model = NULL;

    load(l, file, &model);
    return lab_keep(l, model, release_model);
}

static void release_head(void *head)
{
    jem_head_free(head);
}

static int64_t at_a_time(const struct lab *l)
{
    return l->batch > 0 ? l->batch : LAB_BATCH;
}

jem_head *lab_head(struct lab *l)
{
    jem_head *head = NULL;

    must_jem(jem_head_create(l->model, at_a_time(l), &head));
    return lab_keep(l, head, release_head);
}

static void release_options(void *opts)
{
    jem_options_free(opts);
}

static void take_settings(const char *path, jem_options *opts)
{
    struct checkpoint file;
    int rc = checkpoint_open(path, &file);

    must(rc);
    rc = checkpoint_settings(&file, opts);
    checkpoint_close(&file);
    must(rc);
}

jem_options *lab_settings(struct lab *l, const char *file, const struct cli_list *presets,
                          const struct cli_list *sets)
{
    jem_options *opts = NULL;

    must_jem(jem_options_create(l->ctx, &opts));
    lab_keep(l, opts, release_options);
    if (file != NULL)
        take_settings(file, opts);
    must(settings_apply(opts, presets, sets));
    return opts;
}

static void release_images(void *images)
{
    image_input_free(images);
    free(images);
}

static int has_labels(const struct image_input *in)
{
    for (int64_t i = 0; i < in->n; i++)
        if (in->labels[i] >= 0)
            return 1;
    return 0;
}

void lab_note_data(struct lab *l, const char *spec, const char *split, int64_t n)
{
    json_t *json = record_json(l->record), *data;

    if (json_object_get(json, "data") != NULL)
        return;
    data = json_object();
    json_set_text(data, "spec", spec);
    json_set_text(data, "split", split);
    json_object_set_new(data, "n", json_integer((json_int_t)n));
    json_set_text(data, "images", provenance_word(l->role));
    json_object_set_new(json, "data", data);
}

void lab_recognise(struct lab *l, const jem_dataset *data, const char *spec)
{
    if (l->model == NULL || l->role_known)
        return;
    must(provenance_role(l->model, data, &l->role));
    l->role_known = 1;
    if (l->role != PROVENANCE_UNKNOWN && l->role != PROVENANCE_TEST)
        report_note("%s: these are %s of the model, so that figures of them say little "
                    "about other images",
                    spec, provenance_images(l->role));
}

const char *lab_images_are(const struct lab *l)
{
    return provenance_images(l->role);
}

const char *lab_class_name(const struct lab *l, int64_t y)
{
    if (y >= 0 && y < l->classes && l->class_name != NULL && l->class_name[y] != NULL)
        return l->class_name[y];
    return data_class_name(l->data, y);
}

static void release_dataset(void *data)
{
    jem_dataset_free(data);
}

/* Where the data are that a model names is no fault of the user's. */
static void must_find(const struct lab *l, const char *spec, int rc)
{
    if (rc != EXIT_OK && l->data_of_model && spec == l->data)
        report_note("%s was trained on these images; where they are now, or others, says "
                    "--data KIND",
                    l->model_file);
    must(rc);
}

int lab_own_splits(const struct lab *l)
{
    int own = 0;

    must_find(l, l->data, data_own_splits(l->data, &own));
    return own;
}

jem_dataset *lab_dataset(struct lab *l, const char *spec, const char *split)
{
    jem_dataset *data = NULL;

    must_find(l, spec, data_open(l->ctx, spec, split, &data));
    return lab_keep(l, data, release_dataset);
}

void lab_split(struct lab *l, const jem_dataset *all, int64_t held_out, int64_t split_seed,
               jem_dataset **rest, jem_dataset **held)
{
    must_jem(jem_dataset_split(all, held_out, split_seed, rest, held));
    lab_keep(l, *rest, release_dataset);
    lab_keep(l, *held, release_dataset);
}

static struct image_input *pick(struct lab *l, const jem_dataset *data, const char *spec,
                                int64_t count, const int64_t shape[4])
{
    struct image_input *in = lab_keep(l, calloc(1, sizeof *in), release_images);

    must(image_input_dataset(data, spec, count, shape, in));
    lab_recognise(l, data, spec);
    return in;
}

struct image_input *lab_pick(struct lab *l, const jem_dataset *data, const char *spec,
                             int64_t count)
{
    return pick(l, data, spec, count, l->shape);
}

struct image_input *lab_images(struct lab *l, const char *spec, const char *split,
                               int64_t count, int labelled)
{
    const int64_t any[4] = {l->shape[0], l->shape[1], l->shape[2], 0};
    jem_dataset *data = lab_dataset(l, spec, split);
    struct image_input *in = pick(l, data, spec, count, labelled ? l->shape : any);

    lab_drop(l, data);
    if (labelled && !has_labels(in))
        must(report_failed("%s has no labels, which this is about", spec));
    lab_note_data(l, spec, split, in->n);
    return in;
}

struct image_input *lab_image_files(struct lab *l, const struct cli_list *files,
                                    enum npy_range range)
{
    struct image_input *in = lab_keep(l, calloc(1, sizeof *in), release_images);

    must(image_input_files(files, l->shape, range, in));
    return in;
}

void lab_add_noise(struct lab *l, struct image_input *in, uint64_t stream)
{
    image_input_add_noise(in, l->size, l->input_noise, l->seed, stream);
}

static void release_evaluation(void *evaluation)
{
    evaluate_free(evaluation);
    free(evaluation);
}

const struct evaluation *lab_evaluate(struct lab *l, const struct image_input *in)
{
    return lab_evaluate_features(l, in, NULL);
}

const struct evaluation *lab_evaluate_features(struct lab *l, const struct image_input *in,
                                               float *features)
{
    struct evaluation *e = lab_keep(l, calloc(1, sizeof *e), release_evaluation);

    must(evaluate_images(l->model, in->x, in->n, at_a_time(l), features, e));
    if (in->labels != NULL)
        must(evaluate_with_labels(e, in->labels));
    return e;
}

static void release_out_set(void *set)
{
    out_set_free(set); /* a part of an array */
}

struct out_set *lab_others(struct lab *l, const struct cli_list *specs,
                           const struct image_input *in, int64_t count, int64_t *sets)
{
    const int64_t n = specs->count > 0 ? specs->count : outlier_count;
    struct out_set *set = lab_array(l, n, sizeof *set);

    *sets = 0;
    for (int64_t k = 0; k < n; k++) {
        const char *spec = specs->count > 0 ? specs->items[k] : outlier_kinds[k].name;
        struct out_set *next = &set[*sets];

        if (specs->count == 0 && !out_set_can_be_made(spec, in, count))
            continue;
        must(out_set_open(l->ctx, l->shape, spec, in, count, l->seed, next));
        lab_keep(l, next, release_out_set);
        ++*sets;
    }
    return set;
}

const char *lab_no_classes(struct lab *l)
{
    const char *why = NULL;

    must(class_meaning(l->model_file, l->classes, &why));
    return why;
}

int lab_has_folder(struct lab *l)
{
    if (l->out == NULL)
        return 0;
    must(file_make_folder(l->out));
    return 1;
}

/* --- Batches ------------------------------------------------------------------------------ */

int lab_next(struct lab *l, const char *what, const struct image_input *in, struct lab_batch *b)
{
    b->first += b->n;
    if (b->first > 0 && progress_due(&l->progress))
        progress_show(&l->progress, "%s: %" PRId64 " of %" PRId64 " images", what, b->first,
                      in->n);
    b->n = in->n - b->first < LAB_BATCH ? in->n - b->first : LAB_BATCH;
    b->x = in->x + b->first * l->size;
    return b->n > 0;
}
