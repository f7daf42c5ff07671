/* SPDX-License-Identifier: MIT */
/* Shuffled batches: the order of an epoch is the permutation of address (shuffle, epoch), kept
 * until another epoch is asked for. Images are augmented in parallel, each from its own
 * address, so threads cannot change them. */

#include "train/batch.h"

#include <stddef.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads/threads.h"

static jem_status list_members(jem__batches *b, int32_t labelled_only)
{
    const jem_dataset *d = b->data;
    int64_t labelled = 0;

    for (int64_t i = 0; i < d->n; i++)
        labelled += d->labels[i] >= 0;
    b->n = labelled_only ? labelled : d->n;
    if (b->n == d->n)
        return JEM_OK;
    b->members = jem__alloc(b->ctx, b->n, sizeof *b->members);
    if (b->members == NULL)
        return JEM_E_NOMEM;
    int64_t at = 0;
    for (int64_t i = 0; i < d->n; i++) {
        if (d->labels[i] >= 0)
            b->members[at++] = i;
    }
    return JEM_OK;
}

jem_status jem__batches_create(const jem_dataset *data, jem_context *ctx, int32_t labelled_only,
                               int64_t batch, const jem__augment *augment, jem__key key,
                               enum jem__purpose shuffle, jem__batches *out)
{
    *out = (jem__batches){.data = data, .ctx = ctx, .key = key, .shuffle = shuffle};
    out->augment = *augment;
    out->image_size = data->c * data->h * data->w;
    out->epoch = -1;
    JEM__TRY(list_members(out, labelled_only));
    out->batch = batch < out->n ? batch : out->n;
    out->per_epoch = out->batch > 0 ? out->n / out->batch : 0;
    int64_t scratch;
    if (!jem__mul(out->batch, out->image_size, &scratch))
        scratch = -1; /* refused by the allocation */
    out->order = jem__alloc(ctx, out->n, sizeof *out->order);
    out->index = jem__alloc(ctx, out->batch, sizeof *out->index);
    out->scratch = jem__alloc(ctx, scratch, sizeof *out->scratch);
    if (out->order == NULL || out->index == NULL || out->scratch == NULL) {
        jem__batches_free(out);
        return JEM_E_NOMEM;
    }
    return JEM_OK;
}

void jem__batches_free(jem__batches *b)
{
    if (b->ctx == NULL)
        return;
    jem__free(b->ctx, b->members);
    jem__free(b->ctx, b->order);
    jem__free(b->ctx, b->index);
    jem__free(b->ctx, b->scratch);
    *b = (jem__batches){.ctx = NULL};
}

/* The image numbers of batch `number` in b->index, labelled ones first. */
static int64_t choose(jem__batches *b, int64_t number)
{
    const int64_t epoch = number / b->per_epoch;

    if (epoch != b->epoch) {
        const jem__rng rng = {b->key, b->shuffle, 0, (uint64_t)epoch};
        jem__rng_permutation(&rng, b->n, b->order);
        b->epoch = epoch;
    }
    const int64_t *order = b->order + (number % b->per_epoch) * b->batch;
    int64_t labelled = 0, at = 0;
    for (int32_t pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < b->batch; i++) {
            const int64_t image = b->members != NULL ? b->members[order[i]] : order[i];
            if ((b->data->labels[image] >= 0) == (pass == 0))
                b->index[at++] = image;
        }
        if (pass == 0)
            labelled = at;
    }
    return labelled;
}

struct draw {
    jem__batches *b;
    int64_t number;
    float *x;
};

static void draw_image(void *arg, int64_t i, int32_t worker)
{
    (void)worker;
    const struct draw *draw = arg;
    const jem__batches *b = draw->b;
    const uint64_t number = (uint64_t)draw->number * (uint64_t)b->batch + (uint64_t)i;
    jem__augment_image(&b->augment, b->data, b->index[i], b->key, number,
                       b->scratch + i * b->image_size, draw->x + i * b->image_size);
}

int64_t jem__batches_draw(jem__batches *b, int64_t number, float *x, int32_t *y)
{
    const int64_t labelled = choose(b, number);

    for (int64_t i = 0; i < b->batch; i++)
        y[i] = b->data->labels[b->index[i]];
    struct draw draw = {b, number, x};
    jem__parallel_for(b->ctx, b->batch, draw_image, &draw);
    return labelled;
}
