/* SPDX-License-Identifier: MIT */
/* The JSON of a program's record, read back, printed and laid out on a page. */

#include "fuzz.h"

#include <stdio.h>

#include <jansson.h>

#include "kit/lab/record.h"

#define TABLES_MAX 4 /* on the page: each goes through the whole record */

/* The record twice, so that the second stands under the headings of the first. */
static void lay_out(const struct record *record, const json_t *file, FILE *out)
{
    static const char *const headings[] = {"run", NULL}, *const runs[] = {"a"};
    const struct record_source sources[] = {{record, runs}, {record, runs}};
    const json_t *tables = json_object_get(file, "tables");

    for (size_t i = 0; i < json_array_size(tables) && i < TABLES_MAX; i++) {
        const json_t *table = json_array_get(tables, i);
        const char *name = json_string_value(json_object_get(table, "name"));

        if (name == NULL)
            name = json_string_value(json_object_get(table, "title"));
        if (name != NULL)
            (void)record_write_html(out, name, headings, sources, 2);
    }
}

static void show(struct record *record, const json_t *file)
{
    static FILE *nowhere;

    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "w");
    fuzz_require(nowhere != NULL, "/dev/null");
    (void)record_print(record, nowhere);
    (void)record_print_protocol(record, nowhere);
    (void)record_print_csv(record, nowhere);
    lay_out(record, file, nowhere);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *file = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct record *record = NULL;

    fuzz_hush();
    if (file != NULL) {
        const int rc = record_read(file, "record.json", &record);

        fuzz_require((rc == 0) == (record != NULL), "a record if and only if it was read");
    }
    if (record != NULL)
        show(record, file);
    record_free(record);
    json_decref(file);
    fuzz_speak();
    return 0;
}
