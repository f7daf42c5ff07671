/* SPDX-License-Identifier: MIT */

/* See paper_keep.h. */

#include "paper_keep.h"

#include <stdio.h>
#include <stdlib.h>

#include "kit/base/json_log.h"

/* The object in folder/name; NULL: there is none that can be read. */
static json_t *read_object(const char *folder, const char *name)
{
    char path[FILE_PATH_BYTES];
    uint8_t *text;
    size_t length;
    json_t *object;

    if (file_join(path, folder, name) != EXIT_OK || !file_exists(path) ||
        file_read(path, &text, &length) != EXIT_OK)
        return NULL;
    object = json_read_text((const char *)text, length, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

int paper_kept(const struct paper_plan *plan, struct paper_run *run, const json_t *key)
{
    char folder[FILE_PATH_BYTES];
    json_t *stamp = NULL, *result = NULL;
    int kept = 0;

    if (file_join(folder, plan->lab->out, run->name) == EXIT_OK)
        stamp = read_object(folder, "run.json");
    if (stamp != NULL && json_equal(json_object_get(stamp, "made_from"), key))
        result = read_object(folder, "result.json");
    if (result != NULL && record_read(result, folder, &run->record) == EXIT_OK) {
        run->result = json_incref(result);
        run->seconds = json_number_value(json_object_get(stamp, "seconds"));
        kept = 1;
    }
    json_decref(stamp);
    json_decref(result);
    return kept;
}

void paper_keep_nothing(const char *folder)
{
    static const char *const names[] = {"run.json", "result.json"};
    char path[FILE_PATH_BYTES];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (file_join(path, folder, names[i]) == EXIT_OK)
            remove(path);
}

int paper_keep(const char *folder, const struct paper_run *run, json_t *key)
{
    json_t *stamp = json_object();
    char path[FILE_PATH_BYTES];

    TRY(file_join(path, folder, "run.json"));
    json_object_set(stamp, "made_from", key);
    json_set_number(stamp, "seconds", run->seconds);
    return json_write_file(path, stamp);
}
