/* SPDX-License-Identifier: MIT */
/* The IDX format of MNIST and its relatives (LeCun): all numbers big-endian,
 *
 *     0  0  type  rank        type 0x08: unsigned bytes
 *     size[0] ... size[rank-1]   four bytes each
 *     data, row-major
 *
 * Every size is compared with the bytes that exist before anything is allocated. */

#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "data/formats.h"

#define IDX_UNSIGNED_BYTE 0x08
#define IDX_CLASSES       10

typedef struct header {
    int32_t rank;
    int64_t size[4];
    const uint8_t *data; /* exactly the product of the sizes */
} header;

static int64_t big_endian_32(const uint8_t *p)
{
    return ((int64_t)p[0] << 24) | ((int64_t)p[1] << 16) | ((int64_t)p[2] << 8) | (int64_t)p[3];
}

/* The four bytes at the start; `what` is "images" or "labels". */
static jem_status read_magic(const char *caller, const char *what, const jem__blob *blob,
                             int32_t min_rank, int32_t max_rank, header *out)
{
    const uint8_t *p = blob->bytes;

    JEM__TRY(jem__blob_not_gzip(blob, caller));
    if (blob->len < 4)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: %s: %" PRId64 " bytes, an IDX file has at least 4", caller,
                         blob->name, what, blob->len);
    if (p[0] != 0 || p[1] != 0)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: %s: begins with 0x%02x%02x, an IDX file begins with 0x0000",
                         caller, blob->name, what, (unsigned)p[0], (unsigned)p[1]);
    if (p[2] != IDX_UNSIGNED_BYTE)
        return jem__fail(
            JEM_E_FORMAT,
            "%s: %s: %s: data type 0x%02x at offset 2, must be 0x08 (unsigned byte)", caller,
            blob->name, what, (unsigned)p[2]);
    if (p[3] < min_rank || p[3] > max_rank)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: %s: %u dimensions at offset 3, must be %" PRId32
                         " to %" PRId32,
                         caller, blob->name, what, (unsigned)p[3], min_rank, max_rank);
    out->rank = p[3];
    if (blob->len < 4 + 4 * (int64_t)out->rank)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: %s: ends at offset %" PRId64
                         " within the sizes, which end at %" PRId64,
                         caller, blob->name, what, blob->len, 4 + 4 * (int64_t)out->rank);
    return JEM_OK;
}

static jem_status read_header(const char *caller, const char *what, const jem__blob *blob,
                              int32_t min_rank, int32_t max_rank, header *out)
{
    JEM__TRY(read_magic(caller, what, blob, min_rank, max_rank, out));
    const int64_t begin = 4 + 4 * (int64_t)out->rank;
    int64_t need = 1;
    for (int32_t i = 0; i < out->rank; i++) {
        out->size[i] = big_endian_32(blob->bytes + 4 + 4 * i);
        if (out->size[i] == 0)
            return jem__fail(JEM_E_FORMAT,
                             "%s: %s: %s: size 0 at offset %d, must be at least 1", caller,
                             blob->name, what, 4 + 4 * i);
        if (!jem__mul(need, out->size[i], &need))
            return jem__fail(JEM_E_FORMAT,
                             "%s: %s: %s: size %" PRId64
                             " at offset %d asks for more bytes than a 64-bit number counts",
                             caller, blob->name, what, out->size[i], 4 + 4 * i);
    }
    if (need != blob->len - begin)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: %s: %" PRId64 " bytes from offset %" PRId64
                         ", its sizes ask for %" PRId64,
                         caller, blob->name, what, blob->len - begin, begin, need);
    out->data = blob->bytes + begin;
    return JEM_OK;
}

static jem_status check_labels(const char *caller, const jem__blob *blob, const header *y)
{
    for (int64_t i = 0; i < y->size[0]; i++) {
        if (y->data[i] >= IDX_CLASSES)
            return jem__fail(JEM_E_FORMAT,
                             "%s: %s: labels: label %u at offset %" PRId64 ", must be 0 to %d",
                             caller, blob->name, (unsigned)y->data[i],
                             (int64_t)(y->data - blob->bytes) + i, IDX_CLASSES - 1);
    }
    return JEM_OK;
}

/* Images N x H x W (one channel) or N x C x H x W; labels N. */
jem_status jem__idx_parse(jem_context *ctx, const char *caller, const jem__blob *images,
                          const jem__blob *labels, jem_dataset **out)
{
    header x, y;

    *out = NULL;
    JEM__TRY(read_header(caller, "images", images, 3, 4, &x));
    JEM__TRY(read_header(caller, "labels", labels, 1, 1, &y));
    if (x.size[0] != y.size[0])
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: labels: %" PRId64 " labels at offset 4, must be %" PRId64
                         " as the images of %s",
                         caller, labels->name, y.size[0], x.size[0], images->name);
    JEM__TRY(check_labels(caller, labels, &y));
    const int64_t *shape = x.size + (x.rank - 2); /* H, W */
    for (int32_t i = 1; i < x.rank; i++) {
        if (x.size[i] > 4096)
            return jem__fail(JEM_E_FORMAT,
                             "%s: %s: images: size %" PRId64 " at offset %d, must be 1 to 4096",
                             caller, images->name, x.size[i], 4 + 4 * i);
    }
    jem_dataset *d;
    JEM__TRY(jem__dataset_create(ctx, caller, x.size[0], x.rank == 4 ? x.size[1] : 1, shape[0],
                                 shape[1], IDX_CLASSES, 0, &d));
    memcpy(d->bytes, x.data, (size_t)(images->len - (4 + 4 * x.rank)));
    for (int64_t i = 0; i < d->n; i++)
        d->labels[i] = y.data[i];
    *out = d;
    return JEM_OK;
}
