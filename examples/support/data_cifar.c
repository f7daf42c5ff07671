/* SPDX-License-Identifier: MIT */

/* CIFAR-10 and CIFAR-100, binary version: records, which libjem checks. */

#include "data_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "report.h"

static int open_records(jem_context *ctx, const struct data_kind *kind, const char *folder,
                        const char *name, jem_dataset **out)
{
    char path[FILE_PATH_BYTES];
    uint8_t *bytes = NULL;
    size_t count = 0;
    int rc = data_find_file(kind, folder, name, path);

    if (rc == EXIT_OK)
        rc = file_read(path, &bytes, &count);
    if (rc == EXIT_OK)
        rc = report_jem(
            jem_dataset_from_bytes(ctx, kind->name, path, bytes, (int64_t)count, NULL, 0, out));
    free(bytes);
    return rc;
}

int data_open_cifar(jem_context *ctx, const struct data_kind *kind, const char *where,
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
