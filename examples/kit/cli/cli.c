/* SPDX-License-Identifier: MIT */

/* Table-driven command lines over getopt_long(). getopt finds the options; the values are
 * checked here, because its own messages name neither limits nor near misses. */

#include "kit/cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jem/version.h>

#include "kit/base/file.h"
#include "kit/base/file_writer.h"
#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/base/shell.h"
#include "kit/cli/cli_pages.h"
#include "kit/cli/settings.h"

#define HELP_COLUMN 30
#define HELP_WIDTH  88
#define FIRST_VALUE 256 /* getopt's val of option 0: above every character */

/* Words of `text` from column `at` on, in lines that begin at `column`. */
static void print_wrapped(const char *text, int at, int column)
{
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");

        if (at > column && at + 1 + length > HELP_WIDTH) {
            printf("\n%*s", column, "");
            at = column;
        } else if (at > column) {
            putchar(' ');
            at++;
        }
        printf("%.*s", length, text);
        at += length;
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_option(const char *name, const char *arg, const char *help,
                         const char *fallback)
{
    char full[1024];
    int at = arg == NULL ? printf("  --%s", name) : printf("  --%s %s", name, arg);

    if (at > HELP_COLUMN - 2) {
        putchar('\n');
        at = 0;
    }
    printf("%*s", HELP_COLUMN - at, "");
    if (fallback == NULL)
        snprintf(full, sizeof full, "%s", help);
    else
        snprintf(full, sizeof full, "%s [%s]", help, fallback);
    print_wrapped(full, HELP_COLUMN, HELP_COLUMN);
}

static int has_settings(const struct cli *cli)
{
    for (int i = 0; i < cli->count; i++)
        if (strcmp(cli->options[i].name, "set") == 0)
            return 1;
    return 0;
}

static void print_help(const struct cli *cli)
{
    printf("Usage: %s %s\n\n", cli->program, cli->usage);
    print_wrapped(cli->about, 0, 0);
    for (int i = 0; i < cli->count; i++) {
        const struct cli_option *o = &cli->options[i];

        if (o->section != NULL)
            printf("\n%s:\n", o->section);
        print_option(o->name, o->arg, o->help, o->fallback);
    }
    printf("\nHelp:\n");
    print_option("help", NULL, "this text", NULL);
    print_option("version", NULL, "the version of libjem", NULL);
    print_option("dry-run", NULL, "check the command line, say what would be done, do nothing",
                 NULL);
    if (has_settings(cli))
        print_option("list-options", NULL, "every setting that --set takes, and every preset",
                     NULL);
    if (cli->notes != NULL)
        printf("\n%s", cli->notes);
    printf("\nExit status: 0 done, 1 failed, 2 bad usage%s.\n",
           cli->stoppable ? ", 128 + signal when stopped (Ctrl-C: 130)" : "");
}

static int list_add(struct cli_list *list, const char *item)
{
    const char **items =
        realloc(list->items, ((size_t)list->count + 1) * sizeof list->items[0]);

    if (items == NULL)
        return report_no_memory();
    list->items = items;
    list->items[list->count++] = item;
    return EXIT_OK;
}

void cli_list_free(struct cli_list *list)
{
    free(list->items);
    list->items = NULL;
    list->count = 0;
}

static int set_integer(const struct cli_option *o, const char *value)
{
    const int64_t min = o->min == 0 && o->max == 0 ? INT64_MIN : o->min;
    const int64_t max = o->max == 0 ? INT64_MAX : o->max;
    char *end = NULL;
    long long v;

    errno = 0;
    v = strtoll(value, &end, 10);
    if (end == value || *end != '\0')
        return report_usage("--%s %s: not a whole number", o->name, value);
    if (errno == ERANGE || v < min || v > max) {
        if (max == INT64_MAX && v < min)
            return report_usage("--%s %s: must be at least %" PRId64, o->name, value, min);
        return report_usage("--%s %s: must lie between %" PRId64 " and %" PRId64, o->name,
                            value, min, max);
    }
    *o->integer = v;
    return EXIT_OK;
}

static int set_real(const struct cli_option *o, const char *value)
{
    char *end = NULL;
    const double v = strtod(value, &end);

    if (end == value || *end != '\0' || !isfinite(v) || v < 0)
        return report_usage("--%s %s: must be a number, at least 0", o->name, value);
    if (o->above_zero && v == 0)
        return report_usage("--%s %s: must be above 0", o->name, value);
    *o->real = v;
    return EXIT_OK;
}

static int set_value(const struct cli_option *o, const char *value)
{
    if (o->flag != NULL) {
        *o->flag = 1;
        return EXIT_OK;
    }
    if (o->text != NULL) {
        *o->text = value;
        return EXIT_OK;
    }
    if (o->integer != NULL)
        return set_integer(o, value);
    if (o->real != NULL)
        return set_real(o, value);
    return list_add(o->list, value);
}

/* Levenshtein distance of two names that are shorter than 63 characters. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    const size_t n = strlen(b);

    if (n >= 63 || strlen(a) >= 63)
        return 64;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t best = diagonal + (a[i] != b[j]);

            best = row[j + 1] + 1 < best ? row[j + 1] + 1 : best;
            best = row[j] + 1 < best ? row[j] + 1 : best;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[n];
}

static int refuse_unknown(const struct option *known, const char *word)
{
    char name[64];
    const char *nearest = NULL;
    size_t best = 64;

    snprintf(name, sizeof name, "%s", word + strspn(word, "-"));
    name[strcspn(name, "=")] = '\0';
    for (int i = 0; known[i].name != NULL; i++) {
        const size_t d = distance(name, known[i].name);

        if (d < best) {
            best = d;
            nearest = known[i].name;
        }
    }
    if (nearest != NULL && best <= 2 + strlen(name) / 4)
        return report_usage("unknown option %s; did you mean --%s?", word, nearest);
    if (strchr(name, '.') != NULL)
        return report_usage("unknown option %s; settings are given as --set NAME=VALUE", word);
    return report_usage("unknown option %s", word);
}

enum { HELP, VERSION, DRY_RUN, LIST_OPTIONS, OWN };

/* getopt's table: the program's options, then those of all, list-options only with --set. */
static struct option *make_table(const struct cli *cli)
{
    static const char *const own[OWN] = {"help", "version", "dry-run", "list-options"};
    const int owned = has_settings(cli) ? OWN : LIST_OPTIONS;
    struct option *table = calloc((size_t)(cli->count + owned) + 1, sizeof *table);

    if (table == NULL)
        return NULL;
    for (int i = 0; i < cli->count; i++) {
        table[i].name = cli->options[i].name;
        table[i].has_arg = cli->options[i].arg == NULL ? no_argument : required_argument;
        table[i].val = FIRST_VALUE + i;
    }
    for (int i = 0; i < owned; i++) {
        table[cli->count + i].name = own[i];
        table[cli->count + i].has_arg = no_argument;
        table[cli->count + i].val = FIRST_VALUE + cli->count + i;
    }
    return table;
}

static int print_page(const struct cli *cli, char **argv)
{
    struct option *table = make_table(cli);
    const int rc = table == NULL ? report_no_memory() : cli_page_print(cli, table, argv);

    free(table);
    return rc;
}

/* --help, --version, --list-options. */
static int answer(const struct cli *cli, int which)
{
    int rc = EXIT_OK;

    if (which == HELP)
        print_help(cli);
    else if (which == VERSION)
        printf("%s (libjem %s)\n", cli->program, jem_version_string());
    else
        rc = settings_print_all();
    return report_flush(rc);
}

static int parse_words(const struct cli *cli, const struct option *table, int argc, char **argv,
                       int *dry_run)
{
    int found, rc;

    opterr = 0;
    while ((found = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        const int index = found - FIRST_VALUE;

        if (found == 'h')
            return answer(cli, HELP);
        if (found == ':')
            return report_usage("%s needs a value", argv[optind - 1]);
        if (found == '?' && optopt >= FIRST_VALUE)
            return report_usage("%s: this option takes no value", argv[optind - 1]);
        if (found == '?')
            return refuse_unknown(table, argv[optind - 1]);
        if (index == cli->count + DRY_RUN) {
            *dry_run = 1;
            continue;
        }
        if (index >= cli->count)
            return answer(cli, index - cli->count);
        rc = set_value(&cli->options[index], optarg);
        if (rc != EXIT_OK)
            return rc;
    }
    for (int i = optind; i < argc; i++) {
        if (cli->operands == NULL)
            return report_usage("unexpected word \"%s\"", argv[i]);
        rc = list_add(cli->operands, argv[i]);
        if (rc != EXIT_OK)
            return rc;
    }
    return CLI_GO;
}

/* Can the file be written? Asked before the work, not after it. */
static int check_target(const struct cli_option *option)
{
    char folder[FILE_PATH_BYTES];

    if (file_is_stdout(*option->text)) {
        TRY(file_claim_stdout());
        return CLI_GO;
    }
    TRY(file_folder_of(folder, *option->text));
    TRY(file_make_folder(folder));
    TRY(file_writable(*option->text));
    return CLI_GO;
}

static int check_value(const struct cli_option *o)
{
    if (o->required && *o->text == NULL)
        return report_usage("--%s %s is missing", o->name, o->arg);
    if (o->check == NULL)
        return EXIT_OK;
    if (o->text != NULL)
        return *o->text == NULL ? EXIT_OK : o->check(*o->text);
    for (int64_t i = 0; i < o->list->count; i++)
        TRY(o->check(o->list->items[i]));
    return EXIT_OK;
}

static int check_values(const struct cli *cli)
{
    for (int i = 0; i < cli->count; i++)
        TRY(check_value(&cli->options[i]));
    return cli->check == NULL ? CLI_GO : cli->check();
}

/* A word as a shell would take it. */
static void print_word(const char *word)
{
    putchar(' ');
    shell_word(stdout, word);
}

static void print_value(const struct cli_option *o)
{
    if (o->list != NULL) {
        for (int64_t k = 0; k < o->list->count; k++) {
            printf(" --%s", o->name);
            print_word(o->list->items[k]);
        }
        return;
    }
    if ((o->flag != NULL && !*o->flag) || (o->text != NULL && *o->text == NULL) ||
        (o->integer != NULL && o->min == 0 && o->max == 0 && *o->integer == INT64_MIN))
        return; /* not given, and without a default */
    printf(" --%s", o->name);
    if (o->text != NULL)
        print_word(*o->text);
    else if (o->integer != NULL)
        printf(" %" PRId64, *o->integer);
    else if (o->real != NULL)
        printf(" %.15g", *o->real);
}

static const struct cli_list *list_named(const struct cli *cli, const char *name)
{
    static const struct cli_list none;

    for (int i = 0; i < cli->count; i++)
        if (strcmp(cli->options[i].name, name) == 0 && cli->options[i].list != NULL)
            return cli->options[i].list;
    return &none;
}

/* What --backend says, in a program that has it. */
static const char *backend_named(const struct cli *cli)
{
    for (int i = 0; i < cli->count; i++)
        if (strcmp(cli->options[i].name, "backend") == 0 && *cli->options[i].text != NULL)
            return *cli->options[i].text;
    return "reference";
}

/* Are --backend, --preset and --set what libjem knows? */
static int check_settings(const struct cli *cli)
{
    jem_context *ctx = NULL;
    jem_options *opts = NULL;
    int rc;

    TRY(settings_context(backend_named(cli), 1, &ctx));
    rc = report_jem(jem_options_create(ctx, &opts));
    if (rc == EXIT_OK)
        rc = settings_apply(opts, list_named(cli, "preset"), list_named(cli, "set"));
    jem_options_free(opts);
    jem_context_free(ctx);
    return rc;
}

/* What would be done: the whole command, with all defaults. */
static int print_dry_run(const struct cli *cli)
{
    TRY(check_settings(cli));
    printf("would run: %s", cli->program);
    for (int i = 0; i < cli->count; i++)
        print_value(&cli->options[i]);
    for (int64_t i = 0; cli->operands != NULL && i < cli->operands->count; i++)
        print_word(cli->operands->items[i]);
    putchar('\n');
    return report_flush(EXIT_OK);
}

int cli_parse(const struct cli *cli, int argc, char **argv)
{
    struct option *table;
    int rc, dry_run = 0;

    report_program(cli->program);
    json_start();
    if (cli_page_wanted(argc, argv))
        return print_page(cli, argv);
    for (int i = 0; i < cli->count; i++) {
        if (cli->options[i].fallback == NULL)
            continue;
        rc = set_value(&cli->options[i], cli->options[i].fallback);
        if (rc != EXIT_OK)
            return rc;
    }
    table = make_table(cli);
    if (table == NULL)
        return report_no_memory();
    rc = parse_words(cli, table, argc, argv, &dry_run);
    free(table);
    if (rc == CLI_GO)
        rc = check_values(cli);
    if (rc == CLI_GO && dry_run)
        return print_dry_run(cli);
    for (int i = 0; i < cli->count && rc == CLI_GO; i++)
        if (cli->options[i].written && *cli->options[i].text != NULL)
            rc = check_target(&cli->options[i]);
    return rc;
}
