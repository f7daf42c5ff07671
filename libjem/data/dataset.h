/* SPDX-License-Identifier: MIT */
#ifndef JEM_DATA_DATASET_H
#define JEM_DATA_DATASET_H

/* Images with labels in host memory: the handle jem_dataset. */

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

/* Parsers, one file each. `name` for error texts, never NULL. */
jem_status jem__idx_parse(jem_context *ctx, const char *caller, const char *name,
                          const uint8_t *images, int64_t images_len, const uint8_t *labels,
                          int64_t labels_len, jem_dataset **out);
jem_status jem__cifar_parse(jem_context *ctx, const char *caller, const char *name,
                            int32_t fine, /* 0: CIFAR-10, 1: CIFAR-100 (fine labels) */
                            const uint8_t *bytes, int64_t len, jem_dataset **out);

#endif
