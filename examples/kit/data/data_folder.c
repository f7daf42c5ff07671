/* SPDX-License-Identifier: MIT */

/* Folders of PNG and JPEG files: with a folder per class, in the order and with the labels of
 * torchvision's ImageFolder, and flat ones without labels. */

#include "kit/data/data_kind.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/data/image_list.h"

#define MAX_DEPTH  16  /* of folders in folders: links can lead in circles */
#define NAME_BYTES 256 /* of a class: the longest name of a folder that file systems have */

/* What lies in a folder. Paths are folder/name. */
struct listing {
    struct image_list folders, files;
};

static void listing_free(struct listing *l)
{
    image_list_free(&l->folders);
    image_list_free(&l->files);
}

/* Is it an image file? A kind that torchvision reads and this kit does not is refused: without
 * such files it would quietly be another data set. */
static int check_ending(const char *path, int *is_image)
{
    static const char *const read[] = {".png", ".jpg", ".jpeg"};
    static const char *const refused[] = {".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp"};

    *is_image = 0;
    for (size_t i = 0; i < sizeof read / sizeof read[0]; i++)
        *is_image |= file_has_ending(path, read[i]);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (file_has_ending(path, refused[i]))
            return report_failed("%s: %s files are not read; convert it to PNG", path,
                                 refused[i]);
    return EXIT_OK;
}

static int list_entry(const char *folder, const char *name, struct listing *out)
{
    char path[FILE_PATH_BYTES];
    struct stat info;
    int is_image = 0;

    if (name[0] == '.')
        return EXIT_OK;
    TRY(file_join(path, folder, name));
    if (stat(path, &info) != 0)
        return report_failed("cannot look at %s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return image_list_add(&out->folders, path, -1);
    if (!S_ISREG(info.st_mode))
        return EXIT_OK;
    TRY(check_ending(path, &is_image));
    return is_image ? image_list_add(&out->files, path, -1) : EXIT_OK;
}

static int list_entries(DIR *dir, const char *folder, struct listing *out)
{
    const struct dirent *entry;

    for (;;) {
        errno = 0; /* tells the end from a failure */
        entry = readdir(dir);
        if (entry == NULL && errno != 0)
            return report_failed("cannot read folder %s: %s", folder, strerror(errno));
        if (entry == NULL)
            return EXIT_OK;
        TRY(list_entry(folder, entry->d_name, out));
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What lies in a folder: subfolders sorted by name, images as they come, nothing hidden. */
static int list_folder(const char *folder, struct listing *out)
{
    DIR *dir = opendir(folder);
    int rc;

    memset(out, 0, sizeof *out);
    if (dir == NULL)
        return report_failed("cannot open folder %s: %s", folder, strerror(errno));
    rc = list_entries(dir, folder, out);
    closedir(dir);
    if (rc != EXIT_OK)
        listing_free(out);
    else if (out->folders.count > 1)
        qsort(out->folders.path, (size_t)out->folders.count, sizeof *out->folders.path,
              by_text);
    return rc;
}

/* ImageFolder's order of files: by folder first, then by name. ('-' sorts before '/'.) */
static int by_folder_and_name(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    const size_t n = (size_t)(file_name_of(x) - x) - 1, m = (size_t)(file_name_of(y) - y) - 1;
    const int order = memcmp(x, y, n < m ? n : m);

    if (order != 0)
        return order;
    return n != m ? (n < m ? -1 : 1) : strcmp(x + n, y + m);
}

/* Sort the files from number `first` on. Their labels are the same. */
static void sort_files(struct image_list *list, int64_t first)
{
    if (list->count - first > 1)
        qsort(list->path + first, (size_t)(list->count - first), sizeof list->path[0],
              by_folder_and_name);
}

static int walk(const char *folder, int32_t label, int depth, struct image_list *out);

static int walk_entries(const struct listing *here, int32_t label, int depth,
                        struct image_list *out)
{
    for (int64_t i = 0; i < here->files.count; i++)
        TRY(image_list_add(out, here->files.path[i], label));
    for (int64_t i = 0; i < here->folders.count; i++)
        TRY(walk(here->folders.path[i], label, depth + 1, out));
    return EXIT_OK;
}

/* All images below a folder. */
static int walk(const char *folder, int32_t label, int depth, struct image_list *out)
{
    struct listing here;
    int rc;

    if (depth > MAX_DEPTH)
        return report_failed("%s: more than %d folders in each other; does a link lead in "
                             "circles?",
                             folder, MAX_DEPTH);
    TRY(list_folder(folder, &here));
    rc = walk_entries(&here, label, depth, out);
    listing_free(&here);
    return rc;
}

/* --- Splits ------------------------------------------------------------------------------- */

enum { TRAIN, VALIDATION, TEST, SPLITS };

/* What the folders of splits are usually called, in any case. */
static const struct {
    const char *split, *names[5];
} usual[SPLITS] = {
    {"train", {"train", "training", NULL}},
    {"validation", {"validation", "valid", "val", "dev", NULL}},
    {"test", {"test", "testing", "eval", "evaluation", NULL}},
};

/* The folders of a data set's splits, "" where there is none, and those that are none. */
struct splits {
    char path[SPLITS][FILE_PATH_BYTES];
    int64_t found, flat; /* splits; folders with such a name that hold images themselves */
    int64_t others;
    char other[FILE_PATH_BYTES]; /* the first of the others */
};

static int split_of_name(const char *name)
{
    for (int k = 0; k < SPLITS; k++)
        for (int i = 0; usual[k].names[i] != NULL; i++)
            if (strcasecmp(name, usual[k].names[i]) == 0)
                return k;
    return -1;
}

/* Does it hold images and no folders? Then it is a class, whatever its name. */
static int holds_images(const char *folder, int *holds)
{
    struct listing here;

    TRY(list_folder(folder, &here));
    *holds = here.files.count > 0 && here.folders.count == 0;
    listing_free(&here);
    return EXIT_OK;
}

static int add_folder(const struct data_kind *kind, const char *path, struct splits *out)
{
    const int k = split_of_name(file_name_of(path));
    int flat = 0;

    if (k >= 0)
        TRY(holds_images(path, &flat));
    if (k < 0 || flat) {
        out->flat += flat;
        if (out->others++ == 0)
            snprintf(out->other, sizeof out->other, "%s", path);
        return EXIT_OK;
    }
    if (out->path[k][0] != '\0')
        return report_failed("%s: %s and %s are both named as the %s split; rename one "
                             "of them or move it elsewhere",
                             kind->name, out->path[k], path, usual[k].split);
    out->found++;
    snprintf(out->path[k], sizeof out->path[k], "%s", path);
    return EXIT_OK;
}

/* A folder of a split must never be taken for a class. */
static int check_splits(const struct data_kind *kind, const char *folder,
                        const struct splits *s)
{
    const char *first = s->path[TRAIN];

    for (int k = 0; k < SPLITS && first[0] == '\0'; k++)
        first = s->path[k];
    if (s->found == 0 && s->flat > 1 && s->flat == s->others)
        return report_failed("%s: the folders of %s are named as splits and hold images "
                             "without folders of classes; images without labels are read with "
                             "images:%s",
                             kind->name, folder, s->other);
    if (s->found > 0 && s->path[TRAIN][0] == '\0')
        return report_failed("%s: %s is named as a split, and there is no folder train "
                             "beside it; add one, or, where it is a class, put its images into "
                             "it and not into folders",
                             kind->name, first);
    if (s->found == 1 && s->others > 0)
        return report_failed(
            "%s: %s is named as a split and %s is not; move the latter "
            "elsewhere, or, where both are classes, put the images into %s and "
            "not into folders",
            kind->name, first, s->other, first);
    return EXIT_OK;
}

static int read_splits(const struct data_kind *kind, const char *folder, struct splits *out)
{
    struct listing here;
    int rc = EXIT_OK;

    memset(out, 0, sizeof *out);
    TRY(list_folder(folder, &here));
    for (int64_t i = 0; i < here.folders.count && rc == EXIT_OK; i++)
        rc = add_folder(kind, here.folders.path[i], out);
    listing_free(&here);
    return rc == EXIT_OK ? check_splits(kind, folder, out) : rc;
}

/* The folder with the images of a split; "": there is none. A validation folder without a test
 * folder beside it is the test split: so is ImageNet published. */
static const char *folder_of_split(const struct splits *s, const char *split)
{
    const int tested = s->path[TEST][0] != '\0';

    if (strcmp(split, "train") == 0)
        return s->path[TRAIN];
    if (strcmp(split, "test") == 0)
        return s->path[tested ? TEST : VALIDATION];
    return tested ? s->path[VALIDATION] : "";
}

/* The folder whose subfolders name the classes, and the one with the images of the split. */
static int find_split(const struct data_kind *kind, const char *folder, const char *split,
                      char classes[FILE_PATH_BYTES], char images[FILE_PATH_BYTES])
{
    struct splits s;
    const char *found;

    TRY(read_splits(kind, folder, &s));
    found = folder_of_split(&s, split);
    if (found[0] == '\0' && strcmp(split, "validation") == 0)
        return report_usage("--split validation: %s has no such split; it needs the folders "
                            "train, validation and test",
                            folder);
    snprintf(classes, FILE_PATH_BYTES, "%s", s.found > 0 ? s.path[TRAIN] : folder);
    snprintf(images, FILE_PATH_BYTES, "%s", found[0] != '\0' ? found : classes);
    if (s.found > 1 && s.others > 0 && strcmp(split, "train") == 0)
        report_note("%s: %s lies beside the splits and is not read", kind->name, s.other);
    return EXIT_OK;
}

int data_folder_has_split(const struct data_kind *kind, const char *where, const char *split,
                          int *has)
{
    struct image_options how = {.channels = 0};
    struct splits s;

    *has = 0;
    TRY(image_options_read(kind, where, &how));
    TRY(read_splits(kind, how.folder, &s));
    *has = folder_of_split(&s, split)[0] != '\0';
    return EXIT_OK;
}

/* --- Classes ------------------------------------------------------------------------------ */

/* Its number among the classes, or -1. */
static int32_t find_class(const struct image_list *classes, const char *name)
{
    for (int64_t i = 0; i < classes->count; i++)
        if (strcmp(file_name_of(classes->path[i]), name) == 0)
            return (int32_t)i;
    return -1;
}

/* The images of one class. There must be some: a class that is never seen is a mistake. */
static int add_class(const char *folder, const struct image_list *classes,
                     struct image_list *out)
{
    const int32_t label = find_class(classes, file_name_of(folder));
    const int64_t first = out->count;

    if (label < 0)
        return report_failed("%s: there is no class of this name among the training images",
                             folder);
    TRY(walk(folder, label, 1, out));
    if (out->count == first)
        return report_failed("%s: the folder of a class without a .png, .jpg or .jpeg file",
                             folder);
    sort_files(out, first);
    return EXIT_OK;
}

/* What is found on the way to the images of a split. */
struct search {
    struct image_options how;
    struct listing classes, here; /* in the folder that names them, and in that of the split */
    struct image_list images;
};

static void search_free(struct search *s)
{
    image_list_free(&s->images);
    listing_free(&s->classes);
    listing_free(&s->here);
}

static int search_classes(struct search *s, const struct data_kind *kind, const char *where,
                          const char *split)
{
    char classes[FILE_PATH_BYTES], images[FILE_PATH_BYTES];

    TRY(image_options_read(kind, where, &s->how));
    TRY(find_split(kind, s->how.folder, split, classes, images));
    TRY(list_folder(classes, &s->classes));
    TRY(list_folder(images, &s->here));
    if (s->here.folders.count == 0)
        return report_failed("%s: %s has no folders of classes; %s", kind->name, images,
                             kind->advice);
    for (int64_t i = 0; i < s->here.folders.count; i++)
        TRY(add_class(s->here.folders.path[i], &s->classes.folders, &s->images));
    return EXIT_OK;
}

int data_open_folder(jem_context *ctx, const struct data_kind *kind, const char *where,
                     const char *split, jem_dataset **out)
{
    struct search s = {.how = {.channels = 0}};
    int rc = search_classes(&s, kind, where, split);

    if (rc == EXIT_OK)
        rc = image_list_read(ctx, &s.images, s.classes.folders.count, &s.how, out);
    search_free(&s);
    return rc;
}

const char *data_folder_class(const struct data_kind *kind, const char *where, int64_t y)
{
    static char text[NAME_BYTES];
    char class_folder[FILE_PATH_BYTES], ignored[FILE_PATH_BYTES];
    struct image_options how = {.channels = 0};
    struct listing classes = {{0}, {0}};
    const char *name = NULL;

    if (image_options_read(kind, where, &how) != EXIT_OK ||
        find_split(kind, how.folder, "test", class_folder, ignored) != EXIT_OK ||
        list_folder(class_folder, &classes) != EXIT_OK) {
        report_incomplete(); /* a number stands for the name */
    } else if (y >= 0 && y < classes.folders.count) {
        snprintf(text, sizeof text, "%s", file_name_of(classes.folders.path[y]));
        name = text;
    }
    listing_free(&classes);
    return name;
}

static int search_images(struct search *s, const struct data_kind *kind, const char *where)
{
    TRY(image_options_read(kind, where, &s->how));
    TRY(list_folder(s->how.folder, &s->here));
    if (s->here.files.count == 0)
        return report_failed("%s: %s has no .png, .jpg or .jpeg file; %s", kind->name,
                             s->how.folder, kind->advice);
    sort_files(&s->here.files, 0);
    return EXIT_OK;
}

int data_open_images(jem_context *ctx, const struct data_kind *kind, const char *where,
                     const char *split, jem_dataset **out)
{
    struct search s = {.how = {.channels = 0}};
    int rc = search_images(&s, kind, where);

    (void)split;
    if (rc == EXIT_OK)
        rc = image_list_read(ctx, &s.here.files, 1, &s.how, out);
    search_free(&s);
    return rc;
}
