/* SPDX-License-Identifier: MIT */

/* MAT-files. libmatio reads them, but only files of version 5, which begin with a header that is
 * checked here: its readers of other versions (HDF5 among them) never see a byte. */

#include "mat.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <matio.h>

#include "report.h"

#define HEADER_BYTES 128
#define DEFLATE_MAX  1032 /* zlib packs at most so many bytes into one */

struct mat_file {
    const char *path;
    int64_t bytes;
    mat_t *mat;
};

/* What libmatio last complained about. It has one log for the whole process. */
static char complaint[160];

static void keep_complaint(int level, char *message)
{
    (void)level;
    snprintf(complaint, sizeof complaint, "%s", message);
}

static int failed(const char *path, const char *what)
{
    complaint[strcspn(complaint, "\n")] = '\0';
    return report_failed("%s: %s%s%s", path, what, complaint[0] == '\0' ? "" : ": ", complaint);
}

/* Version 1.0 of the format that is called 5, and the length of the file. */
static int check_header(const char *path, int64_t *bytes)
{
    uint8_t h[HEADER_BYTES];
    FILE *file = fopen(path, "rb");
    size_t got;
    int little, big, version;

    if (file == NULL)
        return report_failed("cannot open %s: %s", path, strerror(errno));
    errno = 0;
    got = fread(h, 1, sizeof h, file);
    if (fseek(file, 0, SEEK_END) != 0 || ferror(file) || (*bytes = ftell(file)) < 0) {
        fclose(file);
        return report_failed("cannot read %s: %s", path, strerror(errno));
    }
    fclose(file);
    if (got < sizeof h)
        return report_failed("%s: cut short: a MAT-file begins with %d bytes, there are %zu",
                             path, HEADER_BYTES, got);
    little = h[126] == 'I' && h[127] == 'M';
    big = h[126] == 'M' && h[127] == 'I';
    version = little ? h[124] | h[125] << 8 : h[125] | h[124] << 8;
    if (!little && !big)
        return report_failed("%s: not a MAT-file of version 5", path);
    if (version != 0x0100)
        return report_failed("%s: MAT-file of version 0x%04x; read is 0x0100 (save it with "
                             "-v7, not -v7.3)",
                             path, (unsigned)version);
    return EXIT_OK;
}

int mat_open(const char *path, struct mat_file **out)
{
    struct mat_file *file = calloc(1, sizeof *file);
    int rc = file == NULL ? report_no_memory() : check_header(path, &file->bytes);

    *out = NULL;
    if (rc == EXIT_OK) {
        complaint[0] = '\0';
        Mat_LogInitFunc(report_program_name(), keep_complaint);
        file->path = path;
        file->mat = Mat_Open(path, MAT_ACC_RDONLY);
        if (file->mat == NULL)
            rc = failed(path, "not a MAT-file of version 5");
    }
    if (rc == EXIT_OK)
        *out = file;
    else
        free(file);
    return rc;
}

void mat_close(struct mat_file *file)
{
    if (file == NULL)
        return;
    Mat_Close(file->mat);
    free(file);
}

static int check_variable(const struct mat_file *file, const matvar_t *v, struct mat_array *out)
{
    const int packed = v->compression != MAT_COMPRESSION_NONE;
    const int64_t most = file->bytes > INT64_MAX / DEFLATE_MAX ? INT64_MAX
                         : packed                              ? file->bytes * DEFLATE_MAX
                                                               : file->bytes;

    if ((v->class_type != MAT_C_UINT8 && v->class_type != MAT_C_DOUBLE) || v->isComplex)
        return report_failed("%s: %s is of class %d%s; read are uint8 (9) and double (6)",
                             file->path, out->name, (int)v->class_type,
                             v->isComplex ? ", complex" : "");
    if (v->rank < 2 || v->rank > MAT_DIMS)
        return report_failed("%s: %s has %d dimensions; read are 2 to %d", file->path,
                             out->name, v->rank, MAT_DIMS);
    out->is_bytes = v->class_type == MAT_C_UINT8;
    out->dims = v->rank;
    out->count = 1;
    for (int i = 0; i < v->rank; i++) {
        if (v->dims[i] > INT_MAX ||
            __builtin_mul_overflow(out->count, (int64_t)v->dims[i], &out->count))
            return report_failed("%s: the sizes of %s overflow", file->path, out->name);
        out->shape[i] = (int64_t)v->dims[i];
    }
    /* A number takes at least one byte, whatever its class. libmatio counts with int. */
    if (out->count > most || out->count > INT_MAX)
        return report_failed("%s: %s claims %" PRId64 " numbers; a file of %" PRId64
                             " bytes cannot hold them",
                             file->path, out->name, out->count, file->bytes);
    return EXIT_OK;
}

int mat_find(struct mat_file *file, const char *name, struct mat_array *out)
{
    matvar_t *v;
    int rc;

    memset(out, 0, sizeof *out);
    out->name = name;
    complaint[0] = '\0';
    v = Mat_VarReadInfo(file->mat, name);
    if (v == NULL && complaint[0] != '\0')
        return failed(file->path, "a damaged MAT-file");
    if (v == NULL)
        return report_failed("%s: there is no variable %s in it", file->path, name);
    out->variable = v;
    rc = check_variable(file, v, out);
    if (rc != EXIT_OK)
        mat_array_free(out);
    return rc;
}

void mat_array_free(struct mat_array *a)
{
    Mat_VarFree(a->variable);
    memset(a, 0, sizeof *a);
}

int mat_read(struct mat_file *file, const struct mat_array *a, void *out)
{
    complaint[0] = '\0';
    if (a->count > 0 &&
        Mat_VarReadDataLinear(file->mat, a->variable, out, 0, 1, (int)a->count) != 0)
        return failed(file->path, "the numbers of a variable cannot be read");
    if (complaint[0] != '\0')
        return failed(file->path, "a damaged MAT-file");
    return EXIT_OK;
}
