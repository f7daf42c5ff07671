/* SPDX-License-Identifier: MIT */

/* See paper_keep.h. */

#define _GNU_SOURCE /* dl_iterate_phdr */

#include "paper_keep.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/digest.h"
#include "kit/base/json_log.h"

/* Appends the MD5 of a file, or null where it cannot be read. */
static void add_md5(json_t *key, const char *path)
{
    char md5[DIGEST_MD5_TEXT];

    if (file_exists(path) && digest_md5(path, md5) == EXIT_OK)
        json_array_append_new(key, json_string(md5));
    else
        json_array_append_new(key, json_null());
}

/* The other programs find the same libjem.so as this one. One that is linked into them is a part of
 * them. */
static int add_library(struct dl_phdr_info *info, size_t size, void *key)
{
    (void)size;
    if (strncmp(file_name_of(info->dlpi_name), "libjem.so", strlen("libjem.so")) != 0)
        return 0;
    add_md5(key, info->dlpi_name);
    return 1;
}

json_t *paper_key(const struct paper_plan *plan, const char *program)
{
    json_t *key = json_pack("[s]", program);
    char path[FILE_PATH_BYTES];
    const int length = snprintf(path, sizeof path, "%s%s", plan->folder, program);

    if (length > 0 && (size_t)length < sizeof path)
        add_md5(key, path);
    dl_iterate_phdr(add_library, key);
    return key;
}

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
