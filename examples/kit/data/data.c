/* SPDX-License-Identifier: MIT */

/* The table of known data sets, and how a --data is read. */

#include "kit/data/data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/data/data_kind.h"

#define DEBIAN_FASHION_MNIST "/usr/share/datasets/fashion-mnist"

static const char *const garments[] = {"T-shirt/top", "Trouser",    "Pullover", "Dress",
                                       "Coat",        "Sandal",     "Shirt",    "Sneaker",
                                       "Bag",         "Ankle boot", NULL};
static const char *const things[] = {"airplane", "automobile", "bird", "cat",   "deer", "dog",
                                     "frog",     "horse",      "ship", "truck", NULL};

static const struct data_kind kinds[] = {
    {"fashion-mnist", DEBIAN_FASHION_MNIST, NULL,
     "install Debian's package (apt install dataset-fashion-mnist), or put the four "
     "*-ubyte.gz files of github.com/zalandoresearch/fashion-mnist into a folder and say "
     "fashion-mnist:FOLDER",
     garments, data_open_mnist},
    {"mnist", NULL, NULL,
     "download the four *-ubyte.gz files of MNIST (yann.lecun.com/exdb/mnist or a mirror) "
     "into a folder and say mnist:FOLDER",
     NULL, data_open_mnist},
    {"idx", NULL, NULL, "say idx:IMAGES,LABELS[,test=20%] with two IDX files", NULL,
     data_open_idx},
    {"folder", NULL, NULL,
     "say folder:DIR for DIR/CLASS/*.png or *.jpg, or DIR/train/CLASS and "
     "DIR/test/CLASS; without classes images:DIR",
     NULL, data_open_folder},
    {"images", NULL, NULL,
     "say images:DIR for DIR/*.png or *.jpg; with a folder per class folder:DIR", NULL,
     data_open_images},
    {"celeba", NULL, "celeba",
     "download img_align_celeba.zip, list_eval_partition.txt and list_attr_celeba.txt of "
     "CelebA (mmlab.ie.cuhk.edu.hk/projects/CelebA.html) into a folder, unpack the first and "
     "say celeba:FOLDER",
     NULL, data_open_celeba},
    {"cifar10", NULL, "cifar-10-batches-bin",
     "download cifar-10-binary.tar.gz or cifar-10-python.tar.gz from "
     "www.cs.toronto.edu/~kriz/cifar.html, unpack it and say cifar10:FOLDER",
     things, data_open_cifar},
    {"cifar100", NULL, "cifar-100-binary",
     "download cifar-100-binary.tar.gz or cifar-100-python.tar.gz from "
     "www.cs.toronto.edu/~kriz/cifar.html, unpack it and say cifar100:FOLDER",
     data_cifar100_classes, data_open_cifar},
    {"svhn", NULL, NULL,
     "download train_32x32.mat and test_32x32.mat from ufldl.stanford.edu/housenumbers into a "
     "folder and say svhn:FOLDER",
     NULL, data_open_svhn},
    {"npy", NULL, NULL, "say npy:IMAGES.npy[,LABELS.npy][,classes=K][,range=A..B][,test=20%]",
     NULL, data_open_npy},
};
#define KINDS ((int)(sizeof kinds / sizeof kinds[0]))

static const struct data_kind *find_kind(const char *spec)
{
    const size_t length = strcspn(spec, ":");

    for (int i = 0; i < KINDS; i++)
        if (strlen(kinds[i].name) == length && strncmp(kinds[i].name, spec, length) == 0)
            return &kinds[i];
    return NULL;
}

int data_find_file(const struct data_kind *kind, const char *folder, const char *name,
                   char out[FILE_PATH_BYTES])
{
    char packed[64];

    TRY(file_join(out, folder, name));
    if (file_exists(out))
        return EXIT_OK;
    snprintf(packed, sizeof packed, "%s.gz", name);
    TRY(file_join(out, folder, packed));
    if (file_exists(out))
        return EXIT_OK;
    return report_failed("%s: %s/%s (or %s.gz) does not exist; %s", kind->name, folder, name,
                         name, kind->advice);
}

/* The kind, and the place of its files; NULL after reporting an error. */
static const struct data_kind *parse_spec(const char *spec, const char *split,
                                          const char **where)
{
    const struct data_kind *kind = find_kind(spec);
    const char *colon = strchr(spec, ':');
    int known = strcmp(split, "train") == 0 || strcmp(split, "test") == 0;

    if (kind == NULL) {
        char names[256] = "";

        for (int i = 0; i < KINDS; i++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                     i > 0 ? ", " : "", kinds[i].name);
        report_usage("%s: unknown kind of data; there are %s (jem-data --kinds lists how "
                     "each is written)",
                     spec, names);
        return NULL;
    }
    known = known || (strcmp(split, "validation") == 0 && kind->open == data_open_folder);
    known = known || (strcmp(split, "extra") == 0 && kind->open == data_open_svhn);
    if (!known) {
        report_usage("--split %s: must be train or test", split);
        return NULL;
    }
    *where = colon != NULL ? colon + 1 : kind->folder;
    if (*where == NULL || (*where)[0] == '\0') {
        report_usage("%s: the place of the files is missing; %s", spec, kind->advice);
        return NULL;
    }
    return kind;
}

int data_check(const char *spec)
{
    const char *where;

    return parse_spec(spec, "test", &where) != NULL ? EXIT_OK : EXIT_USAGE;
}

/* May the word after the first comma be a file as well? */
static int has_two_places(const struct data_kind *kind)
{
    return kind->open == data_open_idx || kind->open == data_open_npy;
}

static int is_option(const char *word)
{
    static const char *const names[] = {"classes=", "test=", "range="};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(word, names[i], strlen(names[i])) == 0)
            return 1;
    return 0;
}

/* The words between commas, each behind the working directory where it is a relative name. */
static int write_absolute(FILE *out, const struct data_kind *kind, const char *where)
{
    char folder[FILE_PATH_BYTES];

    if (getcwd(folder, sizeof folder) == NULL)
        return report_failed("cannot tell the working directory: %s", strerror(errno));
    for (int i = 0; *where != '\0'; i++) {
        const size_t length = strcspn(where, ",");
        const int place = i == 0 || (i == 1 && has_two_places(kind) && !is_option(where));

        if (place && *where != '/')
            fprintf(out, "%s/", folder);
        fwrite(where, 1, length, out);
        where += length;
        if (*where == ',')
            fputc(*where++, out);
    }
    return EXIT_OK;
}

int data_absolute(const char *spec, char **out)
{
    const struct data_kind *kind = find_kind(spec);
    const char *colon = strchr(spec, ':');
    size_t length = 0;
    FILE *stream = NULL;
    int rc = EXIT_OK;

    *out = NULL;
    stream = file_open_memory(out, &length);
    if (stream == NULL)
        return report_no_memory();
    fwrite(spec, 1, colon == NULL ? strlen(spec) : (size_t)(colon + 1 - spec), stream);
    if (kind != NULL && colon != NULL)
        rc = write_absolute(stream, kind, colon + 1);
    if (!file_close_memory(stream, out))
        return rc == EXIT_OK ? report_no_memory() : rc;
    if (rc != EXIT_OK) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

/* What serves as test part where files bring no test split. Sets with labels are there to be
 * tested with. */
#define DEFAULT_SHARE 0.2

/* Can the kind lack a test split, and does this set? */
static int lacks_test(const struct data_kind *kind, const char *where, int *lacks)
{
    int has = 0;

    *lacks = kind->open == data_open_idx || kind->open == data_open_npy ||
             kind->open == data_open_images;
    if (kind->open != data_open_folder)
        return EXIT_OK;
    TRY(data_folder_has_split(kind, where, "test", &has));
    *lacks = !has;
    return EXIT_OK;
}

/* The test part; none for sets with a test split. */
static int read_test(const struct data_kind *kind, const char *where, struct data_test *test)
{
    int lacks = 0, labelled = kind->open == data_open_idx || kind->open == data_open_folder;

    *test = (struct data_test){.said = 0};
    TRY(lacks_test(kind, where, &lacks));
    if (kind->open == data_open_npy)
        TRY(data_npy_labelled(kind, where, &labelled));
    if (lacks)
        return data_test_read(kind, where, labelled ? DEFAULT_SHARE : 0, test);
    if (kind->open != data_open_folder)
        return EXIT_OK;
    TRY(data_test_read(kind, where, 0, test));
    if (test->said && (test->share > 0 || test->count > 0))
        return report_usage("%s:%s: the folder has a test split; ,test= goes with sets "
                            "that have none",
                            kind->name, where);
    *test = (struct data_test){.said = 0};
    return EXIT_OK;
}

static int open_part(jem_context *ctx, const struct data_kind *kind, const char *spec,
                     const char *where, const char *split, jem_dataset **out)
{
    struct data_test test;
    int rc;

    TRY(read_test(kind, where, &test));
    TRY(kind->open(ctx, kind, where, split, out));
    rc = data_test_take(spec, &test, split, out);
    if (rc != EXIT_OK) {
        jem_dataset_free(*out);
        *out = NULL;
    }
    return rc;
}

int data_open(jem_context *ctx, const char *spec, const char *split, jem_dataset **out)
{
    const char *where;
    const struct data_kind *kind = parse_spec(spec, split, &where);

    *out = NULL;
    return kind != NULL ? open_part(ctx, kind, spec, where, split, out) : EXIT_USAGE;
}

int data_own_splits(const char *spec, int *own)
{
    const char *where;
    const struct data_kind *kind = parse_spec(spec, "train", &where);
    struct data_test test;
    int lacks = 0;

    *own = 1;
    if (kind == NULL)
        return EXIT_USAGE;
    TRY(lacks_test(kind, where, &lacks));
    TRY(read_test(kind, where, &test));
    *own = !lacks || test.share > 0 || test.count > 0;
    return EXIT_OK;
}

int data_has_validation(const char *spec, int *has)
{
    const char *where;
    const struct data_kind *kind = parse_spec(spec, "train", &where);

    *has = 0;
    if (kind == NULL)
        return EXIT_USAGE;
    return kind->open == data_open_folder
               ? data_folder_has_split(kind, where, "validation", has)
               : EXIT_OK;
}

int data_test_text(const char *spec, char out[DATA_TEST_TEXT])
{
    const char *where;
    const struct data_kind *kind = parse_spec(spec, "train", &where);
    struct data_test test;

    out[0] = '\0';
    if (kind == NULL)
        return EXIT_USAGE;
    TRY(read_test(kind, where, &test));
    if (test.count > 0)
        snprintf(out, DATA_TEST_TEXT, "%lld images", (long long)test.count);
    else if (test.share > 0)
        snprintf(out, DATA_TEST_TEXT, "%g %% of each class", 100 * test.share);
    return EXIT_OK;
}

int data_list_files(const char *spec, const char *split, struct data_files *out)
{
    const char *where;
    const struct data_kind *kind = parse_spec(spec, split, &where);

    out->count = 0;
    if (kind == NULL)
        return EXIT_USAGE;
    if (kind->open == data_open_mnist)
        return data_mnist_files(kind, where, split, out);
    if (kind->open == data_open_cifar)
        return data_cifar_files(kind, where, split, out);
    if (kind->open == data_open_svhn)
        return data_svhn_files(kind, where, split, out);
    return EXIT_OK;
}

const char *data_class_name(const char *spec, int64_t y)
{
    const struct data_kind *kind = spec == NULL ? NULL : find_kind(spec);
    const char *colon = spec == NULL ? NULL : strchr(spec, ':');

    if (kind == NULL || y < 0)
        return NULL;
    if (kind->open == data_open_folder && colon != NULL)
        return data_folder_class(kind, colon + 1, y);
    if (kind->open == data_open_celeba && colon != NULL)
        return data_celeba_class(kind, colon + 1, y);
    for (int64_t i = 0; kind->classes != NULL && kind->classes[i] != NULL; i++)
        if (i == y)
            return kind->classes[i];
    return NULL;
}

int data_print_kinds(void)
{
    static const char *const headings[] = {"--data", "what", "files", NULL};
    static const char *const rows[][3] = {
        {"fashion-mnist[:DIR]", "Fashion-MNIST", "IDX; without DIR Debian's package"},
        {"mnist:DIR", "MNIST and what is laid out like it", "IDX: train-*, t10k-*"},
        {"idx:IMAGES,LABELS[,test=P%]", "any images", "IDX"},
        {"folder:DIR[,OPTIONS]",
         "a folder per class, with or without train, validation and test", "PNG, JPEG"},
        {"images:DIR[,OPTIONS]", "any images, not labelled", "PNG, JPEG"},
        {"celeba:DIR[,OPTIONS]", "CelebA; attr=NAME among the options gives labels",
         "JPEG, aligned and cropped"},
        {"cifar10:DIR", "CIFAR-10", "binary or Python version"},
        {"cifar100:DIR", "CIFAR-100, fine labels", "binary or Python version"},
        {"svhn:DIR", "SVHN, cropped; splits train, test, extra", "*_32x32.mat"},
        {"npy:IMAGES[,range=A..B]", "any images, not labelled", ".npy"},
        {"npy:IMAGES,LABELS[,classes=K]", "any images", ".npy; K: largest label + 1"},
    };
    struct table *t = table_create(headings);
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int c = 0; c < 3; c++)
            table_cell(t, "%s", rows[i][c]);
    rc = table_print(t, stdout);
    table_free(t);
    fputs(
        "\nDIR may be the folder with the files or the one around it that the archive or "
        "torchvision\nmakes. Files may be packed with gzip, those of SVHN excepted.\n\n"
        "Images in .npy files are N x H x W, N x C x H x W or N x H x W x C: bytes, or floats "
        "in [-1, 1];\nrange=0..1 or range=0..255 says that floats are others. Label -1: not "
        "labelled.\n\n"
        "OPTIONS: size=N or size=HxW resizes (size=N: the shorter side, and keeps the middle "
        "N x N),\ncrop=N or crop=HxW keeps the middle before that, grey or colour converts. "
        "Example:\nfolder:birds,crop=200,size=32,colour\n\n"
        "Where folder, images, idx and npy have no test split, test=P% or test=N keeps so "
        "many images for\ntesting, of each class its share and the same for every program. "
        "Without it test=20% holds where\nthere are labels. With test=0 all images serve "
        "for training and for testing.\n",
        stdout);
    return rc;
}
