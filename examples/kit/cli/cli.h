/* SPDX-License-Identifier: MIT */
#ifndef KIT_CLI_CLI_H
#define KIT_CLI_CLI_H

/* The command line, from a table.
 *
 * A program lists its options once; parsing, defaults, --help, --version and the complaint
 * about a mistyped name come from the list; --list-options too, where there is a --set.
 *
 * Every program has --dry-run: the command line is parsed and checked as far as it can be without
 * reading data or models, one line says what would be done, and the program ends. */

#include <stdint.h>

/* A list of texts that point into argv. */
struct cli_list {
    const char **items;
    int64_t count;
};

struct cli_option {
    const char *section;  /* not NULL: a heading is printed before this option */
    const char *name;     /* "steps" for --steps */
    const char *arg;      /* "N": what the help calls the value; NULL for a flag */
    const char *help;     /* one or two sentences */
    const char *fallback; /* the default as it would be typed, shown by --help; or NULL */

    /* Where the value goes; exactly one is set, and it decides the type. */
    int *flag;
    const char **text;
    int64_t *integer;
    double *real; /* seconds and the like: finite, >= 0 */
    struct cli_list *list;

    int64_t min, max; /* of an integer; both 0: any */
    int written;      /* of a text: a file that will be written: its folder is made first */
    int required;     /* of a text: must be given */
    int above_zero;   /* of a real */

    /* Of a text, or of every item of a list: EXIT_OK, or EXIT_USAGE after reporting. Like the
     * check below it reads and writes no file. NULL: any text will do. */
    int (*check)(const char *value);
};

struct cli {
    const char *program;
    const char *usage; /* what follows the name in the first line of --help */
    const char *about; /* a paragraph */
    const char *notes; /* printed after the options; or NULL */
    const struct cli_option *options;
    int count;
    struct cli_list *operands; /* words without "--"; NULL: refused */
    int stoppable;             /* stopped by Ctrl-C it saves and returns 128 + signal */

    /* What the table cannot say of the values: CLI_GO, or EXIT_USAGE after reporting. It reads and
     * writes no file, because --dry-run asks it too. NULL: nothing. */
    int (*check)(void);
};

/* The members of a struct cli that an array of options gives. */
#define CLI_OPTIONS(array) .options = (array), .count = (int)(sizeof(array) / sizeof(array)[0])

/* cli_parse() wants the program to go on. */
#define CLI_GO (-1)

/* Fill in all values: defaults first, then argv. Returns CLI_GO, or the exit code with which
 * the program should end: EXIT_OK after --help and --dry-run, EXIT_USAGE after an error it has
 * reported. */
int cli_parse(const struct cli *cli, int argc, char **argv);

void cli_list_free(struct cli_list *list);

#endif
