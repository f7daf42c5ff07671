/* SPDX-License-Identifier: MIT */
/* The numbers of a tensor as float or int64_t, whatever type the file has for them.
 *
 * Half precision (IEEE 754 binary16) and bfloat16 widen exactly; all else is converted once,
 * from the type itself, so that nothing is rounded twice. */

#include <inttypes.h>
#include <string.h>

#include "core/arithmetic.h"
#include "core/error.h"
#include "io/safetensors.h"

#define CHUNK 16384 /* bytes converted at a time */

static float from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_half(uint32_t half)
{
    const uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31;
    const uint32_t fraction = half & 0x3ff;

    if (exponent == 31) /* infinity, NaN */
        return from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) { /* zero, subnormal: a multiple of 2^-24 */
        const float size = (float)fraction * 0x1p-24F;
        return sign != 0 ? -size : size;
    }
    return from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

/* A number of 1 to 8 bytes, zeros above. */
static uint64_t load(const uint8_t *at, int64_t bits)
{
    uint64_t raw = 0;

    memcpy(&raw, at, (size_t)(bits / 8));
    return raw;
}

static int64_t sign_extend(uint64_t raw, int64_t bits)
{
    const uint64_t sign = UINT64_C(1) << (bits - 1);

    return (int64_t)((raw ^ sign) - sign);
}

static float to_float(const jem__st_dtype *type, const uint8_t *at)
{
    const uint64_t raw = load(at, type->bits);
    double value;

    switch (type->kind) {
    case JEM__ST_FLOAT:
        if (type->bits == 16)
            return from_half((uint32_t)raw);
        if (type->bits == 32)
            return from_bits((uint32_t)raw);
        memcpy(&value, &raw, sizeof value);
        return (float)value;
    case JEM__ST_BFLOAT:
        return from_bits((uint32_t)raw << 16);
    case JEM__ST_SIGNED:
        return (float)sign_extend(raw, type->bits);
    case JEM__ST_UNSIGNED:
        return (float)raw;
    case JEM__ST_BOOL:
        return raw != 0 ? 1.0F : 0.0F;
    case JEM__ST_OPAQUE:
        break;
    }
    return 0.0F; /* not reached: check_read() refuses these */
}

/* `count` must be the tensor's, and its type one of those that `readable` lists. */
static jem_status check_read(const jem__st_file *f, const jem__st_tensor *t,
                             int32_t is_readable, const char *readable, int64_t count)
{
    if (!is_readable)
        return jem__fail(JEM_E_FORMAT, "%s: %s: tensor \"%.64s\": dtype %s, must be %s",
                         jem__st_caller(f), jem__st_path(f), t->name, t->dtype, readable);
    if (t->count != count)
        return jem__fail(JEM_E_SHAPE,
                         "%s: %s: tensor \"%.64s\": %" PRId64 " numbers, must be %" PRId64,
                         jem__st_caller(f), jem__st_path(f), t->name, t->count, count);
    return JEM_OK;
}

jem_status jem__st_read_f32(jem__st_file *f, const jem__st_tensor *t, float *out, int64_t count)
{
    const jem__st_dtype *type = jem__st_dtype_find(t->dtype);

    JEM__TRY(check_read(f, t, type->kind != JEM__ST_OPAQUE,
                        "F32, F64, F16, BF16, BOOL or an integer type", count));
    if (strcmp(t->dtype, "F32") == 0) /* the usual case, in one read */
        return jem__st_read_bytes(f, t, 0, out, t->bytes);
    const int64_t size = type->bits / 8, per_chunk = CHUNK / size;
    uint8_t chunk[CHUNK];
    for (int64_t done = 0; done < count;) {
        const int64_t n = jem__min(count - done, per_chunk);
        JEM__TRY(jem__st_read_bytes(f, t, done * size, chunk, n * size));
        for (int64_t i = 0; i < n; i++)
            out[done + i] = to_float(type, chunk + i * size);
        done += n;
    }
    return JEM_OK;
}

static jem_status to_int64(const jem__st_file *f, const jem__st_tensor *t,
                           const jem__st_dtype *type, const uint8_t *at, int64_t index,
                           int64_t *out)
{
    const uint64_t raw = load(at, type->bits);

    if (type->kind == JEM__ST_UNSIGNED && raw > INT64_MAX)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": %" PRIu64 " at index %" PRId64
                         ", must be at most %" PRId64,
                         jem__st_caller(f), jem__st_path(f), t->name, raw, index, INT64_MAX);
    *out = type->kind == JEM__ST_SIGNED ? sign_extend(raw, type->bits)
           : type->kind == JEM__ST_BOOL ? raw != 0
                                        : (int64_t)raw;
    return JEM_OK;
}

jem_status jem__st_read_i64(jem__st_file *f, const jem__st_tensor *t, int64_t *out,
                            int64_t count)
{
    const jem__st_dtype *type = jem__st_dtype_find(t->dtype);
    const int32_t whole = type->kind == JEM__ST_SIGNED || type->kind == JEM__ST_UNSIGNED ||
                          type->kind == JEM__ST_BOOL;

    JEM__TRY(check_read(f, t, whole, "BOOL or an integer type", count));
    const int64_t size = type->bits / 8, per_chunk = CHUNK / size;
    uint8_t chunk[CHUNK];
    for (int64_t done = 0; done < count;) {
        const int64_t n = jem__min(count - done, per_chunk);
        JEM__TRY(jem__st_read_bytes(f, t, done * size, chunk, n * size));
        for (int64_t i = 0; i < n; i++)
            JEM__TRY(to_int64(f, t, type, chunk + i * size, done + i, &out[done + i]));
        done += n;
    }
    return JEM_OK;
}
