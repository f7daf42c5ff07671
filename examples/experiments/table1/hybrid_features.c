/* SPDX-License-Identifier: MIT */

/* See hybrid_features.h. */

#include "hybrid_features.h"

#include <stdlib.h>

static void release_features(void *f)
{
    features_close(f);
    free(f);
}

struct features *hybrid_features_open(struct lab *l, const char *inception,
                                      const char *classifier)
{
    struct features *f = lab_keep(l, calloc(1, sizeof *f), release_features);

    must(features_open(l->ctx, inception, classifier, l->shape, &l->progress, f));
    return f;
}

static void release_set(void *set)
{
    feature_set_free(set);
    free(set);
}

static struct feature_set *empty_set(struct lab *l)
{
    return lab_keep(l, calloc(1, sizeof(struct feature_set)), release_set);
}

struct feature_set *hybrid_look(struct lab *l, struct features *f, const char *what,
                                const float *x, int64_t n)
{
    struct feature_set *set = empty_set(l);

    must(features_of_images(f, what, x, n, set));
    return set;
}

struct feature_set *hybrid_look_at_data(struct lab *l, struct features *f, const char *what,
                                        const jem_dataset *data, int64_t n)
{
    struct feature_set *set = empty_set(l);

    must(features_of_data(f, what, data, n, set));
    return set;
}

struct feature_set *hybrid_half(struct lab *l, const struct features *f, const char *what,
                                const struct feature_set *set, int64_t from, int64_t most)
{
    struct feature_set *half = empty_set(l);

    must(feature_set_pick(f, set, what, from, 2, most, half));
    return half;
}

static void release_gaussian(void *g)
{
    frechet_free(g);
    free(g);
}

struct frechet_gaussian *hybrid_fit(struct lab *l, const struct features *f,
                                    const struct feature_set *set)
{
    struct frechet_gaussian *g = lab_keep(l, calloc(1, sizeof *g), release_gaussian);

    must(frechet_fit(set->features, set->n, f->d, set->what, g));
    return g;
}
