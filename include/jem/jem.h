/* SPDX-License-Identifier: MIT */
#ifndef JEM_JEM_H
#define JEM_JEM_H

/**
 * @file
 * libjem: joint energy-based models ("Your Classifier is Secretly an Energy Based Model and
 * You Should Treat it Like One", Grathwohl et al., ICLR 2020) behind a small C API.
 *
 * Read the headers in this order: types.h for the eight handles and how they hang together,
 * energy.h for what a model can say about an image, then sampler.h, buffer.h and train.h.
 *
 *     jem_context *ctx = NULL; jem_model *model = NULL; jem_head *head = NULL;
 *     float log_px, prob[10];
 *
 *     if (jem_context_create(NULL, &ctx) || jem_model_load(ctx, "model.safetensors", &model) ||
 *         jem_head_create(model, 1, &head) ||
 *         jem_head_log_px(head, x, NULL, 1, &log_px, 1) ||
 *         jem_head_prob_y(head, x, 1, prob, 10))
 *         fprintf(stderr, "%s\n", jem_last_error());
 */

#include <jem/buffer.h>
#include <jem/context.h>
#include <jem/data.h>
#include <jem/energy.h>
#include <jem/metrics.h>
#include <jem/model.h>
#include <jem/options.h>
#include <jem/sampler.h>
#include <jem/status.h>
#include <jem/train.h>
#include <jem/types.h>
#include <jem/version.h>

#endif
