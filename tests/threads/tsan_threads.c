/* SPDX-License-Identifier: MIT */

/* What the headers promise about threads, under the thread sanitizer: threads that share one
 * context and one model, each with a head and a sampler of its own, get the bits that a thread
 * alone gets; so does a trainer with two threads beside them. A program of its own, because
 * Check's forks and TSan do not go together. */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <jem/jem.h>

#define THREADS 4
#define IMAGES  6
#define PIXELS  (8 * 8)
#define CLASSES 3
#define ROUNDS  3

/* What one thread works with and finds. */
struct worker {
    jem_context *context;
    jem_model *model;
    const jem_options *options;
    const float *images;
    float logits[IMAGES * CLASSES];
    float gradient[IMAGES * PIXELS];
    float samples[IMAGES * PIXELS];
    jem_status status;
    char error[512];
};

struct training {
    jem_context *context;
    jem_options *options;
    jem_dataset *data;
    double loss, norm;
    jem_status status;
    char error[512];
};

static const char *const SETTINGS[][2] = {
    {"model.arch", "small"},     {"model.filters", "4"},  {"model.channels", "1"},
    {"model.height", "8"},       {"model.width", "8"},    {"model.classes", "3"},
    {"sgld.steps", "3"},         {"pcd.capacity", "24"},  {"train.batch", "40"},
    {"train.warmup_steps", "0"}, {"train.crop_pad", "1"},
};

/* The error text belongs to the thread, so it is copied there. */
static void note(jem_status status, char error[512])
{
    if (status != JEM_OK)
        snprintf(error, 512, "%s: %s", jem_status_name(status), jem_last_error());
}

static jem_status score_and_sample(struct worker *w)
{
    jem_head *head = NULL;
    jem_sampler *sampler = NULL;
    jem_status status = jem_head_create(w->model, 4, &head);
    for (int round = 0; status == JEM_OK && round < ROUNDS; round++) {
        status = jem_head_logits(head, w->images, IMAGES, w->logits, IMAGES * CLASSES);
        if (status == JEM_OK)
            status = jem_head_grad_log_px(head, w->images, NULL, IMAGES, w->gradient,
                                          IMAGES * PIXELS);
    }
    if (status == JEM_OK)
        status = jem_sampler_create(head, w->options, &sampler);
    if (status == JEM_OK)
        status = jem_sampler_init(sampler, NULL, w->samples, IMAGES);
    if (status == JEM_OK)
        status = jem_sampler_run(sampler, w->samples, NULL, IMAGES, -1);
    jem_head_free(head); /* the sampler keeps it */
    jem_sampler_free(sampler);
    return status;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    w->status = score_and_sample(w);
    note(w->status, w->error);
    /* A failing call on this thread leaves the other threads' texts alone. */
    jem_head *none = NULL;
    if (jem_head_create(NULL, 1, &none) != JEM_E_ARGUMENT)
        w->status = JEM_E_INTERNAL;
    return NULL;
}

/* A training of a model of its own, on the same context. Its chains make three parts of a
 * batch, which two lanes share. */
static void *training_main(void *arg)
{
    struct training *t = arg;
    jem_model *model = NULL;
    jem_trainer *trainer = NULL;
    t->status = jem_model_create(t->context, t->options, &model);
    if (t->status == JEM_OK)
        t->status = jem_trainer_create(model, t->data, t->options, &trainer);
    if (t->status == JEM_OK)
        t->status = jem_trainer_step(trainer, 3);
    if (t->status == JEM_OK)
        t->status = jem_trainer_metric(trainer, "loss", &t->loss);
    if (t->status == JEM_OK)
        t->status = jem_trainer_metric(trainer, "grad_norm", &t->norm);
    note(t->status, t->error);
    jem_model_free(model);
    jem_trainer_free(trainer);
    return NULL;
}

static int same(const struct worker *a, const struct worker *b)
{
    return memcmp(a->logits, b->logits, sizeof a->logits) == 0 &&
           memcmp(a->gradient, b->gradient, sizeof a->gradient) == 0 &&
           memcmp(a->samples, b->samples, sizeof a->samples) == 0;
}

/* All threads at once; 1 when all of them did what `alone` did. */
static int run_together(struct worker *workers, const struct worker *alone,
                        const struct training *trained, struct training *t)
{
    pthread_t threads[THREADS + 1];
    int started = 0, good = 1;
    for (; started < THREADS; started++)
        if (pthread_create(&threads[started], NULL, worker_main, &workers[started]) != 0)
            break;
    if (started == THREADS && pthread_create(&threads[started], NULL, training_main, t) == 0)
        started++;
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);

    good = started == THREADS + 1 && t->status == JEM_OK && t->loss == trained->loss &&
           t->norm == trained->norm;
    if (!good)
        fprintf(stderr, "tsan_threads: %d threads started; training: loss %g, alone %g; %s\n",
                started, t->loss, trained->loss, t->error);
    for (int i = 0; i < started && i < THREADS; i++)
        if (workers[i].status != JEM_OK || !same(&workers[i], alone)) {
            fprintf(stderr, "tsan_threads: thread %d: %s\n", i,
                    workers[i].status != JEM_OK ? workers[i].error : "other bits than alone");
            good = 0;
        }
    return good;
}

int main(void)
{
    static float images[IMAGES * PIXELS];
    static struct worker workers[THREADS], alone;
    static int32_t labels[IMAGES];
    const int64_t shape[3] = {1, 8, 8};
    jem_context *context = NULL;
    jem_options *options = NULL;
    jem_model *model = NULL;
    jem_dataset *data = NULL;

    for (int i = 0; i < IMAGES * PIXELS; i++)
        images[i] = (float)(i % 13) / 6.5f - 1.0f;
    for (int i = 0; i < IMAGES; i++)
        labels[i] = i % CLASSES;

    jem_status status = jem_context_create("cpu", &context);
    if (status == JEM_OK)
        status = jem_context_set_threads(context, 2);
    if (status == JEM_OK)
        status = jem_options_create(context, &options);
    for (size_t i = 0; status == JEM_OK && i < sizeof SETTINGS / sizeof SETTINGS[0]; i++)
        status = jem_options_set_str(options, SETTINGS[i][0], SETTINGS[i][1]);
    if (status == JEM_OK)
        status = jem_model_create(context, options, &model);
    if (status == JEM_OK)
        status = jem_dataset_from_f32(context, images, labels, IMAGES, shape, CLASSES, &data);

    int good = 0;
    if (status == JEM_OK) {
        alone = (struct worker){
            .context = context, .model = model, .options = options, .images = images};
        for (int i = 0; i < THREADS; i++)
            workers[i] = alone;
        struct training training = {.context = context, .options = options, .data = data};
        struct training trained = training;
        worker_main(&alone);
        training_main(&trained);
        good = alone.status == JEM_OK && trained.status == JEM_OK &&
               run_together(workers, &alone, &trained, &training);
    }
    if (status != JEM_OK || alone.status != JEM_OK)
        fprintf(stderr, "tsan_threads: %s\n", status ? jem_last_error() : alone.error);

    jem_dataset_free(data);
    jem_model_free(model);
    jem_options_free(options);
    jem_context_free(context);
    printf("tsan_threads: %s\n", good ? "ok" : "failed");
    return !good;
}
