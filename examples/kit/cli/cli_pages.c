/* SPDX-License-Identifier: MIT */

#include "kit/cli/cli_pages.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jem/jem.h>

#include "kit/base/report.h"

/* The help of the options that every program has. */
static const char *common_help(const char *name)
{
    static const char *const texts[][2] = {
        {"help", "a list of all options"},
        {"version", "the version of libjem"},
        {"dry-run", "check the command line, say what would be done, do nothing"},
        {"list-options", "every setting that --set takes, and every preset"}};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i][0], name) == 0)
            return texts[i][1];
    return "";
}

/* --- Man page ---------------------------------------------------------------------------- */

/* `count` bytes of text for roff. */
static void print_roff_part(const char *text, size_t count)
{
    int line_start = 1;

    for (const char *end = text + count; text < end; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        line_start = *text == '\n';
        switch (*text) {
        case '\\':
            fputs("\\e", stdout);
            break;
        case '-':
            fputs("\\-", stdout);
            break;
        case '\'':
            fputs("\\(aq", stdout);
            break;
        case '`':
            fputs("\\(ga", stdout);
            break;
        case '^':
            fputs("\\(ha", stdout);
            break;
        case '~':
            fputs("\\(ti", stdout);
            break;
        default:
            putchar(*text);
        }
    }
}

static void print_roff(const char *text)
{
    print_roff_part(text, strlen(text));
}

/* The length of the first sentence, without its full stop. */
static size_t first_sentence(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        const int abbreviation = at - text >= 5 && strncmp(at - 5, "et al", 5) == 0;

        if ((*at == '.' || *at == '?') && (at[1] == ' ' || at[1] == '\0') && !abbreviation)
            return (size_t)(at - text);
    }
    return strlen(text);
}

static void print_tag(const char *name, const char *arg)
{
    fputs(".TP\n\\fB\\-\\-", stdout);
    print_roff(name);
    fputs("\\fR", stdout);
    if (arg != NULL) {
        fputs(" \\fI", stdout);
        print_roff(arg);
        fputs("\\fR", stdout);
    }
    putchar('\n');
}

/* Lines as they are: examples, mostly. */
static void print_notes(const char *notes)
{
    fputs(".SH NOTES\n.nf\n", stdout);
    while (*notes != '\0') {
        const size_t length = strcspn(notes, "\n");

        print_roff_part(length == 0 ? " " : notes, length == 0 ? 1 : length);
        putchar('\n');
        notes += length + (notes[length] == '\n');
    }
    fputs(".fi\n", stdout);
}

static void print_title(const struct cli *cli)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH"); /* reproducible-builds.org */
    const time_t now = epoch != NULL ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
    struct tm day;
    char date[32] = "";

    if (gmtime_r(&now, &day) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d", &day);
    fputs(".TH ", stdout);
    for (const char *at = cli->program; *at != '\0'; at++)
        if (*at == '-')
            fputs("\\-", stdout);
        else
            putchar(toupper((unsigned char)*at));
    printf(" 1 \"%s\" \"libjem %s\" \"libjem\"\n", date, jem_version_string());
}

static int print_man(const struct cli *cli, const struct option *table)
{
    print_title(cli);
    fputs(".SH NAME\n", stdout);
    print_roff(cli->program);
    fputs(" \\- ", stdout);
    print_roff_part(cli->about, first_sentence(cli->about));
    fputs("\n.SH SYNOPSIS\n.B ", stdout);
    print_roff(cli->program);
    putchar('\n');
    print_roff(cli->usage);
    fputs("\n.SH DESCRIPTION\n", stdout);
    print_roff(cli->about);
    fputs("\n.SH OPTIONS\n", stdout);
    for (int i = 0; i < cli->count; i++) {
        const struct cli_option *o = &cli->options[i];

        if (o->section != NULL) {
            fputs(".SS ", stdout);
            print_roff(o->section);
            putchar('\n');
        }
        print_tag(o->name, o->arg);
        print_roff(o->help);
        if (o->fallback != NULL) {
            fputs(" [", stdout);
            print_roff(o->fallback);
            putchar(']');
        }
        putchar('\n');
    }
    fputs(".SS Help\n", stdout);
    for (int i = cli->count; table[i].name != NULL; i++) {
        print_tag(table[i].name, NULL);
        print_roff(common_help(table[i].name));
        putchar('\n');
    }
    if (cli->notes != NULL)
        print_notes(cli->notes);
    fputs(".SH EXIT STATUS\n0 done, 1 failed, 2 bad usage", stdout);
    if (cli->stoppable)
        fputs(", 128 + signal when stopped (Ctrl\\-C: 130)", stdout);
    fputs(".\n", stdout);
    return report_flush(EXIT_OK);
}

/* --- Completions -------------------------------------------------------------------------- */

/* What a shell can offer as the value of an option. */
enum offer { OFFER_NOTHING, OFFER_FILES, OFFER_PRESETS, OFFER_SETTINGS };

static enum offer offer_of(const struct cli_option *o)
{
    if (strcmp(o->name, "preset") == 0)
        return OFFER_PRESETS;
    if (strcmp(o->name, "set") == 0)
        return OFFER_SETTINGS;
    if (strcmp(o->arg, "FILE") == 0 || strcmp(o->arg, "DIR") == 0 ||
        strcmp(o->arg, "PATH") == 0)
        return OFFER_FILES;
    return OFFER_NOTHING;
}

/* The names of presets, or of settings with a "=" behind them, parted by blanks. */
static void print_names(enum offer what)
{
    const char *name, *type, *fallback, *allowed, *help;

    for (int64_t i = 0;
         what == OFFER_PRESETS && jem_options_preset_info(i, &name, &help) == JEM_OK; i++)
        printf("%s%s", i > 0 ? " " : "", name);
    for (int64_t i = 0; what == OFFER_SETTINGS &&
                        jem_options_info(i, &name, &type, &fallback, &allowed, &help) == JEM_OK;
         i++)
        printf("%s%s=", i > 0 ? " " : "", name);
}

/* A branch of bash's `case`: the options whose value is offered in this way. */
static void print_bash_case(const struct cli *cli, enum offer what)
{
    int found = 0;

    for (int i = 0; i < cli->count; i++) {
        const struct cli_option *o = &cli->options[i];

        if (o->arg != NULL && offer_of(o) == what)
            printf("%s--%s", found++ > 0 ? " | " : "    ", o->name);
    }
    if (found == 0)
        return;
    fputs(")\n", stdout);
    if (what == OFFER_FILES)
        fputs("        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n", stdout);
    if (what == OFFER_SETTINGS)
        fputs("        compopt -o nospace\n", stdout);
    if (what == OFFER_PRESETS || what == OFFER_SETTINGS) {
        fputs("        mapfile -t COMPREPLY < <(compgen -W '", stdout);
        print_names(what);
        fputs("' -- \"$cur\")\n", stdout);
    }
    fputs("        return\n        ;;\n", stdout);
}

static int print_bash(const struct cli *cli, const struct option *table)
{
    char function[64];

    snprintf(function, sizeof function, "_%s", cli->program);
    for (char *at = function; *at != '\0'; at++)
        if (*at == '-')
            *at = '_';
    printf("# bash completion for %s\n%s()\n{\n", cli->program, function);
    fputs("    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    COMPREPLY=()\n    case $prev in\n",
          stdout);
    for (enum offer what = OFFER_NOTHING; what <= OFFER_SETTINGS; what++)
        print_bash_case(cli, what);
    fputs("    esac\n    if [[ $cur == -* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W '",
          stdout);
    for (int i = 0; table[i].name != NULL; i++)
        printf("%s--%s", i > 0 ? " " : "", table[i].name);
    printf("' -- \"$cur\")\n    else\n"
           "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
           "    fi\n}\ncomplete -o filenames -F %s %s\n",
           function, cli->program);
    return report_flush(EXIT_OK);
}

/* A help text between the brackets of _arguments, within single quotes. */
static void print_zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("[]\\:", *text) != NULL)
            putchar('\\');
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    }
}

static int print_zsh(const struct cli *cli, const struct option *table)
{
    printf("#compdef %s\n\n_arguments \\\n", cli->program);
    for (int i = 0; table[i].name != NULL; i++) {
        const struct cli_option *o = i < cli->count ? &cli->options[i] : NULL;

        printf("    '%s--%s[", o != NULL && o->list != NULL ? "*" : "", table[i].name);
        print_zsh_text(o != NULL ? o->help : common_help(table[i].name));
        putchar(']');
        if (o != NULL && o->arg != NULL) {
            const enum offer what = offer_of(o);

            putchar(':');
            print_zsh_text(o->arg);
            putchar(':');
            if (what == OFFER_FILES)
                fputs("_files", stdout);
            if (what == OFFER_PRESETS || what == OFFER_SETTINGS) {
                fputs(what == OFFER_SETTINGS ? "compadd -S \"\" -- " : "(", stdout);
                print_names(what);
                fputs(what == OFFER_SETTINGS ? "" : ")", stdout);
            }
        }
        fputs("' \\\n", stdout);
    }
    fputs("    '*:file:_files'\n", stdout);
    return report_flush(EXIT_OK);
}

/* --- Which one ---------------------------------------------------------------------------- */

int cli_page_wanted(int argc, char **argv)
{
    return (argc == 2 && strcmp(argv[1], "--print-man") == 0) ||
           (argc == 3 && strcmp(argv[1], "--print-completion") == 0);
}

int cli_page_print(const struct cli *cli, const struct option *table, char **argv)
{
    if (argv[2] == NULL)
        return print_man(cli, table);
    if (strcmp(argv[2], "bash") == 0)
        return print_bash(cli, table);
    if (strcmp(argv[2], "zsh") == 0)
        return print_zsh(cli, table);
    return report_usage("--print-completion %s: must be bash or zsh", argv[2]);
}
