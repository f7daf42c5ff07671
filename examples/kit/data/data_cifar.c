/* SPDX-License-Identifier: MIT */

/* CIFAR-10 and CIFAR-100: the binary version, whose records libjem checks, and the Python version
 * that torchvision downloads, pickles of a dictionary with an array and labels. */

#include "kit/data/data_kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/formats/pickle.h"

#define PIXELS 3072

struct version {
    const char *kind;
    const char *folder; /* within the official archive */
    const char *labels; /* the key of a pickle's labels; NULL: the binary version */
    int classes;
    const char *train[DATA_FILES + 1], *test[2]; /* ended by NULL */
};

static const struct version versions[] = {
    {"cifar10",
     "cifar-10-batches-bin",
     NULL,
     10,
     {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
      "data_batch_5.bin", NULL},
     {"test_batch.bin", NULL}},
    {"cifar10",
     "cifar-10-batches-py",
     "labels",
     10,
     {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", NULL},
     {"test_batch", NULL}},
    {"cifar100", "cifar-100-binary", NULL, 100, {"train.bin", NULL}, {"test.bin", NULL}},
    {"cifar100", "cifar-100-python", "fine_labels", 100, {"train", NULL}, {"test", NULL}},
};
#define VERSIONS ((int)(sizeof versions / sizeof versions[0]))

/* As in the archive's fine_label_names.txt. */
const char *const data_cifar100_classes[] = {
    "apple",    "aquarium_fish", "baby",       "bear",         "beaver",
    "bed",      "bee",           "beetle",     "bicycle",      "bottle",
    "bowl",     "boy",           "bridge",     "bus",          "butterfly",
    "camel",    "can",           "castle",     "caterpillar",  "cattle",
    "chair",    "chimpanzee",    "clock",      "cloud",        "cockroach",
    "couch",    "crab",          "crocodile",  "cup",          "dinosaur",
    "dolphin",  "elephant",      "flatfish",   "forest",       "fox",
    "girl",     "hamster",       "house",      "kangaroo",     "keyboard",
    "lamp",     "lawn_mower",    "leopard",    "lion",         "lizard",
    "lobster",  "man",           "maple_tree", "motorcycle",   "mountain",
    "mouse",    "mushroom",      "oak_tree",   "orange",       "orchid",
    "otter",    "palm_tree",     "pear",       "pickup_truck", "pine_tree",
    "plain",    "plate",         "poppy",      "porcupine",    "possum",
    "rabbit",   "raccoon",       "ray",        "road",         "rocket",
    "rose",     "sea",           "seal",       "shark",        "shrew",
    "skunk",    "skyscraper",    "snail",      "snake",        "spider",
    "squirrel", "streetcar",     "sunflower",  "sweet_pepper", "table",
    "tank",     "telephone",     "television", "tiger",        "tractor",
    "train",    "trout",         "tulip",      "turtle",       "wardrobe",
    "whale",    "willow_tree",   "wolf",       "woman",        "worm",
    NULL};

static const char *const *names_of(const struct version *v, const char *split)
{
    return strcmp(split, "test") == 0 ? v->test : v->train;
}

/* Does where/inside or `where` itself hold this version? Then that is `folder`. */
static int holds(const struct version *v, const char *where, const char *split,
                 char folder[FILE_PATH_BYTES])
{
    char file[FILE_PATH_BYTES], packed[64];

    snprintf(packed, sizeof packed, "%s.gz", names_of(v, split)[0]);
    for (int inside = 1; inside >= 0; inside--) {
        const int length = inside ? snprintf(folder, FILE_PATH_BYTES, "%s/%s", where, v->folder)
                                  : snprintf(folder, FILE_PATH_BYTES, "%s", where);

        if (length < 0 || length >= FILE_PATH_BYTES - (int)sizeof packed)
            return 0; /* too long: data_find_file() says so */
        if (file_join(file, folder, names_of(v, split)[0]) == EXIT_OK && file_exists(file))
            return 1;
        if (file_join(file, folder, packed) == EXIT_OK && file_exists(file))
            return 1;
    }
    return 0;
}

/* Which version is there, and its files. The binary one goes first; if there is none, its first
 * file is the one that is missing. */
static int find(const struct data_kind *kind, const char *where, const char *split,
                const struct version **version, struct data_files *out)
{
    char folder[FILE_PATH_BYTES];
    const struct version *v = NULL;
    const char *const *names;
    int found = 0;

    for (int i = 0; i < VERSIONS && !found; i++) {
        if (strcmp(versions[i].kind, kind->name) != 0)
            continue;
        found = holds(&versions[i], where, split, folder);
        v = found || v == NULL ? &versions[i] : v;
    }
    if (v == NULL) /* the table of kinds and the one above disagree */
        return report_failed("%s: unknown to data_cifar.c", kind->name);
    *version = v;
    names = names_of(v, split);
    for (out->count = 0; names[out->count] != NULL; out->count++)
        TRY(data_find_file(kind, found ? folder : where, names[out->count],
                           out->path[out->count]));
    return EXIT_OK;
}

/* An array that was saved in Fortran order, image by image. Returns NULL without memory. */
static uint8_t *rows_first(const struct pickle_array *a)
{
    const int64_t n = a->shape[0];
    uint8_t *x = malloc((size_t)a->count);

    for (int64_t k = 0; k < PIXELS && x != NULL; k++)
        for (int64_t i = 0; i < n; i++)
            x[i * PIXELS + k] = a->values[k * n + i];
    return x;
}

/* What a batch must be: N x 3072 bytes and N labels. */
static int check_batch(const char *path, const char *key, const struct pickle_value *data,
                       const struct pickle_value *labels)
{
    const struct pickle_array *a;

    if (data == NULL || labels == NULL)
        return report_failed("%s: not a batch of CIFAR: a dictionary with 'data' and '%s' is "
                             "needed, '%s' is missing",
                             path, key, data == NULL ? "data" : key);
    if (data->kind != PICKLE_ARRAY)
        return report_failed("%s: 'data' is %s, not a NumPy array", path,
                             pickle_kind_name(data->kind));
    a = data->as.array;
    if (a->values == NULL || a->type != 'u' || a->item != 1 || a->dims != 2 ||
        a->shape[1] != PIXELS || a->count < 1)
        return report_failed("%s: 'data' is not an array of N x %d bytes", path, PIXELS);
    if (pickle_length(labels) < 0)
        return report_failed("%s: '%s' is %s, not a list", path, key,
                             pickle_kind_name(labels->kind));
    if (pickle_length(labels) != a->shape[0])
        return report_failed("%s: %" PRId64 " labels for %" PRId64 " images", path,
                             pickle_length(labels), a->shape[0]);
    return EXIT_OK;
}

static int take_labels(const char *path, const struct version *v,
                       const struct pickle_value *labels, int64_t n, int32_t *y)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t label = -1;

        if (!pickle_integer_at(labels, i, &label) || label < 0 || label >= v->classes)
            return report_failed("%s: label %" PRId64 " is not a whole number from 0 to %d",
                                 path, i, v->classes - 1);
        y[i] = (int32_t)label;
    }
    return EXIT_OK;
}

static int take_batch(jem_context *ctx, const char *path, const struct version *v,
                      const struct pickle_value *root, jem_dataset **out)
{
    static const int64_t shape[3] = {3, 32, 32};
    const struct pickle_value *data = pickle_get(root, "data");
    const struct pickle_value *labels = pickle_get(root, v->labels);
    const struct pickle_array *a;
    uint8_t *copy;
    int32_t *y;
    int rc;

    TRY(check_batch(path, v->labels, data, labels));
    a = data->as.array;
    y = malloc((size_t)a->shape[0] * sizeof *y);
    copy = a->fortran ? rows_first(a) : NULL;
    if (y == NULL || (a->fortran && copy == NULL))
        rc = report_no_memory();
    else
        rc = take_labels(path, v, labels, a->shape[0], y);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_from_u8(ctx, copy != NULL ? copy : a->values, y,
                                            a->shape[0], shape, v->classes, out));
    free(copy);
    free(y);
    return rc;
}

static int open_pickle(jem_context *ctx, const char *path, const struct version *v,
                       const uint8_t *bytes, size_t count, jem_dataset **out)
{
    struct pickle *p = NULL;
    int rc = pickle_read(path, bytes, count, &p);

    if (rc == EXIT_OK)
        rc = take_batch(ctx, path, v, pickle_root(p), out);
    pickle_free(p);
    return rc;
}

static int open_file(jem_context *ctx, const char *path, const struct version *v,
                     jem_dataset **out)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    int rc;

    TRY(file_read(path, &bytes, &count));
    if (v->labels == NULL)
        rc = report_jem(
            jem_dataset_from_bytes(ctx, v->kind, path, bytes, (int64_t)count, NULL, 0, out));
    else
        rc = open_pickle(ctx, path, v, bytes, count, out);
    free(bytes);
    return rc;
}

int data_cifar_files(const struct data_kind *kind, const char *where, const char *split,
                     struct data_files *out)
{
    const struct version *version;

    return find(kind, where, split, &version, out);
}

/* The data sets of all files, which are the caller's also on failure, become one. */
static int open_files(jem_context *ctx, const struct version *v, const struct data_files *files,
                      jem_dataset *each[DATA_FILES], jem_dataset **out)
{
    for (int i = 0; i < files->count; i++)
        TRY(open_file(ctx, files->path[i], v, &each[i]));
    if (files->count > 1)
        return report_jem(jem_dataset_concat(each, files->count, out));
    *out = each[0];
    each[0] = NULL;
    return EXIT_OK;
}

int data_open_cifar(jem_context *ctx, const struct data_kind *kind, const char *where,
                    const char *split, jem_dataset **out)
{
    const struct version *version = NULL;
    struct data_files files;
    jem_dataset *each[DATA_FILES] = {NULL};
    int rc;

    TRY(find(kind, where, split, &version, &files));
    rc = open_files(ctx, version, &files, each, out);
    for (int i = 0; i < DATA_FILES; i++)
        jem_dataset_free(each[i]);
    return rc;
}
