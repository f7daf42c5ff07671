/* SPDX-License-Identifier: MIT */

/* The public functions of buffer.h: check the arguments, call energy/replay_buffer. */

#include <jem/buffer.h>

#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "energy/replay_buffer.h"

static jem_status check(const char *caller, const jem_buffer *b, int64_t n, const float *x)
{
    if (b == NULL)
        return jem__fail_null(caller, "buffer");
    return jem__check_images(caller, x, n, b->image_size);
}

jem_status jem_buffer_create(jem_sampler *s, const jem_options *opts, jem_buffer **out)
{
    if (out == NULL)
        return jem__fail_null("jem_buffer_create", "out");
    *out = NULL;
    if (s == NULL)
        return jem__fail_null("jem_buffer_create", "sampler");
    return jem__buffer_create(s, opts, 1, out);
}

jem_status jem_buffer_size(const jem_buffer *b, int64_t *out)
{
    if (b == NULL)
        return jem__fail_null("jem_buffer_size", "buffer");
    if (out == NULL)
        return jem__fail_null("jem_buffer_size", "out");
    *out = b->capacity;
    return JEM_OK;
}

jem_status jem_buffer_draw(jem_buffer *b, const int32_t *y, int64_t n, float *x, int64_t *slots)
{
    JEM__TRY(check("jem_buffer_draw", b, n, x));
    if (slots == NULL && n > 0)
        return jem__fail_null("jem_buffer_draw", "slots");
    JEM__TRY(jem__use_begin(&b->use, "jem_buffer_draw", "buffer"));
    const jem_status status = jem__buffer_draw(b, "jem_buffer_draw", y, n, x, slots, NULL);
    jem__use_end(&b->use);
    return status;
}

jem_status jem_buffer_store(jem_buffer *b, const int64_t *slots, int64_t n, const float *x)
{
    JEM__TRY(check("jem_buffer_store", b, n, x));
    if (slots == NULL && n > 0)
        return jem__fail_null("jem_buffer_store", "slots");
    JEM__TRY(jem__use_begin(&b->use, "jem_buffer_store", "buffer"));
    const jem_status status = jem__buffer_store(b, "jem_buffer_store", slots, n, x);
    jem__use_end(&b->use);
    return status;
}

jem_status jem_buffer_read(const jem_buffer *b, int64_t first, int64_t n, float *x)
{
    JEM__TRY(check("jem_buffer_read", b, n, x));
    if (first < 0 || first > b->capacity || n > b->capacity - first) {
        return jem__fail(JEM_E_RANGE,
                         "jem_buffer_read: %" PRId64 " slots from slot %" PRId64
                         " wanted, the buffer has %" PRId64,
                         n, first, b->capacity);
    }
    JEM__TRY(jem__use_begin(&b->self->use, "jem_buffer_read", "buffer"));
    if (n > 0)
        memcpy(x, b->images + first * b->image_size, (size_t)(n * b->image_size) * sizeof *x);
    jem__use_end(&b->self->use);
    return JEM_OK;
}

void jem_buffer_free(jem_buffer *b)
{
    jem__buffer_unref(b);
}
