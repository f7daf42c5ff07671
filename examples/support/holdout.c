/* SPDX-License-Identifier: MIT */

/* See holdout.h. */

#include "holdout.h"

#include <jansson.h>

#include "file.h"
#include "json_log.h"
#include "report.h"

#define MOST 5000 /* as the official code */

int64_t holdout_default(int64_t n)
{
    return n / 10 < MOST ? n / 10 : MOST;
}

int holdout_recorded(const char *model, int64_t *count, int64_t *split_seed)
{
    char path[FILE_PATH_BYTES], folder[FILE_PATH_BYTES];
    json_t *record = NULL;
    int rc = file_folder_of(folder, model);

    if (rc == EXIT_OK)
        rc = file_join(path, folder, "train.json");
    if (rc == EXIT_OK)
        rc = json_read_file(path, &record);
    if (json_is_integer(json_object_get(record, "validation")))
        *count = json_integer_value(json_object_get(record, "validation"));
    if (json_is_integer(json_object_get(record, "split_seed")))
        *split_seed = json_integer_value(json_object_get(record, "split_seed"));
    json_decref(record);
    return rc;
}
