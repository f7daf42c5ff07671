/* SPDX-License-Identifier: MIT */

/* CelebA, the aligned and cropped version: JPEG files of 178 x 218 pixels, and text files with a
 * line per image. Faces are cut to the middle 178 x 178 and then made smaller; resizing the
 * shorter side alone would give 32 x 39, of which a network for 32 x 32 sees no lower rows. */

#include "kit/data/data_kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/data/image_list.h"

#define LINE_BYTES 4096

/* A text file, line by line. */
struct text {
    char path[FILE_PATH_BYTES];
    uint8_t *bytes;
    size_t length, at;
    int64_t line;
    char now[LINE_BYTES]; /* the line, without the line feed */
};

static int text_open(const struct data_kind *kind, const char *folder, const char *name,
                     struct text *t)
{
    TRY(data_find_file(kind, folder, name, t->path));
    return file_read(t->path, &t->bytes, &t->length);
}

static int bad_line(const struct text *t, const char *what)
{
    return report_failed("%s, line %" PRId64 ": %s", t->path, t->line, what);
}

/* Go on to the next line; 0: there is none. */
static int next_line(struct text *t)
{
    size_t length = 0;

    t->line++;
    if (t->at >= t->length)
        return 0;
    while (t->at < t->length && t->bytes[t->at] != '\n') {
        if (length < LINE_BYTES - 1)
            t->now[length++] = (char)t->bytes[t->at];
        t->at++;
    }
    t->at++;
    t->now[length] = '\0';
    return 1;
}

/* The next word of a line, which it ends with a NUL; "" when there is none. */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, " \t\r");
    const size_t length = strcspn(word, " \t\r");

    *at = word + length + (word[length] != '\0');
    word[length] = '\0';
    return word;
}

/* The number of the attribute's column, from 0. Reads the two lines at the top. */
static int find_attribute(struct text *t, const char *name, int64_t *column)
{
    char names[LINE_BYTES], *at = names, *word;
    int there = next_line(t);

    there = there && next_line(t);
    if (!there)
        return bad_line(t, "the names of the attributes are missing");
    memcpy(names, t->now, sizeof names);
    *column = 0;
    for (word = next_word(&at); word[0] != '\0' && strcmp(word, name) != 0;
         word = next_word(&at))
        ++*column;
    if (word[0] == '\0')
        return report_usage("celeba: there is no attribute \"%s\"; there are %s", name, t->now);
    return EXIT_OK;
}

/* The label in the next line, which must be about `image`. */
static int read_label(struct text *t, const char *image, int64_t column, int32_t *label)
{
    char *at = t->now, *word;

    if (!next_line(t) || strcmp(next_word(&at), image) != 0)
        return bad_line(t, "not about the image of the same line of the partition");
    word = next_word(&at);
    for (int64_t i = 0; i < column; i++)
        word = next_word(&at);
    if (strcmp(word, "1") != 0 && strcmp(word, "-1") != 0)
        return bad_line(t, "an attribute is neither 1 nor -1");
    *label = word[0] == '1';
    return EXIT_OK;
}

/* The lists of a folder. */
struct lists {
    struct text partition, attributes;
    int labelled; /* by column `column` of the attributes */
    int64_t column;
    char images[FILE_PATH_BYTES]; /* the folder with the files */
    struct image_list list;       /* those of the split */
};

/* The image of the partition's present line, if it is in the split. */
static int add_image(struct lists *l, char split)
{
    char *at = l->partition.now, path[FILE_PATH_BYTES];
    const char *name = next_word(&at), *of = next_word(&at);
    int32_t label = -1;

    if (name[0] == '\0')
        return EXIT_OK;
    if (strchr(name, '/') != NULL || strlen(of) != 1 || strchr("012", of[0]) == NULL)
        return bad_line(&l->partition, "must be the name of an image and 0, 1 or 2");
    if (l->labelled)
        TRY(read_label(&l->attributes, name, l->column, &label));
    if (of[0] != split)
        return EXIT_OK;
    TRY(file_join(path, l->images, name));
    return image_list_add(&l->list, path, label);
}

static int read_lists(struct lists *l, const struct data_kind *kind,
                      const struct image_options *how, char split)
{
    char folder[FILE_PATH_BYTES];

    TRY(file_join(folder, how->folder, kind->inside));
    if (!file_exists(folder))
        snprintf(folder, sizeof folder, "%s", how->folder);
    TRY(file_join(l->images, folder, "img_align_celeba"));
    TRY(text_open(kind, folder, "list_eval_partition.txt", &l->partition));
    l->labelled = how->attr[0] != '\0';
    if (l->labelled) {
        TRY(text_open(kind, folder, "list_attr_celeba.txt", &l->attributes));
        TRY(find_attribute(&l->attributes, how->attr, &l->column));
    }
    while (next_line(&l->partition))
        TRY(add_image(l, split));
    if (l->list.count == 0)
        return report_failed("%s: no image is in part %c", l->partition.path, split);
    return EXIT_OK;
}

int data_open_celeba(jem_context *ctx, const struct data_kind *kind, const char *where,
                     const char *split, jem_dataset **out)
{
    struct image_options how = {.crop = {178, 178}, .size = {32, 32}, .square = 1};
    struct lists l = {.labelled = 0};
    int rc;

    TRY(image_options_read(kind, where, &how));
    rc = read_lists(&l, kind, &how, strcmp(split, "train") == 0 ? '0' : '2');
    if (rc == EXIT_OK)
        rc = image_list_read(ctx, &l.list, l.labelled ? 2 : 1, &how, out);
    image_list_free(&l.list);
    free(l.partition.bytes);
    free(l.attributes.bytes);
    return rc;
}

const char *data_celeba_class(const struct data_kind *kind, const char *where, int64_t y)
{
    static char text[64];
    struct image_options how = {.channels = 0};

    if (image_options_read(kind, where, &how) != EXIT_OK || how.attr[0] == '\0' || y > 1)
        return NULL;
    snprintf(text, sizeof text, "%s%s", y == 0 ? "not " : "", how.attr);
    return text;
}
