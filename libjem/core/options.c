/* SPDX-License-Identifier: MIT */
/* The bag of options: an array of values beside the table of rows, every value checked when it
 * is set. Numbers are read and written with a decimal point whatever the locale, because they
 * travel in checkpoints. */

#define _GNU_SOURCE /* strtod_l, which glibc keeps outside POSIX 2008 */

#include "core/options.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/option_table.h"

#define LARGEST_EPOCH 1000000
#define NUMBER_SIZE   40 /* bytes of a number as text; "-1.7976931348623157e+308" needs 25 */

struct jem_options {
    jem_context *ctx; /* a reference */
    union jem__option_value value[JEM__OPTION_COUNT];
};

/* ---- names ---- */

static int find(const char *name) /* -1: unknown */
{
    for (int i = 0; i < JEM__OPTION_COUNT; i++) {
        if (strcmp(jem__option_rows[i].name, name) == 0)
            return i;
    }
    return -1;
}

/* Levenshtein's distance of the first JEM__TEXT_SIZE - 1 bytes of two texts. */
static int distance(const char *a, const char *b)
{
    int row[JEM__TEXT_SIZE];
    int width = 0;

    while (width < JEM__TEXT_SIZE - 1 && b[width] != '\0')
        width++;
    for (int j = 0; j <= width; j++)
        row[j] = j;
    for (int i = 1; i < JEM__TEXT_SIZE && a[i - 1] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= width; j++) {
            const int replaced = diagonal + (a[i - 1] != b[j - 1]);
            const int shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];
            diagonal = row[j];
            row[j] = replaced < shorter + 1 ? replaced : shorter + 1;
        }
    }
    return row[width];
}

static jem_status fail_unknown(const char *caller, const char *name)
{
    const char *nearest = jem__option_rows[0].name;

    for (int i = 1; i < JEM__OPTION_COUNT; i++) {
        if (distance(name, jem__option_rows[i].name) < distance(name, nearest))
            nearest = jem__option_rows[i].name;
    }
    return jem__fail(JEM_E_UNKNOWN, "%s: unknown option \"%.80s\"; did you mean \"%s\"?",
                     caller, name, nearest);
}

/* ---- numbers as text ---- */

static const char *skip_digits(const char *text)
{
    while (*text >= '0' && *text <= '9')
        text++;
    return text;
}

static const char *skip_sign(const char *text)
{
    return *text == '+' || *text == '-' ? text + 1 : text;
}

/* Is `text` a decimal number and nothing else? strtod() also accepts blanks, nan, 0x1p3. */
static int32_t is_decimal(const char *text)
{
    const char *start = skip_sign(text);
    const char *at = skip_digits(start);
    int64_t digits = at - start;

    if (*at == '.') {
        const char *fraction = at + 1;
        at = skip_digits(fraction);
        digits += at - fraction;
    }
    if (digits > 0 && (*at == 'e' || *at == 'E')) {
        const char *exponent = skip_sign(at + 1);
        at = skip_digits(exponent);
        if (at == exponent)
            return 0;
    }
    return digits > 0 && *at == '\0';
}

/* Is `text` an optional sign and digits? Then *out is its value, or *overflow is 1. */
static int32_t parse_i64(const char *text, int64_t *out, int32_t *overflow)
{
    const char *digits = skip_sign(text);
    const char *end = skip_digits(digits);

    if (end == digits || *end != '\0')
        return 0;
    int64_t value = 0; /* read as its negative, so that INT64_MIN fits */
    *overflow = 0;
    for (const char *at = digits; at < end; at++) {
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_sub_overflow(value, (int64_t)(*at - '0'), &value))
            *overflow = 1;
    }
    if (*text != '-' && value == INT64_MIN)
        *overflow = 1;
    else if (*text != '-')
        value = -value;
    *out = value;
    return 1;
}

/* The number that is_decimal() accepted, rounded to nearest, whatever the thread's locale. */
static jem_status parse_f64(const char *caller, const char *text, double *out)
{
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);

    if (plain == (locale_t)0)
        return jem__fail(JEM_E_NOMEM, "%s: out of memory: no \"C\" locale", caller);
    *out = strtod_l(text, NULL, plain);
    freelocale(plain);
    return JEM_OK;
}

/* printf's "%.*g" whatever the locale: another decimal point, one byte or more, becomes ".";
 * the exponent loses its "+" and its leading zeros. */
static void print_digits(double value, int digits, char out[NUMBER_SIZE])
{
    char text[NUMBER_SIZE];

    snprintf(text, sizeof text, "%.*g", digits, value);
    size_t used = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == 'e') {
            snprintf(out + used, NUMBER_SIZE - used, "e%ld", strtol(at + 1, NULL, 10));
            return;
        }
        if (*at == '-' || (*at >= '0' && *at <= '9'))
            out[used++] = *at;
        else if (used > 0 && out[used - 1] != '.') /* a digit stands before it */
            out[used++] = '.';
    }
    out[used] = '\0';
}

/* The shortest text that reads back as `value`, such as "0.0001" or "1e-8". */
static void print_f64(double value, char out[NUMBER_SIZE])
{
    for (int digits = 15; digits <= 17; digits++) {
        double back = 0;
        print_digits(value, digits, out);
        if (parse_f64("libjem", out, &back) == JEM_OK && back == value)
            return;
    }
}

/* ---- checks ---- */

/* Is `value` one of "adam, sgd"? */
static int32_t is_choice(const char *choices, const char *value)
{
    const size_t length = strlen(value);

    for (const char *at = choices; *at != '\0';) {
        const size_t width = strcspn(at, ",");
        if (width == length && memcmp(at, value, length) == 0)
            return 1;
        at += width;
        at += strspn(at, ", ");
    }
    return 0;
}

/* Is `text` empty or positive integers, each larger than the one before, joined by commas? */
static int32_t is_epoch_list(const char *text)
{
    int64_t last = 0;

    if (*text == '\0')
        return 1;
    for (;; text++) {
        int64_t epoch = 0;
        const char *end = skip_digits(text);
        if (end == text || *text == '0' || end - text > 7)
            return 0;
        for (; text < end; text++)
            epoch = 10 * epoch + (*text - '0');
        if (epoch <= last || epoch > LARGEST_EPOCH)
            return 0;
        last = epoch;
        if (*text != ',')
            return *text == '\0';
    }
}

static jem_status put_i64(const char *caller, const struct jem__option_row *row, int64_t value,
                          union jem__option_value *out)
{
    if (value < row->low_i64 || value > row->high_i64)
        return jem__fail(JEM_E_RANGE, "%s: %s = %" PRId64 ", must be %s", caller, row->name,
                         value, row->allowed);
    out->i64 = value;
    return JEM_OK;
}

static jem_status put_f64(const char *caller, const struct jem__option_row *row, double value,
                          union jem__option_value *out)
{
    if (!isfinite(value))
        return jem__fail(JEM_E_RANGE, "%s: %s = %s, must be %s", caller, row->name,
                         isnan(value) ? "nan" : (value > 0 ? "inf" : "-inf"), row->allowed);
    if (value < row->low_f64 || value > row->high_f64) {
        char text[NUMBER_SIZE];
        print_f64(value, text);
        return jem__fail(JEM_E_RANGE, "%s: %s = %s, must be %s", caller, row->name, text,
                         row->allowed);
    }
    out->f64 = value + 0.0; /* no -0 */
    return JEM_OK;
}

static jem_status put_text(const char *caller, const struct jem__option_row *row,
                           const char *value, union jem__option_value *out)
{
    if (row->choices != NULL && !is_choice(row->choices, value))
        return jem__fail(JEM_E_RANGE, "%s: %s = \"%.80s\", must be one of %s", caller,
                         row->name, value, row->allowed);
    if (row->choices == NULL && !is_epoch_list(value))
        return jem__fail(JEM_E_RANGE, "%s: %s = \"%.80s\", must be %s (at most %d)", caller,
                         row->name, value, row->allowed, LARGEST_EPOCH);
    const size_t size = strlen(value) + 1;
    if (size > sizeof out->text)
        return jem__fail(JEM_E_RANGE, "%s: %s = \"%.80s\" has %zu bytes, must be at most %d",
                         caller, row->name, value, size - 1, JEM__TEXT_SIZE - 1);
    memmove(out->text, value, size);
    return JEM_OK;
}

static jem_status put_number_text(const char *caller, const struct jem__option_row *row,
                                  const char *text, union jem__option_value *out)
{
    if (row->type == JEM__OPTION_I64) {
        int64_t value = 0;
        int32_t overflow = 0;
        if (!parse_i64(text, &value, &overflow))
            return jem__fail(JEM_E_ARGUMENT, "%s: %s = \"%.80s\", must be an integer, %s",
                             caller, row->name, text, row->allowed);
        if (overflow)
            return jem__fail(JEM_E_RANGE, "%s: %s = %.80s, must be %s", caller, row->name, text,
                             row->allowed);
        return put_i64(caller, row, value, out);
    }
    if (!is_decimal(text))
        return jem__fail(JEM_E_ARGUMENT, "%s: %s = \"%.80s\", must be a decimal number, %s",
                         caller, row->name, text, row->allowed);
    double value = 0;
    JEM__TRY(parse_f64(caller, text, &value));
    return put_f64(caller, row, value, out);
}

/* ---- the bag ---- */

jem_status jem__options_create(jem_context *ctx, jem_options **out)
{
    return jem__options_copy(ctx, NULL, out);
}

jem_status jem__options_copy(jem_context *ctx, const jem_options *from, jem_options **out)
{
    *out = NULL;
    jem_options *opts = jem__alloc(ctx, 1, (int64_t)sizeof *opts);
    if (opts == NULL)
        return JEM_E_NOMEM;
    opts->ctx = jem__context_ref(ctx);
    for (int i = 0; i < JEM__OPTION_COUNT; i++)
        opts->value[i] = from != NULL ? from->value[i] : jem__option_rows[i].fallback;
    *out = opts;
    return JEM_OK;
}

void jem__options_free(jem_options *opts)
{
    if (opts == NULL)
        return;
    jem_context *ctx = opts->ctx;
    jem__free(ctx, opts);
    jem__context_unref(ctx);
}

jem_status jem__options_set_i64(jem_options *opts, const char *name, int64_t value)
{
    const char *caller = "jem_options_set_i64";
    const int i = find(name);

    if (i < 0)
        return fail_unknown(caller, name);
    const struct jem__option_row *row = &jem__option_rows[i];
    if (row->type == JEM__OPTION_TEXT)
        return jem__fail(JEM_E_ARGUMENT, "%s: %s is a text, not a number; must be one of %s",
                         caller, name, row->allowed);
    if (row->type == JEM__OPTION_F64)
        return put_f64(caller, row, (double)value, &opts->value[i]);
    return put_i64(caller, row, value, &opts->value[i]);
}

jem_status jem__options_set_f64(jem_options *opts, const char *name, double value)
{
    const char *caller = "jem_options_set_f64";
    const int i = find(name);

    if (i < 0)
        return fail_unknown(caller, name);
    const struct jem__option_row *row = &jem__option_rows[i];
    if (row->type != JEM__OPTION_F64)
        return jem__fail(JEM_E_ARGUMENT, "%s: %s is %s, not a real number; must be %s", caller,
                         name, row->type == JEM__OPTION_TEXT ? "a text" : "an integer",
                         row->allowed);
    return put_f64(caller, row, value, &opts->value[i]);
}

jem_status jem__options_set_str(jem_options *opts, const char *name, const char *value)
{
    const char *caller = "jem_options_set_str";
    const int i = find(name);

    if (i < 0)
        return fail_unknown(caller, name);
    const struct jem__option_row *row = &jem__option_rows[i];
    if (row->type == JEM__OPTION_TEXT)
        return put_text(caller, row, value, &opts->value[i]);
    return put_number_text(caller, row, value, &opts->value[i]);
}

jem_status jem__options_get_str(const jem_options *opts, const char *name, char *out,
                                int64_t out_size)
{
    const char *caller = "jem_options_get_str";
    const int i = find(name);

    if (i < 0)
        return fail_unknown(caller, name);
    const union jem__option_value *value = &opts->value[i];
    char number[NUMBER_SIZE];
    const char *text = number;
    switch (jem__option_rows[i].type) {
    case JEM__OPTION_I64:
        snprintf(number, sizeof number, "%" PRId64, value->i64);
        break;
    case JEM__OPTION_F64:
        print_f64(value->f64, number);
        break;
    case JEM__OPTION_TEXT:
        text = value->text;
        break;
    }
    const int64_t needed = (int64_t)strlen(text) + 1;
    if (out_size < needed)
        return jem__fail(JEM_E_SPACE, "%s: out_size = %" PRId64 ", %s needs %" PRId64, caller,
                         out_size, name, needed);
    memcpy(out, text, (size_t)needed);
    return JEM_OK;
}

/* ---- presets ---- */

static jem_status apply(jem_options *opts, const struct jem__setting *settings)
{
    for (; settings->name != NULL; settings++)
        JEM__TRY(jem__options_set_str(opts, settings->name, settings->value));
    return JEM_OK;
}

jem_status jem__options_preset(jem_options *opts, const char *name)
{
    char known[256] = "";

    for (int i = 0; i < JEM__PRESET_COUNT; i++) {
        const struct jem__preset *preset = &jem__presets[i];
        if (strcmp(preset->name, name) == 0) {
            JEM__TRY(apply(opts, preset->common));
            return apply(opts, preset->own);
        }
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", preset->name);
    }
    return jem__fail(JEM_E_UNKNOWN,
                     "jem_options_preset: unknown preset \"%.80s\"; known are %s", name, known);
}

/* ---- values for the rooms above ---- */

static const union jem__option_value *look_up(const jem_options *opts, const char *name,
                                              enum jem__option_type type)
{
    const int i = find(name);

    if (i < 0 || jem__option_rows[i].type != type) {
        jem__fail(JEM_E_INTERNAL, "libjem: option \"%s\" %s", name,
                  i < 0 ? "is not in the table" : "is read as another type");
        return NULL;
    }
    return opts != NULL ? &opts->value[i] : &jem__option_rows[i].fallback;
}

int64_t jem__option_i64(const jem_options *opts, const char *name)
{
    const union jem__option_value *value = look_up(opts, name, JEM__OPTION_I64);
    return value == NULL ? 0 : value->i64;
}

double jem__option_f64(const jem_options *opts, const char *name)
{
    const union jem__option_value *value = look_up(opts, name, JEM__OPTION_F64);
    return value == NULL ? 0 : value->f64;
}

const char *jem__option_str(const jem_options *opts, const char *name)
{
    const union jem__option_value *value = look_up(opts, name, JEM__OPTION_TEXT);
    return value == NULL ? "" : value->text;
}
