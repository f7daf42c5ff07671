/* SPDX-License-Identifier: MIT */
/* Random numbers: the published vectors, the layout of addresses, and the distributions. Keys
 * are fixed, so a test that passes once passes always; limits are six sigmas wide. */

#include "check_core.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "test_support.h"

#define MANY 1000000

static const double PI = 3.14159265358979323846;

static jem__rng address(uint64_t index)
{
    return (jem__rng){jem__rng_key(2020, 7), JEM__RNG_SGLD, 5, index};
}

/* sum (seen - expected)^2 / expected, equal chances, in sigmas above its mean. */
static double chi_square_sigmas(const int64_t *seen, int64_t cells, int64_t total)
{
    const double expected = (double)total / (double)cells;
    double sum = 0;
    for (int64_t i = 0; i < cells; i++)
        sum += ((double)seen[i] - expected) * ((double)seen[i] - expected) / expected;
    return (sum - (double)(cells - 1)) / sqrt(2.0 * (double)(cells - 1));
}

START_TEST(philox_gives_the_published_words)
{
    static const struct {
        uint32_t counter[4];
        jem__key key;
        uint32_t out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t out[4];
        jem__philox4x32(known[i].counter, known[i].key, out);
        ck_assert_mem_eq(out, known[i].out, sizeof out);
    }
}
END_TEST

START_TEST(addresses_are_counters)
{
    const jem__rng rng = {{11, 12}, JEM__RNG_START, 0xABCDEF, 0x123456789ABCDEF0};
    uint32_t words[400], expected[4];
    jem__rng_words(&rng, 40, 400, words);
    for (uint32_t block = 0; block < 100; block++) {
        const uint32_t counter[4] = {10 + block, 0x02ABCDEF, 0x9ABCDEF0, 0x12345678};
        jem__philox4x32(counter, rng.key, expected);
        ck_assert_mem_eq(words + 4 * block, expected, sizeof expected);
    }
}
END_TEST

START_TEST(keys_mix_seed_and_stream)
{
    const jem__key zero = {0x89ABCDEF, 0x01234567};
    const uint32_t counter[4] = {0xFFFFFFFE, 0xFFFFFFFF, 0x4D454A, 0};
    uint32_t words[4];
    jem__philox4x32(counter, zero, words);
    const jem__key key = jem__rng_key(0x0123456789ABCDEF, -2);
    ck_assert_uint_eq(key.k0, words[0]);
    ck_assert_uint_eq(key.k1, words[1]);
    const jem__key a = jem__rng_key(1, 0), b = jem__rng_key(0, 1), c = jem__rng_key(1, 1);
    ck_assert(a.k0 != b.k0 && a.k0 != c.k0 && b.k0 != c.k0);
}
END_TEST

/* The same numbers in one call, in parts, and alone; nothing written beyond the last. */
START_TEST(parts_equal_the_whole)
{
    enum { N = 1000 };
    const jem__rng rng = address(3);
    static float whole[N], part[N + 1], uniform[N], uniform_part[N + 1];
    static uint32_t words[N], words_part[N + 1];
    jem__rng_normal(&rng, 0, N, whole);
    jem__rng_uniform(&rng, 0, N, uniform);
    jem__rng_words(&rng, 0, N, words);
    for (int64_t first = 0; first < N; first += 4 * (1 + first / 40)) {
        for (int64_t n = 0; first + n <= N; n += 1 + n / 3) {
            part[n] = uniform_part[n] = 77.0f;
            words_part[n] = 77;
            jem__rng_normal(&rng, (uint32_t)first, n, part);
            jem__rng_uniform(&rng, (uint32_t)first, n, uniform_part);
            jem__rng_words(&rng, (uint32_t)first, n, words_part);
            ck_assert_mem_eq(part, whole + first, (size_t)n * sizeof *part);
            ck_assert_mem_eq(uniform_part, uniform + first, (size_t)n * sizeof *part);
            ck_assert_mem_eq(words_part, words + first, (size_t)n * sizeof *words);
            ck_assert(part[n] == 77.0f && uniform_part[n] == 77.0f && words_part[n] == 77);
        }
    }
}
END_TEST

START_TEST(uniforms_are_uniform)
{
    enum { CELLS = 1024 };
    const jem__rng rng = address(1);
    float *x = malloc(MANY * sizeof *x);
    uint32_t *words = malloc(MANY * sizeof *words);
    int64_t seen[CELLS] = {0}, wrong = 0;
    ck_assert(x != NULL && words != NULL);
    jem__rng_uniform(&rng, 0, MANY, x);
    jem__rng_words(&rng, 0, MANY, words);
    for (int64_t i = 0; i < MANY; i++) {
        wrong += (double)x[i] != (double)(words[i] >> 8) / 16777216.0;
        seen[(int64_t)(x[i] * CELLS)]++;
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_double_lt(fabs(chi_square_sigmas(seen, CELLS, MANY)), 6.0);
    free(words);
    free(x);
}
END_TEST

/* Box-Muller as random.c documents it, with the C library in double precision. */
START_TEST(normals_are_accurate)
{
    const jem__rng rng = address(2);
    float *z = malloc(MANY * sizeof *z);
    uint32_t *words = malloc(MANY * sizeof *words);
    double *expected = malloc(MANY * sizeof *expected), worst = 0;
    ck_assert(z != NULL && words != NULL && expected != NULL);
    jem__rng_normal(&rng, 0, MANY, z);
    jem__rng_words(&rng, 0, MANY, words);
    for (int64_t i = 0; i < MANY; i += 2) {
        const double u = ((double)(words[i] >> 9) + 0.5) * 0x1p-23;
        const double t = ((double)((words[i + 1] & 0x3FFFFFFF) >> 6) + 0.5) * 0x1p-24 - 0.5;
        const double angle = 0.5 * PI * t, radius = sqrt(-2.0 * log(u));
        const double c = radius * cos(angle), s = radius * sin(angle);
        const uint32_t quadrant = words[i + 1] >> 30;
        expected[i] = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
        expected[i + 1] = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
    }
    for (int64_t i = 0; i < MANY; i++)
        worst = fmax(worst, fabs((double)z[i] - expected[i]) / fabs(expected[i]));
    ck_assert_double_lt(worst, 1e-6);
    free(expected);
    free(words);
    free(z);
}
END_TEST

START_TEST(normals_are_normal)
{
    enum { CELLS = 500 };
    const jem__rng rng = address(4);
    float *z = malloc(MANY * sizeof *z);
    int64_t seen[CELLS] = {0}, beyond3 = 0, beyond4 = 0;
    double sum1 = 0, sum2 = 0, sum3 = 0, sum4 = 0, pairs = 0, largest = 0;
    ck_assert_ptr_nonnull(z);
    jem__rng_normal(&rng, 0, MANY, z);
    for (int64_t i = 0; i < MANY; i++) {
        const double x = (double)z[i];
        sum1 += x;
        sum2 += x * x;
        sum3 += x * x * x;
        sum4 += x * x * x * x;
        pairs += i > 0 ? x * (double)z[i - 1] : 0;
        beyond3 += fabs(x) > 3;
        beyond4 += fabs(x) > 4;
        largest = fmax(largest, fabs(x));
        seen[(int64_t)(0.5 * erfc(-x / sqrt(2.0)) * CELLS)]++;
    }
    const double n = MANY, root = sqrt(n);
    ck_assert_double_lt(fabs(sum1 / n) * root, 6.0); /* sigma 1 */
    ck_assert_double_lt(fabs(sum2 / n - 1) * root, 6.0 * sqrt(2.0));
    ck_assert_double_lt(fabs(sum3 / n) * root, 6.0 * sqrt(15.0));
    ck_assert_double_lt(fabs(sum4 / n - 3) * root, 6.0 * sqrt(96.0));
    ck_assert_double_lt(fabs(pairs / n) * root, 6.0); /* neighbours are independent */
    ck_assert_double_lt(fabs(chi_square_sigmas(seen, CELLS, MANY)), 6.0);
    const double tail3 = erfc(3 / sqrt(2.0)) * n, tail4 = erfc(4 / sqrt(2.0)) * n;
    ck_assert_double_lt(fabs((double)beyond3 - tail3), 6.0 * sqrt(tail3));
    ck_assert_double_lt(fabs((double)beyond4 - tail4), 6.0 * sqrt(tail4));
    ck_assert(largest > 4.2 && largest < 5.8);
    free(z);
}
END_TEST

/* The bits themselves: another compiler, vector width or machine must give the same. */
START_TEST(normals_have_the_recorded_bits)
{
    enum { N = 100000 };
    const jem__rng rng = {{1, 2}, JEM__RNG_SGLD, 3, 4};
    float *z = malloc(N * sizeof *z);
    uint64_t hash = 0xCBF29CE484222325; /* FNV-1a over words */
    ck_assert_ptr_nonnull(z);
    jem__rng_normal(&rng, 0, N, z);
    for (int64_t i = 0; i < N; i++) {
        uint32_t bits;
        memcpy(&bits, &z[i], sizeof bits);
        hash = (hash ^ bits) * 0x100000001B3;
    }
    ck_assert_uint_eq(hash, 3865070725377391232u);
    free(z);
}
END_TEST

START_TEST(bounded_integers_stay_below)
{
    const uint32_t none[2] = {0, 0}, all[2] = {0xFFFFFFFF, 0xFFFFFFFF};
    const uint32_t half[2] = {0, 0x80000000};
    const int64_t bounds[] = {1, 2, 3, 10, 4294967295, 4294967296, 4294967299, INT64_MAX};
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        ck_assert_int_eq(jem__rng_below(none, bounds[i]), 0);
        ck_assert_int_eq(jem__rng_below(all, bounds[i]), bounds[i] - 1);
        ck_assert_int_eq(jem__rng_below(half, bounds[i]), bounds[i] / 2);
    }
    const uint32_t some[2] = {0x9ABCDEF0, 0x12345678}; /* checked with Python's integers */
    ck_assert_int_eq(jem__rng_below(some, 1000000007), 71111111);
    ck_assert_int_eq(jem__rng_below(some, 0x0FEDCBA987654321), 81621149086635842);

    int64_t seen[10] = {0};
    static uint32_t words[2 * 100000];
    const jem__rng rng = address(6);
    jem__rng_words(&rng, 0, 2 * 100000, words);
    for (int64_t i = 0; i < 100000; i++)
        seen[jem__rng_below(words + 2 * i, 10)]++;
    ck_assert_double_lt(fabs(chi_square_sigmas(seen, 10, 100000)), 6.0);
}
END_TEST

START_TEST(permutations_are_permutations)
{
    const int64_t sizes[] = {0, 1, 2, 3, 31, 32, 33, 34, 64, 65, 5000};
    static int64_t order[5001];
    static int32_t seen[5000];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const jem__rng rng = address(i);
        order[sizes[i]] = -7;
        memset(seen, 0, sizeof seen);
        jem__rng_permutation(&rng, sizes[i], order);
        for (int64_t k = 0; k < sizes[i]; k++) {
            ck_assert(order[k] >= 0 && order[k] < sizes[i]);
            seen[order[k]]++;
        }
        for (int64_t k = 0; k < sizes[i]; k++)
            ck_assert_int_eq(seen[k], 1);
        ck_assert_int_eq(order[sizes[i]], -7);
    }
}
END_TEST

START_TEST(permutations_are_equally_likely)
{
    int64_t seen[256] = {0}, counts[24], cells = 0, place[100] = {0};
    for (uint64_t index = 0; index < 24000; index++) {
        const jem__rng rng = address(index);
        int64_t p[4];
        jem__rng_permutation(&rng, 4, p);
        seen[p[0] * 64 + p[1] * 16 + p[2] * 4 + p[3]]++;
    }
    for (int64_t i = 0; i < 256; i++)
        if (seen[i] > 0 && cells < 24)
            counts[cells++] = seen[i];
    ck_assert_int_eq(cells, 24);
    ck_assert_double_lt(fabs(chi_square_sigmas(counts, 24, 24000)), 6.0);
    for (uint64_t index = 0; index < 20000; index++) { /* where does 17 of 100 land? */
        const jem__rng rng = address(index);
        int64_t p[100], at = 0;
        jem__rng_permutation(&rng, 100, p);
        while (p[at] != 17)
            at++;
        place[at]++;
    }
    ck_assert_double_lt(fabs(chi_square_sigmas(place, 100, 20000)), 6.0);
}
END_TEST

TCase *jem_core_random_case(void)
{
    TCase *random = tcase_create("random");
    tcase_set_timeout(random, 30);
    tcase_add_test(random, philox_gives_the_published_words);
    tcase_add_test(random, addresses_are_counters);
    tcase_add_test(random, keys_mix_seed_and_stream);
    tcase_add_test(random, parts_equal_the_whole);
    tcase_add_test(random, uniforms_are_uniform);
    tcase_add_test(random, normals_are_accurate);
    tcase_add_test(random, normals_are_normal);
    tcase_add_test(random, normals_have_the_recorded_bits);
    tcase_add_test(random, bounded_integers_stay_below);
    tcase_add_test(random, permutations_are_permutations);
    tcase_add_test(random, permutations_are_equally_likely);
    return random;
}
