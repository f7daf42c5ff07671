/* SPDX-License-Identifier: MIT */

/* The table of known data sets, and how a --data is read. */

#include "data.h"

#include <stdio.h>
#include <string.h>

#include "data_kind.h"
#include "report.h"

#define DEBIAN_FASHION_MNIST "/usr/share/datasets/fashion-mnist"

static const char *const garments[] = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                       "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                       "Bag",         "Ankle boot"};
static const char *const things[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                     "dog",      "frog",       "horse", "ship", "truck"};

static const struct data_kind kinds[] = {
    {"fashion-mnist", DEBIAN_FASHION_MNIST, NULL,
     "install Debian's package (apt install dataset-fashion-mnist), or put the four "
     "*-ubyte.gz files of github.com/zalandoresearch/fashion-mnist into a folder and say "
     "--data fashion-mnist:FOLDER",
     garments, data_open_mnist},
    {"mnist", NULL, NULL,
     "download the four *-ubyte.gz files of MNIST (yann.lecun.com/exdb/mnist or a mirror) "
     "into a folder and say --data mnist:FOLDER",
     NULL, data_open_mnist},
    {"idx", NULL, NULL, "say --data idx:IMAGES,LABELS with two IDX files", NULL, data_open_idx},
    {"cifar10", NULL, "cifar-10-batches-bin",
     "download cifar-10-binary.tar.gz from www.cs.toronto.edu/~kriz/cifar.html, unpack it and "
     "say --data cifar10:FOLDER",
     things, data_open_cifar},
    {"cifar100", NULL, "cifar-100-binary",
     "download cifar-100-binary.tar.gz from www.cs.toronto.edu/~kriz/cifar.html, unpack it and "
     "say --data cifar100:FOLDER",
     NULL, data_open_cifar},
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

/* folder/name or folder/name.gz, whichever exists. */
int data_find_file(const struct data_kind *kind, const char *folder, const char *name,
                   char out[FILE_PATH_BYTES])
{
    char packed[64];
    int rc = file_join(out, folder, name);

    if (rc != EXIT_OK || file_exists(out))
        return rc;
    snprintf(packed, sizeof packed, "%s.gz", name);
    rc = file_join(out, folder, packed);
    if (rc != EXIT_OK || file_exists(out))
        return rc;
    return report_failed("--data %s: %s/%s (or %s.gz) does not exist; %s", kind->name, folder,
                         name, name, kind->advice);
}

int data_open(jem_context *ctx, const char *spec, const char *split, jem_dataset **out)
{
    const struct data_kind *kind = find_kind(spec);
    const char *colon = strchr(spec, ':');
    const char *where;

    *out = NULL;
    if (kind == NULL)
        return report_usage("--data %s: unknown kind; known are " DATA_HELP, spec);
    if (strcmp(split, "train") != 0 && strcmp(split, "test") != 0)
        return report_usage("--split %s: must be train or test", split);
    where = colon != NULL ? colon + 1 : kind->folder;
    if (where == NULL || where[0] == '\0')
        return report_usage("--data %s: the place of the files is missing; %s", spec,
                            kind->advice);
    return kind->open(ctx, kind, where, split, out);
}

const char *data_class_name(const char *spec, int64_t y)
{
    const struct data_kind *kind = spec == NULL ? NULL : find_kind(spec);

    if (kind == NULL || kind->classes == NULL || y < 0 || y >= 10)
        return NULL;
    return kind->classes[y];
}
