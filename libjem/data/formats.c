/* SPDX-License-Identifier: MIT */

#include "data/formats.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

typedef struct format {
    const char *kind;
    int32_t label_file; /* labels are in a file of their own */
    jem__parse_fn *parse;
} format;

static const format formats[] = {
    {"idx", 1, jem__idx_parse},
    {"cifar10", 0, jem__cifar10_parse},
    {"cifar100", 0, jem__cifar100_parse},
};

#define N_FORMATS ((int32_t)(sizeof formats / sizeof formats[0]))

static jem_status unknown_kind(const char *caller, const char *kind)
{
    char known[256] = "";
    size_t length = 0;

    for (int32_t i = 0; i < N_FORMATS && length < sizeof known; i++) {
        const char *before = i == 0 ? "" : i < N_FORMATS - 1 ? ", " : " or ";
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", before,
                                   formats[i].kind);
    }
    return jem__fail(JEM_E_UNKNOWN, "%s: kind \"%.80s\", must be %s", caller, kind, known);
}

static jem_status find_format(const char *caller, const char *kind, int32_t labels,
                              const format **out)
{
    const format *found = NULL;

    for (int32_t i = 0; i < N_FORMATS; i++) {
        if (strcmp(kind, formats[i].kind) == 0)
            found = &formats[i];
    }
    if (found == NULL)
        return unknown_kind(caller, kind);
    if (found->label_file && !labels)
        return jem__fail(JEM_E_ARGUMENT, "%s: labels is NULL, kind \"%s\" needs them", caller,
                         kind);
    if (!found->label_file && labels)
        return jem__fail(JEM_E_ARGUMENT,
                         "%s: labels must be NULL, kind \"%s\" has them among the images",
                         caller, kind);
    *out = found;
    return JEM_OK;
}

jem_status jem__formats_parse(jem_context *ctx, const char *caller, const char *kind,
                              const jem__blob *images, const jem__blob *labels,
                              jem_dataset **out)
{
    const format *chosen = NULL;

    *out = NULL;
    JEM__TRY(find_format(caller, kind, labels->bytes != NULL, &chosen));
    return chosen->parse(ctx, caller, images, labels, out);
}

jem_status jem__formats_open(jem_context *ctx, const char *caller, const char *kind,
                             const char *images, const char *labels, jem_dataset **out)
{
    const format *chosen = NULL;
    jem__blob x = {jem__path_end(images), NULL, 0};
    jem__blob y = {labels == NULL ? "" : jem__path_end(labels), NULL, 0};
    uint8_t *x_bytes = NULL, *y_bytes = NULL;

    *out = NULL;
    JEM__TRY(find_format(caller, kind, labels != NULL, &chosen));
    jem_status status = jem__file_slurp(ctx, caller, images, &x_bytes, &x.len);
    if (status == JEM_OK && labels != NULL)
        status = jem__file_slurp(ctx, caller, labels, &y_bytes, &y.len);
    x.bytes = x_bytes;
    y.bytes = y_bytes;
    if (status == JEM_OK)
        status = chosen->parse(ctx, caller, &x, &y, out);
    jem__free(ctx, x_bytes);
    jem__free(ctx, y_bytes);
    return status;
}

jem_status jem__blob_not_gzip(const jem__blob *blob, const char *caller)
{
    if (blob->len >= 2 && blob->bytes[0] == 0x1f && blob->bytes[1] == 0x8b)
        return jem__fail(JEM_E_UNSUPPORTED, "%s: %s: is gzip-compressed; unpack it first",
                         caller, blob->name);
    return JEM_OK;
}
