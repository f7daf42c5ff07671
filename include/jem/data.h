/* SPDX-License-Identifier: MIT */
#ifndef JEM_DATA_H
#define JEM_DATA_H

/**
 * @file
 * Data sets: images with labels, in memory.
 *
 * Images are copied in and can be thrown away by the caller. Bytes 0..255 are read as
 * v / 127.5 - 1, that is [-1, 1]. A label of -1 means "not labelled": such images serve log
 * p(x) and are left out of the cross entropy.
 *
 * Every reader checks the sizes a file claims against the bytes that exist before it
 * allocates anything, and names the file, the place and the value in its error. Compressed
 * files are unpacked by the caller; the example programs do so with zlib.
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A data set from float images.
 *
 * @param ctx     the context
 * @param x       n x C x H x W finite values in [-1, 1] (not enforced: noise may exceed it)
 * @param y       n labels in [0, classes) or -1; NULL for no labels
 * @param n       number of images, >= 1
 * @param shape   C, H, W, each 1 to 4096
 * @param classes number of classes, 1 to 65536
 * @param out     the new data set, to be given back with jem_dataset_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE, JEM_E_SHAPE, JEM_E_NUMERIC, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_dataset_from_f32(jem_context *ctx, const float *x, const int32_t *y,
                                        int64_t n, const int64_t shape[3], int64_t classes,
                                        jem_dataset **out);

/**
 * A data set from byte images, N x C x H x W.
 *
 * @param ctx     the context
 * @param x       n x C x H x W bytes
 * @param y       n labels in [0, classes) or -1; NULL for no labels
 * @param n       number of images, >= 1
 * @param shape   C, H, W, each 1 to 4096
 * @param classes number of classes, 1 to 65536
 * @param out     the new data set; NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE, JEM_E_SHAPE, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_dataset_from_u8(jem_context *ctx, const uint8_t *x, const int32_t *y,
                                       int64_t n, const int64_t shape[3], int64_t classes,
                                       jem_dataset **out);

/**
 * A data set from the bytes of files in a known format.
 *
 *     kind         files                                                    classes
 *     "idx"        images (IDX, unsigned bytes, N x H x W or N x C x H x W)     10
 *                  and labels (IDX, unsigned bytes, N)
 *     "cifar10"    images: records of 1 label byte and 3072 pixel bytes         10
 *     "cifar100"   images: records of coarse byte, fine byte, 3072 pixels      100
 *
 * @param ctx        the context
 * @param kind       one of the names above
 * @param name       what to call the bytes in error texts, for example the file name; or NULL
 * @param images     the bytes of the image file
 * @param images_len number of bytes
 * @param labels     the bytes of the label file; NULL where the kind has none
 * @param labels_len number of bytes; 0 with NULL
 * @param out        the new data set; NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN, JEM_E_FORMAT (truncated, wrong magic, sizes
 *         that do not match, label out of range), JEM_E_UNSUPPORTED (gzip), JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_dataset_from_bytes(jem_context *ctx, const char *kind, const char *name,
                                          const uint8_t *images, int64_t images_len,
                                          const uint8_t *labels, int64_t labels_len,
                                          jem_dataset **out);

/**
 * A data set from files; see jem_dataset_from_bytes() for the kinds.
 *
 * @param ctx    the context
 * @param kind   "idx", "cifar10" or "cifar100"
 * @param images name of the image file
 * @param labels name of the label file; NULL where the kind has none
 * @param out    the new data set; NULL on failure
 * @return as jem_dataset_from_bytes(); JEM_E_IO
 * @since 0.1
 */
JEM_API jem_status jem_dataset_open(jem_context *ctx, const char *kind, const char *images,
                                    const char *labels, jem_dataset **out);

/**
 * Several data sets of one shape and one number of classes, one after the other, as one.
 *
 * @param parts `count` data sets
 * @param count number of parts, >= 1
 * @param out   the new data set (a copy); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_SHAPE, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_dataset_concat(jem_dataset *const *parts, int64_t count,
                                      jem_dataset **out);

/**
 * The images with the given numbers, in that order, as a new data set: a validation split,
 * a few labels per class, a shuffled order.
 *
 * @param d       the data set
 * @param indices `count` image numbers, repeats allowed; they are read only when there is memory
 *                for that many images
 * @param count   number of images, >= 1, and no more than there are numbers in `indices`, which
 *                cannot be checked
 * @param out     the new data set (a copy); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE (an image number, or a count of images that memory
 *         cannot hold), JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_dataset_subset(const jem_dataset *d, const int64_t *indices,
                                      int64_t count, jem_dataset **out);

/**
 * Part a data set at random in two: `second` images for validation, the rest for training.
 *
 * @param d      the data set of n images
 * @param second number of images of the second part, 1 to n - 1
 * @param seed   equal seeds give equal parts
 * @param out_a  the first part, n - second images; NULL on failure
 * @param out_b  the second part; NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_dataset_split(const jem_dataset *d, int64_t second, int64_t seed,
                                     jem_dataset **out_a, jem_dataset **out_b);

/**
 * How many images there are.
 *
 * @param d   the data set
 * @param out the number of images
 * @return JEM_OK; JEM_E_ARGUMENT
 * @since 0.1
 */
JEM_API jem_status jem_dataset_size(const jem_dataset *d, int64_t *out);

/**
 * What the images are.
 *
 * @param d     the data set
 * @param shape gets channels, height, width, classes
 * @return JEM_OK; JEM_E_ARGUMENT
 * @since 0.1
 */
JEM_API jem_status jem_dataset_shape(const jem_dataset *d, int64_t shape[4]);

/**
 * A number that data sets of the same images and labels, in the same order, share, and others
 * with all but certainty do not: FNV-1a, 64 bits, of sizes, labels and values. A training asks by
 * it whether it goes on with the images it began with. It guards against mistakes, not malice.
 *
 * @param d   the data set
 * @param out the number
 * @return JEM_OK; JEM_E_ARGUMENT
 * @since 0.1
 */
JEM_API jem_status jem_dataset_fingerprint(const jem_dataset *d, int64_t *out);

/**
 * Read images first, ..., first + n - 1 and their labels.
 *
 * @param d     the data set
 * @param first first image, >= 0
 * @param n     number of images, >= 0
 * @param x     gets n x C x H x W values; may be NULL
 * @param y     gets n labels; may be NULL
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE
 * @since 0.1
 */
JEM_API jem_status jem_dataset_read(const jem_dataset *d, int64_t first, int64_t n, float *x,
                                    int32_t *y);

/**
 * Give a data set back.
 *
 * @param d the data set, or NULL
 * @since 0.1
 */
JEM_API void jem_dataset_free(jem_dataset *d);

#ifdef __cplusplus
}
#endif

#endif
