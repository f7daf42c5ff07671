/* SPDX-License-Identifier: MIT */

/* See robustness.h: the lists of the command line. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/cli/whole_numbers.h"
#include "robustness.h"

/* "0.031" or "8/255"; NaN when it is neither. */
static double parse_one(const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);

    if (end == text)
        return (double)NAN;
    if (*end == '/') {
        const char *below = end + 1;
        const double by = strtod(below, &end);

        value = end == below || !(by > 0) ? (double)NAN : value / by;
    }
    return *end == '\0' ? value : (double)NAN;
}

/* Put it where it belongs; twice the same is once. */
static void insert(struct robustness_eps *e, double value, const char *text)
{
    int at = e->count;

    while (at > 0 && e->value[at - 1] >= value)
        at--;
    if (at < e->count && e->value[at] <= value)
        return;
    memmove(e->value + at + 1, e->value + at, (size_t)(e->count - at) * sizeof e->value[0]);
    memmove(e->text + at + 1, e->text + at, (size_t)(e->count - at) * sizeof e->text[0]);
    e->value[at] = value;
    snprintf(e->text[at], sizeof e->text[at], "%s", text);
    e->count++;
}

int robustness_parse_eps(const char *list, double most, struct robustness_eps *out)
{
    char one[sizeof out->text[0]];

    memset(out, 0, sizeof *out);
    for (const char *at = list;; at++) {
        const size_t length = strcspn(at, ",");
        double value = (double)NAN;

        if (length > 0 && length < sizeof one) {
            memcpy(one, at, length);
            one[length] = '\0';
            value = parse_one(one);
        }
        if (!(value > 0) || value > most)
            return report_usage("--eps %s: \"%.*s\" must be a number like 0.03 or 8/255, above "
                                "0, at most %g",
                                list, (int)(length < 60 ? length : 60), at, most);
        if (out->count == ROBUSTNESS_EPS)
            return report_usage("--eps %s: more than %d values", list, ROBUSTNESS_EPS);
        insert(out, value, one);
        at += length;
        if (*at == '\0')
            return EXIT_OK;
    }
}

int robustness_parse_refine(const char *list, struct robustness_refine *out)
{
    out->count = whole_numbers_read(list, ',', 0, 10000, ROBUSTNESS_REFINE, out->steps);
    if (out->count == WHOLE_NUMBERS_WRONG)
        return report_usage("--refine %s: must be numbers from 0 to 10000 with commas between",
                            list);
    if (out->count == WHOLE_NUMBERS_TOO_MANY)
        return report_usage("--refine %s: more than %d", list, ROBUSTNESS_REFINE);
    return CLI_GO;
}
