/* SPDX-License-Identifier: MIT */

/* Lesson 4: several threads share one model, as in a server. Give it a model and images as bytes,
 * one after the other:
 *
 *     zcat t10k-images-idx3-ubyte.gz | tail -c +17 | 04_threads best.safetensors
 *
 * A model that nobody changes may be read by any number of threads. What a computation writes to
 * belongs to a head, so each thread makes a head of its own. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#define THREADS 4
#define IMAGES  1000 /* at most */

/* What one thread does, and how it went. */
struct work {
    pthread_t thread;
    jem_model *model;
    const float *x;
    float *log_px;
    int64_t n;
    int failed;
};

static void *score(void *argument)
{
    struct work *w = argument;
    jem_head *head = NULL;

    w->failed = jem_head_create(w->model, 16, &head) ||
                jem_head_log_px(head, w->x, NULL, w->n, w->log_px, w->n);
    if (w->failed) /* the text belongs to the thread on which the call failed */
        fprintf(stderr, "04_threads: %s\n", jem_last_error());
    jem_head_free(head);
    return NULL;
}

/* Thread t gets the images from t n / THREADS to (t + 1) n / THREADS. */
static int score_in_threads(jem_model *model, const float *x, int64_t n, int64_t size,
                            float *log_px)
{
    struct work work[THREADS];
    int started = 0, failed = 0;

    for (int64_t t = 0; t < THREADS && !failed; t++) {
        const int64_t first = t * n / THREADS, end = (t + 1) * n / THREADS;

        work[t] = (struct work){
            .model = model, .x = x + first * size, .log_px = log_px + first, .n = end - first};
        failed = pthread_create(&work[t].thread, NULL, score, &work[t]) != 0;
        if (failed)
            fprintf(stderr, "04_threads: the system gives no more threads\n");
        else
            started++;
    }
    for (int t = 0; t < started; t++) {
        pthread_join(work[t].thread, NULL);
        failed = failed || work[t].failed;
    }
    return failed;
}

static int compare(jem_model *model, int64_t size)
{
    unsigned char *bytes = malloc((size_t)(IMAGES * size));
    float *x = malloc((size_t)(IMAGES * size) * sizeof *x);
    float together[IMAGES], alone[IMAGES];
    int64_t n = 0;
    int failed = bytes == NULL || x == NULL;

    if (failed)
        fprintf(stderr, "04_threads: memory ran out\n");
    else
        n = (int64_t)fread(bytes, (size_t)size, IMAGES, stdin);
    if (!failed && n == 0) {
        fprintf(stderr, "04_threads: standard input ends before the %d bytes of an image\n",
                (int)size);
        failed = 1;
    }
    for (int64_t i = 0; i < n * size; i++)
        x[i] = (float)bytes[i] / 127.5f - 1.0f;

    struct work all = {.model = model, .x = x, .log_px = alone, .n = n};
    if (!failed) {
        score(&all);
        failed = all.failed || score_in_threads(model, x, n, size, together);
    }
    if (!failed) {
        failed = memcmp(together, alone, (size_t)n * sizeof *alone) != 0;
        printf("%d images: %d threads give %s scores as one\n", (int)n, THREADS,
               failed ? "other" : "the same");
    }
    free(x);
    free(bytes);
    return failed;
}

int main(int argc, char **argv)
{
    jem_context *ctx = NULL;
    jem_model *model = NULL;
    int64_t shape[4] = {0, 0, 0, 0};

    if (argc != 2) {
        fprintf(stderr, "usage: 04_threads MODEL <IMAGES\n");
        return 2;
    }
    /* One call could use all processors; here the calls themselves run side by side. */
    int failed = jem_context_create(NULL, &ctx) || jem_context_set_threads(ctx, 1) ||
                 jem_model_load(ctx, argv[1], &model) || jem_model_shape(model, shape);
    if (failed)
        fprintf(stderr, "04_threads: %s\n", jem_last_error());
    else
        failed = compare(model, shape[0] * shape[1] * shape[2]);
    jem_model_free(model);
    jem_context_free(ctx);
    return failed ? 1 : 0;
}
