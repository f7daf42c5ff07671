/* SPDX-License-Identifier: MIT */

/* See paper_needs.h. */

#include "paper_needs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/data/holdout.h"

static uint64_t fingerprint(struct lab *l, const char *spec, const char *split)
{
    jem_dataset *data = lab_dataset(l, spec, split);
    int64_t number = 0;

    must_jem(jem_dataset_fingerprint(data, &number));
    lab_drop(l, data);
    return (uint64_t)number;
}

static void show(uint64_t number, char out[17])
{
    snprintf(out, 17, "%016" PRIx64, number);
}

/* What is made of the data follows from their fingerprint. */
static void fingerprint_others(struct lab *l, const struct cli_list *ood, char out[17])
{
    uint64_t all = 0;

    for (int64_t i = 0; i < ood->count; i++)
        if (!out_set_is_made(ood->items[i]))
            all = all * UINT64_C(0x100000001B3) + fingerprint(l, ood->items[i], "test");
    show(all, out);
}

/* The labels that few of are left to draw from. */
static void count_labels(struct lab *l, const jem_dataset *rest, struct paper_facts *f)
{
    int64_t *of_class = lab_array(l, l->classes, sizeof *of_class), n = 0;
    int32_t *y;

    must_jem(jem_dataset_size(rest, &n));
    y = lab_array(l, n, sizeof *y);
    must_jem(jem_dataset_read(rest, 0, n, NULL, y));
    for (int64_t i = 0; i < n; i++)
        if (y[i] >= 0)
            of_class[y[i]]++;
    for (int64_t k = 0; k < l->classes; k++)
        if (of_class[k] < of_class[f->fewest_of])
            f->fewest_of = k;
    f->fewest = of_class[f->fewest_of];
    lab_drop(l, y);
    lab_drop(l, of_class);
}

void paper_facts_of_data(struct lab *l, const struct cli_list *ood, struct paper_facts *f)
{
    const jem_dataset *all = lab_dataset(l, l->data, "train");
    jem_dataset *rest, *held_out;

    must(data_own_splits(l->data, &f->own_splits));
    must_jem(jem_dataset_size(all, &f->n_train));
    show(fingerprint(l, l->data, "train"), f->train);
    show(fingerprint(l, l->data, "test"), f->test);
    fingerprint_others(l, ood, f->ood);
    f->held_out = holdout_default(f->n_train);
    if (f->held_out < 1)
        return;
    lab_split(l, all, f->held_out, HOLDOUT_SPLIT_SEED, &rest, &held_out);
    count_labels(l, rest, f);
}

/* The largest number of --labels. */
static int64_t labels_wanted(const char *words)
{
    const char *at = strstr(words, "--labels ");
    int64_t most = 0;
    char *end;

    if (at == NULL)
        return 0;
    at += strlen("--labels ");
    do {
        const int64_t n = strtoll(at, &end, 10);

        most = n > most ? n : most;
        at = end + 1;
    } while (*end == ',');
    return most;
}

static const char *few_labels(struct lab *l, const struct paper_facts *f, const char *words)
{
    const int64_t most = labels_wanted(words);

    if (l->classes < 2)
        return "the data have one class";
    if (!f->own_splits)
        return lab_text(l,
                        "training and test split of %s are the same images; jem-semisup can be "
                        "given others with --test",
                        l->data);
    if (f->held_out < 1)
        return lab_text(l, "of %" PRId64 " training images none can be held out", f->n_train);
    if (f->fewest < most)
        return lab_text(l,
                        "it wants %" PRId64 " labelled training images of each class beside "
                        "those held out, and of class %" PRId64 " there are %" PRId64,
                        most, f->fewest_of, f->fewest);
    return NULL;
}

const char *paper_why_not(struct lab *l, const struct paper_facts *f, const char *program,
                          int model, const char *words)
{
    static const char *const about_classes[] = {"jem-calibration", "jem-robustness",
                                                "jem-distal"};

    if (strcmp(program, "jem-semisup") == 0)
        return few_labels(l, f, words);
    for (size_t i = 0; i < sizeof about_classes / sizeof about_classes[0]; i++)
        if (model < PAPER_MODELS && strcmp(program, about_classes[i]) == 0)
            return f->no_classes[model];
    return NULL;
}
