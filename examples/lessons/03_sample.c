/* SPDX-License-Identifier: MIT */

/* Lesson 3: draw an image by Langevin dynamics, towards a class, and write it as a picture: PGM
 * from a grey model, PPM from a colour model. It begins with noise. Where the chains of the
 * training began elsewhere (start.kind = gaussian, as with the preset demo), noise may become
 * stripes instead of things: jem_sampler_fit_start() gives the start that such a model knows, and
 * jem-sample uses it.
 *
 *     03_sample model.safetensors 9 > boot.pgm
 */

#include <stdio.h>
#include <stdlib.h>

#include <jem/jem.h>

#define STEPS 400
#define ROOM  (3 * 64 * 64) /* values of the largest image */

/* The channels lie one after the other in x, and beside each other in the file. */
static void write_picture(const float *x, const int64_t shape[4])
{
    const int64_t channels = shape[0], size = shape[1] * shape[2];

    printf("P%d\n%d %d\n255\n", channels == 1 ? 5 : 6, (int)shape[2], (int)shape[1]);
    for (int64_t i = 0; i < size; i++)
        for (int64_t c = 0; c < channels; c++) {
            const float v = (x[c * size + i] + 1.0f) * 127.5f;

            putchar(v < 0.0f ? 0 : v > 255.0f ? 255 : (int)v);
        }
}

int main(int argc, char **argv)
{
    static float x[ROOM];
    jem_context *ctx = NULL;
    jem_model *model = NULL;
    jem_head *head = NULL;
    jem_sampler *sampler = NULL;
    int64_t shape[4] = {0, 0, 0, 0};
    char *end = NULL;
    const int32_t y = argc == 3 ? (int32_t)strtol(argv[2], &end, 10) : 0;
    int failed;

    if (argc != 3 || end == argv[2] || *end != '\0') {
        fprintf(stderr, "usage: 03_sample MODEL CLASS, a number from 0\n");
        return 2;
    }
    failed = jem_context_create(NULL, &ctx) || jem_model_load(ctx, argv[1], &model) ||
             jem_model_shape(model, shape);
    if (failed) {
        fprintf(stderr, "03_sample: %s\n", jem_last_error());
    } else if ((shape[0] != 1 && shape[0] != 3) || shape[0] * shape[1] * shape[2] > ROOM) {
        fprintf(stderr, "03_sample: %s: neither grey nor colour, or too large\n", argv[1]);
        failed = 1;
    } else if (jem_head_create(model, 1, &head) || jem_sampler_create(head, NULL, &sampler) ||
               jem_sampler_init(sampler, &y, x, 1) ||       /* noise ... */
               jem_sampler_run(sampler, x, &y, 1, STEPS)) { /* ... climbs log p(x|y) */
        fprintf(stderr, "03_sample: %s\n", jem_last_error());
        failed = 1;
    } else {
        write_picture(x, shape);
    }
    jem_sampler_free(sampler);
    jem_head_free(head);
    jem_model_free(model);
    jem_context_free(ctx);
    return failed;
}
