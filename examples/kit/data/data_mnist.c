/* SPDX-License-Identifier: MIT */

/* The MNIST family: IDX files, which libjem checks. */

#include "kit/data/data_kind.h"

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

int data_mnist_files(const struct data_kind *kind, const char *where, const char *split,
                     struct data_files *out)
{
    static const char *const train[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"};
    static const char *const test[] = {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    const char *const *names = strcmp(split, "test") == 0 ? test : train;

    out->count = 2;
    TRY(data_find_file(kind, where, names[0], out->path[0]));
    return data_find_file(kind, where, names[1], out->path[1]);
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
