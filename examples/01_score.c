/* SPDX-License-Identifier: MIT */

/* Lesson 1: what does a model say about an image? Give it a model for 28 x 28 grey images in 10
 * classes and the image's 784 bytes:
 *
 *     zcat t10k-images-idx3-ubyte.gz | tail -c +17 | 01_score best.safetensors
 */

#include <stdio.h>

#include <jem/jem.h>

int main(int argc, char **argv)
{
    jem_context *ctx = NULL;
    jem_model *model = NULL;
    jem_head *head = NULL;
    float x[784], prob[10], log_px = 0;

    for (int i = 0; i < 784; i++)
        x[i] = (float)getchar() / 127.5f - 1.0f;
    if (argc != 2 || jem_context_create(NULL, &ctx) || jem_model_load(ctx, argv[1], &model) ||
        jem_head_create(model, 1, &head) || jem_head_prob_y(head, x, 1, prob, 10) ||
        jem_head_log_px(head, x, NULL, 1, &log_px, 1)) {
        fprintf(stderr, "01_score MODEL <IMAGE: %s\n", jem_last_error());
        return 1;
    }
    for (int k = 0; k < 10; k++)
        printf("p(y = %d | x) = %.4f\n", k, (double)prob[k]);
    printf("log p(x) + constant = %.3f\n", (double)log_px);
    jem_head_free(head);
    jem_model_free(model);
    jem_context_free(ctx);
    return 0;
}
