/* SPDX-License-Identifier: MIT */

/* Logits once, everything else from them: p(y|x) is their softmax and log p(x) their
 * logsumexp, so asking the head for each would only repeat the forward pass. */

#include "kit/lab/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/stats/logits.h"

static int allocate(int64_t n, int64_t classes, struct evaluation *out)
{
    const size_t rows = (size_t)n + 1;
    const size_t values = rows * (size_t)classes;

    memset(out, 0, sizeof *out);
    out->n = n;
    out->classes = classes;
    out->logits = malloc(values * sizeof out->logits[0]);
    out->prob_y = malloc(values * sizeof out->prob_y[0]);
    out->log_px = malloc(rows * sizeof out->log_px[0]);
    out->pred = malloc(rows * sizeof out->pred[0]);
    out->labels = malloc(rows * sizeof out->labels[0]);
    if (out->logits == NULL || out->prob_y == NULL || out->log_px == NULL ||
        out->pred == NULL || out->labels == NULL) {
        evaluate_free(out);
        return report_no_memory();
    }
    for (int64_t i = 0; i < n; i++)
        out->labels[i] = -1;
    return EXIT_OK;
}

void evaluate_free(struct evaluation *e)
{
    free(e->logits);
    free(e->prob_y);
    free(e->log_px);
    free(e->pred);
    free(e->labels);
    memset(e, 0, sizeof *e);
}

static void read_densities(struct evaluation *e, int64_t i)
{
    const float *f = e->logits + i * e->classes;

    logits_softmax(f, e->classes, e->prob_y + i * e->classes);
    e->log_px[i] = (float)logits_logsumexp(f, e->classes, 1);
    e->pred[i] = (int32_t)logits_argmax(f, e->classes);
}

/* Accuracy, NLL and calibration of the rows that have labels, moved together in copies. */
static int measure_labels(struct evaluation *e)
{
    const size_t width = (size_t)e->classes * sizeof(float);
    float *logits = malloc(((size_t)e->n + 1) * width); /* + 1: never malloc(0) */
    float *prob = malloc(((size_t)e->n + 1) * width);
    int32_t *y = malloc(((size_t)e->n + 1) * sizeof *y);
    int64_t m = 0;
    int rc = EXIT_OK;

    e->accuracy = e->nll = e->ece = (double)NAN;
    for (int64_t i = 0; i < e->n && logits != NULL && prob != NULL && y != NULL; i++) {
        if (e->labels[i] < 0)
            continue;
        memcpy(logits + m * e->classes, e->logits + i * e->classes, width);
        memcpy(prob + m * e->classes, e->prob_y + i * e->classes, width);
        y[m++] = e->labels[i];
    }
    if (logits == NULL || prob == NULL || y == NULL)
        rc = report_no_memory();
    e->labelled = m;
    if (rc == EXIT_OK && m > 0) {
        rc = report_jem(jem_metric_accuracy(logits, y, m, e->classes, &e->accuracy));
        if (rc == EXIT_OK)
            rc = report_jem(jem_metric_nll(logits, y, m, e->classes, &e->nll));
        if (rc == EXIT_OK)
            rc = report_jem(jem_metric_ece(prob, y, m, e->classes, EVALUATE_BINS, &e->ece));
    }
    free(logits);
    free(prob);
    free(y);
    return rc;
}

static int finish(struct evaluation *e)
{
    for (int64_t i = 0; i < e->n; i++)
        read_densities(e, i);
    if (e->n > 0) {
        const int rc =
            report_jem(jem_metric_mean(e->log_px, e->n, &e->mean_log_px, &e->std_log_px));

        if (rc != EXIT_OK)
            return rc;
    }
    return measure_labels(e);
}

int evaluate_with_labels(struct evaluation *e, const int32_t *labels)
{
    memcpy(e->labels, labels, (size_t)e->n * sizeof labels[0]);
    return measure_labels(e);
}

/* Does the data set fit the model? Checked here so that the message shows both. */
static int check_shapes(const int64_t m[4], const jem_dataset *data)
{
    int64_t d[4];

    if (jem_dataset_shape(data, d) != JEM_OK)
        return report_jem(JEM_E_ARGUMENT);
    if (memcmp(m, d, sizeof d) == 0)
        return EXIT_OK;
    return report_failed(
        "the model reads %d x %d x %d images (channels x height x width) of %d "
        "classes, the data are %d x %d x %d with %d classes",
        (int)m[0], (int)m[1], (int)m[2], (int)m[3], (int)d[0], (int)d[1], (int)d[2], (int)d[3]);
}

int evaluate_data(jem_model *model, const jem_dataset *data, int64_t first, int64_t n,
                  int64_t batch, struct evaluation *out)
{
    int64_t shape[4];
    float *x = NULL;
    jem_head *head = NULL;
    int rc;

    memset(out, 0, sizeof *out);
    rc = report_jem(jem_model_shape(model, shape));
    if (rc == EXIT_OK)
        rc = check_shapes(shape, data);
    if (rc == EXIT_OK)
        rc = allocate(n, shape[3], out);
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_create(model, batch, &head));
    if (rc == EXIT_OK) {
        x = malloc((size_t)(batch * shape[0] * shape[1] * shape[2]) * sizeof *x);
        rc = x == NULL ? report_no_memory() : EXIT_OK;
    }
    for (int64_t i = 0; i < n && rc == EXIT_OK; i += batch) {
        const int64_t m = n - i < batch ? n - i : batch;

        rc = report_jem(jem_dataset_read(data, first + i, m, x, out->labels + i));
        if (rc == EXIT_OK)
            rc = report_jem(
                jem_head_logits(head, x, m, out->logits + i * shape[3], m * shape[3]));
    }
    if (rc == EXIT_OK)
        rc = finish(out);
    free(x);
    jem_head_free(head);
    if (rc != EXIT_OK)
        evaluate_free(out);
    return rc;
}

int evaluate_images(jem_model *model, const float *x, int64_t n, int64_t batch, float *features,
                    struct evaluation *out)
{
    int64_t shape[4];
    jem_head *head = NULL;
    int rc;

    memset(out, 0, sizeof *out);
    rc = report_jem(jem_model_shape(model, shape));
    if (rc == EXIT_OK)
        rc = allocate(n, shape[3], out);
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_create(model, batch, &head));
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_infer(head, x, n, out->logits, NULL, NULL, features));
    if (rc == EXIT_OK)
        rc = finish(out);
    jem_head_free(head);
    if (rc != EXIT_OK)
        evaluate_free(out);
    return rc;
}
