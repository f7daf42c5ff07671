/* SPDX-License-Identifier: MIT */

/* The record of the kit: text, JSON, CSV, HTML, and reading back. Prints "ok NAME" or "FAIL NAME"
 * for each case; record.sh runs it. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/text.h"
#include "kit/lab/record.h"

static char folder[64] = "/tmp/jem-record-XXXXXX";
static int failed;

static void verdict(const char *name, int good)
{
    printf("%s %s\n", good ? "ok" : "FAIL", name);
    failed |= !good;
}

/* The text is as wanted; shown when it is not. */
static void same(const char *name, const char *got, const char *wanted)
{
    const int good = got != NULL && strcmp(got, wanted) == 0;

    printf("%s %s%s\n", good ? "ok" : "FAIL", name, good ? "" : ": not as wanted");
    if (!good)
        fprintf(stderr, "--- got\n%s--- wanted\n%s---\n", got == NULL ? "(nothing)\n" : got,
                wanted);
    failed |= !good;
}

/* --- A record with everything --- */

static const struct record_column columns[] = {
    {"out", "other images", .kind = RECORD_TEXT, .group = 1},
    {"n", "n", .kind = RECORD_WHOLE},
    {"score", "score", .kind = RECORD_TEXT},
    {"auroc", "AUROC", .decimals = 3, .good = 0.9, .bad = 0.5},
    {"low", "95 %", .decimals = 2, .percent = 1, .unit = " %"},
    {"high", NULL, .decimals = 2, .percent = 1, .join = " to "},
    {"gap", "gap", .decimals = 1, .sign = 1},
    {"file", NULL, .kind = RECORD_TEXT},
    {NULL, "for people", .kind = RECORD_DIGITS, .decimals = 3},
    {"sound", "sound", .kind = RECORD_TRUTH},
};

static const struct record_layout results = {
    .name = "results",
    .title = "Apart & together",
    .note = "1 < 2",
    .across = "score",
    .figure = "auroc",
    RECORD_COLUMNS(columns),
};

static void add(struct record_table *t, const char *out, const char *score, double auroc)
{
    record_row(t);
    record_text(t, "out", out);
    record_whole(t, "n", 7);
    record_text(t, "score", score);
    record_number(t, "auroc", auroc);
}

static struct record *make(void)
{
    struct record *r = record_create();
    struct record_table *t = record_table(r, &results);

    add(t, "noise", "log_px", 0.25);
    record_number(t, "low", 0.125);
    record_number(t, "high", 0.5);
    record_number(t, "gap", 0.25);
    record_text(t, "file", "a,\"b\"\nc");
    record_number(t, "for people", 1234.5);
    record_truth(t, "sound", 1);
    add(t, "noise", "mass", (double)NAN);
    record_words(t, "score", "mass <T = 2>");
    record_number(t, "low", 0.125);
    record_number(t, "high", (double)NAN);
    record_text(t, "file", NULL);
    record_missing(t, "sound");
    add(t, "noise", "hidden", 1);
    record_hide(t);
    record_run(t);
    record_text(t, "out", "noise");
    record_text(t, "score", "log_px");
    record_number(t, "auroc", 1);
    record_say(r, "%d words\n", 2);
    record_protocol(r, "Made %s.", "here");
    return r;
}

static char *text_of(int (*write)(struct record *r, FILE *out), struct record *r)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = file_open_memory(&text, &length);
    const int rc = write(r, out);

    fclose(out);
    if (rc == EXIT_OK)
        return text;
    free(text);
    return NULL;
}

static void test_text(void)
{
    struct record *r = make();
    char *text = text_of(record_print, r);

    same("text: joined cells, units, runs, words, what is missing or hidden", text,
         "other images  n  score         AUROC              95 %   gap  for people  sound\n"
         "noise         7  log_px        0.250  12.50 to 50.00 %  +0.2    1.23e+03  yes\n"
         "              7  mass <T = 2>      -           12.50 %     -           -  -\n"
         "noise         -  log_px        1.000                 -     -           -  -\n"
         "2 words\n");
    free(text);
    text = text_of(record_print, r);
    same("text: nothing is printed twice", text, "");
    free(text);
    record_free(r);
}

/* --- Files --- */

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static char *content(const char *name)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    char *text;

    if (file_read(path_of(name), &bytes, &length) != EXIT_OK)
        return NULL;
    text = strndup((const char *)bytes, length);
    free(bytes);
    return text;
}

static void test_csv(void)
{
    static const struct record_column one[] = {{"a b", "A", .decimals = 1}};
    static const struct record_layout other = {"other, one", RECORD_COLUMNS(one)};
    struct record *r = make();
    struct record_table *t = record_table(r, &other);
    char *text;

    record_row(t);
    record_number(t, "a b", 1.0 / 3);
    verdict("csv is written", record_write_csv(r, path_of("a.csv")) == EXIT_OK);
    text = content("a.csv");
    same("csv: quoting, what is missing, two tables", text,
         "table,out,n,score,auroc,low,high,gap,file,for people,sound\n"
         "results,noise,7,log_px,0.25,0.125,0.5,0.25,\"a,\"\"b\"\"\nc\",1234.5,true\n"
         "results,noise,7,mass,,0.125,,,,,\n"
         "results,noise,7,hidden,1,,,,,,\n"
         "results,noise,,log_px,1,,,,,,\n"
         "\n"
         "table,a b\n"
         "\"other, one\",0.333333333333\n");
    free(text);
    verdict("csv: no folder", record_write_csv(r, path_of("none/a.csv")) == EXIT_FAILED);
    verdict("csv: over a folder, and nothing is left behind",
            file_make_folder(path_of("b.csv")) == EXIT_OK &&
                record_write_csv(r, path_of("b.csv")) == EXIT_FAILED &&
                !file_exists(path_of("b.csv.tmp")));
    remove(path_of("b.csv"));
    record_free(r);
}

static int member_is(const json_t *object, const char *name, const char *wanted)
{
    char *text = json_dumps(json_object_get(object, name), JSON_ENCODE_ANY | JSON_COMPACT);
    const int good = text != NULL && strcmp(text, wanted) == 0;

    if (!good)
        fprintf(stderr, "%s is %s, wanted %s\n", name, text == NULL ? "not there" : text,
                wanted);
    free(text);
    return good;
}

static json_t *file_of(struct record *r)
{
    json_t *file = NULL;

    verdict("json is written", record_write_json(r, path_of("a.json")) == EXIT_OK &&
                                   json_read_file(path_of("a.json"), &file) == EXIT_OK);
    return file;
}

static void test_json(void)
{
    struct record *r = make();
    json_t *file = file_of(r), *rows = json_object_get(file, "results");
    const json_t *first = json_array_get(rows, 0), *second = json_array_get(rows, 1);

    verdict("json: all rows", json_array_size(rows) == 4);
    verdict("json: figures as they are, words and columns for people left out",
            member_is(first, "auroc", "0.25") && member_is(first, "n", "7") &&
                member_is(first, "sound", "true") && member_is(second, "score", "\"mass\"") &&
                json_object_get(first, "for people") == NULL);
    verdict("json: NaN and NULL are null, what is not given is no member",
            member_is(second, "auroc", "null") && member_is(second, "file", "null") &&
                member_is(second, "sound", "null") && json_object_get(second, "gap") == NULL);
    verdict("json: the protocol", member_is(file, "protocol", "\"Made here.\""));
    json_decref(file);
    record_free(r);
}

/* Rows that are objects of their own, as jem-calibration and jem-distal have them. */
static struct record *make_placed(int scaled)
{
    static const struct record_column of[] = {
        {NULL, "logits", .kind = RECORD_TEXT},
        {"ece", "ECE", .decimals = 2, .percent = 1, .unit = " %"},
    };
    static const struct record_layout errors = {NULL, "Errors", RECORD_COLUMNS(of)};
    static const struct record_column bin[] = {{"count", "images", .kind = RECORD_WHOLE}};
    static const struct record_layout bins = {"scaled.bins", RECORD_COLUMNS(bin)};
    static const struct record_layout none = {"empty", RECORD_COLUMNS(bin)};
    struct record *r = record_create();
    struct record_table *t = record_table(r, &errors);

    record_row_at(t, ".");
    record_text(t, "logits", "as they are");
    record_number(t, "ece", 0.25);
    record_row_at(t, "scaled");
    record_text(t, "logits", "divided by T");
    if (scaled) {
        record_number(t, "ece", 0.125);
        t = record_table(r, &bins);
        record_row(t);
        record_whole(t, "count", 3);
    }
    record_row(t); /* for people alone, or a bin without images */
    if (!scaled)
        record_text(t, "logits", "nobody's");
    record_table(r, &none);
    return r;
}

static void test_placed(void)
{
    struct record *r = make_placed(1);
    json_t *file = file_of(r);

    verdict("places: the whole file, an object, an array inside it, an empty array",
            member_is(file, "ece", "0.25") &&
                member_is(file, "scaled", "{\"ece\":0.125,\"bins\":[{\"count\":3},{}]}") &&
                member_is(file, "empty", "[]"));
    json_decref(file);
    record_free(r);
    r = make_placed(0);
    file = file_of(r);
    verdict("places: an object without a figure is null", member_is(file, "scaled", "null"));
    json_decref(file);
    record_free(r);
}

/* Rows that are members of arrays inside the file, as those of jem-likely's pictures are. */
static struct record *make_pictures(const char *place)
{
    static const struct record_column of[] = {
        {NULL, "picture", .kind = RECORD_TEXT},
        {"label", "label", .kind = RECORD_WHOLE, .left = 1},
        {"score", "score", .decimals = 1},
    };
    static const struct record_layout captions = {NULL, "captions", RECORD_COLUMNS(of)};
    const char *places[] = {"pictures.0.images[]", "pictures.0.images[]", place};
    struct record *r = record_create();
    struct record_table *t = record_table(r, &captions);

    json_object_set_new(
        record_json(r), "pictures",
        json_pack("[{ss s[]} {ss s[]}]", "file", "a.png", "images", "file", "b.png", "images"));
    for (int i = 0; i < 3; i++) {
        record_row_at(t, places[i]);
        record_text(t, "picture", i < 2 ? "a.png" : "b.png");
        record_whole(t, "label", i);
        record_words(t, "label", i < 2 ? "Coat" : "Bag");
        record_number(t, "score", 0.5 * i);
        if (i == 1)
            record_hide(t);
    }
    verdict("text: a table as a file of its own is written",
            record_write_text(r, t, path_of("a.txt")) == EXIT_OK);
    return r;
}

static void test_pictures(void)
{
    struct record *r = make_pictures("pictures.1.images[]"), *again = NULL;
    json_t *file = file_of(r);
    char *text = content("a.txt");

    same("text: with the hidden rows in the file, figures left-aligned", text,
         "picture  label  score\n"
         "a.png    Coat     0.0\n"
         "a.png    Coat     0.5\n"
         "b.png    Bag      1.0\n");
    free(text);
    verdict("places: arrays inside arrays",
            member_is(file, "pictures",
                      "[{\"file\":\"a.png\",\"images\":[{\"label\":0,\"score\":0},"
                      "{\"label\":1,\"score\":0.5}]},"
                      "{\"file\":\"b.png\",\"images\":[{\"label\":2,\"score\":1}]}]"));
    verdict("back: rows of arrays inside arrays",
            record_read(file, "a.json", &again) == EXIT_OK);
    text = again == NULL ? NULL : text_of(record_print, again);
    same("back: their text, without what is hidden", text,
         "picture  label  score\n"
         "a.png    Coat     0.0\n"
         "b.png    Bag      1.0\n");
    free(text);
    json_decref(file);
    record_free(again);
    record_free(r);
    r = make_pictures("pictures.2.images[]");
    verdict("mistake: a place in an array that has no such number",
            record_write_json(r, path_of("b.json")) == EXIT_FAILED);
    record_free(r);
    remove(path_of("a.txt"));
}

/* A table for stdout shows figures of other tables in another order. */
static void test_only_text(void)
{
    static const struct record_column of[] = {{"a", "A", .decimals = 1}};
    const struct record_layout wide = {"wide", .only_text = 1, RECORD_COLUMNS(of)};
    struct record *r = record_create();
    struct record_table *t = record_table(r, &wide);
    json_t *file;
    char *text;

    record_row(t);
    record_number(t, "a", 1);
    text = text_of(record_print, r);
    same("only text: on stdout", text, "  A\n1.0\n");
    free(text);
    file = file_of(r);
    verdict("only text: not in the file, nor for a page",
            json_object_get(file, "wide") == NULL && member_is(file, "tables", "[]"));
    json_decref(file);
    verdict("only text: csv", record_write_csv(r, path_of("a.csv")) == EXIT_OK);
    text = content("a.csv");
    same("only text: not in the csv", text, "");
    free(text);
    record_free(r);
}

/* --- Reading back --- */

static struct record *read_back(json_t *file)
{
    struct record *r = NULL;

    return record_read(file, "a.json", &r) == EXIT_OK ? r : NULL;
}

static void test_back(struct record *(*maker)(void), const char *name)
{
    struct record *r = maker(), *again;
    json_t *file = file_of(r), *twice;
    char *before = text_of(record_print, r), *after;

    if (strchr(before, '2') != NULL && strstr(before, "2 words\n") != NULL)
        before[strlen(before) - strlen("2 words\n")] = '\0'; /* words are not in the file */
    again = read_back(file);
    after = again == NULL ? NULL : text_of(record_print, again);
    same(name, after, before);
    twice = again == NULL ? NULL : file_of(again);
    verdict("what was read is written as it was",
            json_equal(json_object_get(file, "tables"), json_object_get(twice, "tables")));
    free(before);
    free(after);
    json_decref(file);
    json_decref(twice);
    record_free(r);
    record_free(again);
}

static struct record *make_scaled(void)
{
    return make_placed(1);
}

static struct record *make_unscaled(void)
{
    return make_placed(0);
}

/* --- A page --- */

static struct record_source sources[2];

static int write_page(struct record *r, FILE *out)
{
    static const char *const leads[] = {"checkpoint", "paper's", NULL};

    (void)r;
    return record_write_html(out, "results", leads, sources, 2);
}

static void test_page(void)
{
    static const char *const jem[] = {"JEM <1>", "0.9"}, *const plain[] = {"classifier", NULL};
    struct record *r = make(), *other = record_create();
    struct record_table *t = record_table(other, &results);
    json_t *file = file_of(r);
    struct record *again = read_back(file);
    char *text;

    add(t, "<svhn>", "entropy", 0.75);
    record_run(t); /* the same again is another line */
    record_text(t, "out", "<svhn>");
    record_whole(t, "n", 7);
    record_text(t, "score", "log_px");
    record_number(t, "auroc", 0.5);
    sources[0] = (struct record_source){again, jem};
    sources[1] = (struct record_source){other, plain};
    text = text_of(write_page, NULL);
    same("page: two records under one heading, values across, colours, escapes", text,
         "<h3>Apart &amp; together</h3>\n"
         "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Apart &amp; "
         "together\">\n"
         "<table class=\"sort\">\n"
         "<thead><tr><th scope=\"col\" class=\"text\">checkpoint</th><th scope=\"col\" "
         "class=\"text\">paper's</th><th scope=\"col\" class=\"text\">other images</th><th "
         "scope=\"col\">n</th><th scope=\"col\">log_px</th><th scope=\"col\">mass &lt;T = "
         "2&gt;</th><th scope=\"col\">entropy</th></tr></thead>\n"
         "<tbody>\n"
         "<tr><th scope=\"row\" class=\"text\">JEM &lt;1&gt;</th><td "
         "class=\"text\">0.9</td><td class=\"text\">noise</td><td>7</td><td "
         "class=\"bad\">0.250</td><td>-</td><td>-</td></tr>\n"
         "<tr><th scope=\"row\" class=\"text\">JEM &lt;1&gt;</th><td "
         "class=\"text\">0.9</td><td class=\"text\">noise</td><td>-</td><td "
         "class=\"good\">1.000</td><td>-</td><td>-</td></tr>\n"
         "<tr><th scope=\"row\" class=\"text\">classifier</th><td class=\"text\">-</td><td "
         "class=\"text\">&lt;svhn&gt;</td><td>7</td><td>-</td><td>-</td><td>0.750</td></tr>\n"
         "<tr><th scope=\"row\" class=\"text\">classifier</th><td class=\"text\">-</td><td "
         "class=\"text\">&lt;svhn&gt;</td><td>7</td><td>0.500</td><td>-</td><td>-</td></tr>\n"
         "</tbody>\n"
         "</table>\n"
         "</div>\n"
         "<p class=\"key\">Colours: <span class=\"good\">0.9 or more</span> <span "
         "class=\"bad\">below 0.5</span></p>\n"
         "<p class=\"soft\">1 &lt; 2</p>\n");
    free(text);
    json_decref(file);
    record_free(r);
    record_free(again);
    record_free(other);
}

/* Counts of pairs, whose second goes across; a line of nothing is not shaded. */
static void test_heat(void)
{
    static const struct record_column pairs[] = {
        {"label", "label", .kind = RECORD_WHOLE, .left = 1},
        {"prediction", "prediction", .kind = RECORD_WHOLE, .left = 1},
        {"n", "images", .kind = RECORD_WHOLE, .heat = 1},
    };
    static const struct record_layout layout = {
        .name = "results", .across = "prediction", .figure = "n", RECORD_COLUMNS(pairs)};
    static const char *const lead[] = {"x", NULL};
    struct record *r = record_create();
    struct record_table *t = record_table(r, &layout);
    json_t *file;
    struct record *again;
    char *text;

    for (int i = 0; i < 4; i++) {
        record_row(t);
        record_whole(t, "label", i / 2);
        record_words(t, "label", i < 2 ? "cat" : "dog");
        record_whole(t, "prediction", i % 2);
        record_words(t, "prediction", i % 2 ? "dog" : "cat");
        record_whole(t, "n", i == 0 ? 3 : i == 1 ? 1 : 0);
    }
    file = file_of(r);
    again = read_back(file);
    sources[0] = sources[1] = (struct record_source){again, lead};
    text = text_of(write_page, NULL);
    verdict("page: a figure is shaded by its share of the line",
            text != NULL && strstr(text, "<td class=\"text\">cat</td>"
                                         "<td class=\"heat\" style=\"--share:0.750\">3</td>"
                                         "<td class=\"heat\" style=\"--share:0.250\">1</td>"));
    verdict("page: of nothing there is no share",
            text != NULL && strstr(text, "style=\"--share:0.000\">0</td>"));
    free(text);
    json_decref(file);
    record_free(r);
    record_free(again);
}

/* --- What is not sound --- */

static void refused(const char *name, const char *json)
{
    json_t *file = json_loads(json, 0, NULL);
    struct record *r = NULL;
    const int rc = record_read(file, "a.json", &r);

    verdict(name, file != NULL && rc == EXIT_FAILED && r == NULL);
    json_decref(file);
    record_free(r);
}

#define TABLE(rows, columns)                                                                   \
    "{\"r\": [{\"a\": 1}], \"tables\": [{\"name\": \"r\", \"rows\": " rows                     \
    ", \"columns\": " columns "}]}"
#define NUMBER "[{\"name\": \"a\", \"title\": \"A\", \"kind\": \"number\", \"decimals\": 2}]"

/* A short file that names the same rows again and again. */
static void test_many(void)
{
    json_t *file = json_loads(TABLE("[]", NUMBER), 0, NULL);
    json_t *rows = json_object_get(file, "r"), *places = json_array();
    struct record *r = NULL;

    for (int i = 0; i < 512; i++) {
        json_array_append(rows, json_array_get(rows, 0));
        json_array_append_new(places, json_string("r"));
    }
    json_object_set_new(json_array_get(json_object_get(file, "tables"), 0), "rows", places);
    verdict("hostile: more rows than a file should make",
            record_read(file, "a.json", &r) == EXIT_FAILED);
    json_decref(file);
}

static void test_hostile(void)
{
    struct record *r = NULL;
    json_t *sound = json_loads(TABLE("[\"r\"]", NUMBER), 0, NULL);
    json_t *format = json_loads("{\"r\": [{\"a\": \"%n%s\"}], \"tables\": [{\"name\": \"r\", "
                                "\"rows\": [\"r\"], \"columns\": [{\"name\": \"a\", \"title\": "
                                "\"%s%n\", \"kind\": \"text\", \"unit\": \"%n\"}]}]}",
                                0, NULL);
    char *text;

    verdict("sound: is read", record_read(sound, "a.json", &r) == EXIT_OK);
    record_free(r);
    r = read_back(format);
    text = r == NULL ? NULL : text_of(record_print, r);
    same("hostile: a format is a text", text, "%s%n\n%n%s%n\n");
    free(text);
    record_free(r);
    json_decref(sound);
    json_decref(format);

    refused("hostile: tables that are no list", "{\"tables\": {}}");
    refused("hostile: a table that is none", "{\"tables\": [1]}");
    refused("hostile: columns that are no list", TABLE("[\"r\"]", "{}"));
    refused("hostile: a column that is none", TABLE("[\"r\"]", "[1]"));
    refused("hostile: an unknown kind",
            TABLE("[\"r\"]", "[{\"name\": \"a\", \"kind\": \"%n\"}]"));
    refused("hostile: very many decimals",
            TABLE("[\"r\"]", "[{\"name\": \"a\", \"kind\": \"number\", \"decimals\": 400}]"));
    refused("hostile: decimals below 0",
            TABLE("[\"r\"]", "[{\"name\": \"a\", \"kind\": \"number\", \"decimals\": -1}]"));
    refused("hostile: a title that is no text",
            TABLE("[\"r\"]", "[{\"name\": \"a\", \"title\": 1, \"kind\": \"number\"}]"));
    refused("hostile: a column without a name", TABLE("[\"r\"]", "[{\"kind\": \"number\"}]"));
    refused("hostile: the first column joins",
            TABLE("[\"r\"]", "[{\"name\": \"a\", \"kind\": \"number\", \"join\": \"to\"}]"));
    refused("hostile: a figure of another kind",
            TABLE("[\"r\"]", "[{\"name\": \"a\", \"kind\": \"text\"}]"));
    refused("hostile: rows that are nowhere", TABLE("[\"s\"]", NUMBER));
    refused("hostile: rows that are no rows", TABLE("[\"r.a\"]", NUMBER));
    refused("hostile: a place that is no text", TABLE("[1]", NUMBER));
    refused("hostile: hidden rows that are not there",
            TABLE("[\"r\"], \"hidden\": [1]", NUMBER));
    refused("hostile: a column across that is not there",
            TABLE("[\"r\"], \"across\": \"b\", \"figure\": \"a\"", NUMBER));
    test_many();
}

/* A mistake of the program is an error, not a lost figure. */
static void mistaken(const char *name, void (*make_it)(struct record_table *t))
{
    struct record *r = record_create();
    struct record_table *t = record_table(r, &results);

    make_it(t);
    verdict(name, record_print(r, stderr) == EXIT_FAILED &&
                      record_write_json(r, path_of("b.json")) == EXIT_FAILED &&
                      record_write_csv(r, path_of("b.csv")) == EXIT_FAILED &&
                      !file_exists(path_of("b.json")));
    record_free(r);
}

static void no_column(struct record_table *t)
{
    record_row(t);
    record_number(t, "aurok", 1);
}

static void other_kind(struct record_table *t)
{
    record_row(t);
    record_number(t, "n", 1);
}

static void given_twice(struct record_table *t)
{
    record_row(t);
    record_number(t, "auroc", 1);
    record_number(t, "auroc", 1);
}

static void no_row(struct record_table *t)
{
    record_number(t, "auroc", 1);
}

/* The last test: standard error goes to a file. */
static void test_progress(void)
{
    struct progress p;
    char *text = NULL;

    progress_start(&p, 0);
    p.terminal = 1;
    if (freopen(path_of("a.txt"), "w", stderr) != NULL) {
        progress_show(&p, "half way");
        report_note("a message");
        report_note("another");
        fflush(stderr);
        text = content("a.txt");
    }
    same("a message takes the line of progress away", text,
         "half way\r\033[Krecord: a message\nrecord: another\n");
    free(text);
    remove(path_of("a.txt"));
}

/* --- Texts that are not UTF-8 --- */

static void check_texts(void)
{
    static const char bytes[] = "/caf\xe9/\xc3\xa9t\xc3\xa9 \xf0\x9f%";
    char *shown = text_shown(bytes), *percent = text_percent(bytes);
    char *back = percent == NULL ? NULL : text_from_percent(percent);
    json_t *object = json_object();
    char cut[8];

    same("a text is shown", shown,
         "/caf\xef\xbf\xbd/\xc3\xa9t\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd%");
    same("a text is percent-encoded", percent, "/caf%E9/%C3%A9t%C3%A9%20%F0%9F%25");
    same("and comes back", back, bytes);
    verdict("half a code is refused",
            text_from_percent("a%4") == NULL && text_from_percent("a%4g") == NULL &&
                text_from_percent("%00") == NULL && text_from_percent("%") == NULL);
    verdict("what is UTF-8", text_is_utf8("\xe2\x82\xac") && !text_is_utf8("\xe2\x82") &&
                                 !text_is_utf8("\xc0\xaf") && !text_is_utf8("\xed\xa0\x80"));
    for (int bytes_left = 0; bytes_left <= 4; bytes_left++) {
        snprintf(cut, sizeof cut, "a%.*s", bytes_left, "\xf0\x9f\x90\x88");
        text_trim(cut);
        same("a cut character goes", cut, bytes_left == 4 ? "a\xf0\x9f\x90\x88" : "a");
    }
    json_set_text(object, "path", bytes);
    json_set_text(object, "plain", "\xc3\xa9");
    free(back);
    back = json_get_text(object, "path");
    same("JSON gives bytes back", back, bytes);
    same("and shows them", json_string_value(json_object_get(object, "path")), shown);
    verdict("UTF-8 needs no second member", json_object_get(object, "plain_bytes") == NULL &&
                                                json_get_text(object, "none") == NULL);
    free(shown);
    free(percent);
    free(back);
    json_decref(object);
}

int main(void)
{
    report_program("record");
    if (mkdtemp(folder) == NULL)
        return EXIT_FAILED;
    test_text();
    test_csv();
    test_json();
    test_placed();
    test_pictures();
    test_only_text();
    test_back(make, "back: the same text");
    test_back(make_scaled, "back: rows with places, the same text");
    test_back(make_unscaled, "back: a row that is null, the same text");
    test_page();
    test_heat();
    test_hostile();
    check_texts();
    mistaken("mistake: no such column", no_column);
    mistaken("mistake: a figure of another kind", other_kind);
    mistaken("mistake: a figure given twice", given_twice);
    mistaken("mistake: a figure without a row", no_row);
    test_progress();
    remove(path_of("a.csv"));
    remove(path_of("a.json"));
    remove(folder);
    return failed;
}
