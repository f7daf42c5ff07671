/* SPDX-License-Identifier: MIT */

/* What the tests ask of Inception-v3, the Frechet distance and the Inception Score of the
 * programs. Arrays are .npy files.
 *
 *     inception resize BYTES OUT               N x H x W x C bytes by TensorFlow 1's bilinear
 *     inception run WEIGHTS THREADS BYTES DIR  N x H x W x C bytes: features.npy, logits.npy, and
 *                                              NAME.npy for each layer of `taps` (the last images)
 *     inception look WEIGHTS BYTES OUT         N x C x H x W bytes: features, as jem-hybrid takes them
 *     inception frechet A B                    two arrays of N x D floats
 *     inception score LOGITS SPLITS SEED       mean and standard deviation */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/features/features.h"
#include "kit/features/frechet.h"
#include "kit/features/inception.h"
#include "kit/features/inception_score.h"
#include "kit/features/resize_tf1.h"
#include "kit/formats/npy.h"

static const char *const taps[INCEPTION_TAPS] = {
    [INCEPTION_POOL1] = "pool1", [INCEPTION_POOL2] = "pool2", [INCEPTION_5B] = "Mixed_5b",
    [INCEPTION_5C] = "Mixed_5c", [INCEPTION_5D] = "Mixed_5d", [INCEPTION_6A] = "Mixed_6a",
    [INCEPTION_6B] = "Mixed_6b", [INCEPTION_6C] = "Mixed_6c", [INCEPTION_6D] = "Mixed_6d",
    [INCEPTION_6E] = "Mixed_6e", [INCEPTION_7A] = "Mixed_7a", [INCEPTION_7B] = "Mixed_7b",
    [INCEPTION_7C] = "Mixed_7c"};

/* An array of `dims` dimensions and one type. */
static int read_array(const char *path, char type, int dims, struct npy_array *a)
{
    const int rc = npy_read(path, a);

    if (rc == EXIT_OK &&
        (a->type != type || a->item != (type == 'f' ? 4 : 1) || a->dims != dims))
        return report_failed("%s: not an array as it should be", path);
    return rc;
}

static int resize(const char *in, const char *out)
{
    const int64_t side = INCEPTION_SIDE;
    struct npy_array a;
    float *y = NULL;
    int rc = read_array(in, 'u', 4, &a);

    if (rc == EXIT_OK &&
        (y = malloc((size_t)(a.shape[0] * side * side * a.shape[3]) * sizeof *y)) == NULL)
        rc = report_no_memory();
    if (rc == EXIT_OK) {
        const int64_t h = a.shape[1], w = a.shape[2], c = a.shape[3];

        for (int64_t i = 0; i < a.shape[0]; i++)
            resize_tf1(a.values + i * h * w * c, h, w, c, side, y + i * side * side * c);
        rc = npy_write_f32(out, y, 4, (int64_t[]){a.shape[0], side, side, c});
    }
    free(y);
    npy_free(&a);
    return rc;
}

static int write_array(const char *folder, const char *name, const float *x, int dims,
                       const int64_t *shape)
{
    char file[64], path[FILE_PATH_BYTES];
    int rc;

    snprintf(file, sizeof file, "%s.npy", name);
    rc = file_join(path, folder, file);
    return rc == EXIT_OK ? npy_write_f32(path, x, dims, shape) : rc;
}

static int write_taps(const struct inception *net, const char *folder)
{
    int rc = EXIT_OK;

    for (int i = 0; i < INCEPTION_TAPS && rc == EXIT_OK; i++) {
        int64_t s[3];
        const float *x = inception_look(net, (enum inception_tap)i, s);

        rc = write_array(folder, taps[i], x, 4, (int64_t[]){INCEPTION_BATCH, s[1], s[2], s[0]});
    }
    return rc;
}

static int run(const char *weights, int threads, const char *images, const char *folder)
{
    struct npy_array a;
    struct inception *net = NULL;
    float *features = NULL, *logits = NULL;
    int rc = read_array(images, 'u', 4, &a);

    if (rc == EXIT_OK)
        rc = inception_open(weights, threads, &net);
    if (rc == EXIT_OK) {
        const int64_t *s = a.shape;
        const double start = progress_clock();

        features = malloc((size_t)(s[0] * INCEPTION_FEATURES) * sizeof *features);
        logits = malloc((size_t)(s[0] * INCEPTION_CLASSES) * sizeof *logits);
        rc = features == NULL || logits == NULL
                 ? report_no_memory()
                 : inception_run(net, a.values, s[0], s[3], s[1], s[2], features, logits);
        printf("%.4f seconds per image\n", (progress_clock() - start) / (double)s[0]);
        if (rc == EXIT_OK)
            rc = write_array(folder, "features", features, 2,
                             (int64_t[]){s[0], INCEPTION_FEATURES});
        if (rc == EXIT_OK)
            rc = write_array(folder, "logits", logits, 2, (int64_t[]){s[0], INCEPTION_CLASSES});
        if (rc == EXIT_OK)
            rc = write_taps(net, folder);
    }
    free(features);
    free(logits);
    inception_free(net);
    npy_free(&a);
    return rc;
}

static int look(const char *weights, const char *images, const char *out)
{
    struct npy_array a;
    struct features f;
    struct feature_set set = {0};
    struct progress quiet;
    jem_context *ctx = NULL;
    float *x = NULL;
    int rc = read_array(images, 'u', 4, &a);

    progress_start(&quiet, 1);
    if (rc == EXIT_OK && (x = malloc((size_t)(a.count + 1) * sizeof *x)) == NULL)
        rc = report_no_memory();
    for (int64_t i = 0; rc == EXIT_OK && i < a.count; i++)
        x[i] = (float)a.values[i] / 127.5f - 1.0f;
    if (rc == EXIT_OK)
        rc = report_jem(jem_context_create("cpu", &ctx));
    if (rc == EXIT_OK)
        rc = features_open(ctx, weights, NULL,
                           (int64_t[]){a.shape[1], a.shape[2], a.shape[3], 0}, &quiet, &f);
    if (rc == EXIT_OK) {
        rc = features_of_images(&f, "images", x, a.shape[0], &set);
        features_close(&f);
    }
    if (rc == EXIT_OK)
        rc = npy_write_f32(out, set.features, 2, (int64_t[]){set.n, INCEPTION_FEATURES});
    feature_set_free(&set);
    jem_context_free(ctx);
    free(x);
    npy_free(&a);
    return rc;
}

static int frechet(const char *first, const char *second)
{
    const char *const paths[2] = {first, second};
    struct npy_array a[2] = {{0}, {0}};
    struct frechet_gaussian g[2] = {{0}, {0}};
    double distance = 0;
    int rc = EXIT_OK;

    for (int i = 0; i < 2 && rc == EXIT_OK; i++) {
        float *x = NULL;

        rc = read_array(paths[i], 'f', 2, &a[i]);
        if (rc == EXIT_OK && (x = malloc((size_t)(a[i].count + 1) * sizeof *x)) == NULL)
            rc = report_no_memory();
        if (rc == EXIT_OK)
            rc = npy_get_f32(&a[i], paths[i], x);
        if (rc == EXIT_OK)
            rc = frechet_fit(x, a[i].shape[0], a[i].shape[1], paths[i], &g[i]);
        free(x);
        npy_free(&a[i]);
    }
    if (rc == EXIT_OK)
        rc = frechet_distance(&g[0], &g[1], &distance);
    if (rc == EXIT_OK)
        printf("%.17g\n", distance);
    frechet_free(&g[0]);
    frechet_free(&g[1]);
    return rc;
}

static int score(const char *path, int64_t splits, int64_t seed)
{
    struct npy_array a;
    float *x = NULL;
    double mean = 0, std = 0;
    int rc = read_array(path, 'f', 2, &a);

    if (rc == EXIT_OK && (x = malloc((size_t)(a.count + 1) * sizeof *x)) == NULL)
        rc = report_no_memory();
    if (rc == EXIT_OK)
        rc = npy_get_f32(&a, path, x);
    if (rc == EXIT_OK)
        rc = inception_score(x, a.shape[0], a.shape[1], splits, seed, &mean, &std);
    if (rc == EXIT_OK)
        printf("%.17g %.17g\n", mean, std);
    free(x);
    npy_free(&a);
    return rc;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    report_program("inception");
    json_start();
    if (argc == 4 && strcmp(what, "resize") == 0)
        return report_flush(resize(argv[2], argv[3]));
    if (argc == 6 && strcmp(what, "run") == 0)
        return report_flush(run(argv[2], (int)strtol(argv[3], NULL, 10), argv[4], argv[5]));
    if (argc == 5 && strcmp(what, "look") == 0)
        return report_flush(look(argv[2], argv[3], argv[4]));
    if (argc == 4 && strcmp(what, "frechet") == 0)
        return report_flush(frechet(argv[2], argv[3]));
    if (argc == 5 && strcmp(what, "score") == 0)
        return report_flush(
            score(argv[2], strtoll(argv[3], NULL, 10), strtoll(argv[4], NULL, 10)));
    return report_usage("see the head of tests/inception/inception.c");
}
