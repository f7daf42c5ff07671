/* SPDX-License-Identifier: MIT */

/* The replay buffer of persistent contrastive divergence.
 *
 * What a draw gives depends on its number alone (draw number d, counted over the life of the
 * buffer): which slot, whether it is restarted, and with which start. Start numbers come
 * from ranges that do not overlap: jem_sampler_init() counts from 0, the first fill of slot i is
 * 2^62 + i, the restart of draw d is 2^63 + d. */

#include "energy/replay_buffer.h"

#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

#define FILL_STARTS    (UINT64_C(1) << 62)
#define RESTART_STARTS (UINT64_C(1) << 63)
#define FILL_CHUNK     1024 /* slots filled by one parallel call */

/* Slots of one class when each class has its own. The remainder of capacity / classes, at the
 * end, is never drawn. */
static int64_t slots_per_class(const jem_buffer *b)
{
    return b->capacity / b->classes;
}

/* The class whose start fills a slot: its own, or else the classes in turn. */
static int32_t slot_class(const jem_buffer *b, int64_t slot)
{
    if (b->class_parts && slot / slots_per_class(b) < b->classes)
        return (int32_t)(slot / slots_per_class(b));
    return (int32_t)(slot % b->classes);
}

static void fill(jem_buffer *b)
{
    const jem_sampler *s = b->sampler;
    int32_t y[FILL_CHUNK];

    for (int64_t first = 0; first < b->capacity; first += FILL_CHUNK) {
        const int64_t count = jem__min(b->capacity - first, FILL_CHUNK);

        for (int64_t i = 0; i < count; i++)
            y[i] = slot_class(b, first + i);
        jem__start_draw(s->start, s->key, FILL_STARTS + (uint64_t)first, y, count,
                        b->images + first * b->image_size, NULL);
    }
}

/* The images of a buffer whose sizes are known. */
static jem_status create_images(jem_buffer *b, int32_t fill_now)
{
    int64_t count;

    if (b->class_parts && b->classes > b->capacity)
        return jem__fail(JEM_E_RANGE,
                         "jem_buffer_create: pcd.capacity = %" PRId64
                         ", must be at least the %" PRId64 " classes with pcd.class_parts",
                         b->capacity, b->classes);
    if (fill_now)
        JEM__TRY(jem__start_check(b->sampler->start, "jem_buffer_create"));
    if (!jem__mul(b->capacity, b->image_size, &count))
        return jem__fail(JEM_E_NOMEM,
                         "jem_buffer_create: %" PRId64 " images of %" PRId64 " values",
                         b->capacity, b->image_size);
    b->images = jem__alloc(b->sampler->head->model->ctx, count, sizeof *b->images);
    b->ages = jem__alloc(b->sampler->head->model->ctx, b->capacity, sizeof *b->ages);
    if (b->images == NULL || b->ages == NULL)
        return JEM_E_NOMEM;
    if (fill_now)
        fill(b);
    return JEM_OK;
}

jem_status jem__buffer_create(jem_sampler *s, const jem_options *opts, int32_t fill_now,
                              jem_buffer **out)
{
    jem_buffer *b = jem__alloc(s->head->model->ctx, 1, sizeof *b);

    *out = NULL;
    if (b == NULL)
        return JEM_E_NOMEM;
    atomic_init(&b->refs, 1);
    b->self = b;
    b->sampler = jem__sampler_ref(s);
    b->capacity = jem__option_i64(opts, "pcd.capacity");
    b->classes = s->head->model->classes;
    b->image_size = s->head->image_size;
    b->class_parts = jem__option_i64(opts, "pcd.class_parts") != 0;
    b->restart_prob = jem__option_f64(opts, "pcd.restart_prob");
    const jem_status status = create_images(b, fill_now);
    if (status != JEM_OK) {
        jem__buffer_unref(b);
        return status;
    }
    *out = b;
    return JEM_OK;
}

jem_buffer *jem__buffer_ref(jem_buffer *b)
{
    atomic_fetch_add(&b->refs, 1);
    return b;
}

void jem__buffer_unref(jem_buffer *b)
{
    jem_sampler *s;

    if (b == NULL || atomic_fetch_sub(&b->refs, 1) != 1)
        return;
    s = b->sampler;
    jem__free(s->head->model->ctx, b->images);
    jem__free(s->head->model->ctx, b->ages);
    jem__free(s->head->model->ctx, b);
    jem__sampler_unref(s);
}

/* One draw into x; returns its slot, and the age of its chain in *age. Words 0 and 1 choose the slot, word 2 decides on the
 * restart. */
static int64_t draw(const jem_buffer *b, uint64_t number, const int32_t *y, float *x,
                    int64_t *age)
{
    const jem_sampler *s = b->sampler;
    const jem__rng rng = {.key = s->key, .purpose = JEM__RNG_SLOT, .index = number};
    uint32_t words[4];
    int64_t slot;

    jem__rng_words(&rng, 0, 4, words);
    if (b->class_parts)
        slot = *y * slots_per_class(b) + jem__rng_below(words, slots_per_class(b));
    else
        slot = jem__rng_below(words, b->capacity);
    if ((words[2] >> 8) * 0x1p-24 < b->restart_prob) {
        jem__start_draw(s->start, s->key, RESTART_STARTS + number, y, 1, x, NULL);
        *age = 0;
    } else {
        memcpy(x, b->images + slot * b->image_size, (size_t)b->image_size * sizeof *x);
        *age = b->ages[slot];
    }
    return slot;
}

jem_status jem__buffer_draw(jem_buffer *b, const char *caller, const int32_t *y, int64_t n,
                            float *x, int64_t *slots, int64_t *ages)
{
    int64_t age;

    if (b->class_parts && y == NULL && n > 0) {
        return jem__fail(JEM_E_ARGUMENT,
                         "%s: y is NULL, but with pcd.class_parts a draw needs a class",
                         caller);
    }
    JEM__TRY(jem__check_classes(caller, y, n, b->classes));
    JEM__TRY(jem__start_check(b->sampler->start, caller));
    for (int64_t i = 0; i < n; i++) {
        slots[i] = draw(b, b->next_draw + (uint64_t)i, y == NULL ? NULL : y + i,
                        x + i * b->image_size, ages != NULL ? ages + i : &age);
    }
    b->next_draw += (uint64_t)n;
    return JEM_OK;
}

void jem__buffer_set_ages(jem_buffer *b, const int64_t *slots, int64_t n, const int64_t *ages)
{
    for (int64_t i = 0; i < n; i++)
        b->ages[slots[i]] = ages[i];
}

jem_status jem__buffer_store(jem_buffer *b, const char *caller, const int64_t *slots, int64_t n,
                             const float *x)
{
    for (int64_t i = 0; i < n; i++) {
        if (slots[i] < 0 || slots[i] >= b->capacity) {
            return jem__fail(JEM_E_RANGE,
                             "%s: slots[%" PRId64 "] = %" PRId64 ", must be 0 to %" PRId64,
                             caller, i, slots[i], b->capacity - 1);
        }
    }
    JEM__TRY(jem__check_finite(caller, x, n, b->image_size));
    for (int64_t i = 0; i < n; i++) {
        memcpy(b->images + slots[i] * b->image_size, x + i * b->image_size,
               (size_t)b->image_size * sizeof *x);
    }
    return JEM_OK;
}
