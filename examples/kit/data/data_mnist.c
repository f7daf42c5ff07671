/* SPDX-License-Identifier: MIT */

/* The MNIST family: IDX files, which libjem checks. */

#include "kit/data/data_kind.h"

#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"

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

int data_mnist_files(const struct data_kind *kind, const char *where, const char *split,
                     struct data_files *out)
{
    const int test = strcmp(split, "test") == 0;
    int rc = data_find_file(
        kind, where, test ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte", out->path[0]);

    if (rc == EXIT_OK)
        rc = data_find_file(kind, where,
                            test ? "t10k-labels-idx1-ubyte" : "train-labels-idx1-ubyte",
                            out->path[1]);
    out->count = 2;
    return rc;
}

int data_open_mnist(jem_context *ctx, const struct data_kind *kind, const char *where,
                    const char *split, jem_dataset **out)
{
    struct data_files files;
    const int rc = data_mnist_files(kind, where, split, &files);

    return rc == EXIT_OK ? open_pair(ctx, files.path[0], files.path[1], out) : rc;
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
