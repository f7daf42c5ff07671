/* SPDX-License-Identifier: MIT */
/* Data sets: the file formats, byte for byte and with everything wrong with them that can be.
 * check_data_parts.c has what is made of data sets. */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <jem/data.h>
#include <jem/status.h>

#include "core/context.h"
#include "data/dataset.h"
#include "test_support.h"

Suite *jem_data_suite(void);
void jem_data_parts_cases(Suite *suite); /* check_data_parts.c */

static jem_context *ctx;

static void make_context(void)
{
    jem_check_ok(jem__context_create(NULL, "", NULL, NULL, NULL, &ctx));
}

static void free_context(void)
{
    jem_context_free(ctx);
}

/* ---- IDX ---- */

/* Two images of 3 x 2 and their labels. */
static const uint8_t idx_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0,  0,  0,  3,  0,  0,
                                     0, 2, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 255};
static const uint8_t idx_labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 9};
#define IMAGES_LEN ((int64_t)sizeof idx_images)
#define LABELS_LEN ((int64_t)sizeof idx_labels)

static jem_status parse_idx(const uint8_t *x, int64_t x_len, const uint8_t *y, int64_t y_len,
                            jem_dataset **out)
{
    return jem_dataset_from_bytes(ctx, "idx", "some-file", x, x_len, y, y_len, out);
}

/* `bytes` with byte `at` changed to `value`: the call must fail with the text. */
static void check_bad_image_byte(int64_t at, uint8_t value, const char *text)
{
    uint8_t bytes[sizeof idx_images];
    jem_dataset *d = NULL;
    memcpy(bytes, idx_images, sizeof bytes);
    bytes[at] = value;
    jem_check_fails(parse_idx(bytes, IMAGES_LEN, idx_labels, LABELS_LEN, &d), JEM_E_FORMAT,
                    text);
    ck_assert_ptr_null(d);
}

START_TEST(idx_is_read)
{
    jem_dataset *d = NULL;
    int64_t shape[4], n = 0;
    float x[12];
    int32_t y[2];
    jem_check_ok(parse_idx(idx_images, IMAGES_LEN, idx_labels, LABELS_LEN, &d));
    jem_check_ok(jem_dataset_size(d, &n));
    jem_check_ok(jem_dataset_shape(d, shape));
    ck_assert_int_eq(n, 2);
    ck_assert(shape[0] == 1 && shape[1] == 3 && shape[2] == 2 && shape[3] == 10);
    jem_check_ok(jem_dataset_read(d, 0, 2, x, y));
    ck_assert(y[0] == 7 && y[1] == 9);
    for (int32_t i = 0; i < 12; i++)
        ck_assert(x[i] == (float)idx_images[16 + i] / 127.5f - 1.0f);
    ck_assert(x[11] == 1);
    jem_dataset_free(d);
}
END_TEST

START_TEST(idx_with_channels_is_read)
{
    /* one image of 2 channels, 1 x 3 */
    const uint8_t images[] = {0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0,
                              0, 0, 1, 0, 0, 0, 3, 0, 1, 2, 3, 4, 5};
    const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 1, 0};
    jem_dataset *d = NULL;
    int64_t shape[4];
    jem_check_ok(parse_idx(images, (int64_t)sizeof images, labels, (int64_t)sizeof labels, &d));
    jem_check_ok(jem_dataset_shape(d, shape));
    ck_assert(shape[0] == 2 && shape[1] == 1 && shape[2] == 3 && shape[3] == 10);
    ck_assert_mem_eq(d->bytes, images + 20, 6);
    jem_dataset_free(d);
}
END_TEST

START_TEST(idx_cut_anywhere_is_refused)
{
    jem_dataset *d = NULL;
    /* Exact copies, so that a sanitizer sees a read past the end. */
    for (int64_t len = 0; len < IMAGES_LEN; len++) {
        uint8_t *cut = malloc((size_t)len + 1);
        memcpy(cut, idx_images, (size_t)len);
        jem_check_fails(parse_idx(cut, len, idx_labels, LABELS_LEN, &d), JEM_E_FORMAT,
                        "some-file: images:");
        ck_assert_ptr_null(d);
        free(cut);
    }
    for (int64_t len = 0; len < LABELS_LEN; len++) {
        uint8_t *cut = malloc((size_t)len + 1);
        memcpy(cut, idx_labels, (size_t)len);
        jem_check_fails(parse_idx(idx_images, IMAGES_LEN, cut, len, &d), JEM_E_FORMAT,
                        "some-file: labels:");
        ck_assert_ptr_null(d);
        free(cut);
    }
    jem_check_fails(parse_idx(idx_images, 10, idx_labels, LABELS_LEN, &d), JEM_E_FORMAT,
                    "ends at offset 10 within the sizes, which end at 16");
    uint8_t longer[sizeof idx_images + 1] = {0};
    memcpy(longer, idx_images, sizeof idx_images);
    jem_check_fails(parse_idx(longer, IMAGES_LEN + 1, idx_labels, LABELS_LEN, &d), JEM_E_FORMAT,
                    "13 bytes from offset 16, its sizes ask for 12");
    memcpy(longer, idx_labels, sizeof idx_labels);
    jem_check_fails(parse_idx(idx_images, IMAGES_LEN, longer, LABELS_LEN + 1, &d), JEM_E_FORMAT,
                    "labels: 3 bytes from offset 8, its sizes ask for 2");
}
END_TEST

START_TEST(idx_headers_that_lie_are_refused)
{
    /* Whatever one header byte is changed to, the file is not what it claims. */
    for (int64_t at = 0; at < 16; at++) {
        for (int32_t value = 0; value < 256; value++) {
            if (value != idx_images[at])
                check_bad_image_byte(at, (uint8_t)value, "jem_dataset_from_bytes: some-file: ");
        }
    }
    check_bad_image_byte(0, 1, "begins with 0x0100, an IDX file begins with 0x0000");
    check_bad_image_byte(2, 0x0d, "data type 0x0d at offset 2, must be 0x08");
    check_bad_image_byte(3, 1, "1 dimensions at offset 3, must be 3 to 4");
    check_bad_image_byte(3, 5, "5 dimensions at offset 3, must be 3 to 4");
    check_bad_image_byte(7, 0, "size 0 at offset 4, must be at least 1");
    check_bad_image_byte(15, 3, "12 bytes from offset 16, its sizes ask for 18");
    check_bad_image_byte(4, 0xff, "its sizes ask for 25669140492");

    jem_dataset *d = NULL;
    uint8_t huge[32];
    memset(huge, 0xff, sizeof huge);
    memcpy(huge, (const uint8_t[]){0, 0, 8, 3}, 4);
    jem_check_fails(parse_idx(huge, 16, idx_labels, LABELS_LEN, &d), JEM_E_FORMAT,
                    "size 4294967295 at offset 8 asks for more bytes than a 64-bit number");

    uint8_t labels[sizeof idx_labels];
    memcpy(labels, idx_labels, sizeof labels);
    labels[9] = 10;
    jem_check_fails(parse_idx(idx_images, IMAGES_LEN, labels, LABELS_LEN, &d), JEM_E_FORMAT,
                    "some-file: labels: label 10 at offset 9, must be 0 to 9");
    labels[7] = 1;
    jem_check_fails(parse_idx(idx_images, IMAGES_LEN, labels, LABELS_LEN - 1, &d), JEM_E_FORMAT,
                    "1 labels at offset 4, must be 2 as the images");
    jem_check_fails(parse_idx(idx_images, IMAGES_LEN, idx_images, IMAGES_LEN, &d), JEM_E_FORMAT,
                    "labels: 3 dimensions at offset 3, must be 1 to 1");

    uint8_t *tall = calloc(16 + 4097, 1);
    memcpy(tall, (const uint8_t[]){0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0x10, 1, 0, 0, 0, 1}, 16);
    const uint8_t one[] = {0, 0, 8, 1, 0, 0, 0, 1, 0};
    jem_check_fails(parse_idx(tall, 16 + 4097, one, 9, &d), JEM_E_FORMAT,
                    "size 4097 at offset 8, must be 1 to 4096");
    ck_assert_ptr_null(d);
    tall[11] = 0; /* 4096 */
    jem_check_ok(parse_idx(tall, 16 + 4096, one, 9, &d));
    free(tall);
    jem_dataset_free(d);
}
END_TEST

START_TEST(gzip_is_named)
{
    const uint8_t gzip[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    const char *text = "some-file: is gzip-compressed; unpack it first";
    jem_dataset *d = NULL;
    jem_check_fails(parse_idx(gzip, 10, idx_labels, LABELS_LEN, &d), JEM_E_UNSUPPORTED, text);
    jem_check_fails(parse_idx(idx_images, IMAGES_LEN, gzip, 10, &d), JEM_E_UNSUPPORTED, text);
    jem_check_fails(jem_dataset_from_bytes(ctx, "cifar10", "some-file", gzip, 10, NULL, 0, &d),
                    JEM_E_UNSUPPORTED, text);
    ck_assert_ptr_null(d);
}
END_TEST

/* ---- CIFAR ---- */

/* Two records with a pattern in the pixels; returns their length. */
static int64_t fill_cifar(uint8_t *out, int32_t fine)
{
    const int64_t record = 3073 + fine;
    for (int64_t i = 0; i < 2; i++) {
        uint8_t *p = out + i * record;
        p[0] = (uint8_t)(3 + i);
        if (fine)
            p[1] = (uint8_t)(98 + i);
        for (int64_t e = 0; e < 3072; e++)
            p[1 + fine + e] = (uint8_t)(e * 7 + i);
    }
    return 2 * record;
}

static void check_cifar(const char *kind, int32_t fine)
{
    uint8_t bytes[2 * 3074 + 1];
    const int64_t len = fill_cifar(bytes, fine), record = len / 2;
    jem_dataset *d = NULL;
    int64_t shape[4];
    jem_check_ok(jem_dataset_from_bytes(ctx, kind, NULL, bytes, len, NULL, 0, &d));
    jem_check_ok(jem_dataset_shape(d, shape));
    ck_assert(shape[0] == 3 && shape[1] == 32 && shape[2] == 32);
    ck_assert_int_eq(shape[3], fine ? 100 : 10);
    ck_assert_int_eq(d->n, 2);
    ck_assert_int_eq(d->labels[0], fine ? 98 : 3);
    ck_assert_int_eq(d->labels[1], fine ? 99 : 4);
    ck_assert_mem_eq(d->bytes, bytes + 1 + fine, 3072);
    ck_assert_mem_eq(d->bytes + 3072, bytes + record + 1 + fine, 3072);
    jem_dataset_free(d);

    for (int64_t cut = 0; cut <= len + 1; cut++) {
        const jem_status status =
            jem_dataset_from_bytes(ctx, kind, "cut", bytes, cut, NULL, 0, &d);
        ck_assert_int_eq(status, cut == record || cut == len ? JEM_OK : JEM_E_FORMAT);
        ck_assert_int_eq(d != NULL, status == JEM_OK);
        jem_dataset_free(d);
    }
    jem_check_fails(jem_dataset_from_bytes(ctx, kind, "cut", bytes, 100, NULL, 0, &d),
                    JEM_E_FORMAT, "cut: 100 bytes, must be a whole number of records of 307");
}

START_TEST(cifar10_is_read)
{
    check_cifar("cifar10", 0);
}
END_TEST

START_TEST(cifar100_is_read)
{
    check_cifar("cifar100", 1);
}
END_TEST

START_TEST(cifar_labels_are_checked)
{
    uint8_t bytes[2 * 3074];
    jem_dataset *d = NULL;
    int64_t len = fill_cifar(bytes, 0);
    bytes[3073] = 10;
    jem_check_fails(jem_dataset_from_bytes(ctx, "cifar10", "f", bytes, len, NULL, 0, &d),
                    JEM_E_FORMAT, "f: label 10 at offset 3073, must be 0 to 9");
    len = fill_cifar(bytes, 1);
    bytes[3074] = 20;
    jem_check_fails(jem_dataset_from_bytes(ctx, "cifar100", "f", bytes, len, NULL, 0, &d),
                    JEM_E_FORMAT, "f: coarse label 20 at offset 3074, must be 0 to 19");
    bytes[3074] = 19;
    bytes[3075] = 100;
    jem_check_fails(jem_dataset_from_bytes(ctx, "cifar100", "f", bytes, len, NULL, 0, &d),
                    JEM_E_FORMAT, "f: label 100 at offset 3075, must be 0 to 99");
    ck_assert_ptr_null(d);
}
END_TEST

/* ---- files ---- */

static void write_file(const char *path, const void *bytes, int64_t len)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, (size_t)len, file), (size_t)len);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(files_are_opened)
{
    char images[JEM_TEST_PATH], labels[JEM_TEST_PATH], missing[JEM_TEST_PATH];
    uint8_t cifar[2 * 3074];
    jem_dataset *d = NULL;
    jem_test_path("images", images);
    jem_test_path("labels", labels);
    jem_test_path("missing", missing);
    write_file(images, idx_images, IMAGES_LEN);
    write_file(labels, idx_labels, LABELS_LEN);
    jem_check_ok(jem_dataset_open(ctx, "idx", images, labels, &d));
    ck_assert_mem_eq(d->bytes, idx_images + 16, 12);
    jem_dataset_free(d);

    jem_check_fails(jem_dataset_open(ctx, "idx", missing, labels, &d), JEM_E_IO, missing);
    jem_check_fails(jem_dataset_open(ctx, "idx", images, missing, &d), JEM_E_IO, missing);
    jem_check_fails(jem_dataset_open(ctx, "idx", labels, images, &d), JEM_E_FORMAT, labels);
    jem_check_fails(jem_dataset_open(ctx, "cifar10", images, NULL, &d), JEM_E_FORMAT, images);
    ck_assert_ptr_null(d);

    write_file(images, cifar, fill_cifar(cifar, 1));
    jem_check_ok(jem_dataset_open(ctx, "cifar100", images, NULL, &d));
    ck_assert_int_eq(d->labels[1], 99);
    jem_dataset_free(d);
}
END_TEST

START_TEST(kinds_are_checked)
{
    jem_dataset *d = NULL;
    const uint8_t *x = idx_images;
    jem_check_fails(jem_dataset_from_bytes(ctx, "mnist", NULL, x, 9, NULL, 0, &d),
                    JEM_E_UNKNOWN, "kind \"mnist\", must be idx, cifar10 or cifar100");
    char name[700]; /* however long a name is, the reason fits behind it */
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    jem_check_fails(jem_dataset_from_bytes(ctx, name, NULL, x, 9, NULL, 0, &d), JEM_E_UNKNOWN,
                    "must be idx, cifar10 or cifar100");
    jem_check_fails(jem_dataset_from_bytes(ctx, "cifar10", name, x, 9, NULL, 0, &d),
                    JEM_E_FORMAT, "n: 9 bytes, must be a whole number of records");
    jem_check_fails(jem_dataset_from_bytes(ctx, "idx", NULL, x, 9, NULL, 0, &d), JEM_E_ARGUMENT,
                    "labels is NULL, kind \"idx\" needs them");
    jem_check_fails(jem_dataset_from_bytes(ctx, "cifar10", NULL, x, 9, x, 9, &d),
                    JEM_E_ARGUMENT, "labels must be NULL, kind \"cifar10\"");
    jem_check_fails(jem_dataset_from_bytes(ctx, "cifar10", NULL, x, -1, NULL, 0, &d),
                    JEM_E_ARGUMENT, "images_len = -1");
    jem_check_fails(jem_dataset_from_bytes(ctx, "cifar10", NULL, x, 9, NULL, 1, &d),
                    JEM_E_ARGUMENT, "labels_len = 1, must be 0 without labels");
    jem_check_fails(jem_dataset_from_bytes(ctx, "idx", NULL, x, 9, x, -2, &d), JEM_E_ARGUMENT,
                    "labels_len = -2");
    jem_check_fails(jem_dataset_from_bytes(ctx, "idx", NULL, NULL, 9, x, 9, &d), JEM_E_ARGUMENT,
                    "images is NULL");
    jem_check_fails(jem_dataset_from_bytes(ctx, NULL, NULL, x, 9, x, 9, &d), JEM_E_ARGUMENT,
                    "kind is NULL");
    jem_check_fails(jem_dataset_from_bytes(NULL, "idx", NULL, x, 9, x, 9, &d), JEM_E_ARGUMENT,
                    "ctx is NULL");
    jem_check_fails(jem_dataset_from_bytes(ctx, "idx", NULL, x, 9, x, 9, NULL), JEM_E_ARGUMENT,
                    "out is NULL");
    jem_check_fails(jem_dataset_open(ctx, "mnist", "x", NULL, &d), JEM_E_UNKNOWN, "mnist");
    jem_check_fails(jem_dataset_open(ctx, "cifar10", "x", "y", &d), JEM_E_ARGUMENT, "labels");
    jem_check_fails(jem_dataset_open(ctx, "idx", "x", NULL, &d), JEM_E_ARGUMENT, "labels");
    jem_check_fails(jem_dataset_open(ctx, "idx", NULL, "y", &d), JEM_E_ARGUMENT, "images");
    jem_check_fails(jem_dataset_open(ctx, NULL, "x", "y", &d), JEM_E_ARGUMENT, "kind");
    jem_check_fails(jem_dataset_open(NULL, "idx", "x", "y", &d), JEM_E_ARGUMENT, "ctx");
    jem_check_fails(jem_dataset_open(ctx, "idx", "x", "y", NULL), JEM_E_ARGUMENT, "out");
    ck_assert_ptr_null(d);
}
END_TEST

/* Opens files, joins, parts: `arg` are the two file names. */
static jem_status everything(jem_test_memory *memory, void *arg)
{
    const char *const *path = arg;
    jem_context *own = NULL;
    jem_dataset *d = NULL, *both = NULL, *a = NULL, *b = NULL, *floats = NULL;
    const float x[4] = {0};
    jem_status status =
        jem__context_create(NULL, "", jem_test_alloc, jem_test_release, memory, &own);
    if (status == JEM_OK)
        status = jem_dataset_open(own, "idx", path[0], path[1], &d);
    if (status == JEM_OK)
        status = jem_dataset_concat((jem_dataset *[]){d, d}, 2, &both);
    if (status == JEM_OK)
        status = jem_dataset_split(both, 1, 1, &a, &b);
    if (status == JEM_OK)
        status = jem_dataset_from_f32(own, x, NULL, 1, (int64_t[]){2, 1, 2}, 1, &floats);
    ck_assert_int_eq(a == NULL, b == NULL);
    jem_dataset_free(floats);
    jem_dataset_free(a);
    jem_dataset_free(b);
    jem_dataset_free(both);
    jem_dataset_free(d);
    jem_context_free(own);
    return status;
}

START_TEST(no_memory_is_survived)
{
    char images[JEM_TEST_PATH], labels[JEM_TEST_PATH];
    const char *path[] = {images, labels};
    jem_test_path("images", images);
    jem_test_path("labels", labels);
    write_file(images, idx_images, IMAGES_LEN);
    write_file(labels, idx_labels, LABELS_LEN);
    ck_assert_int_ge(jem_check_survives_no_memory(everything, path), 20);
}
END_TEST

/* ---- Fashion-MNIST as Debian ships it ---- */

#define FASHION_SUM       3431114169 /* of all pixels of the training images */
#define FASHION_SUM_FIRST 76247
#define FASHION           "/usr/share/datasets/fashion-mnist/"

static uint8_t *unzip(const char *path, int64_t len)
{
    uint8_t *bytes = malloc((size_t)len + 1);
    gzFile file = gzopen(path, "rb");
    ck_assert_msg(file != NULL, "%s is missing: apt-get install dataset-fashion-mnist", path);
    ck_assert_int_eq(gzread(file, bytes, (unsigned)len + 1), len);
    gzclose(file);
    return bytes;
}

START_TEST(fashion_mnist_is_read)
{
    uint8_t *x = unzip(FASHION "train-images-idx3-ubyte.gz", 47040016);
    uint8_t *y = unzip(FASHION "train-labels-idx1-ubyte.gz", 60008);
    const int32_t first[] = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5};
    jem_dataset *d = NULL;
    int64_t shape[4], sum = 0, sum_first = 0, sum_labels = 0;
    int32_t labels[60000];
    float image[784];
    jem_check_ok(jem_dataset_from_bytes(ctx, "idx", "fashion", x, 47040016, y, 60008, &d));
    free(x);
    free(y);
    jem_check_ok(jem_dataset_shape(d, shape));
    ck_assert(shape[0] == 1 && shape[1] == 28 && shape[2] == 28 && shape[3] == 10);
    jem_check_ok(jem_dataset_read(d, 0, 60000, NULL, labels));
    ck_assert_mem_eq(labels, first, sizeof first);
    for (int64_t i = 0; i < 60000; i++) {
        jem_check_ok(jem_dataset_read(d, i, 1, image, NULL));
        for (int32_t e = 0; e < 784; e++)
            sum += lrintf((image[e] + 1.0f) * 127.5f);
        sum_first = i == 0 ? sum : sum_first;
        sum_labels += labels[i];
    }
    ck_assert_int_eq(sum, FASHION_SUM);
    ck_assert_int_eq(sum_first, FASHION_SUM_FIRST);
    ck_assert_int_eq(sum_labels, 270000);
    jem_dataset_free(d);
}
END_TEST

Suite *jem_data_suite(void)
{
    Suite *suite = suite_create("data");
    TCase *formats = tcase_create("formats");
    tcase_add_checked_fixture(formats, make_context, free_context);
    tcase_set_timeout(formats, 30);
    tcase_add_test(formats, idx_is_read);
    tcase_add_test(formats, idx_with_channels_is_read);
    tcase_add_test(formats, idx_cut_anywhere_is_refused);
    tcase_add_test(formats, idx_headers_that_lie_are_refused);
    tcase_add_test(formats, gzip_is_named);
    tcase_add_test(formats, cifar10_is_read);
    tcase_add_test(formats, cifar100_is_read);
    tcase_add_test(formats, cifar_labels_are_checked);
    tcase_add_test(formats, files_are_opened);
    tcase_add_test(formats, kinds_are_checked);
    tcase_add_test(formats, no_memory_is_survived);
    tcase_add_test(formats, fashion_mnist_is_read);
    suite_add_tcase(suite, formats);
    jem_data_parts_cases(suite);
    return suite;
}
