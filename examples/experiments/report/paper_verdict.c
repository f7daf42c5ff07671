/* SPDX-License-Identifier: MIT */

/* See paper_page.h: what the figures of a section say. A comparison is claimed only where 95 %
 * intervals do not meet; where they do, no difference can be told. */

#include "paper_page.h"

#include <math.h>
#include <string.h>

#include "kit/draw/plot.h"
#include "kit/stats/share.h"

#define NO_DIFFERENCE "no difference can be told"

/* A figure with its interval. */
struct figure {
    double value, low, high;
};

static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* The first run of a section and role that has the member; NULL: none. */
static const struct paper_run *find(const struct paper_runs *runs, const char *section,
                                    int role, const char *member)
{
    for (int i = 0; i < runs->count; i++) {
        const struct paper_run *r = &runs->run[i];
        const json_t *value = json_object_get(r->result, member);

        if (strcmp(r->step->section, section) == 0 && r->role == role && r->code == 0 &&
            value != NULL && !json_is_null(value))
            return r;
    }
    return NULL;
}

static struct figure share_of(double hits, double n)
{
    struct figure f = {(double)NAN, (double)NAN, (double)NAN};

    if (n >= 1 && hits >= 0 && hits <= n) {
        f.value = hits / n;
        share_interval((int64_t)llround(hits), (int64_t)llround(n), &f.low, &f.high);
    }
    return f;
}

/* 1: a is larger, -1: b is, 0: that cannot be told. */
static int compare(struct figure a, struct figure b)
{
    return a.low > b.high ? 1 : a.high < b.low ? -1 : 0;
}

static void put_percent(FILE *out, struct figure f)
{
    fprintf(out, "%.1f %% (%.1f to %.1f)", 100 * f.value, 100 * f.low, 100 * f.high);
}

/* At the head of a sentence. */
static const char *subject(const struct paper_run *r)
{
    return r->role == ROLE_CLASSIFIER ? "The classifier" : paper_roles[r->role].title;
}

/* --- Hybrid modelling --------------------------------------------------------------------- */

static struct figure accuracy_of(const struct paper_run *r)
{
    const double n = number(json_object_get(r->result, "data"), "n");

    return share_of(round(number(r->result, "accuracy") * n), n);
}

static int same_data(const struct paper_run *a, const struct paper_run *b)
{
    return json_equal(json_object_get(a->result, "data"), json_object_get(b->result, "data"));
}

static void say_samples(FILE *out, const struct paper_run *r)
{
    const double ends = number(r->result, "frechet");
    const double starts = number(r->result, "frechet_starts");
    const double real = number(r->result, "frechet_real");

    if (isnan(ends) || isnan(starts) || isnan(real))
        return;
    fprintf(out, " Distance of samples %.3g, of starts %.3g, of real images %.3g: ", ends,
            starts, real);
    fputs(ends > starts   ? "the chains lead away from the data"
          : ends < real   ? "the samples are as near as so few images can tell"
          : ends < starts ? "the chains lead towards the data, and end short of it"
                          : "the chains change nothing",
          out);
    fputs(" (distances without intervals).", out);
}

static int say_hybrid(FILE *out, const struct paper_runs *runs)
{
    const struct paper_run *jem = find(runs, "hybrid", ROLE_JEM, "accuracy");
    const struct paper_run *plain = find(runs, "hybrid", ROLE_CLASSIFIER, "accuracy");
    const struct paper_run *drawn = find(runs, "hybrid", ROLE_JEM, "frechet");

    if (jem == NULL)
        return 0;
    fputs("JEM is right on ", out);
    put_percent(out, accuracy_of(jem));
    if (plain != NULL && same_data(jem, plain)) {
        const int way = compare(accuracy_of(jem), accuracy_of(plain));

        fprintf(out, " of the %s, the classifier on ", paper_images(jem));
        put_percent(out, accuracy_of(plain));
        fputs(way > 0   ? ": JEM classifies better."
              : way < 0 ? ": the classifier classifies better."
                        : ": " NO_DIFFERENCE ".",
              out);
    } else {
        fprintf(out, " of the %s.", paper_images(jem));
    }
    if (drawn != NULL)
        say_samples(out, drawn);
    return 1;
}

/* --- Calibration -------------------------------------------------------------------------- */

/* The ECE, and how far the images of each bin leave it open: the standard error of a sum of
 * shares. Near 0 the interval is too narrow at its lower end. */
static struct figure ece_of(const json_t *bins, double ece)
{
    double n = 0, variance = 0;
    size_t i;
    const json_t *b;

    json_array_foreach(bins, i, b) n += number(b, "count");
    json_array_foreach(bins, i, b)
    {
        const double count = number(b, "count");
        const double share = (number(b, "accuracy") * count + 1) / (count + 2);

        if (count > 0)
            variance += count * share * (1 - share) / (n * n);
    }
    return (struct figure){ece, fmax(ece - 1.96 * sqrt(variance), 0),
                           ece + 1.96 * sqrt(variance)};
}

/* How sure a model is and how often it is right. */
static void say_confidence(FILE *out, const struct paper_run *r)
{
    const json_t *bins = json_object_get(r->result, "bins"), *b;
    double n = 0, sure = 0, right = 0;
    struct figure f;
    size_t i;

    json_array_foreach(bins, i, b)
    {
        const double count = number(b, "count");

        if (!(count > 0))
            continue;
        n += count;
        sure += count * number(b, "confidence");
        right += count * number(b, "accuracy");
    }
    f = share_of(round(right), n);
    if (isnan(f.value))
        return;
    sure /= n;
    fprintf(out, "%s is %.1f %% sure and right on ", subject(r), 100 * sure);
    put_percent(out, f);
    fputs(sure < f.low    ? ": less sure than it could be. "
          : sure > f.high ? ": surer than it should be. "
                          : ": " NO_DIFFERENCE " between the two. ",
          out);
}

static int say_calibration(FILE *out, const struct paper_runs *runs)
{
    const struct paper_run *jem = find(runs, "calibration", ROLE_JEM, "bins");
    const struct paper_run *plain = find(runs, "calibration", ROLE_CLASSIFIER, "bins");
    int way;

    if (jem != NULL)
        say_confidence(out, jem);
    if (plain != NULL)
        say_confidence(out, plain);
    if (jem == NULL || plain == NULL || !same_data(jem, plain))
        return jem != NULL || plain != NULL;
    const struct figure a =
        ece_of(json_object_get(jem->result, "bins"), number(jem->result, "ece"));
    const struct figure b =
        ece_of(json_object_get(plain->result, "bins"), number(plain->result, "ece"));

    way = compare(a, b);
    fputs("ECE as they are: JEM ", out);
    put_percent(out, a);
    fputs(", classifier ", out);
    put_percent(out, b);
    fputs(way > 0   ? "; the classifier is the better calibrated one."
          : way < 0 ? "; JEM is the better calibrated one."
                    : "; " NO_DIFFERENCE ".",
          out);
    return 1;
}

/* --- Out-of-distribution detection -------------------------------------------------------- */

static struct figure auroc_of(const json_t *row)
{
    return (struct figure){number(row, "auroc"), number(row, "auroc_low"),
                           number(row, "auroc_high")};
}

static int is_log_px(const json_t *row)
{
    const char *score = json_string_value(json_object_get(row, "score"));

    return score != NULL && strcmp(score, "log_px") == 0 && !isnan(auroc_of(row).low) &&
           !isnan(auroc_of(row).high) && json_is_string(json_object_get(row, "out")) &&
           !(number(row, "n_in") < 2) && !(number(row, "n_out") < 2); /* no spread */
}

/* The sets that log p(x) tells from the images in one way. */
static void list_sets(FILE *out, const json_t *rows, int wanted, const char *before)
{
    static const struct figure guess = {0.5, 0.5, 0.5};
    int any = 0;
    size_t i;
    const json_t *row;

    json_array_foreach(rows, i, row)
    {
        if (!is_log_px(row) || compare(auroc_of(row), guess) != wanted)
            continue;
        fputs(any++ ? ", " : before, out);
        html_text(out, json_string_value(json_object_get(row, "out")));
    }
    if (any)
        fputs(". ", out);
}

static int say_ood(FILE *out, const struct paper_runs *runs)
{
    int any = 0;

    for (int role = 0; role < ROLES; role++) {
        const struct paper_run *r = find(runs, "ood", role, "results");
        const json_t *rows = r == NULL ? NULL : json_object_get(r->result, "results"), *row;
        char higher[96];
        int has = 0;
        size_t i;

        json_array_foreach(rows, i, row) has |= is_log_px(row);
        if (!has)
            continue;
        any = 1;
        fprintf(out, "<b>%s</b>, log p(x). ", paper_roles[role].title);
        snprintf(higher, sizeof higher,
                 "Higher on %s more often than not than on: ", paper_images(r));
        list_sets(out, rows, 1, higher);
        list_sets(out, rows, -1, "Lower more often than not than on: ");
        list_sets(out, rows, 0, "No difference can be told from: ");
    }
    return any;
}

/* --- Robustness --------------------------------------------------------------------------- */

/* The accuracy that an attack leaves JEM-k at eps, with the gradient that leaves least; NaN: there
 * is none. */
static struct figure left_of(const struct paper_run *r, const char *attack, double k,
                             double eps)
{
    const json_t *rows = json_object_get(r->result, "curve"), *row;
    struct figure least = {(double)NAN, (double)NAN, (double)NAN};
    size_t i;

    json_array_foreach(rows, i, row)
    {
        const char *own = json_string_value(json_object_get(row, "attack"));
        const double value = number(row, "accuracy");

        if (own != NULL && strcmp(own, attack) == 0 && number(row, "refine_steps") == k &&
            number(row, "eps") == eps && !(value >= least.value))
            least = (struct figure){value, number(row, "low"), number(row, "high")};
    }
    return least;
}

/* Has a row before the given one the same attack and eps, with another gradient or defence? */
static int is_repeated(const json_t *rows, size_t at)
{
    const json_t *row = json_array_get(rows, at);

    for (size_t i = 0; i < at; i++) {
        const json_t *other = json_array_get(rows, i);

        if (number(other, "eps") == number(row, "eps") &&
            json_equal(json_object_get(other, "attack"), json_object_get(row, "attack")))
            return 1;
    }
    return 0;
}

static void put_count(FILE *out, int count, const char *what, const char *before)
{
    if (count > 0)
        fprintf(out, "%s%s at %d", before, what, count);
}

/* JEM-k beside the classifier, at each eps of the classifier's curve. */
static int say_attack(FILE *out, const struct paper_run *jem, const struct paper_run *plain,
                      double k)
{
    const json_t *rows = json_object_get(plain->result, "curve"), *row;
    int more = 0, less = 0, same = 0;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        const char *attack = json_string_value(json_object_get(row, "attack"));
        const double eps = number(row, "eps");
        struct figure a, b;

        if (attack == NULL || strcmp(attack, "pgd") != 0 || is_repeated(rows, i))
            continue;
        a = left_of(jem, attack, k, eps);
        b = left_of(plain, attack, 0, eps);
        if (isnan(a.value) || isnan(b.value))
            continue;
        more += compare(a, b) > 0;
        less += compare(a, b) < 0;
        same += compare(a, b) == 0;
    }
    if (more + less + same == 0)
        return 0;
    fprintf(out, "<b>%s, PGD, JEM-%.0f beside the classifier</b>, %.0f images each: ",
            jem->step->part != NULL ? jem->step->part : "", k,
            number(json_object_get(jem->result, "data"), "n"));
    put_count(out, more, "more of JEM's stay right", "");
    put_count(out, less, "fewer of JEM's stay right", more > 0 ? ", " : "");
    put_count(out, same, NO_DIFFERENCE, more + less > 0 ? ", " : "");
    fprintf(out, " of %d sizes of perturbation. ", more + less + same);
    return 1;
}

static int say_robustness(FILE *out, const struct paper_runs *runs)
{
    int any = 0;

    for (int i = 0; i < runs->count; i++)
        for (int j = 0; j < runs->count; j++) {
            const struct paper_run *jem = &runs->run[i], *plain = &runs->run[j];

            if (strcmp(jem->step->section, "robustness") != 0 || jem->role != ROLE_JEM ||
                plain->role != ROLE_CLASSIFIER || jem->result == NULL ||
                plain->result == NULL || strcmp(jem->step->name, plain->step->name) != 0 ||
                !same_data(jem, plain) ||
                number(jem->result, "input_noise") != number(plain->result, "input_noise"))
                continue;
            for (int k = 0; k <= 10; k++)
                any |= say_attack(out, jem, plain, k);
        }
    return any;
}

/* --- The rest ----------------------------------------------------------------------------- */

static int say_distal(FILE *out, const struct paper_runs *runs)
{
    const struct paper_run *run[2] = {find(runs, "distal", ROLE_JEM, "all"),
                                      find(runs, "distal", ROLE_CLASSIFIER, "all")};
    struct figure f[2];
    int any = 0;

    for (int i = 0; i < 2; i++) {
        const json_t *all = run[i] == NULL ? NULL : json_object_get(run[i]->result, "all");

        f[i] = share_of(number(all, "reached"), number(all, "n"));
        if (run[i] == NULL || isnan(f[i].value))
            continue;
        fprintf(out, "%s is made sure of ", subject(run[i]));
        put_percent(out, f[i]);
        fputs(" of the images. ", out);
        any++;
    }
    if (any == 2) {
        fputs(compare(f[0], f[1]) > 0   ? "JEM more often than the classifier. "
              : compare(f[0], f[1]) < 0 ? "The classifier more often than JEM. "
                                        : "Between the two " NO_DIFFERENCE ". ",
              out);
    }
    if (any)
        fputs("Whether the images look like their class, no figure says.", out);
    return any > 0;
}

static int say_semisup(FILE *out, const struct paper_runs *runs)
{
    const struct paper_run *r = find(runs, "semisup", ROLE_NONE, "summary");
    const json_t *rows = r == NULL ? NULL : json_object_get(r->result, "summary"), *row;
    const double n = r == NULL ? (double)NAN : number(json_object_get(r->result, "data"), "n");
    int any = 0;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        const struct figure a = share_of(round(number(row, "jem") * n), n);
        const struct figure b = share_of(round(number(row, "classifier") * n), n);

        if (isnan(a.value) || isnan(b.value))
            continue;
        fprintf(out, "%.0f labels per class: JEM ", number(row, "labels_per_class"));
        put_percent(out, a);
        fputs(", classifier ", out);
        put_percent(out, b);
        fputs(compare(a, b) > 0   ? "; JEM is the more accurate one. "
              : compare(a, b) < 0 ? "; the classifier is the more accurate one. "
                                  : "; " NO_DIFFERENCE ". ",
              out);
        any = 1;
    }
    if (any)
        fputs("The intervals are those of the test images alone: another seed of the training "
              "moves the figures too.",
              out);
    return any;
}

static int say_stability(FILE *out, const struct paper_runs *runs)
{
    const struct paper_run *r = find(runs, "stability", ROLE_NONE, "variants");
    const json_t *rows = r == NULL ? NULL : json_object_get(r->result, "variants"), *row;
    struct figure first = {0};
    int any = 0;
    size_t i, base = 0;

    json_array_foreach(rows, i, row)
    {
        const double n = number(row, "trainings"), diverged = number(row, "diverged");
        const struct figure f = share_of(diverged, n);

        if (isnan(f.value))
            continue;
        fprintf(out, "Variant %zu: %.0f of %.0f trainings diverged (%.0f to %.0f %%)", i,
                diverged, n, 100 * f.low, 100 * f.high);
        if (any)
            fprintf(out,
                    compare(f, first) > 0   ? ", more than of variant %zu"
                    : compare(f, first) < 0 ? ", fewer than of variant %zu"
                                            : ", " NO_DIFFERENCE " from variant %zu",
                    base);
        else
            first = f, base = i;
        fputs(". ", out);
        any = 1;
    }
    return any;
}

static int say_nothing(FILE *out, const struct paper_runs *runs)
{
    (void)runs;
    fputs("Pictures to look at: there is no figure here that could decide.", out);
    return 1;
}

void paper_verdict(FILE *out, const struct paper_runs *runs, const char *section)
{
    static const struct {
        const char *section;
        int (*say)(FILE *out, const struct paper_runs *runs);
    } all[] = {
        {"hybrid", say_hybrid},           {"samples", say_nothing},
        {"calibration", say_calibration}, {"ood", say_ood},
        {"robustness", say_robustness},   {"distal", say_distal},
        {"likely", say_nothing},          {"semisup", say_semisup},
        {"stability", say_stability},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].section, section) == 0) {
            fputs("<p class=\"verdict\">", out);
            if (!all[i].say(out, runs))
                fputs("The runs gave no figures that could be compared.", out);
            fputs("</p>\n", out);
        }
}
