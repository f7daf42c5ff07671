/* SPDX-License-Identifier: MIT */

/* The MNIST family: IDX files, which libjem checks. */

#include "kit/data/data_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"

/* The bytes of the two files. */
struct pair {
    uint8_t *images, *labels;
    size_t image_bytes, label_bytes;
};

static int read_pair(jem_context *ctx, const char *images, const char *labels, struct pair *p,
                     jem_dataset **out)
{
    TRY(file_read(images, &p->images, &p->image_bytes));
    TRY(file_read(labels, &p->labels, &p->label_bytes));
    return report_jem(jem_dataset_from_bytes(ctx, "idx", images, p->images,
                                             (int64_t)p->image_bytes, p->labels,
                                             (int64_t)p->label_bytes, out));
}

static int open_pair(jem_context *ctx, const char *images, const char *labels,
                     jem_dataset **out)
{
    struct pair p = {.images = NULL};
    const int rc = read_pair(ctx, images, labels, &p, out);

    free(p.images);
    free(p.labels);
    return rc;
}

/* The name as it was published, and as 7-Zip unpacks it: with a dot before "idx". */
static int find_one(const struct data_kind *kind, const char *folder, const char *name,
                    char out[FILE_PATH_BYTES])
{
    static const char *const endings[] = {"", ".gz"};
    char other[64];

    snprintf(other, sizeof other, "%s", name);
    *strstr(other, "-idx") = '.';
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char full[72];

        snprintf(full, sizeof full, "%s%s", other, endings[i]);
        TRY(file_join(out, folder, full));
        if (file_exists(out))
            return EXIT_OK;
    }
    return data_find_file(kind, folder, name, out);
}

/* DIR, or where torchvision puts the files below its root. */
static int find_folder(const struct data_kind *kind, const char *where,
                       char out[FILE_PATH_BYTES])
{
    const int fashion = strcmp(kind->name, "fashion-mnist") == 0;

    TRY(file_join(out, where, fashion ? "FashionMNIST/raw" : "MNIST/raw"));
    if (file_exists(out))
        return EXIT_OK;
    TRY(file_join(out, where, "raw"));
    if (!file_exists(out))
        snprintf(out, FILE_PATH_BYTES, "%s", where);
    return EXIT_OK;
}

int data_mnist_files(const struct data_kind *kind, const char *where, const char *split,
                     struct data_files *out)
{
    static const char *const train[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
    static const char *const test[] = {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    const char *const *names = strcmp(split, "test") == 0 ? test : train;
    char folder[FILE_PATH_BYTES];

    out->count = 2;
    TRY(find_folder(kind, where, folder));
    TRY(find_one(kind, folder, names[0], out->path[0]));
    return find_one(kind, folder, names[1], out->path[1]);
}

int data_open_mnist(jem_context *ctx, const struct data_kind *kind, const char *where,
                    const char *split, jem_dataset **out)
{
    struct data_files files;

    TRY(data_mnist_files(kind, where, split, &files));
    return open_pair(ctx, files.path[0], files.path[1], out);
}

int data_open_idx(jem_context *ctx, const struct data_kind *kind, const char *where,
                  const char *split, jem_dataset **out)
{
    char images[FILE_PATH_BYTES], labels[FILE_PATH_BYTES];
    const char *comma = strchr(where, ',');
    const size_t length = comma == NULL ? 0 : (size_t)(comma - where);
    const size_t second = comma == NULL ? 0 : strcspn(comma + 1, ",");

    (void)split;
    if (length == 0 || length >= sizeof images || second == 0 || second >= sizeof labels ||
        data_test_is_word(comma + 1))
        return report_usage("idx:%s: two files are needed; %s", where, kind->advice);
    if (comma[1 + second] == ',' && !data_test_is_word(comma + second + 2))
        return report_usage("idx:%s: behind the files there may be ,test=20%%", where);
    snprintf(images, sizeof images, "%.*s", (int)length, where);
    snprintf(labels, sizeof labels, "%.*s", (int)second, comma + 1);
    return open_pair(ctx, images, labels, out);
}
