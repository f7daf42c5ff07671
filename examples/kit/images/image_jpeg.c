/* SPDX-License-Identifier: MIT */

/* JPEG files through libjpeg with its defaults, which are Pillow's too: accurate integer DCT and
 * smooth upsampling of colour. libjpeg reports an error by a call that must not return, so it
 * leaves by longjmp(); what must survive the jump lives in one struct. */

#include "kit/images/image_codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "kit/base/report.h"

/* A progressive file needs all its coefficients in memory, and each of its scans goes through all
 * of them: a short file could ask for hours of work. Encoders write about ten scans. */
#define COEFFICIENT_BYTES ((long)512 << 20)
#define MAX_SCANS         100

struct reading {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors; /* `client_data` leads from the jpeg back to here */
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    const char *name;
    uint8_t *cmyk; /* one row, if the file has four inks */
    struct image *out;
};

static void give_up(j_common_ptr jpeg)
{
    struct reading *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];

    jpeg->err->format_message(jpeg, text);
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY)
        report_no_memory();
    else
        report_failed("%s: not a sound JPEG file: %s", r->name, text);
    longjmp(r->failed, 1);
}

/* A warning tells of damage that libjpeg papers over with grey, whose score would mean nothing,
 * so it counts as an error. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0)
        give_up(jpeg);
}

static void count_scans(j_common_ptr jpeg)
{
    struct reading *r = jpeg->client_data;

    if (r->jpeg.input_scan_number <= MAX_SCANS)
        return;
    report_failed("%s: a JPEG file of more than %d scans; refused", r->name, MAX_SCANS);
    longjmp(r->failed, 1);
}

/* Adobe stores the four inks inverted. The result is that of Pillow's convert("RGB"). */
static void cmyk_to_rgb(const uint8_t *cmyk, int64_t width, uint8_t *rgb)
{
    for (int64_t i = 0; i < width; i++, cmyk += 4)
        for (int c = 0; c < 3; c++)
            *rgb++ = (uint8_t)(cmyk[3] - image_scale_byte(255u - cmyk[c], cmyk[3]));
}

static void read_row(struct reading *r, uint8_t *row)
{
    JSAMPROW target = r->cmyk != NULL ? r->cmyk : row;

    jpeg_read_scanlines(&r->jpeg, &target, 1);
    if (r->cmyk != NULL)
        cmyk_to_rgb(r->cmyk, r->out->width, row);
}

static int decode(struct reading *r, const uint8_t *bytes, size_t length)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    struct image *out = r->out;

    if (setjmp(r->failed) != 0)
        return EXIT_FAILED;
    jpeg_create_decompress(jpeg);
    jpeg->mem->max_memory_to_use = COEFFICIENT_BYTES;
    jpeg->progress = &r->progress;
    jpeg_mem_src(jpeg, bytes, length);
    jpeg_read_header(jpeg, TRUE);
    out->channels = jpeg->num_components == 1 ? 1 : 3;
    out->height = jpeg->image_height;
    out->width = jpeg->image_width;
    if (image_check_size(r->name, out->height, out->width) != EXIT_OK)
        return EXIT_FAILED;
    jpeg->out_color_space = jpeg->num_components == 1   ? JCS_GRAYSCALE
                            : jpeg->num_components == 4 ? JCS_CMYK
                                                        : JCS_RGB;
    jpeg_start_decompress(jpeg);
    if (jpeg->num_components == 4)
        r->cmyk = malloc((size_t)out->width * 4);
    out->pixels = malloc((size_t)(out->channels * out->height * out->width));
    if (out->pixels == NULL || (r->cmyk == NULL && jpeg->num_components == 4))
        return report_no_memory();
    while (jpeg->output_scanline < jpeg->output_height)
        read_row(r, out->pixels + jpeg->output_scanline * out->width * out->channels);
    jpeg_finish_decompress(jpeg);
    return EXIT_OK;
}

int image_decode_jpeg(const uint8_t *bytes, size_t length, const char *name, struct image *out)
{
    struct reading r;
    int rc;

    memset(&r, 0, sizeof r);
    r.name = name;
    r.out = out;
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = give_up;
    r.errors.emit_message = on_message;
    r.progress.progress_monitor = count_scans;
    r.jpeg.client_data = &r;
    rc = decode(&r, bytes, length);
    jpeg_destroy_decompress(&r.jpeg);
    free(r.cmyk);
    if (rc != EXIT_OK)
        image_free(out);
    return rc;
}
