/* SPDX-License-Identifier: MIT */
#ifndef PAPER_KEEP_H
#define PAPER_KEEP_H

/* Runs that an earlier call of jem-report with the same folder has finished. Beside the
 * result.json of a finished run lies run.json: what it was made from, and how long it took. */

#include "paper_run.h"

/* A key begins with what identifies the build: the MD5s of the program and of libjem.so, as far as
 * they can be read. A new build of the same version may find other figures. */
json_t *paper_key(const struct paper_plan *plan, const char *program);

/* Is the run in its folder the one that `key` stands for? Then its result, record and seconds are
 * filled in. What lies there and does not fit is no error: it will be run again. */
int paper_kept(const struct paper_plan *plan, struct paper_run *run, const json_t *key);

/* The run in this folder is not finished. */
void paper_keep_nothing(const char *folder);

/* It is. */
int paper_keep(const char *folder, const struct paper_run *run, json_t *key);

#endif
