/* SPDX-License-Identifier: MIT */

/* What check_npy.py and check_npz.py drive: the programs' readers and writers of arrays, without a
 * model around them.
 *
 *     npy_tool get f32|f64|i32|i64 FILE...    for each file a line "FILE <name>", then either
 *                                             "shape 2 3" and "values ..." or the error
 *     npy_tool put f32|f64|i32|i64|u8 IN OUT  read IN, write OUT
 *     npy_tool cut f64 FILE                   "get" of a .npy or .npz file's beginnings, all of
 *                                             them from no byte on, from memory
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/formats/npz.h"

/* u8 by way of i32: the readers have no such target. */
static int get_values(const char *type, const struct npy_array *a, const char *name, void *out)
{
    int rc;

    if (strcmp(type, "f32") == 0)
        return npy_get_f32(a, name, out);
    if (strcmp(type, "f64") == 0)
        return npy_get_f64(a, name, out);
    if (strcmp(type, "i64") == 0)
        return npy_get_i64(a, name, out);
    rc = npy_get_i32(a, name, out);
    if (strcmp(type, "u8") == 0 && rc == EXIT_OK)
        for (int64_t i = 0; i < a->count; i++)
            ((uint8_t *)out)[i] = (uint8_t)((const int32_t *)out)[i];
    return rc;
}

static void print_values(const char *type, const struct npy_array *a, const void *values)
{
    printf("shape");
    for (int i = 0; i < a->dims; i++)
        printf(" %" PRId64, a->shape[i]);
    printf("\nvalues");
    for (int64_t i = 0; i < a->count; i++) {
        if (strcmp(type, "f32") == 0)
            printf(" %.9g", (double)((const float *)values)[i]);
        else if (strcmp(type, "f64") == 0)
            printf(" %.17g", ((const double *)values)[i]);
        else if (strcmp(type, "i32") == 0)
            printf(" %" PRId32, ((const int32_t *)values)[i]);
        else
            printf(" %" PRId64, ((const int64_t *)values)[i]);
    }
    printf("\n");
}

static int put_values(const char *path, const char *type, const struct npy_array *a,
                      const void *values)
{
    if (strcmp(type, "f32") == 0)
        return npy_write_f32(path, values, a->dims, a->shape);
    if (strcmp(type, "f64") == 0)
        return npy_write_f64(path, values, a->dims, a->shape);
    if (strcmp(type, "i32") == 0)
        return npy_write_i32(path, values, a->dims, a->shape);
    if (strcmp(type, "i64") == 0)
        return npy_write_i64(path, values, a->dims, a->shape);
    return npy_write_u8(path, values, a->dims, a->shape);
}

/* Takes the array; `out`: a file to write, or NULL to print. */
static int pass_on(const char *type, struct npy_array *a, const char *name, const char *out)
{
    void *values = malloc(((size_t)a->count + 1) * sizeof(double));
    int rc = values == NULL ? report_no_memory() : get_values(type, a, name, values);

    if (rc == EXIT_OK && out == NULL)
        print_values(type, a, values);
    else if (rc == EXIT_OK)
        rc = put_values(out, type, a, values);
    free(values);
    npy_free(a);
    return rc;
}

static int get_file(const char *type, const char *name, const char *out)
{
    struct npy_array a;
    const int rc = npz_read_named(name, &a);

    return rc == EXIT_OK ? pass_on(type, &a, name, out) : rc;
}

static int get_bytes(const char *type, const char *name, const uint8_t *bytes, size_t length)
{
    struct npy_array a;
    struct npz z;
    int rc;

    if (!file_has_ending(name, ".npz")) {
        rc = npy_parse(bytes, length, name, &a);
        return rc == EXIT_OK ? pass_on(type, &a, name, NULL) : rc;
    }
    rc = npz_parse(bytes, length, name, &z);
    if (rc == EXIT_OK)
        rc = npz_read(&z, NULL, &a);
    if (rc == EXIT_OK)
        rc = pass_on(type, &a, name, NULL);
    npz_close(&z);
    return rc;
}

/* Each beginning in memory of its own, so that a sanitizer sees a read beyond it. */
static int cut_file(const char *type, const char *name)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    int rc = file_read(name, &bytes, &length);

    for (size_t n = 0; n <= length && rc == EXIT_OK; n++) {
        uint8_t *part = malloc(n > 0 ? n : 1);

        if (part == NULL)
            return report_no_memory();
        if (n > 0)
            memcpy(part, bytes, n);
        printf("FILE %zu\n", n);
        fflush(stdout); /* before what goes to stderr */
        get_bytes(type, name, part, n);
        free(part);
    }
    free(bytes);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = EXIT_OK;

    if (argc == 5 && strcmp(argv[1], "put") == 0)
        return get_file(argv[2], argv[3], argv[4]);
    if (argc == 4 && strcmp(argv[1], "cut") == 0)
        return cut_file(argv[2], argv[3]);
    if (argc < 4 || strcmp(argv[1], "get") != 0)
        return EXIT_USAGE;
    for (int i = 3; i < argc; i++) {
        printf("FILE %s\n", argv[i]);
        fflush(stdout);
        rc = get_file(argv[2], argv[i], NULL) == EXIT_OK ? rc : EXIT_FAILED;
    }
    return rc;
}
