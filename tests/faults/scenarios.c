/* SPDX-License-Identifier: MIT */
/* Each allocation, I/O call and new thread of lives with libjem fails once, in one process.
 *
 *     LD_PRELOAD=inject.so scenarios FOLDER STRIDE [NAME [KIND N]]
 *
 * STRIDE 1 takes every event, 7 every 7th. With KIND and N: that one fault, for a debugger.
 *
 * A life calls through step(). Where the call fails by the fault, its status must be JEM_E_NOMEM or
 * JEM_E_IO; then the same call is made once more and must succeed, so that all that it was given is
 * still of use. At its end a life has computed a digest of all that it saw: numbers, texts, bytes of
 * files. With a fault it must be the one without. When all events from one on fail, the life ends at
 * the first failure. No block, file descriptor or temporary file may be left. */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jem/jem.h>

#include "inject.h"

#define PATH_BYTES 512
#define IMAGES     12
#define MANY       60 /* of a class as many as an image has values, so that its covariance is whole */
#define SIZE       16

static const char *folder;

struct life {
    const char *backend;
    enum inject_kind kind;
    int all;    /* no second try */
    long wrong; /* things that must not be */
    long at;    /* for messages */
    int reader; /* of the named pipe */
    const char *name;
    uint64_t digest;
};

static void wrong(struct life *l, const char *what, const char *detail)
{
    static const char *const kinds[] = {"alloc", "io", "thread", "kill", "short"};

    l->wrong++;
    printf("WRONG %s %s %s %ld%s: %s: %s\n", l->name, l->backend, kinds[l->kind], l->at,
           l->all ? "+" : "", what, detail);
}

static void digest(struct life *l, const void *bytes, size_t count)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < count; i++)
        l->digest = (l->digest ^ b[i]) * UINT64_C(1099511628211);
}

/* What a failed call must say. A folder that cannot be read, say, is no reason to fail at all. */
static int judge(struct life *l, jem_status status, const char *call)
{
    char text[700];

    if (inject_failed() == 0 || l->kind == INJECT_THREAD || l->kind == INJECT_SHORT ||
        status != (l->kind == INJECT_ALLOC ? JEM_E_NOMEM : JEM_E_IO)) {
        snprintf(text, sizeof text, "%s: %s", jem_status_name(status), jem_last_error());
        wrong(l, call, text);
        return 0;
    }
    if (jem_last_error()[0] == '\0')
        wrong(l, call, "no error text");
    return !l->all;
}

/* Call; after an injected failure once more. `goto end` when it stays a failure. */
#define step(call)                                                                             \
    do {                                                                                       \
        jem_status status_ = (call);                                                           \
        if (status_ != JEM_OK && judge(l, status_, #call)) {                                   \
            status_ = (call);                                                                  \
            if (status_ != JEM_OK)                                                             \
                wrong(l, "second try of " #call, jem_last_error());                            \
        }                                                                                      \
        if (status_ != JEM_OK)                                                                 \
            goto end;                                                                          \
    } while (0)

static void in_folder(char out[PATH_BYTES], const char *name)
{
    snprintf(out, PATH_BYTES, "%s/%s", folder, name);
}

static void digest_file(struct life *l, const char *path)
{
    char bytes[4096];
    size_t got;

    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        digest(l, "none", 4);
        return;
    }
    while ((got = fread(bytes, 1, sizeof bytes, f)) > 0)
        digest(l, bytes, got);
    fclose(f);
}

static void digest_model(struct life *l, const jem_model *model)
{
    const char *name, *key, *value;
    int64_t shape[4];
    static float values[4096];

    for (int64_t i = 0; jem_model_param_info(model, i, &name, shape) == JEM_OK; i++) {
        const int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
        if (jem_model_param_get(model, name, values, count) == JEM_OK)
            digest(l, values, (size_t)count * sizeof values[0]);
        digest(l, name, strlen(name));
    }
    for (int64_t i = 0; jem_model_meta_at(model, i, &key, &value) == JEM_OK; i++) {
        digest(l, key, strlen(key));
        digest(l, value, strlen(value));
    }
    for (int64_t i = 0; jem_options_info(i, &name, &key, NULL, NULL, NULL) == JEM_OK; i++) {
        char text[512];
        if (jem_model_option(model, name, text, sizeof text) == JEM_OK)
            digest(l, text, strlen(text));
    }
}

static jem_status set_all(jem_options *opts, const char *const settings[][2])
{
    for (int i = 0; settings[i][0] != NULL; i++) {
        const jem_status status = jem_options_set_str(opts, settings[i][0], settings[i][1]);
        if (status != JEM_OK)
            return status;
    }
    return JEM_OK;
}

static const char *const mlp[][2] = {
    {"model.arch", "mlp"},      {"model.channels", "1"}, {"model.height", "4"},
    {"model.width", "4"},       {"model.classes", "3"},  {"model.layers", "2"},
    {"model.hidden", "5"},      {"train.batch", "4"},    {"sgld.steps", "2"},
    {"pcd.capacity", "8"},      {"train.ema", "0.9"},    {"train.decay_epochs", "90,100,110"},
    {"train.grad_clip", "0.5"}, {"train.crop_pad", "1"}, {NULL, NULL}};

static float pixel(int64_t i)
{
    return (float)((i * 37) % 101) / 50.5f - 1.0f;
}

static void images(float *x, int32_t *y, int64_t n)
{
    for (int64_t i = 0; i < n * SIZE; i++)
        x[i] = pixel(i);
    for (int64_t i = 0; i < n; i++)
        y[i] = (int32_t)(i % 3);
}

/* ---- what lies in the folder ---- */

#define PIPE "pipe"
#define LEFT "model.safetensors.tmp-0123456789abcdef" /* of a program that was killed */

/* A named pipe that has a reader, and holds more than a small model. */
static int open_pipe(const char *path)
{
    (void)unlink(path);
    return mkfifo(path, 0600) == 0 ? open(path, O_RDWR | O_NONBLOCK) : -1;
}

static int spill_empty(const char *path)
{
    FILE *f = fopen(path, "wb");

    return f != NULL && fclose(f) == 0;
}

/* A failed write may come after others, so only the end is the same in all lives. */
static void digest_pipe(struct life *l, int reader)
{
    static char bytes[1 << 16], last[2048];
    ssize_t got;
    long all = 0;

    while ((got = read(reader, bytes, sizeof bytes)) > 0) {
        all += (long)got;
        for (ssize_t i = 0; i < got; i++)
            last[(all - (long)got + i) % (long)sizeof last] = bytes[i];
    }
    (void)close(reader);
    for (long i = 0; i < (long)sizeof last && all >= (long)sizeof last; i++)
        digest(l, &last[(all + i) % (long)sizeof last], 1);
}

/* ---- lives ---- */

static void life_model(struct life *l)
{
    jem_context *ctx = NULL;
    jem_options *opts = NULL;
    jem_model *model = NULL, *loaded = NULL;
    char path[PATH_BYTES], pipe[PATH_BYTES], descriptor[64];

    snprintf(descriptor, sizeof descriptor, "/dev/fd/%d", l->reader);
    in_folder(path, "model.safetensors");
    in_folder(pipe, PIPE);
    step(jem_context_create(l->backend, &ctx));
    step(jem_context_set_threads(ctx, 2));
    step(jem_options_create(ctx, &opts));
    step(set_all(opts, mlp));
    step(jem_model_create(ctx, opts, &model));
    step(jem_model_meta_set(model, "class.0", "t-shirt/top"));
    step(jem_model_meta_set(model, "class.1", "\xC3\xA9\"\\\n"));
    step(jem_model_meta_set(model, "class.0", "trouser"));
    step(jem_model_save(model, path));
    digest_model(l, model);
    step(jem_model_load(ctx, path, &loaded));
    digest_model(l, loaded);
    step(jem_model_save(loaded, path));
    step(jem_model_save(loaded, descriptor));
    step(jem_model_save(loaded, pipe));
end:
    jem_model_free(loaded);
    jem_model_free(model);
    jem_options_free(opts);
    jem_context_free(ctx);
    inject_disarm();
    digest_file(l, path);
}

static void life_data(struct life *l)
{
    jem_context *ctx = NULL;
    jem_dataset *idx = NULL, *cifar = NULL, *both = NULL, *some = NULL, *a = NULL, *b = NULL;
    char path[PATH_BYTES], labels[PATH_BYTES], packed[PATH_BYTES];
    static float x[3 * 1024 * 4];
    int32_t y[2 * IMAGES];
    const int64_t chosen[] = {3, 1, 2};
    int64_t print = 0;

    in_folder(path, "images.idx");
    in_folder(labels, "labels.idx");
    in_folder(packed, "cifar.bin");
    step(jem_context_create(l->backend, &ctx));
    step(jem_dataset_open(ctx, "idx", path, labels, &idx));
    step(jem_dataset_open(ctx, "cifar10", packed, NULL, &cifar));
    step(jem_dataset_concat((jem_dataset *const[]){idx, idx}, 2, &both));
    step(jem_dataset_subset(both, chosen, 3, &some));
    step(jem_dataset_split(both, 5, 7, &a, &b));
    step(jem_dataset_read(both, 0, 2 * IMAGES, x, y));
    digest(l, x, 2 * IMAGES * SIZE * sizeof x[0]);
    digest(l, y, sizeof y);
    step(jem_dataset_read(cifar, 0, 2, x, y));
    digest(l, x, 2 * 3072 * sizeof x[0]);
    step(jem_dataset_read(some, 0, 3, x, y));
    digest(l, x, 3 * SIZE * sizeof x[0]);
    step(jem_dataset_read(b, 0, 5, x, y));
    digest(l, x, 5 * SIZE * sizeof x[0]);
    step(jem_dataset_fingerprint(a, &print));
    digest(l, &print, sizeof print);
end:
    jem_dataset_free(b);
    jem_dataset_free(a);
    jem_dataset_free(some);
    jem_dataset_free(both);
    jem_dataset_free(cifar);
    jem_dataset_free(idx);
    jem_context_free(ctx);
}

static void life_chains(struct life *l)
{
    jem_context *ctx = NULL;
    jem_options *opts = NULL;
    jem_model *model = NULL;
    jem_head *head = NULL;
    jem_sampler *s = NULL;
    jem_buffer *buffer = NULL;
    jem_dataset *data = NULL;
    float x[IMAGES * SIZE], out[IMAGES * SIZE], trace[3 * 4 * SIZE], many[MANY * SIZE];
    int32_t y[IMAGES], labels[MANY];
    int64_t slots[4];
    double number = 0;
    const int64_t shape[3] = {1, 4, 4};

    images(x, y, IMAGES);
    images(many, labels, MANY);
    step(jem_context_create(l->backend, &ctx));
    step(jem_context_set_threads(ctx, 2));
    step(jem_options_create(ctx, &opts));
    step(set_all(opts, mlp));
    step(jem_options_set_str(opts, "start.kind", "gaussian"));
    step(jem_model_create(ctx, opts, &model));
    step(jem_dataset_from_f32(ctx, many, labels, MANY, shape, 3, &data));
    step(jem_head_create(model, 4, &head));
    step(jem_head_warm_up(head));
    step(jem_head_logits(head, x, IMAGES, out, IMAGES * 3));
    digest(l, out, IMAGES * 3 * sizeof out[0]);
    step(jem_head_log_px(head, x, NULL, IMAGES, out, IMAGES));
    digest(l, out, IMAGES * sizeof out[0]);
    step(jem_head_grad_log_px(head, x, NULL, IMAGES, out, IMAGES * SIZE));
    digest(l, out, sizeof out);
    step(jem_head_mass(head, x, IMAGES, out, IMAGES));
    digest(l, out, IMAGES * sizeof out[0]);
    step(jem_sampler_create(head, opts, &s));
    step(jem_sampler_fit_start(s, data));
    step(jem_sampler_seed(s, 5, 1));
    step(jem_sampler_init(s, NULL, x, 4));
    step(jem_sampler_run(s, x, NULL, 4, 2));
    step(jem_sampler_seed(s, 5, 3));
    step(jem_sampler_run(s, x, NULL, IMAGES, 1));
    digest(l, x, 4 * SIZE * sizeof x[0]);
    step(jem_sampler_seed(s, 5, 2));
    step(jem_sampler_trace(s, x, NULL, 4, 2, trace, 3 * 4 * SIZE));
    memset(out, 0, sizeof out);
    out[0] = 1.0f;
    step(jem_sampler_backward(s, trace, 3 * 4 * SIZE, NULL, 4, 2, out));
    digest(l, out, sizeof out);
    step(jem_buffer_create(s, opts, &buffer));
    step(jem_buffer_draw(buffer, NULL, 4, x, slots));
    step(jem_buffer_store(buffer, slots, 4, x));
    step(jem_buffer_read(buffer, 0, 4, x));
    digest(l, x, 4 * SIZE * sizeof x[0]);
    step(jem_metric_auroc(ctx, x, 8, x + 8, 8, &number));
    digest(l, &number, sizeof number);
    step(jem_metric_aupr(ctx, x, 8, x + 8, 8, &number));
    digest(l, &number, sizeof number);
    step(jem_metric_fpr(ctx, x, 8, x + 8, 8, 0.9, &number));
    digest(l, &number, sizeof number);
end:
    jem_buffer_free(buffer);
    jem_sampler_free(s);
    jem_head_free(head);
    jem_dataset_free(data);
    jem_model_free(model);
    jem_options_free(opts);
    jem_context_free(ctx);
}

static void life_training(struct life *l)
{
    jem_context *ctx = NULL;
    jem_options *opts = NULL;
    jem_model *model = NULL, *average = NULL;
    jem_dataset *data = NULL;
    jem_trainer *t = NULL, *again = NULL;
    float x[IMAGES * SIZE];
    int32_t y[IMAGES];
    char path[PATH_BYTES];
    const int64_t shape[3] = {1, 4, 4};

    in_folder(path, "training.safetensors");
    images(x, y, IMAGES);
    y[IMAGES - 1] = -1; /* no label */
    step(jem_context_create(l->backend, &ctx));
    step(jem_context_set_threads(ctx, 2));
    step(jem_options_create(ctx, &opts));
    step(set_all(opts, mlp));
    step(jem_options_set_str(opts, "start.kind", "gaussian"));
    step(jem_model_create(ctx, opts, &model));
    step(jem_dataset_from_f32(ctx, x, y, IMAGES, shape, 3, &data));
    step(jem_trainer_create(model, data, opts, &t));
    step(jem_trainer_step(t, 1));
    step(jem_trainer_step(t, 1));
    step(jem_trainer_save(t, path));
    step(jem_trainer_load(ctx, data, path, &again));
    step(jem_trainer_step(again, 1));
    step(jem_trainer_step_on(again, x, 4, x, y, 4, x, NULL, 4));
    step(jem_trainer_average_model(again, &average));
    digest_model(l, average);
    step(jem_trainer_save(again, path));
end:
    jem_model_free(average);
    jem_trainer_free(again);
    jem_trainer_free(t);
    jem_dataset_free(data);
    jem_model_free(model);
    jem_options_free(opts);
    jem_context_free(ctx);
    inject_disarm();
    digest_file(l, path);
}

/* ---- faults ---- */

static const struct {
    const char *name;
    void (*live)(struct life *l);
} lives[] = {{"model", life_model},
             {"data", life_data},
             {"chains", life_chains},
             {"training", life_training}};
#define LIVES (sizeof lives / sizeof lives[0])

/* Open descriptors, and temporary files in the folder. */
static long count_entries(const char *path, const char *part)
{
    DIR *list = opendir(path);
    long n = 0;

    if (list == NULL)
        return -1;
    for (const struct dirent *e; (e = readdir(list)) != NULL;)
        n += strstr(e->d_name, part) != NULL;
    closedir(list);
    return n;
}

struct totals {
    long faults[INJECT_KINDS], wrong;
};

static void live_once(struct life *l, size_t which)
{
    char pipe[PATH_BYTES], left[PATH_BYTES];

    l->digest = UINT64_C(14695981039346656037);
    l->name = lives[which].name;
    in_folder(pipe, PIPE);
    in_folder(left, LEFT);
    const int reader = open_pipe(pipe);
    l->reader = reader;
    if (!spill_empty(left) || reader < 0)
        wrong(l, "preparation", "no pipe or no file");
    inject_arm(l->kind, l->at, l->all);
    lives[which].live(l);
    inject_disarm();
    if (reader >= 0)
        digest_pipe(l, reader);
    (void)unlink(left);
}

#define REPEATS 3

/* The C library keeps some blocks of ended threads, how many depends on chance. A leak is what grows
 * each time. */
static void check_blocks(struct life *l, size_t which, long live)
{
    char text[64];
    const long before = inject_live();

    if (before == live)
        return;
    for (int i = 0; i < REPEATS; i++)
        live_once(l, which);
    if (inject_live() - before < REPEATS)
        return;
    snprintf(text, sizeof text, "%ld blocks in %d times", inject_live() - before, REPEATS);
    wrong(l, "leak", text);
}

static void one(struct life *l, size_t which, long live, long descriptors, uint64_t expected)
{
    live_once(l, which);
    if (expected != 0 && !l->all && l->digest != expected)
        wrong(l, "result", "not that of the undisturbed run");
    if (live >= 0)
        check_blocks(l, which, live);
    if (descriptors >= 0 && count_entries("/proc/self/fd", "") != descriptors)
        wrong(l, "leak", "file descriptors");
    if (count_entries(folder, ".tmp-") != 0)
        wrong(l, "leak", "a temporary file");
}

static void all_faults(size_t which, const char *backend, long stride, struct totals *sum)
{
    struct life l = {.backend = backend, .kind = INJECT_ALLOC};
    static const enum inject_kind kinds[] = {INJECT_ALLOC, INJECT_IO, INJECT_THREAD,
                                             INJECT_SHORT};

    one(&l, which, -1, -1, 0);
    const long live = inject_live(), descriptors = count_entries("/proc/self/fd", "");
    const uint64_t expected = l.digest;
    one(&l, which, live, descriptors, expected);
    long counts[INJECT_KINDS];
    for (int i = 0; i < INJECT_KINDS; i++)
        counts[i] = inject_count((enum inject_kind)i);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        l.kind = kinds[k];
        for (l.all = 0; l.all < 2; l.all++) {
            for (l.at = 1; l.at <= counts[l.kind]; l.at += stride) {
                one(&l, which, live, descriptors, expected);
                sum->faults[l.kind]++;
            }
        }
    }
    sum->wrong += l.wrong;
}

/* ---- files to read ---- */

static int spill(const char *name, const unsigned char *head, size_t head_bytes, size_t bytes)
{
    char path[PATH_BYTES];

    in_folder(path, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        return 0;
    int sound = fwrite(head, 1, head_bytes, f) == head_bytes;
    for (size_t i = 0; i < bytes; i++)
        sound = sound && fputc((int)(i % 3), f) != EOF;
    return (fclose(f) == 0) && sound;
}

static int make_files(void)
{
    static const unsigned char of_images[] = {0, 0, 8, 3, 0, 0, 0, IMAGES,
                                              0, 0, 0, 4, 0, 0, 0, 4},
                               of_labels[] = {0, 0, 8, 1, 0, 0, 0, IMAGES};

    return spill("images.idx", of_images, sizeof of_images, IMAGES * SIZE) &&
           spill("labels.idx", of_labels, sizeof of_labels, IMAGES) &&
           spill("cifar.bin", of_labels, 0, 3 * 3073);
}

static int one_fault(char **argv)
{
    for (size_t i = 0; i < LIVES; i++) {
        if (strcmp(lives[i].name, argv[0]) != 0)
            continue;
        static const char *const kinds[] = {"alloc", "io", "thread", "kill", "short"};
        struct life l = {.backend = argv[1], .at = strtol(argv[3], NULL, 10)};
        for (int k = 0; k < INJECT_KINDS; k++)
            if (strcmp(kinds[k], argv[2]) == 0)
                l.kind = (enum inject_kind)k;
        l.all = strchr(argv[3], '+') != NULL;
        one(&l, i, -1, -1, 0);
        return l.wrong != 0;
    }
    return 2;
}

int main(int argc, char **argv)
{
    static const char *const backends[] = {"cpu", "reference"};
    struct totals sum = {.wrong = 0};

    if (argc < 3 || inject_arm == NULL) {
        fprintf(stderr, "usage: LD_PRELOAD=inject.so scenarios FOLDER STRIDE "
                        "[LIFE BACKEND KIND N]\n");
        return 2;
    }
    folder = argv[1];
    if (!make_files())
        return 2;
    if (argc == 7)
        return one_fault(argv + 3);
    for (size_t b = 0; b < 2; b++)
        for (size_t i = 0; i < LIVES; i++)
            all_faults(i, backends[b], strtol(argv[2], NULL, 10), &sum);
    printf("faults alloc %ld io %ld thread %ld short %ld wrong %ld\n", sum.faults[INJECT_ALLOC],
           sum.faults[INJECT_IO], sum.faults[INJECT_THREAD], sum.faults[INJECT_SHORT],
           sum.wrong);
    return sum.wrong != 0;
}
