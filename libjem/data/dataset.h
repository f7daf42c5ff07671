/* SPDX-License-Identifier: MIT */
#ifndef JEM_DATA_DATASET_H
#define JEM_DATA_DATASET_H

/* Images with labels in host memory: the handle jem_dataset. What a file must look like is known
 * by formats.h alone. */

#include <stdatomic.h>

#include <jem/data.h>

struct jem_dataset {
    atomic_int refs;
    jem_context *ctx; /* a reference */
    int64_t n, c, h, w, classes;
    uint8_t *bytes;  /* n x c x h x w, or NULL */
    float *floats;   /* n x c x h x w, or NULL */
    int32_t *labels; /* n */
};

/* Memory for n images, as bytes or floats; labels -1. Checks sizes and their products. */
jem_status jem__dataset_create(jem_context *ctx, const char *caller, int64_t n, int64_t c,
                               int64_t h, int64_t w, int64_t classes, int32_t floats,
                               jem_dataset **out);
jem_dataset *jem__dataset_ref(jem_dataset *d);
void jem__dataset_unref(jem_dataset *d);

/* Image i as floats: v / 127.5 - 1 for bytes. */
void jem__dataset_image(const jem_dataset *d, int64_t i, float *out);

/* What jem/data.h says, without the checks for NULL. */
jem_status jem__dataset_from_f32(jem_context *ctx, const char *caller, const float *x,
                                 const int32_t *y, int64_t n, const int64_t shape[3],
                                 int64_t classes, jem_dataset **out);
jem_status jem__dataset_from_u8(jem_context *ctx, const char *caller, const uint8_t *x,
                                const int32_t *y, int64_t n, const int64_t shape[3],
                                int64_t classes, jem_dataset **out);
jem_status jem__dataset_concat(jem_dataset *const *parts, int64_t count, jem_dataset **out);
jem_status jem__dataset_subset(const jem_dataset *d, const char *caller, const int64_t *indices,
                               int64_t count, jem_dataset **out);
jem_status jem__dataset_split(const jem_dataset *d, int64_t second, int64_t seed,
                              jem_dataset **out_a, jem_dataset **out_b);

#endif
