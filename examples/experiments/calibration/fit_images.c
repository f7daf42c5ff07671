/* SPDX-License-Identifier: MIT */

/* See fit_images.h. */

#include "fit_images.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Is T fitted to images that jem-train held out, or to all of --fit-data? */
static int is_held_out(const struct fit_images *f)
{
    return f->data == NULL || f->validation >= 0;
}

static const char *spec_of(const struct lab *l, const struct fit_images *f)
{
    return f->data != NULL ? f->data : l->data;
}

/* T must not be fitted to the images it is tested on, which are both splits of a set without
 * splits. */
void fit_images_check(struct lab *l, const struct fit_images *f, struct temperature *t)
{
    const int seed = f->split_seed != INT64_MIN, asked = f->validation >= 0 || seed;

    if (lab_own_splits(l) || (f->data != NULL && strcmp(f->data, l->data) != 0))
        return;
    if (asked || f->data != NULL)
        must(report_usage("--data %s: training and test split are the same images, so the "
                          "temperature wants others: say --fit-data KIND",
                          l->data));
    temperature_none(t, "training and test split of this data set are the same images; name "
                        "others with --fit-data KIND");
}

/* The images that jem-train held out; NULL: there are none. */
static struct image_input *read_held_out(struct lab *l, struct fit_images *f,
                                         struct temperature *t)
{
    struct holdout *h = &f->holdout;
    const int64_t *count = f->validation >= 0 ? &f->validation : NULL;
    const int64_t *seed = f->split_seed != INT64_MIN ? &f->split_seed : NULL;
    jem_dataset *all = lab_dataset(l, spec_of(l, f), "train"), *rest, *held_out;
    int64_t n = 0;

    must_jem(jem_dataset_size(all, &n));
    must(holdout_find(l->model_file, count, seed, n, h));
    if (h->own_split)
        return lab_images(l, spec_of(l, f), "validation", f->count, 1);
    if (h->count >= 1 && h->count < n) {
        lab_split(l, all, h->count, h->split_seed, &rest, &held_out);
        return lab_pick(l, held_out, spec_of(l, f), f->count);
    }
    if (count != NULL)
        must(report_usage("--validation: of %" PRId64 " training images 1 to %" PRId64
                          " can be held out, not %" PRId64,
                          n, n - 1, h->count));
    temperature_none(t,
                     "of %" PRId64 " training images %" PRId64
                     " were held out; say --validation N or --fit-data KIND",
                     n, h->count);
    return NULL;
}

void fit_images_read(struct lab *l, struct fit_images *f, struct temperature *t)
{
    if (t->why_not[0] != '\0')
        return;
    f->images =
        is_held_out(f) ? read_held_out(l, f, t) : lab_images(l, f->data, "train", f->count, 1);
}

void fit_images_note(struct lab *l, const struct fit_images *f, const struct temperature *t)
{
    const struct image_input *fit = f->images;
    const struct holdout *h = &f->holdout;
    json_t *o = json_object();

    json_set_text(o, "data", fit == NULL ? NULL : spec_of(l, f));
    json_set_text(o, "split", h->own_split ? "validation" : "train");
    json_object_set_new(o, "held_out", json_boolean(fit != NULL && is_held_out(f)));
    json_set_number(o, "count", h->count > 0 ? (double)h->count : (double)NAN);
    json_set_number(o, "split_seed", h->count > 0 ? (double)h->split_seed : (double)NAN);
    json_object_set_new(o, "assumed", json_boolean(h->assumed));
    json_set_number(o, "n", fit == NULL ? 0 : (double)fit->n);
    json_set_text(o, "no_temperature", t->why_not[0] == '\0' ? NULL : t->why_not);
    json_object_set_new(record_json(l->record), "fit", o);
}

const char *fit_images_text(struct lab *l, const struct fit_images *f,
                            const struct temperature *t)
{
    const struct holdout *h = &f->holdout;
    const int64_t n = f->images == NULL ? 0 : f->images->n;
    const char *images = lab_text(l, "T minimises the NLL of %" PRId64 " training images of %s",
                                  n, spec_of(l, f));
    const char *which =
        lab_text(l, "%" PRId64 " (split seed %" PRId64 ") held out of the training", h->count,
                 h->split_seed);

    if (t->why_not[0] != '\0')
        return lab_text(l, "There is no T: %s.", t->why_not);
    if (!is_held_out(f))
        return lab_text(l, "%s, none of which the model may have been trained on.", images);
    if (h->own_split)
        return lab_text(l, "T minimises the NLL of the %" PRId64 " validation images of %s.", n,
                        spec_of(l, f));
    if (!h->assumed)
        return lab_text(l, "%s, of the %s.", images, which);
    return lab_text(
        l,
        "%s. It is assumed, and nothing beside the model says, that they are of the "
        "%s by default; where that is not so, T is fitted to images the model was "
        "trained on.",
        images, which);
}
