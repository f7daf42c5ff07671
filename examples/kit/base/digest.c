/* SPDX-License-Identifier: MIT */

/* MD5 through libmd, and the MD5s that are known. Sources: torchvision's mnist.py, cifar.py and
 * svhn.py; those of unpacked Fashion-MNIST files are of the files in Debian's package, which
 * packs them anew. The binary version of CIFAR has one for its archive only. */

#include "kit/base/digest.h"

#include <errno.h>
#include <md5.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"

static const struct {
    const char *kind, *name, *md5;
} published[] = {
    {"mnist", "train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"},
    {"mnist", "train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"},
    {"mnist", "t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"},
    {"mnist", "t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"},
    {"fashion-mnist", "train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"},
    {"fashion-mnist", "train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"},
    {"fashion-mnist", "t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"},
    {"fashion-mnist", "t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"},
    {"fashion-mnist", "train-images-idx3-ubyte", "f4a8712d7a061bf5bd6d2ca38dc4d50a"},
    {"fashion-mnist", "train-labels-idx1-ubyte", "9018921c3c673c538a1fc5bad174d6f9"},
    {"fashion-mnist", "t10k-images-idx3-ubyte", "8181f5470baa50b63fa0f6fddb340f0a"},
    {"fashion-mnist", "t10k-labels-idx1-ubyte", "15d484375f8d13e6eb1aabb0c3f46965"},
    {"cifar10", "data_batch_1", "c99cafc152244af753f735de768cd75f"},
    {"cifar10", "data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"},
    {"cifar10", "data_batch_3", "54ebc095f3ab1f0389bbae665268c751"},
    {"cifar10", "data_batch_4", "634d18415352ddfa80567beed471001a"},
    {"cifar10", "data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"},
    {"cifar10", "test_batch", "40351d587109b95175f43aff81a1287e"},
    {"cifar100", "train", "16019d7e3df5f24257cddd939b257f8d"},
    {"cifar100", "test", "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    {"svhn", "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"},
    {"svhn", "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"},
    {"svhn", "extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"},
};
#define PUBLISHED (sizeof published / sizeof published[0])

/* The published MD5 of a file whose name is `length` characters long; NULL: none is known. */
static const char *find(const char *kind, const char *name, size_t length)
{
    for (size_t i = 0; i < PUBLISHED; i++)
        if (strcmp(published[i].kind, kind) == 0 && strlen(published[i].name) == length &&
            strncmp(published[i].name, name, length) == 0)
            return published[i].md5;
    return NULL;
}

int digest_md5(const char *path, char md5[DIGEST_MD5_TEXT])
{
    if (MD5File(path, md5) == NULL)
        return report_failed("cannot read %s: %s", path, strerror(errno));
    return EXIT_OK;
}

static int md5_unpacked(const char *path, char md5[DIGEST_MD5_TEXT])
{
    uint8_t *bytes = NULL;
    size_t length = 0;

    TRY(file_read(path, &bytes, &length));
    MD5Data(bytes, length, md5);
    free(bytes);
    return EXIT_OK;
}

int digest_file(const char *kind, const char *path, char md5[DIGEST_MD5_TEXT],
                enum digest_verdict *verdict)
{
    const char *name = file_name_of(path);
    const size_t length = strlen(name);
    const char *as_is = find(kind, name, length), *unpacked = NULL;
    char inner[DIGEST_MD5_TEXT];

    *verdict = DIGEST_UNKNOWN;
    TRY(digest_md5(path, md5));
    if (file_has_ending(name, ".gz"))
        unpacked = find(kind, name, length - 3);
    if (as_is != NULL && strcmp(as_is, md5) == 0) {
        *verdict = DIGEST_PUBLISHED;
    } else if (unpacked != NULL) {
        TRY(md5_unpacked(path, inner));
        *verdict = strcmp(unpacked, inner) == 0 ? DIGEST_REPACKED : DIGEST_DIFFERENT;
    } else if (as_is != NULL) {
        *verdict = file_has_ending(name, ".gz") ? DIGEST_PACKING : DIGEST_DIFFERENT;
    }
    return EXIT_OK;
}

const char *digest_verdict_text(enum digest_verdict verdict)
{
    static const char *const texts[] = {
        [DIGEST_UNKNOWN] = "no published MD5 known",
        [DIGEST_PUBLISHED] = "as published",
        [DIGEST_REPACKED] = "as published, packed anew",
        [DIGEST_DIFFERENT] = "differs from the published file",
        [DIGEST_PACKING] = "differs from the published file, or is packed anew",
    };

    return texts[verdict];
}
