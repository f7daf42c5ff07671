/* SPDX-License-Identifier: MIT */

/* Lesson 1: what does a model say about an image? Give it a model for 28 x 28 grey images in 10
 * classes and the image's 784 bytes:
 *
 *     zcat t10k-images-idx3-ubyte.gz | tail -c +17 | 01_score best.safetensors
 */

#include <stdio.h>

#include <jem/jem.h>

static int score(const char *path, const float *x, float prob[10], float *log_px)
{
    jem_context *ctx = NULL;
    jem_model *model = NULL;
    jem_head *head = NULL;
    int64_t shape[4] = {0, 0, 0, 0};
    int failed = jem_context_create(NULL, &ctx) || jem_model_load(ctx, path, &model) ||
                 jem_model_shape(model, shape);

    if (failed) {
        fprintf(stderr, "01_score: %s\n", jem_last_error());
    } else if (shape[0] * shape[1] * shape[2] != 784 || shape[3] != 10) {
        fprintf(stderr, "01_score: %s: not a model of 784 values and 10 classes\n", path);
        failed = 1;
    } else if (jem_head_create(model, 1, &head) ||
               jem_head_infer(head, x, 1, NULL, prob, log_px, NULL)) {
        fprintf(stderr, "01_score: %s\n", jem_last_error());
        failed = 1;
    }
    jem_head_free(head);
    jem_model_free(model);
    jem_context_free(ctx);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned char image[784];
    float x[784], prob[10], log_px = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: 01_score MODEL <IMAGE\n");
        return 2;
    }
    if (fread(image, 1, 784, stdin) != 784) {
        fprintf(stderr, "01_score: standard input ends before the 784 bytes of an image\n");
        return 1;
    }
    for (int i = 0; i < 784; i++)
        x[i] = (float)image[i] / 127.5f - 1.0f; /* a model takes values in [-1, 1] */
    if (score(argv[1], x, prob, &log_px))
        return 1;
    for (int k = 0; k < 10; k++)
        printf("p(y = %d | x) = %.4f\n", k, (double)prob[k]);
    printf("log p(x) + constant = %.3f\n", (double)log_px);
    return 0;
}
