/* SPDX-License-Identifier: MIT */

/* PNG files through libpng, but not through its simplified interface: that corrects gamma and
 * takes 16-bit samples for linear light, where every tool for training takes the numbers as they
 * are. Errors leave by longjmp(); what must survive the jump lives in one struct. */

#include "kit/images/image_codec.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "kit/base/report.h"

/* None of the chunks that are read, such as tRNS, needs more. */
#define CHUNK_BYTES ((png_alloc_size_t)1 << 20)

/* Deflate gives at most 1032 bytes for one, and the smallest pixel is a bit. */
#define PIXELS_PER_BYTE (1032 * 8)

struct reading {
    png_structp png;
    png_infop info;
    const char *name;
    const uint8_t *bytes; /* what is left of the file */
    size_t length;
    struct image *out;
    int lost; /* memory, so that libpng's complaint is not about the file */
};

static void give_up(png_structp png, png_const_charp text)
{
    const struct reading *r = png_get_error_ptr(png);

    if (r->lost)
        (void)report_no_memory();
    else
        report_failed("%s: not a sound PNG file: %s", r->name, text);
    png_longjmp(png, 1);
}

static png_voidp noting_malloc(png_structp png, png_alloc_size_t size)
{
    struct reading *r = png_get_mem_ptr(png);
    void *block = malloc(size);

    r->lost |= block == NULL;
    return block;
}

static void give_back(png_structp png, png_voidp block)
{
    (void)png;
    free(block);
}

/* Warnings are about chunks that nothing here reads. */
static void say_nothing(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void next_bytes(png_structp png, png_bytep out, size_t count)
{
    struct reading *r = png_get_io_ptr(png);

    if (count > r->length)
        png_error(png, "it is cut short");
    memcpy(out, r->bytes, count);
    r->bytes += count;
    r->length -= count;
}

/* Lay pixels with alpha on black, in place: 2 or 4 samples become 1 or 3. */
static void drop_alpha(struct image *image)
{
    const int64_t from = image->channels, to = from - 1;
    const int64_t area = image->height * image->width;

    for (int64_t i = 0; i < area; i++) {
        const uint8_t *p = image->pixels + i * from;
        const uint8_t alpha = p[to];

        for (int64_t c = 0; c < to; c++)
            image->pixels[i * to + c] = image_scale_byte(p[c], alpha);
    }
    image->channels = to;
}

/* Header and pixels; samples of every kind become bytes. */
static int read_pixels(struct reading *r)
{
    struct image *out = r->out;
    size_t stride;
    int passes;

    png_read_info(r->png, r->info);
    out->height = png_get_image_height(r->png, r->info);
    out->width = png_get_image_width(r->png, r->info);
    if (image_check_size(r->name, out->height, out->width) != EXIT_OK)
        return EXIT_FAILED;
    if ((size_t)(out->height * out->width) / PIXELS_PER_BYTE > r->length)
        return report_failed("%s: not a sound PNG file: it is cut short", r->name);
    png_set_expand(r->png);
    png_set_strip_16(r->png);
    passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    out->channels = png_get_channels(r->png, r->info);
    stride = png_get_rowbytes(r->png, r->info);
    out->pixels = calloc((size_t)out->height, stride);
    if (out->pixels == NULL)
        return report_no_memory();
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < out->height; y++)
            png_read_row(r->png, out->pixels + (size_t)y * stride, NULL);
    png_read_end(r->png, NULL);
    return EXIT_OK;
}

static int decode(struct reading *r)
{
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, give_up, say_nothing, r,
                                      noting_malloc, give_back);
    if (r->png == NULL)
        return report_no_memory();
    if (setjmp(png_jmpbuf(r->png)) != 0)
        return EXIT_FAILED;
    r->info = png_create_info_struct(r->png);
    if (r->info == NULL)
        return report_no_memory();
    png_set_read_fn(r->png, r, next_bytes);
    /* read_pixels() has stricter limits. */
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(r->png, CHUNK_BYTES);
    png_set_crc_action(r->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    /* Profiles and texts stay packed, whatever they would unpack to. */
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    return read_pixels(r);
}

int image_decode_png(const uint8_t *bytes, size_t length, const char *name, struct image *out)
{
    struct reading r = {NULL, NULL, name, bytes, length, out, 0};
    const int rc = decode(&r);

    png_destroy_read_struct(&r.png, &r.info, NULL);
    if (rc != EXIT_OK)
        image_free(out);
    else if (out->channels == 2 || out->channels == 4)
        drop_alpha(out);
    return rc;
}
