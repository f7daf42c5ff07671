/* SPDX-License-Identifier: MIT */

/* Finds the files of known data sets, unpacks them and hands the bytes to libjem, which
 * checks them. */

#include "data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "report.h"

#define DEBIAN_FASHION_MNIST "/usr/share/datasets/fashion-mnist"

struct kind {
    const char *name;
    const char *folder; /* where to look when none is given; NULL: a folder must be given */
    const char *inside; /* the folder's name within the official archive; or NULL */
    const char *advice; /* where the files come from */
    const char *const *classes; /* ten names; or NULL */
    int (*open)(jem_context *ctx, const struct kind *kind, const char *where, const char *split,
                jem_dataset **out);
};

static int open_mnist(jem_context *ctx, const struct kind *kind, const char *where,
                      const char *split, jem_dataset **out);
static int open_idx(jem_context *ctx, const struct kind *kind, const char *where,
                    const char *split, jem_dataset **out);
static int open_cifar(jem_context *ctx, const struct kind *kind, const char *where,
                      const char *split, jem_dataset **out);

static const char *const garments[] = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                       "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                       "Bag",         "Ankle boot"};
static const char *const things[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                     "dog",      "frog",       "horse", "ship", "truck"};

static const struct kind kinds[] = {
    {"fashion-mnist", DEBIAN_FASHION_MNIST, NULL,
     "install Debian's package (apt install dataset-fashion-mnist), or put the four "
     "*-ubyte.gz files of github.com/zalandoresearch/fashion-mnist into a folder and say "
     "--data fashion-mnist:FOLDER",
     garments, open_mnist},
    {"mnist", NULL, NULL,
     "download the four *-ubyte.gz files of MNIST (yann.lecun.com/exdb/mnist or a mirror) "
     "into a folder and say --data mnist:FOLDER",
     NULL, open_mnist},
    {"idx", NULL, NULL, "say --data idx:IMAGES,LABELS with two IDX files", NULL, open_idx},
    {"cifar10", NULL, "cifar-10-batches-bin",
     "download cifar-10-binary.tar.gz from www.cs.toronto.edu/~kriz/cifar.html, unpack it and "
     "say --data cifar10:FOLDER",
     things, open_cifar},
    {"cifar100", NULL, "cifar-100-binary",
     "download cifar-100-binary.tar.gz from www.cs.toronto.edu/~kriz/cifar.html, unpack it and "
     "say --data cifar100:FOLDER",
     NULL, open_cifar},
};
#define KINDS ((int)(sizeof kinds / sizeof kinds[0]))

static const struct kind *find_kind(const char *spec)
{
    const size_t length = strcspn(spec, ":");

    for (int i = 0; i < KINDS; i++)
        if (strlen(kinds[i].name) == length && strncmp(kinds[i].name, spec, length) == 0)
            return &kinds[i];
    return NULL;
}

/* folder/name or folder/name.gz, whichever exists. */
static int find_file(const struct kind *kind, const char *folder, const char *name,
                     char out[FILE_PATH_BYTES])
{
    char packed[64];
    int rc = file_join(out, folder, name);

    if (rc != EXIT_OK || file_exists(out))
        return rc;
    snprintf(packed, sizeof packed, "%s.gz", name);
    rc = file_join(out, folder, packed);
    if (rc != EXIT_OK || file_exists(out))
        return rc;
    return report_failed("--data %s: %s/%s (or %s.gz) does not exist; %s", kind->name, folder,
                         name, name, kind->advice);
}

static int open_pair(jem_context *ctx, const char *images, const char *labels,
                     jem_dataset **out)
{
    uint8_t *image_bytes = NULL, *label_bytes = NULL;
    size_t image_count = 0, label_count = 0;
    int rc = file_read(images, &image_bytes, &image_count);

    if (rc == EXIT_OK)
        rc = file_read(labels, &label_bytes, &label_count);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_from_bytes(ctx, "idx", images, image_bytes,
                                               (int64_t)image_count, label_bytes,
                                               (int64_t)label_count, out));
    free(image_bytes);
    free(label_bytes);
    return rc;
}

static int open_mnist(jem_context *ctx, const struct kind *kind, const char *where,
                      const char *split, jem_dataset **out)
{
    const int test = strcmp(split, "test") == 0;
    char images[FILE_PATH_BYTES], labels[FILE_PATH_BYTES];
    int rc = find_file(kind, where, test ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte",
                       images);

    if (rc == EXIT_OK)
        rc = find_file(kind, where, test ? "t10k-labels-idx1-ubyte" : "train-labels-idx1-ubyte",
                       labels);
    return rc == EXIT_OK ? open_pair(ctx, images, labels, out) : rc;
}

static int open_idx(jem_context *ctx, const struct kind *kind, const char *where,
                    const char *split, jem_dataset **out)
{
    char images[FILE_PATH_BYTES];
    const char *comma = strchr(where, ',');
    const size_t length = comma == NULL ? 0 : (size_t)(comma - where);

    (void)split;
    if (length == 0 || length >= sizeof images || comma[1] == '\0')
        return report_usage("--data idx:%s: two files are needed; %s", where, kind->advice);
    memcpy(images, where, length);
    images[length] = '\0';
    return open_pair(ctx, images, comma + 1, out);
}

static int open_records(jem_context *ctx, const struct kind *kind, const char *folder,
                        const char *name, jem_dataset **out)
{
    char path[FILE_PATH_BYTES];
    uint8_t *bytes = NULL;
    size_t count = 0;
    int rc = find_file(kind, folder, name, path);

    if (rc == EXIT_OK)
        rc = file_read(path, &bytes, &count);
    if (rc == EXIT_OK)
        rc = report_jem(
            jem_dataset_from_bytes(ctx, kind->name, path, bytes, (int64_t)count, NULL, 0, out));
    free(bytes);
    return rc;
}

static int open_cifar(jem_context *ctx, const struct kind *kind, const char *where,
                      const char *split, jem_dataset **out)
{
    static const char *const ten[] = {"data_batch_1.bin", "data_batch_2.bin",
                                      "data_batch_3.bin", "data_batch_4.bin",
                                      "data_batch_5.bin"};
    static const char *const ten_test[] = {"test_batch.bin"};
    static const char *const hundred[] = {"train.bin"};
    static const char *const hundred_test[] = {"test.bin"};
    const int test = strcmp(split, "test") == 0;
    const int is_ten = strcmp(kind->name, "cifar10") == 0;
    const char *const *names =
        is_ten ? (test ? ten_test : ten) : (test ? hundred_test : hundred);
    const int count = is_ten && !test ? 5 : 1;
    jem_dataset *parts[5] = {NULL, NULL, NULL, NULL, NULL};
    char folder[FILE_PATH_BYTES];
    int rc = file_join(folder, where, kind->inside);

    if (rc == EXIT_OK && !file_exists(folder))
        snprintf(folder, sizeof folder, "%s", where);
    for (int i = 0; i < count && rc == EXIT_OK; i++)
        rc = open_records(ctx, kind, folder, names[i], &parts[i]);
    if (rc == EXIT_OK && count == 1) {
        *out = parts[0];
        return EXIT_OK;
    }
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_concat(parts, count, out));
    for (int i = 0; i < count; i++)
        jem_dataset_free(parts[i]);
    return rc;
}

int data_open(jem_context *ctx, const char *spec, const char *split, jem_dataset **out)
{
    const struct kind *kind = find_kind(spec);
    const char *colon = strchr(spec, ':');
    const char *where;

    *out = NULL;
    if (kind == NULL)
        return report_usage("--data %s: unknown kind; known are " DATA_HELP, spec);
    if (strcmp(split, "train") != 0 && strcmp(split, "test") != 0)
        return report_usage("--split %s: must be train or test", split);
    where = colon != NULL ? colon + 1 : kind->folder;
    if (where == NULL || where[0] == '\0')
        return report_usage("--data %s: the place of the files is missing; %s", spec,
                            kind->advice);
    return kind->open(ctx, kind, where, split, out);
}

const char *data_class_name(const char *spec, int64_t y)
{
    const struct kind *kind = spec == NULL ? NULL : find_kind(spec);

    if (kind == NULL || kind->classes == NULL || y < 0 || y >= 10)
        return NULL;
    return kind->classes[y];
}
