/* SPDX-License-Identifier: MIT */

/* JPEG files through libjpeg. libjpeg reports errors by a call that must not return, so they
 * leave by longjmp(); everything the jump passes over lives in one struct. */

#include "image_jpeg.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "report.h"

struct reading {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors; /* `client_data` leads from the jpeg back to here */
    jmp_buf failed;
    const char *path;
    FILE *file;
    struct image *out;
};

static void give_up(j_common_ptr jpeg)
{
    struct reading *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];

    jpeg->err->format_message(jpeg, text);
    report_failed("%s: not a sound JPEG file: %s", r->path, text);
    longjmp(r->failed, 1);
}

/* Warnings (damaged data that libjpeg papers over) count as errors: scores of half a grey
 * image help nobody. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0)
        give_up(jpeg);
}

static int decode(struct reading *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    struct image *out = r->out;

    if (setjmp(r->failed) != 0)
        return EXIT_FAILED;
    jpeg_create_decompress(jpeg);
    jpeg_stdio_src(jpeg, r->file);
    jpeg_read_header(jpeg, TRUE);
    if (jpeg->image_width > IMAGE_MAX_SIDE || jpeg->image_height > IMAGE_MAX_SIDE)
        return report_failed("%s: %u x %u pixels; at most %d x %d are read", r->path,
                             jpeg->image_width, jpeg->image_height, IMAGE_MAX_SIDE,
                             IMAGE_MAX_SIDE);
    jpeg->out_color_space = jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(jpeg);
    out->channels = jpeg->output_components;
    out->height = jpeg->output_height;
    out->width = jpeg->output_width;
    out->pixels = malloc((size_t)(out->channels * out->height * out->width));
    if (out->pixels == NULL)
        return report_no_memory();
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = out->pixels + jpeg->output_scanline * out->width * out->channels;

        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
    return EXIT_OK;
}

int image_read_jpeg(const char *path, struct image *out)
{
    struct reading r;
    int rc;

    memset(&r, 0, sizeof r);
    r.path = path;
    r.out = out;
    r.file = fopen(path, "rb");
    if (r.file == NULL)
        return report_failed("cannot open %s: %s", path, strerror(errno));
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = give_up;
    r.errors.emit_message = on_message;
    r.jpeg.client_data = &r;
    rc = decode(&r);
    jpeg_destroy_decompress(&r.jpeg);
    fclose(r.file);
    if (rc != EXIT_OK)
        image_free(out);
    return rc;
}
