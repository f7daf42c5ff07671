/* SPDX-License-Identifier: MIT */
/* The binary version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): records without a header,
 *
 *     CIFAR-10    class 0-9,                           then 1024 red, 1024 green, 1024 blue
 *     CIFAR-100   coarse class 0-19, fine class 0-99,  then the same
 *
 * so a file is a whole number of records, and labels are the only thing that can be checked
 * beyond its length. */

#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "data/formats.h"

#define PIXELS 3072 /* 3 x 32 x 32 */

static jem_status check_label(const char *caller, const jem__blob *blob, const char *what,
                              int64_t at, int32_t limit)
{
    if (blob->bytes[at] >= limit)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: %s %u at offset %" PRId64 ", must be 0 to %" PRId32, caller,
                         blob->name, what, (unsigned)blob->bytes[at], at, limit - 1);
    return JEM_OK;
}

/* `fine`: CIFAR-100. */
static jem_status parse(jem_context *ctx, const char *caller, int32_t fine,
                        const jem__blob *images, jem_dataset **out)
{
    const int64_t head = fine ? 2 : 1, record = head + PIXELS;

    *out = NULL;
    JEM__TRY(jem__blob_not_gzip(images, caller));
    if (images->len < record || images->len % record != 0)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: %" PRId64
                         " bytes, must be a whole number of records of %" PRId64,
                         caller, images->name, images->len, record);
    const int64_t n = images->len / record;
    for (int64_t i = 0; i < n; i++) {
        if (fine)
            JEM__TRY(check_label(caller, images, "coarse label", i * record, 20));
        JEM__TRY(check_label(caller, images, "label", i * record + head - 1, fine ? 100 : 10));
    }
    jem_dataset *d;
    JEM__TRY(jem__dataset_create(ctx, caller, n, 3, 32, 32, fine ? 100 : 10, 0, &d));
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *from = images->bytes + i * record;
        d->labels[i] = from[head - 1];
        memcpy(d->bytes + i * PIXELS, from + head, PIXELS);
    }
    *out = d;
    return JEM_OK;
}

jem_status jem__cifar10_parse(jem_context *ctx, const char *caller, const jem__blob *images,
                              const jem__blob *labels, jem_dataset **out)
{
    (void)labels;
    return parse(ctx, caller, 0, images, out);
}

jem_status jem__cifar100_parse(jem_context *ctx, const char *caller, const jem__blob *images,
                               const jem__blob *labels, jem_dataset **out)
{
    (void)labels;
    return parse(ctx, caller, 1, images, out);
}
