/* SPDX-License-Identifier: MIT */

/* See holdout.h. */

#include "kit/data/holdout.h"

#include <jansson.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/report.h"

#define MOST 5000 /* as the official code */

int64_t holdout_default(int64_t n)
{
    return n / 10 < MOST ? n / 10 : MOST;
}

/* One of the two numbers. */
static int64_t choose(const int64_t *given, const json_t *recorded, int64_t fallback,
                      int *assumed)
{
    if (given != NULL)
        return *given;
    if (json_is_integer(recorded))
        return json_integer_value(recorded);
    *assumed = 1;
    return fallback;
}

int holdout_find(const char *model, const int64_t *count, const int64_t *split_seed, int64_t n,
                 struct holdout *out)
{
    char path[FILE_PATH_BYTES], folder[FILE_PATH_BYTES];
    json_t *record = NULL;

    TRY(file_folder_of(folder, model));
    TRY(file_join(path, folder, "train.json"));
    TRY(json_read_file(path, &record));
    out->assumed = 0;
    out->own_split = count == NULL && split_seed == NULL &&
                     json_is_true(json_object_get(record, "validation_split"));
    out->count =
        choose(count, json_object_get(record, "validation"), holdout_default(n), &out->assumed);
    out->split_seed = choose(split_seed, json_object_get(record, "split_seed"),
                             HOLDOUT_SPLIT_SEED, &out->assumed);
    json_decref(record);
    return EXIT_OK;
}
