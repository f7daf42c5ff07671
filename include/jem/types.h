/* SPDX-License-Identifier: MIT */
#ifndef JEM_TYPES_H
#define JEM_TYPES_H

/**
 * @file
 * The types that cross the border of libjem.
 *
 * Only these cross it: `int32_t`, `int64_t`, `uint8_t *`, `float *`, `double`, UTF-8
 * strings, pointers to the eight opaque handles below, and three callback types. There is no
 * public struct, no enum type, no variadic function and nothing to inline, so that any
 * language with a C foreign-function interface can call libjem with the declarations alone.
 *
 * How the handles hang together (a child keeps its parents alive; free in any order; every
 * free function accepts NULL):
 *
 *     context ──┬── options      named settings, copied by whoever reads them
 *               ├── dataset      images and labels
 *               └── model        a network and its weights
 *                     ├── head         logits, p(y|x), log p(x), gradients; owns workspace
 *                     │     └── sampler      SGLD chains and their start distribution
 *                     │            └── buffer      the PCD replay buffer
 *                     └── trainer      model + dataset + optimiser (+ its own sampler, buffer)
 *
 * Threads: different handles may be used by different threads at the same time; one handle
 * is used by one thread at a time. A model that nobody trains or writes to may be shared by
 * any number of heads in any number of threads. A call on a head, sampler, buffer or trainer
 * that another call is using, also from a callback, is refused with JEM_E_STATE.
 *
 * A child of fork() may free its parent's handles, as the destructors of a program do at its
 * end, and compute with them on its own thread if no other thread was inside libjem at
 * the fork. (With the BLIS kernels that is as safe as BLIS is: one that uses OpenMP hangs.)
 *
 * Stack: a calling thread needs at most 64 KiB, whatever the sizes.
 *
 * Texts are UTF-8. Names of files are the bytes that the operating system takes, whatever they are.
 *
 * Images are contiguous `float` N x C x H x W (image, channel, row, column), scaled to
 * [-1, 1] as in the paper. Class numbers are `int32_t` in [0, classes).
 */

#include <stdint.h>

#if defined(__GNUC__) && !defined(JEM_STATIC)
#define JEM_API __attribute__((visibility("default")))
#else
#define JEM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** 0 (JEM_OK) or one of the negative JEM_E_* codes of status.h. */
typedef int32_t jem_status;

/** The environment of all other objects: backend, threads, allocator, log. */
typedef struct jem_context jem_context;
/** A bag of named, typed, bounded settings. */
typedef struct jem_options jem_options;
/** A network and its weights; shareable between heads while nobody changes it. */
typedef struct jem_model jem_model;
/** The energy head: what a model says about images, plus the workspace to compute it. */
typedef struct jem_head jem_head;
/** SGLD settings, a start distribution and a random stream. */
typedef struct jem_sampler jem_sampler;
/** The replay buffer of persistent contrastive divergence (PCD). */
typedef struct jem_buffer jem_buffer;
/** Images with labels. */
typedef struct jem_dataset jem_dataset;
/** A training: a model, its optimiser, sampler, buffer and schedule. */
typedef struct jem_trainer jem_trainer;

/**
 * Allocate `size` bytes at a multiple of `align` (a power of two), or return NULL.
 * Called from any thread that uses the context; must be thread-safe.
 */
typedef void *(*jem_alloc_fn)(int64_t size, int64_t align, void *user);

/** Take back a block of `size` bytes that the matching jem_alloc_fn gave. */
typedef void (*jem_release_fn)(void *ptr, int64_t size, void *user);

/**
 * One line of log text without line end, on the thread that called libjem. It must not
 * call back into the handle that is being used.
 */
typedef void (*jem_log_fn)(int32_t level, const char *line, void *user);

#ifdef __cplusplus
}
#endif

#endif
