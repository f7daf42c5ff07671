/* SPDX-License-Identifier: MIT */

/* See experiment.h. */

#include "kit/lab/experiment.h"

#include <errno.h>
#include <math.h>
#include <md5.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kit/base/digest.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/cli/settings.h"

#define LINE 96 /* characters of a line of prose */

int experiment_begin(const char *backend, int64_t threads, int64_t seed, struct experiment *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    out->began = progress_clock();
    rc = settings_context(backend, threads, &out->ctx);
    if (rc != EXIT_OK)
        return rc;
    out->json = json_pack("{ss ss ss si sn sn sI}", "program", report_program_name(), "version",
                          jem_version_string(), "kernels", jem_context_kernels(out->ctx),
                          "threads", (int)jem_context_threads(out->ctx), "model", "model_md5",
                          "seed", (json_int_t)seed);
    return out->json == NULL ? report_no_memory() : EXIT_OK;
}

static int note_model(struct experiment *e, const char *model)
{
    const char *slash = strrchr(model, '/');
    char md5[DIGEST_MD5_TEXT];

    if (MD5File(model, md5) == NULL)
        return report_failed("cannot read %s: %s", model, strerror(errno));
    json_object_set_new(e->json, "model", json_string(slash == NULL ? model : slash + 1));
    json_object_set_new(e->json, "model_md5", json_string(md5));
    return EXIT_OK;
}

int experiment_open(const char *model, const char *backend, int64_t threads, int64_t seed,
                    struct experiment *out)
{
    int rc;

    if (model == NULL)
        return report_usage("--model FILE is missing");
    rc = experiment_begin(backend, threads, seed, out);
    if (rc == EXIT_OK)
        rc = report_jem(jem_model_load(out->ctx, model, &out->model));
    if (rc == EXIT_OK)
        rc = report_jem(jem_model_shape(out->model, out->shape));
    return rc == EXIT_OK ? note_model(out, model) : rc;
}

static int64_t count_labels(const struct image_input *in)
{
    int64_t labelled = 0;

    for (int64_t i = 0; i < in->n; i++)
        labelled += in->labels[i] >= 0;
    return labelled;
}

int experiment_data(const struct experiment *e, const char *spec, const char *split,
                    int64_t count, int labelled, struct image_input *out)
{
    const int64_t any[4] = {e->shape[0], e->shape[1], e->shape[2], 0};
    int rc = image_input_data(e->ctx, spec, split, count, labelled ? e->shape : any, out);

    if (rc == EXIT_OK && labelled && count_labels(out) == 0)
        rc = report_failed("--data %s has no labels, which this is about", spec);
    if (rc == EXIT_OK && json_object_get(e->json, "data") == NULL &&
        json_object_set_new(e->json, "data",
                            json_pack("{ss ss sI}", "spec", spec, "split", split, "n",
                                      (json_int_t)out->n)) != 0)
        rc = report_no_memory();
    if (rc != EXIT_OK)
        image_input_free(out);
    return rc;
}

void experiment_set_protocol(struct experiment *e, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_object_set_new(e->json, "protocol", json_string(text));
}

void experiment_print_protocol(const struct experiment *e)
{
    const char *word = json_string_value(json_object_get(e->json, "protocol"));
    size_t column = 0;

    putchar('\n');
    while (word != NULL && *word != '\0') {
        const size_t length = strcspn(word, " ");

        if (column > 0 && column + 1 + length > LINE) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column > 0 ? " " : "", (int)length, word);
        word += length + strspn(word + length, " ");
    }
    putchar('\n');
}

int experiment_write(struct experiment *e, const char *path)
{
    json_t *json = e->json;

    if (path == NULL)
        return EXIT_OK;
    json_set_number(json, "seconds", progress_clock() - e->began);
    return json_write_file(path, json_incref(json));
}

void experiment_close(struct experiment *e)
{
    json_decref(e->json);
    jem_model_free(e->model);
    jem_context_free(e->ctx);
    memset(e, 0, sizeof *e);
}
