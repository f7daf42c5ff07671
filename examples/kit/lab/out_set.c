/* SPDX-License-Identifier: MIT */

/* See out_set.h. */

#include "kit/lab/out_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/base/text.h"
#include "kit/data/data.h"
#include "kit/data/outliers.h"

/* Kinds that say nothing about what the images are. */
static const char *const anything[] = {"folder", "images", "npy", "idx"};

static void name_set(const char *spec, char out[64])
{
    const int kind = (int)strcspn(spec, ":");
    const int length = kind + (int)strcspn(spec + kind, ",");
    int from = length;

    snprintf(out, 64, "%.*s", kind, spec);
    for (size_t i = 0; i < sizeof anything / sizeof anything[0]; i++) {
        if (strcmp(out, anything[i]) != 0 || spec[kind] == '\0')
            continue;
        while (from > kind + 1 && spec[from - 1] != '/')
            from--;
        snprintf(out, 64, "%.*s:%.*s", kind, spec, length - from, spec + from);
        text_trim(out);
        return;
    }
}

int out_set_can_be_made(const char *spec, const struct image_input *in, int64_t count)
{
    return strcmp(spec, "interp") != 0 || (in->n > 1 && count != 1);
}

static int make(int kind, const struct image_input *in, int64_t count, const int64_t shape[4],
                int64_t seed, struct image_input *out)
{
    const int64_t n = count > 0 && count < in->n ? count : in->n;

    if (!out_set_can_be_made(outlier_kinds[kind].name, in, count))
        return report_failed("--ood interp takes the mean of two images, and there is one");
    out->n = n;
    out->x = malloc((size_t)(n * shape[0] * shape[1] * shape[2]) * sizeof *out->x);
    if (out->x == NULL)
        return report_no_memory();
    outliers_make(kind, in->x, n, shape, seed, out->x);
    return EXIT_OK;
}

static int read_set(jem_context *ctx, const int64_t shape[4], const char *spec, int64_t count,
                    struct image_input *out)
{
    const int64_t any[4] = {shape[0], shape[1], shape[2], 0};
    jem_dataset *data = NULL;
    int64_t d[4];
    int rc = data_open(ctx, spec, "test", &data);

    if (rc != EXIT_OK)
        report_note("--ood takes " OUT_SET_HELP);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_shape(data, d));
    if (rc == EXIT_OK && memcmp(d, any, 3 * sizeof d[0]) != 0)
        rc = report_failed(
            "--ood %s: its images are %d x %d x %d, the model reads %d x %d x %d (channels x "
            "height x width); a folder of images can be made to fit: "
            "--ood folder:DIR,size=%dx%d%s",
            spec, (int)d[0], (int)d[1], (int)d[2], (int)any[0], (int)any[1], (int)any[2],
            (int)any[1], (int)any[2],
            any[0] == 1   ? ",grey"
            : any[0] == 3 ? ",colour"
                          : "");
    if (rc == EXIT_OK)
        rc = image_input_dataset(data, spec, count, any, out);
    jem_dataset_free(data);
    return rc;
}

static int find_outliers(const char *spec)
{
    for (int k = 0; k < outlier_count; k++)
        if (strcmp(spec, outlier_kinds[k].name) == 0)
            return k;
    return -1;
}

int out_set_is_made(const char *spec)
{
    return find_outliers(spec) >= 0;
}

int out_set_check(const char *spec)
{
    const int rc = out_set_is_made(spec) ? EXIT_OK : data_check(spec);

    if (rc != EXIT_OK)
        report_note("--ood takes " OUT_SET_HELP);
    return rc;
}

int out_set_open(jem_context *ctx, const int64_t shape[4], const char *spec,
                 const struct image_input *in, int64_t count, int64_t seed, struct out_set *out)
{
    const int kind = find_outliers(spec);

    memset(out, 0, sizeof *out);
    out->spec = spec;
    name_set(spec, out->name);
    if (kind >= 0)
        return make(kind, in, count, shape, seed, &out->images);
    return read_set(ctx, shape, spec, count, &out->images);
}

void out_set_free(struct out_set *s)
{
    image_input_free(&s->images);
}
