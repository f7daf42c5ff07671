/* SPDX-License-Identifier: MIT */
/* The metrics beside those of the paper: other calibration errors, Brier's score, precision and
 * recall, false positives at a recall. Closed cases, and second ways of computing them that
 * walk over all thresholds instead of sorting. */

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include <jem/context.h>
#include <jem/metrics.h>
#include <jem/status.h>

#include "core/random.h"
#include "test_support.h"

void jem_metrics_add_more(Suite *suite);

enum { MOST = 120 };

/* Two sets of scores with many ties. */
typedef struct sets {
    float in[MOST], other[MOST];
    int64_t n_in, n_other;
} sets;

static sets make_sets(int64_t round)
{
    const jem__rng rng = {jem__rng_key(300 + round, 77), JEM__RNG_SPLIT, 0, 0};
    uint32_t words[2 * MOST];
    sets s = {.n_in = 1 + (round * 7) % MOST, .n_other = 1 + (round * 13) % MOST};

    jem__rng_words(&rng, 0, 2 * MOST, words);
    for (int i = 0; i < MOST; i++) {
        s.in[i] = (float)(words[i] >> (20 + round % 12)) - 5;
        s.other[i] = (float)(words[MOST + i] >> (20 + round % 12)) - 6;
    }
    return s;
}

/* How many scores are at or above a threshold. */
static double above(const float *scores, int64_t n, float threshold)
{
    double count = 0;

    for (int64_t i = 0; i < n; i++)
        count += scores[i] >= threshold;
    return count;
}

/* Every score of `in` as a threshold, in any order: the one that gains this image's recall. */
static double aupr_by_thresholds(const sets *s)
{
    double area = 0;

    for (int64_t i = 0; i < s->n_in; i++) {
        const double found = above(s->in, s->n_in, s->in[i]);

        area += found / (found + above(s->other, s->n_other, s->in[i])) / (double)s->n_in;
    }
    return area;
}

static double fpr_by_thresholds(const sets *s, double tpr)
{
    double best = 2;

    for (int64_t i = 0; i < s->n_in; i++) {
        const double recall = above(s->in, s->n_in, s->in[i]) / (double)s->n_in;
        const double rate = above(s->other, s->n_other, s->in[i]) / (double)s->n_other;

        best = recall >= tpr && rate < best ? rate : best;
    }
    return best;
}

START_TEST(precision_recall_and_false_positives_agree_with_all_thresholds)
{
    jem_context *ctx = NULL;

    jem_check_ok(jem_context_create(NULL, &ctx));
    for (int64_t round = 0; round < 200; round++) {
        const sets s = make_sets(round);
        double area = -1, rate = -1;

        jem_check_ok(jem_metric_aupr(ctx, s.in, s.n_in, s.other, s.n_other, &area));
        ck_assert_double_eq_tol(area, aupr_by_thresholds(&s), 1e-12);
        for (int percent = 5; percent <= 100; percent += 5) {
            const double tpr = percent / 100.0;

            jem_check_ok(jem_metric_fpr(ctx, s.in, s.n_in, s.other, s.n_other, tpr, &rate));
            ck_assert_msg(rate == fpr_by_thresholds(&s, tpr), "round %d, tpr %g: %g, not %g",
                          (int)round, tpr, rate, fpr_by_thresholds(&s, tpr));
        }
    }
    jem_context_free(ctx);
}
END_TEST

START_TEST(detection_of_known_scores)
{
    const float in[] = {4, 3, 2, 1}, apart[] = {0, -1}, mixed[] = {3.5f, 0};
    jem_context *ctx = NULL;
    double value = -1;

    jem_check_ok(jem_context_create(NULL, &ctx));
    jem_check_ok(jem_metric_aupr(ctx, in, 4, apart, 2, &value));
    ck_assert(value == 1);
    jem_check_ok(jem_metric_fpr(ctx, in, 4, apart, 2, 1, &value));
    ck_assert(value == 0);
    jem_check_ok(jem_metric_aupr(ctx, in, 4, mixed, 2, &value)); /* 1/1, 2/3, 3/4, 4/5 */
    ck_assert_double_eq_tol(value, (1 + 2.0 / 3 + 3.0 / 4 + 4.0 / 5) / 4, 1e-15);
    jem_check_ok(jem_metric_fpr(ctx, in, 4, mixed, 2, 0.25, &value));
    ck_assert(value == 0);
    jem_check_ok(jem_metric_fpr(ctx, in, 4, mixed, 2, 0.26, &value));
    ck_assert(value == 0.5);
    jem_check_ok(jem_metric_aupr(ctx, in, 4, in, 4, &value)); /* all tied in pairs */
    ck_assert(value == 0.5);

    /* 0.55 * 100 is above 55 in double precision, but 55 of 100 are 0.55 */
    float hundred[100], between[100];
    for (int i = 0; i < 100; i++) {
        hundred[i] = (float)(i + 1);
        between[i] = (float)i + 0.5f;
    }
    jem_check_ok(jem_metric_fpr(ctx, hundred, 100, between, 100, 0.55, &value));
    ck_assert(value == 0.54);
    jem_context_free(ctx);
}
END_TEST

START_TEST(brier_and_bins_of_known_probabilities)
{
    /* confidences 0.75 (right), 0.75 (wrong), 1 (right) */
    const float prob[] = {0.75f, 0.25f, 0.25f, 0.75f, 0, 1};
    const int32_t y[] = {0, 0, 1};
    double value = -1;

    jem_check_ok(jem_metric_brier(prob, y, 3, 2, &value)); /* (2/16 + 18/16 + 0) / 3 */
    ck_assert_double_eq_tol(value, 20.0 / 16 / 3, 1e-15);
    jem_check_ok(jem_metric_mce(prob, y, 3, 2, 4, &value)); /* (0.5, 0.75]: |1/2 - 3/4| */
    ck_assert_double_eq_tol(value, 0.25, 1e-15);
    jem_check_ok(jem_metric_mce(prob, y, 3, 2, 1, &value)); /* |2/3 - 2.5/3| */
    ck_assert_double_eq_tol(value, 0.5 / 3, 1e-15);
    /* class 0 in bins of a quarter: {0.25, 0} with 1 image of the class, {0.75} with 1;
     * class 1: {0.25} with 0, {0.75} with 0, {1} with 1 */
    jem_check_ok(jem_metric_classwise_ece(prob, y, 3, 2, 4, &value));
    ck_assert_double_eq_tol(value, (0.75 + 0.25 + 0.25 + 0.75 + 0) / 3 / 2, 1e-15);
}
END_TEST

/* With two classes and one bin the classwise error is |share of the class - mean p|. */
START_TEST(classwise_error_of_one_bin)
{
    enum { N = 500 };
    const jem__rng rng = {jem__rng_key(9, 77), JEM__RNG_SPLIT, 0, 0};
    float prob[2 * N], p[N];
    int32_t y[N];
    double value = -1, mean = 0, share = 0;

    jem__rng_uniform(&rng, 0, N, p);
    for (int i = 0; i < N; i++) {
        prob[2 * i] = p[i];
        prob[2 * i + 1] = 1 - p[i];
        y[i] = i % 3 == 0;
        mean += (double)p[i] / N;
        share += (y[i] == 0) / (double)N;
    }
    jem_check_ok(jem_metric_classwise_ece(prob, y, N, 2, 1, &value));
    ck_assert_double_eq_tol(value, fabs(mean - share), 1e-7);
}
END_TEST

START_TEST(arguments_are_checked)
{
    const float scores[] = {0, NAN}, prob[] = {0.5f, 1.5f};
    const int32_t y[] = {0}, bad[] = {2};
    const float good[] = {0.5f, 0.5f};
    jem_context *ctx = NULL;
    double v = 7;

    jem_check_ok(jem_context_create(NULL, &ctx));
    jem_check_fails(jem_metric_aupr(ctx, scores, 1, scores, 2, &v), JEM_E_NUMERIC, "other[1]");
    jem_check_fails(jem_metric_fpr(ctx, scores, 2, scores, 1, 0.95, &v), JEM_E_NUMERIC,
                    "in[1]");
    jem_check_fails(jem_metric_fpr(ctx, scores, 1, scores, 1, 0, &v), JEM_E_RANGE, "tpr = 0");
    jem_check_fails(jem_metric_fpr(ctx, scores, 1, scores, 1, NAN, &v), JEM_E_RANGE, "tpr");
    jem_check_fails(jem_metric_fpr(ctx, scores, 1, scores, 1, 1.01, &v), JEM_E_RANGE, "tpr");
    jem_check_fails(jem_metric_aupr(NULL, scores, 1, scores, 1, &v), JEM_E_ARGUMENT, "ctx");
    jem_check_fails(jem_metric_aupr(ctx, scores, 0, scores, 1, &v), JEM_E_ARGUMENT, "n_in");
    jem_check_fails(jem_metric_fpr(ctx, scores, 1, NULL, 1, 0.5, &v), JEM_E_ARGUMENT, "other");
    jem_check_fails(jem_metric_brier(prob, y, 1, 2, &v), JEM_E_RANGE, "1.5");
    jem_check_fails(jem_metric_brier(good, bad, 1, 2, &v), JEM_E_RANGE, "y[0] = 2");
    jem_check_fails(jem_metric_brier(NULL, y, 1, 2, &v), JEM_E_ARGUMENT, "prob");
    jem_check_fails(jem_metric_mce(good, y, 1, 2, 0, &v), JEM_E_RANGE, "bins = 0");
    jem_check_fails(jem_metric_mce(good, y, 1, 2, 5, NULL), JEM_E_ARGUMENT, "out");
    jem_check_fails(jem_metric_classwise_ece(good, y, 1, 2, 1001, &v), JEM_E_RANGE, "1001");
    jem_check_fails(jem_metric_classwise_ece(prob, y, 1, 2, 5, &v), JEM_E_RANGE, "1.5");
    ck_assert(v == 7);
    jem_context_free(ctx);
}
END_TEST

void jem_metrics_add_more(Suite *suite)
{
    TCase *tc = tcase_create("more");

    tcase_add_test(tc, precision_recall_and_false_positives_agree_with_all_thresholds);
    tcase_add_test(tc, detection_of_known_scores);
    tcase_add_test(tc, brier_and_bins_of_known_probabilities);
    tcase_add_test(tc, classwise_error_of_one_bin);
    tcase_add_test(tc, arguments_are_checked);
    suite_add_tcase(suite, tc);
}
