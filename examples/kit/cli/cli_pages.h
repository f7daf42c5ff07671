/* SPDX-License-Identifier: MIT */
#ifndef KIT_CLI_CLI_PAGES_H
#define KIT_CLI_CLI_PAGES_H

/* What `make install` makes of a program's table of options: its man page and its completions.
 * They are asked for by options that --help does not list, given alone:
 *
 *     --print-man   --print-completion bash   --print-completion zsh */

#include <getopt.h>

#include "kit/cli/cli.h"

/* Does the command line ask for a page? */
int cli_page_wanted(int argc, char **argv);

/* Print the page asked for and return an exit code. `table` is getopt's table of `cli`: the
 * program's options, then those that every program has. */
int cli_page_print(const struct cli *cli, const struct option *table, char **argv);

#endif
