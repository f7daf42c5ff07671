/* SPDX-License-Identifier: MIT */
#ifndef JEM_BUFFER_H
#define JEM_BUFFER_H

/**
 * @file
 * The replay buffer of persistent contrastive divergence (Tieleman 2008; Du and Mordatch
 * 2019; JEM Algorithm 1).
 *
 * A short chain cannot reach the model's density from noise, so chains are kept: `capacity`
 * images in numbered slots. A draw picks slots at random and hands out their images, each
 * replaced by a fresh start from p0 with probability "pcd.restart_prob"; after the chain has
 * run, the images are stored back in their slots. At birth every slot is a draw from p0.
 *
 * With "pcd.class_parts" = 1 slot numbers [k * capacity/classes, (k+1) * capacity/classes)
 * belong to class k, and a draw for class k uses that part only (integer division: slots left
 * over are never drawn).
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Make a buffer and fill it from the sampler's start distribution. Reads "pcd.*". Its random
 * numbers are those of the sampler's key: two buffers of one sampler draw the same slots, so
 * give each its own sampler.
 *
 * @param s    the sampler whose p0 fills and restarts the buffer; kept alive
 * @param opts settings, or NULL for the paper's (10,000 images, restart probability 0.05)
 * @param out  the new buffer, to be given back with jem_buffer_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE (class parts larger than the capacity),
 *         JEM_E_STATE ("gaussian" start that was not fitted), JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_buffer_create(jem_sampler *s, const jem_options *opts, jem_buffer **out);

/**
 * How many images the buffer holds.
 *
 * @param b   the buffer
 * @param out the capacity
 * @return JEM_OK; JEM_E_ARGUMENT
 * @since 0.1
 */
JEM_API jem_status jem_buffer_size(const jem_buffer *b, int64_t *out);

/**
 * Draw start images for chains, with replacement.
 *
 * @param b     the buffer
 * @param y     class numbers: which part to draw from (with "pcd.class_parts") and which
 *              class a restart comes from; or NULL
 * @param n     number of images, >= 0
 * @param x     gets n x C x H x W values
 * @param slots gets n slot numbers, to be given to jem_buffer_store()
 * @return JEM_OK; JEM_E_ARGUMENT (NULL y with class parts), JEM_E_RANGE, JEM_E_STATE (a
 *         "gaussian" start that was not fitted)
 * @since 0.1
 */
JEM_API jem_status jem_buffer_draw(jem_buffer *b, const int32_t *y, int64_t n, float *x,
                                   int64_t *slots);

/**
 * Put images into slots. Of several images for one slot the last one stays. Refused as a
 * whole when any value is NaN or infinite: a broken chain never enters the buffer.
 *
 * @param b     the buffer
 * @param slots n slot numbers
 * @param n     number of images, >= 0
 * @param x     n x C x H x W finite values
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE, JEM_E_NUMERIC (nothing stored then)
 * @since 0.1
 */
JEM_API jem_status jem_buffer_store(jem_buffer *b, const int64_t *slots, int64_t n,
                                    const float *x);

/**
 * Read slots first, first + 1, ..., first + n - 1, for pictures.
 *
 * @param b     the buffer
 * @param first first slot, >= 0
 * @param n     number of slots, >= 0
 * @param x     gets n x C x H x W values
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE
 * @since 0.1
 */
JEM_API jem_status jem_buffer_read(const jem_buffer *b, int64_t first, int64_t n, float *x);

/**
 * Give a buffer back.
 *
 * @param b the buffer, or NULL
 * @since 0.1
 */
JEM_API void jem_buffer_free(jem_buffer *b);

#ifdef __cplusplus
}
#endif

#endif
