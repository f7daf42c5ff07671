/* SPDX-License-Identifier: MIT */

/* The files of a list become one array of bytes, channel after channel. All images must agree in
 * size and channels; the error for one that does not names the option that makes it fit. */

#include "kit/data/image_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/images/image.h"
#include "kit/images/resize.h"

#define MAX_SIDE 4096 /* of an image in a data set: libjem's limit */

/* "N" or "HxW", 1 to MAX_SIDE each; `square`, where given, tells which. */
static int read_sides(const char *text, int64_t out[2], int *square)
{
    const size_t digits = strspn(text, "0123456789");
    const char *second = text[digits] == 'x' ? text + digits + 1 : text;
    const size_t more = strspn(second, "0123456789");

    if (digits < 1 || digits > 4 || more < 1 || more > 4 || second[more] != '\0')
        return 0;
    out[0] = strtol(text, NULL, 10);
    out[1] = strtol(second, NULL, 10);
    if (square != NULL)
        *square = second == text;
    return out[0] >= 1 && out[0] <= MAX_SIDE && out[1] >= 1 && out[1] <= MAX_SIDE;
}

static int read_option(const struct data_kind *kind, const char *text,
                       struct image_options *out)
{
    const int faces = strcmp(kind->name, "celeba") == 0;

    if (strcmp(text, "grey") == 0 || strcmp(text, "gray") == 0) {
        out->channels = 1;
    } else if (!faces && data_test_is_word(text)) {
        return EXIT_OK; /* data.c's */
    } else if (strcmp(text, "colour") == 0 || strcmp(text, "color") == 0) {
        out->channels = 3;
    } else if (strncmp(text, "size=", 5) == 0) {
        if (!read_sides(text + 5, out->size, &out->square))
            return report_usage("%s: %s: must be size=N or size=HxW, 1 to %d", kind->name, text,
                                MAX_SIDE);
    } else if (strncmp(text, "crop=", 5) == 0) {
        if (!read_sides(text + 5, out->crop, NULL))
            return report_usage("%s: %s: must be crop=N or crop=HxW, 1 to %d", kind->name, text,
                                MAX_SIDE);
    } else if (faces && strncmp(text, "attr=", 5) == 0 && text[5] != '\0') {
        snprintf(out->attr, sizeof out->attr, "%s", text + 5);
    } else {
        return report_usage("%s: unknown option \"%s\"; after the folder there may be "
                            ",size=N ,size=HxW ,crop=N ,crop=HxW ,grey ,colour%s",
                            kind->name, text, faces ? " ,attr=NAME" : " ,test=20%");
    }
    return EXIT_OK;
}

int image_options_read(const struct data_kind *kind, const char *where,
                       struct image_options *out)
{
    size_t length = strcspn(where, ",");

    if (length == 0)
        return report_usage("%s:%s: the folder is missing; %s", kind->name, where,
                            kind->advice);
    if (length >= sizeof out->folder)
        return report_failed("%s: file name too long: %.60s...", kind->name, where);
    memcpy(out->folder, where, length);
    out->folder[length] = '\0';
    while (where[length] == ',') {
        char text[48];

        where += length + 1;
        length = strcspn(where, ",");
        snprintf(text, sizeof text, "%.*s", (int)(length < 48 ? length : 48), where);
        TRY(read_option(kind, text, out));
    }
    return EXIT_OK;
}

int image_list_add(struct image_list *list, const char *path, int32_t label)
{
    if (list->count == list->space) {
        const int64_t space = list->space == 0 ? 1024 : 2 * list->space;
        char **paths = realloc(list->path, (size_t)space * sizeof paths[0]);
        int32_t *labels;

        if (paths == NULL)
            return report_no_memory();
        list->path = paths;
        labels = realloc(list->label, (size_t)space * sizeof labels[0]);
        if (labels == NULL)
            return report_no_memory();
        list->label = labels;
        list->space = space;
    }
    list->path[list->count] = strdup(path);
    if (list->path[list->count] == NULL)
        return report_no_memory();
    list->label[list->count++] = label;
    return EXIT_OK;
}

void image_list_free(struct image_list *list)
{
    for (int64_t i = 0; i < list->count; i++)
        free(list->path[i]);
    free(list->path);
    free(list->label);
    memset(list, 0, sizeof *list);
}

static int read_one(const char *path, const struct image_options *how, struct image *image)
{
    TRY(image_read(path, image));
    if (how->channels > 0)
        TRY(image_convert(image, how->channels));
    if (how->crop[0] > 0)
        TRY(image_crop(image, path, how->crop[0], how->crop[1]));
    if (how->size[0] > 0 && !how->square)
        return image_resize(image, path, how->size[0], how->size[1]);
    if (how->size[0] > 0) {
        TRY(image_resize_shorter(image, path, how->size[0]));
        return image_crop(image, path, how->size[0], how->size[1]);
    }
    return EXIT_OK;
}

/* Is the image like the first one? */
static int compare(const struct image *image, const char *path, const int64_t shape[3],
                   const char *first)
{
    if (image->channels != shape[0])
        return report_failed("%s is %s, %s is %s: add ,grey or ,colour to the data to have all "
                             "alike",
                             path, image->channels == 1 ? "grey" : "in colour", first,
                             shape[0] == 1 ? "grey" : "in colour");
    if (image->height != shape[1] || image->width != shape[2])
        return report_failed("%s is %" PRId64 " x %" PRId64 " pixels (height x width), "
                             "%s is %" PRId64 " x %" PRId64 ": add ,size=N or ,crop=N to "
                             "the data to have all alike",
                             path, image->height, image->width, first, shape[1], shape[2]);
    return EXIT_OK;
}

static void store(const struct image *image, uint8_t *out)
{
    const int64_t area = image->height * image->width;

    for (int64_t i = 0; i < area; i++)
        for (int64_t c = 0; c < image->channels; c++)
            out[c * area + i] = image->pixels[i * image->channels + c];
}

/* All images as bytes, and the shape of one. */
struct pixels {
    int64_t shape[3];
    uint8_t *bytes;
};

/* The first image decides the sizes, and so how much memory is needed; 0: there is not so much. */
static int begin(const struct image *first, int64_t n, struct pixels *p)
{
    const size_t size = (size_t)(first->channels * first->height * first->width);

    p->shape[0] = first->channels;
    p->shape[1] = first->height;
    p->shape[2] = first->width;
    p->bytes = (size_t)n > SIZE_MAX / size ? NULL : malloc((size_t)n * size);
    return p->bytes != NULL;
}

static int take(const struct image *image, const struct image_list *list, int64_t i,
                struct pixels *p)
{
    if (p->bytes == NULL && !begin(image, list->count, p))
        return report_failed("out of memory: %" PRId64 " images of %" PRId64
                             " bytes; add ,size=N to the data for smaller ones",
                             list->count, p->shape[0] * p->shape[1] * p->shape[2]);
    TRY(compare(image, list->path[i], p->shape, list->path[0]));
    store(image, p->bytes + i * p->shape[0] * p->shape[1] * p->shape[2]);
    return EXIT_OK;
}

static int read_all(const struct image_list *list, const struct image_options *how,
                    struct progress *progress, struct pixels *p)
{
    for (int64_t i = 0; i < list->count; i++) {
        struct image image = {0, 0, 0, NULL};
        int rc;

        if (progress_due(progress))
            progress_show(progress, "reading image %" PRId64 " of %" PRId64, i + 1,
                          list->count);
        rc = read_one(list->path[i], how, &image);
        if (rc == EXIT_OK)
            rc = take(&image, list, i, p);
        image_free(&image);
        TRY(rc);
    }
    return EXIT_OK;
}

int image_list_read(jem_context *ctx, const struct image_list *list, int64_t classes,
                    const struct image_options *how, jem_dataset **out)
{
    struct progress progress;
    struct pixels p = {.bytes = NULL};
    int rc;

    progress_start(&progress, 0);
    progress.quiet = !progress.terminal;
    progress.standing = progress.terminal; /* a line of the caller's */
    rc = read_all(list, how, &progress, &p);
    progress_clear(&progress);
    if (rc == EXIT_OK)
        rc = report_jem(
            jem_dataset_from_u8(ctx, p.bytes, list->label, list->count, p.shape, classes, out));
    free(p.bytes);
    return rc;
}
