/* SPDX-License-Identifier: MIT */

/* Lesson 3: draw an image from a grey model by Langevin dynamics, towards a class, and write it
 * as a PGM picture:
 *
 *     03_sample model.safetensors 9 > boot.pgm
 */

#include <stdio.h>
#include <stdlib.h>

#include <jem/jem.h>

#define STEPS 400

static int sample(const char *path, int32_t y, float *x, int64_t room, int64_t shape[4])
{
    jem_context *ctx = NULL;
    jem_model *model = NULL;
    jem_head *head = NULL;
    jem_sampler *sampler = NULL;
    int failed = jem_context_create(NULL, &ctx) || jem_model_load(ctx, path, &model) ||
                 jem_model_shape(model, shape) || shape[0] * shape[1] * shape[2] > room ||
                 jem_head_create(model, 1, &head) || jem_sampler_create(head, NULL, &sampler) ||
                 jem_sampler_init(sampler, &y, x, 1) ||     /* noise ... */
                 jem_sampler_run(sampler, x, &y, 1, STEPS); /* ... climbs log p(x|y) */

    jem_sampler_free(sampler);
    jem_head_free(head);
    jem_model_free(model);
    jem_context_free(ctx);
    return failed;
}

int main(int argc, char **argv)
{
    static float x[64 * 64];
    int64_t shape[4];

    if (argc != 3) {
        fprintf(stderr, "usage: 03_sample MODEL CLASS\n");
        return 2;
    }
    if (sample(argv[1], (int32_t)strtol(argv[2], NULL, 10), x, 64 * 64, shape)) {
        fprintf(stderr, "03_sample: %s\n", jem_last_error());
        return 1;
    }
    printf("P5\n%d %d\n255\n", (int)shape[2], (int)shape[1]);
    for (int64_t i = 0; i < shape[1] * shape[2]; i++) {
        const float v = (x[i] + 1.0f) * 127.5f;

        putchar(v < 0.0f ? 0 : v > 255.0f ? 255 : (int)v);
    }
    return 0;
}
