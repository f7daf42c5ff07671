/* SPDX-License-Identifier: MIT */
/* Metrics against closed cases and against second, slower ways of computing them. */

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jem/context.h>
#include <jem/metrics.h>
#include <jem/status.h>

#include "core/context.h"
#include "core/random.h"
#include "test_support.h"

Suite *jem_metrics_suite(void);
void jem_metrics_add_more(Suite *suite); /* check_metrics_more.c */

/* Random words for test data, independent of other tests. */
static void random_words(int64_t seed, int64_t n, uint32_t *out)
{
    const jem__rng rng = {jem__rng_key(seed, 77), JEM__RNG_SPLIT, 0, 0};
    jem__rng_words(&rng, 0, n, out);
}

static jem_context *plain_context(void)
{
    jem_context *ctx = NULL;
    jem_check_ok(jem__context_create(NULL, "", NULL, NULL, NULL, &ctx));
    return ctx;
}

START_TEST(accuracy_counts_the_first_of_the_largest)
{
    const float scores[] = {0, 1, 0, 5, 5, 1, -2, -1, -1, -INFINITY, -INFINITY, 3};
    const int32_t right[] = {1, 0, 1, 2}, wrong[] = {0, 1, 2, 0}, half[] = {1, 1, 1, 0};
    double share = -1;
    jem_check_ok(jem_metric_accuracy(scores, right, 4, 3, &share));
    ck_assert(share == 1.0);
    jem_check_ok(jem_metric_accuracy(scores, wrong, 4, 3, &share));
    ck_assert(share == 0.0);
    jem_check_ok(jem_metric_accuracy(scores, half, 4, 3, &share));
    ck_assert(share == 0.5);
}
END_TEST

START_TEST(nll_of_known_logits)
{
    double nll = -1;
    const float equal[] = {7, 7, 7, 7, -3, -3, -3, -3};
    const int32_t y[] = {2, 0};
    jem_check_ok(jem_metric_nll(equal, y, 2, 4, &nll));
    jem_check_close_double(&nll, &(double){log(4.0)}, 1, 1e-15, 0);

    /* p = 1/4 and 3/4 */
    const float two[] = {0, logf(3.0f)};
    const int32_t zero[] = {0}, one[] = {1};
    jem_check_ok(jem_metric_nll(two, zero, 1, 2, &nll));
    jem_check_close_double(&nll, &(double){log(4.0)}, 1, 1e-7, 0);
    jem_check_ok(jem_metric_nll(two, one, 1, 2, &nll));
    jem_check_close_double(&nll, &(double){log(4.0 / 3.0)}, 1, 1e-6, 0);

    /* exp() of these would overflow or vanish */
    const float large[] = {1e4f, -1e4f, 3e38f, -3e38f};
    const int32_t bad[] = {1, 0};
    jem_check_ok(jem_metric_nll(large, bad, 1, 2, &nll));
    ck_assert(nll == 2e4);
    jem_check_ok(jem_metric_nll(large, bad, 2, 2, &nll));
    ck_assert(nll == 1e4);

    const float single[] = {12345};
    jem_check_ok(jem_metric_nll(single, zero, 1, 1, &nll));
    ck_assert(nll == 0);
}
END_TEST

START_TEST(bins_are_open_below_and_closed_above)
{
    /* Two classes, one probability given: confidences 0, 0.25, above 0.25, 0.5, 1. */
    const float above = nextafterf(0.25f, 1);
    const float prob[] = {0, 0, 0.25f, 0, above, 0, 0.5f, 0.5f, 0, 1};
    const int32_t y[] = {0, 1, 0, 1, 1};
    int64_t count[4];
    double confidence[4], accuracy[4];
    jem_check_ok(jem_metric_reliability(prob, y, 5, 2, 4, count, confidence, accuracy));
    ck_assert_int_eq(count[0], 2);
    ck_assert_int_eq(count[1], 2);
    ck_assert_int_eq(count[2], 0);
    ck_assert_int_eq(count[3], 1);
    ck_assert(confidence[0] == 0.125);
    ck_assert(confidence[1] == (0.5 + (double)above) / 2);
    ck_assert(confidence[2] == 0);
    ck_assert(confidence[3] == 1);
    ck_assert(accuracy[0] == 0.5); /* right, wrong */
    ck_assert(accuracy[1] == 0.5); /* right, wrong: 0.5 ties, the first class counts */
    ck_assert(accuracy[2] == 0);
    ck_assert(accuracy[3] == 1);
    jem_check_ok(jem_metric_reliability(prob, y, 5, 2, 4, NULL, NULL, NULL));
    jem_check_ok(jem_metric_reliability(prob, y, 5, 2, 4, count, NULL, accuracy));

    double ece = -1;
    jem_check_ok(jem_metric_ece(prob, y, 5, 2, 4, &ece));
    const double expected = 0.4 * 0.375 + 0.4 * fabs(0.5 - confidence[1]);
    jem_check_close_double(&ece, &expected, 1, 1e-15, 0);
}
END_TEST

START_TEST(every_bin_edge_falls_below)
{
    /* b / bins in float is a number near the edge; where it lies is decided exactly, here with
     * whole numbers: confidence = m / 2^24, bin = ceil(m * bins / 2^24) - 1. */
    for (int64_t bins = 1; bins <= 1000; bins += 37) {
        for (int64_t b = 0; b <= bins; b++) {
            const float prob[] = {(float)b / (float)bins};
            const int64_t m = (int64_t)ldexp((double)prob[0], 40), one = (int64_t)1 << 40;
            const int64_t edge = (m * bins + one - 1) / one - 1;
            int64_t count[1000];
            jem_check_ok(jem_metric_reliability(prob, (const int32_t[]){0}, 1, 1, bins, count,
                                                NULL, NULL));
            ck_assert_int_eq(count[edge < 0 ? 0 : edge], 1);
        }
    }
}
END_TEST

#define ECE_N 500
#define ECE_K 5

/* The definition, bin by bin, with edges compared in long double. */
static double ece_by_definition(const float *prob, const int32_t *y, int64_t bins)
{
    double ece = 0;
    for (int64_t b = 0; b < bins; b++) {
        double n = 0, hits = 0, confidence = 0;
        for (int64_t i = 0; i < ECE_N; i++) {
            int64_t best = 0;
            for (int64_t k = ECE_K - 1; k >= 0; k--)
                best = prob[i * ECE_K + k] >= prob[i * ECE_K + best] ? k : best;
            const long double p = (long double)prob[i * ECE_K + best] * (long double)bins;
            if (p > (long double)b && p <= (long double)(b + 1)) {
                n += 1;
                hits += best == y[i];
                confidence += (double)prob[i * ECE_K + best];
            }
        }
        if (n > 0)
            ece += n / ECE_N * fabs(hits / n - confidence / n);
    }
    return ece;
}

START_TEST(ece_agrees_with_its_definition)
{
    static float prob[ECE_N * ECE_K];
    static uint32_t words[ECE_N * (ECE_K + 1)];
    int32_t y[ECE_N];
    random_words(5, ECE_N * (ECE_K + 1), words);
    for (int64_t i = 0; i < ECE_N; i++) {
        float sum = 0;
        for (int64_t k = 0; k < ECE_K; k++)
            sum += (float)(1 + (words[i * ECE_K + k] >> 26)); /* coarse: ties happen */
        for (int64_t k = 0; k < ECE_K; k++)
            prob[i * ECE_K + k] = (float)(1 + (words[i * ECE_K + k] >> 26)) / sum;
        y[i] = (int32_t)(words[ECE_N * ECE_K + i] % ECE_K);
    }
    for (int64_t bins = 1; bins <= 1000; bins = 3 * bins + 1) {
        double ece = -1;
        const double expected = ece_by_definition(prob, y, bins);
        jem_check_ok(jem_metric_ece(prob, y, ECE_N, ECE_K, bins, &ece));
        ck_assert(expected > 0);
        jem_check_close_double(&ece, &expected, 1, 1e-12, 0);
    }
}
END_TEST

START_TEST(ece_of_a_calibrated_and_of_a_wrong_model)
{
    const float sure[] = {1, 0, 1, 0, 0, 1},
                half[] = {0.75f, 0.25f, 0.75f, 0.25f, 0.75f, 0.25f, 0.75f, 0.25f};
    const int32_t right[] = {0, 0, 1}, wrong[] = {1, 1, 0}, three_of_four[] = {0, 0, 1, 0};
    double ece = -1;
    jem_check_ok(jem_metric_ece(sure, right, 3, 2, 20, &ece));
    ck_assert(ece == 0);
    jem_check_ok(jem_metric_ece(sure, wrong, 3, 2, 20, &ece));
    ck_assert(ece == 1);
    jem_check_ok(jem_metric_ece(half, three_of_four, 4, 2, 20, &ece));
    ck_assert(ece == 0);
}
END_TEST

/* All pairs. */
static double auroc_of_pairs(const float *in, int64_t n_in, const float *other, int64_t n_other)
{
    double u = 0;
    for (int64_t i = 0; i < n_in; i++) {
        for (int64_t j = 0; j < n_other; j++)
            u += in[i] > other[j] ? 1 : in[i] == other[j] ? 0.5 : 0;
    }
    return u / ((double)n_in * (double)n_other);
}

START_TEST(auroc_of_known_scores)
{
    jem_context *ctx = plain_context();
    const float low[] = {1, 2, 3}, high[] = {5, 4}, same[] = {7, 7, 7};
    const float infinite[] = {-INFINITY, 0, INFINITY}, zeros[] = {0.0f, -0.0f};
    double area = -1;
    jem_check_ok(jem_metric_auroc(ctx, high, 2, low, 3, &area));
    ck_assert(area == 1);
    jem_check_ok(jem_metric_auroc(ctx, low, 3, high, 2, &area));
    ck_assert(area == 0);
    jem_check_ok(jem_metric_auroc(ctx, same, 3, same, 2, &area));
    ck_assert(area == 0.5);
    jem_check_ok(jem_metric_auroc(ctx, zeros, 1, zeros + 1, 1, &area));
    ck_assert(area == 0.5);
    jem_check_ok(jem_metric_auroc(ctx, infinite, 3, infinite, 3, &area));
    ck_assert(area == 0.5);
    jem_check_ok(jem_metric_auroc(ctx, infinite + 1, 2, infinite, 2, &area));
    ck_assert(area == (1 + 0.5 + 1 + 1) / 4);
    jem_context_free(ctx);
}
END_TEST

START_TEST(auroc_agrees_with_all_pairs)
{
    jem_context *ctx = plain_context();
    uint32_t words[400];
    float in[200], other[200];
    for (int64_t round = 0; round < 200; round++) {
        const int64_t n_in = 1 + (round * 7) % 200, n_other = 1 + (round * 13) % 200;
        const uint32_t shift = 20 + (uint32_t)(round % 12); /* 2^12 values down to 2: ties */
        random_words(100 + round, 400, words);
        for (int64_t i = 0; i < 200; i++) {
            in[i] = (float)(words[i] >> shift) - 5;
            other[i] = (float)(words[200 + i] >> shift) - 4;
        }
        double area = -1, back = -1;
        jem_check_ok(jem_metric_auroc(ctx, in, n_in, other, n_other, &area));
        jem_check_ok(jem_metric_auroc(ctx, other, n_other, in, n_in, &back));
        ck_assert(area == auroc_of_pairs(in, n_in, other, n_other));
        jem_check_close_double(&(double){area + back}, &(double){1}, 1, 1e-15, 0);
    }
    jem_context_free(ctx);
}
END_TEST

START_TEST(auroc_leaves_its_arguments_alone)
{
    jem_context *ctx = plain_context();
    const float in[] = {3, 1, 2}, other[] = {9, -1};
    float a[3], b[2];
    double area;
    memcpy(a, in, sizeof in);
    memcpy(b, other, sizeof other);
    jem_check_ok(jem_metric_auroc(ctx, a, 3, b, 2, &area));
    ck_assert(area == 0.5);
    jem_check_same(a, in, 3);
    jem_check_same(b, other, 2);
    jem_context_free(ctx);
}
END_TEST

static jem_status auroc_scenario(jem_test_memory *memory, void *arg)
{
    (void)arg;
    const float in[] = {3, 1, 2}, other[] = {9, -1};
    jem_context *ctx = NULL;
    double area;
    jem_status status =
        jem__context_create(NULL, "", jem_test_alloc, jem_test_release, memory, &ctx);
    if (status == JEM_OK)
        status = jem_metric_auroc(ctx, in, 3, other, 2, &area);
    jem_context_free(ctx);
    return status;
}

START_TEST(auroc_survives_no_memory)
{
    ck_assert_int_ge(jem_check_survives_no_memory(auroc_scenario, NULL), 3);
}
END_TEST

START_TEST(mean_and_deviation)
{
    const float scores[] = {2, 4, 4, 4, 5, 5, 7, 9}, constant[] = {0.1f, 0.1f, 0.1f};
    const float large[] = {16777215, 16777216}; /* a float sum would lose the first */
    double mean = -1, std = -1;
    jem_check_ok(jem_metric_mean(scores, 8, &mean, &std));
    ck_assert(mean == 5 && std == 2);
    jem_check_ok(jem_metric_mean(constant, 3, &mean, &std));
    jem_check_close_double(&mean, &(double){(double)0.1f}, 1, 1e-15, 0);
    ck_assert(std < 1e-16);
    jem_check_ok(jem_metric_mean(large, 2, &mean, &std));
    ck_assert(mean == 16777215.5 && std == 0.5);
    jem_check_ok(jem_metric_mean(scores, 1, NULL, &std));
    ck_assert(std == 0);
    jem_check_ok(jem_metric_mean(scores, 8, &mean, NULL));
    ck_assert(mean == 5);
}
END_TEST

START_TEST(tables_are_checked)
{
    const float good[] = {0.5f, 0.5f, 0.5f, 0.5f};
    const int32_t y[] = {0, 1}, low[] = {0, -1}, high[] = {0, 2};
    double out = 42;
    const jem_status argument = JEM_E_ARGUMENT, range = JEM_E_RANGE;
    jem_check_fails(jem_metric_accuracy(NULL, y, 2, 2, &out), argument, "scores is NULL");
    jem_check_fails(jem_metric_accuracy(good, NULL, 2, 2, &out), argument, "y is NULL");
    jem_check_fails(jem_metric_accuracy(good, y, 2, 2, NULL), argument, "out is NULL");
    jem_check_fails(jem_metric_accuracy(good, y, 0, 2, &out), argument, "n = 0, must be");
    jem_check_fails(jem_metric_accuracy(good, y, -3, 2, &out), argument, "n = -3, must be");
    jem_check_fails(jem_metric_accuracy(good, y, 2, 0, &out), argument, "classes = 0, must be");
    jem_check_fails(jem_metric_accuracy(good, y, INT64_MAX, 2, &out), argument, "64-bit");
    jem_check_fails(jem_metric_accuracy(good, low, 2, 2, &out), range,
                    "jem_metric_accuracy: y[1] = -1, must be 0 to 1");
    jem_check_fails(jem_metric_accuracy(good, high, 2, 2, &out), range, "y[1] = 2");
    jem_check_fails(jem_metric_nll(NULL, y, 2, 2, &out), argument, "logits is NULL");
    jem_check_fails(jem_metric_nll(good, y, 2, 2, NULL), argument, "out is NULL");
    jem_check_fails(jem_metric_nll(good, y, 0, 2, &out), argument, "n = 0");
    jem_check_fails(jem_metric_nll(good, high, 2, 2, &out), range,
                    "jem_metric_nll: y[1] = 2, must be 0 to 1");
    jem_check_fails(jem_metric_ece(NULL, y, 2, 2, 20, &out), argument, "prob is NULL");
    jem_check_fails(jem_metric_ece(good, y, 2, 2, 20, NULL), argument, "out is NULL");
    jem_check_fails(jem_metric_ece(good, y, 2, 2, 0, &out), range,
                    "bins = 0, must be 1 to 1000");
    jem_check_fails(jem_metric_ece(good, y, 2, 2, 1001, &out), range, "bins = 1001");
    jem_check_fails(jem_metric_ece(good, low, 2, 2, 20, &out), range,
                    "jem_metric_ece: y[1] = -1");
    jem_check_fails(jem_metric_reliability(good, NULL, 2, 2, 20, NULL, NULL, NULL), argument,
                    "y is NULL");
    jem_check_fails(jem_metric_reliability(good, low, 2, 2, 20, NULL, NULL, NULL), range,
                    "jem_metric_reliability: y[1] = -1");
    jem_check_fails(jem_metric_reliability(good, y, 2, 2, -1, NULL, NULL, NULL), range,
                    "bins = -1");
    ck_assert(out == 42);
}
END_TEST

START_TEST(values_are_checked)
{
    const float nan_score[] = {0, 0, 0, NAN}, inf_score[] = {0, 0, INFINITY, 0};
    const float negative[] = {0, 1, -1e-30f, 1}, large[] = {0, 1, 0, nextafterf(1, 2)};
    const int32_t y[] = {0, 1};
    double out = 42;
    const jem_status numeric = JEM_E_NUMERIC;
    jem_check_fails(jem_metric_accuracy(nan_score, y, 2, 2, &out), numeric,
                    "image 1, class 1 is NaN");
    jem_check_ok(jem_metric_accuracy(inf_score, y, 2, 2, &out));
    ck_assert(out == 0.5);
    out = 42;
    jem_check_fails(jem_metric_nll(nan_score, y, 2, 2, &out), numeric,
                    "image 1, class 1 is NaN");
    jem_check_fails(jem_metric_nll(inf_score, y, 2, 2, &out), numeric,
                    "image 1, class 0 is infinite");
    jem_check_fails(jem_metric_ece(nan_score, y, 2, 2, 20, &out), numeric,
                    "image 1, class 1 is NaN");
    jem_check_fails(jem_metric_ece(negative, y, 2, 2, 20, &out), JEM_E_RANGE,
                    "image 1, class 0 is -1e-30, must be 0 to 1");
    jem_check_fails(jem_metric_ece(large, y, 2, 2, 20, &out), JEM_E_RANGE, "image 1, class 1");
    jem_check_fails(jem_metric_reliability(nan_score, y, 2, 2, 20, NULL, NULL, NULL), numeric,
                    "jem_metric_reliability: the probability of image 1");
    jem_check_fails(jem_metric_mean(nan_score, 4, &out, NULL), numeric, "scores[3] is NaN");
    jem_check_fails(jem_metric_mean(inf_score, 4, &out, NULL), numeric,
                    "scores[2] is infinite");
    jem_check_fails(jem_metric_mean(NULL, 4, &out, NULL), JEM_E_ARGUMENT, "scores is NULL");
    jem_check_fails(jem_metric_mean(large, 0, &out, NULL), JEM_E_ARGUMENT, "n = 0, must be");
    ck_assert(out == 42);
}
END_TEST

START_TEST(auroc_checks_its_arguments)
{
    jem_context *ctx = plain_context();
    const float good[] = {1, 2}, bad[] = {1, NAN};
    double out = 42;
    const jem_status argument = JEM_E_ARGUMENT;
    jem_check_fails(jem_metric_auroc(NULL, good, 2, good, 2, &out), argument, "ctx is NULL");
    jem_check_fails(jem_metric_auroc(ctx, good, 2, good, 2, NULL), argument, "out is NULL");
    jem_check_fails(jem_metric_auroc(ctx, NULL, 2, good, 2, &out), argument, "in is NULL");
    jem_check_fails(jem_metric_auroc(ctx, good, 2, NULL, 2, &out), argument, "other is NULL");
    jem_check_fails(jem_metric_auroc(ctx, good, 0, good, 2, &out), argument, "n_in = 0");
    jem_check_fails(jem_metric_auroc(ctx, good, 2, good, -1, &out), argument, "n_other = -1");
    jem_check_fails(jem_metric_auroc(ctx, good, INT64_MAX, good, 2, &out), argument, "64-bit");
    jem_check_fails(jem_metric_auroc(ctx, good, INT64_MAX / 2, good, 2, &out), argument,
                    "64-bit");
    jem_check_fails(jem_metric_auroc(ctx, bad, 2, good, 2, &out), JEM_E_NUMERIC,
                    "in[1] is NaN");
    jem_check_fails(jem_metric_auroc(ctx, good, 2, bad, 2, &out), JEM_E_NUMERIC,
                    "other[1] is NaN");
    ck_assert(out == 42);
    jem_context_free(ctx);
}
END_TEST

Suite *jem_metrics_suite(void)
{
    Suite *suite = suite_create("metrics");
    TCase *values = tcase_create("values");
    tcase_add_test(values, accuracy_counts_the_first_of_the_largest);
    tcase_add_test(values, nll_of_known_logits);
    tcase_add_test(values, bins_are_open_below_and_closed_above);
    tcase_add_test(values, every_bin_edge_falls_below);
    tcase_add_test(values, ece_agrees_with_its_definition);
    tcase_add_test(values, ece_of_a_calibrated_and_of_a_wrong_model);
    tcase_add_test(values, auroc_of_known_scores);
    tcase_add_test(values, auroc_agrees_with_all_pairs);
    tcase_add_test(values, auroc_leaves_its_arguments_alone);
    tcase_add_test(values, auroc_survives_no_memory);
    tcase_add_test(values, mean_and_deviation);
    suite_add_tcase(suite, values);
    TCase *arguments = tcase_create("arguments");
    tcase_add_test(arguments, tables_are_checked);
    tcase_add_test(arguments, values_are_checked);
    tcase_add_test(arguments, auroc_checks_its_arguments);
    suite_add_tcase(suite, arguments);
    jem_metrics_add_more(suite);
    return suite;
}
