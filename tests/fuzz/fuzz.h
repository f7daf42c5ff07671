/* SPDX-License-Identifier: MIT */
#ifndef JEM_FUZZ_H
#define JEM_FUZZ_H

/* Fuzz targets: fuzz_NAME.c defines LLVMFuzzerTestOneInput() and has inputs to begin with in
 * corpus/NAME/. Two programs are made of each: fuzz_NAME, with libFuzzer (`make fuzz`), and
 * replay_NAME, which tries the corpus with all its truncations and damaged bytes (replay.c;
 * part of `make check`). A target is found by its file name; nothing else has to be told. */

#include <stddef.h>
#include <stdint.h>

#include <jem/jem.h>

/* One input. Returns 0. What must not happen is an abort, see fuzz_require(). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The name of a file that holds these bytes and then `zeros` zero bytes (as a hole). There is
 * one file: it is overwritten by the next call, and gone with the process. */
const char *fuzz_file(const uint8_t *data, size_t size, int64_t zeros);

/* One context of one thread for all inputs. */
jem_context *fuzz_context(void);

/* Between the two stderr goes nowhere: readers of the kit report each bad input. */
void fuzz_hush(void);
void fuzz_speak(void);

/* Abort with the text unless `true_or_not`. */
void fuzz_require(int true_or_not, const char *text);

/* After a call that makes a handle: there is a handle or an error, and an error has a text.
 * Returns 1 when there is a handle. */
int fuzz_made(jem_status status, const void *handle);

#endif
