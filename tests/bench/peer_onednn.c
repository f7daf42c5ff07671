/* SPDX-License-Identifier: MIT */

/* oneDNN 2.x as a peer of `jem-bench --op conv`: one 3x3 convolution, stride 1, in the layouts that
 * oneDNN likes best, weights already in them. Takes turns as jem-bench --paced does: every line
 * of standard input is a number of runs, answered with one JSON line.
 *
 *     peer_onednn direct|winograd fwd|bwd_x N,C,H,W,K       threads: OMP_NUM_THREADS
 *
 * Without oneDNN's header this is a program that says so. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __has_include
#if __has_include(<oneapi/dnnl/dnnl.h>)
#include <oneapi/dnnl/dnnl.h>
#endif
#endif

#if !defined(DNNL_VERSION_MAJOR) || DNNL_VERSION_MAJOR != 2

int main(void)
{
    fputs("peer_onednn: compiled without the header of oneDNN 2 (libdnnl-dev)\n", stderr);
    return 2;
}

#else

#include <sys/resource.h>

struct peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[3]; /* the last one is written */
    double madds;
    int batch;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "peer_onednn: %s: %s\n", what,
            status == dnnl_unimplemented ? "oneDNN has no such kernel for this machine"
                                         : "oneDNN failed");
    exit(1);
}

/* The primitive descriptor; a backward one wants a forward one as a hint. */
static void describe(struct peer *p, dnnl_alg_kind_t algorithm, int backward,
                     const dnnl_dims_t x, const dnnl_dims_t w, const dnnl_dims_t y)
{
    const dnnl_dims_t one = {1, 1};
    dnnl_memory_desc_t xd, wd, yd;
    dnnl_convolution_desc_t conv;
    dnnl_primitive_desc_t hint = NULL;

    check(dnnl_memory_desc_init_by_tag(&xd, 4, x, dnnl_f32, dnnl_format_tag_any), "images");
    check(dnnl_memory_desc_init_by_tag(&wd, 4, w, dnnl_f32, dnnl_format_tag_any), "weights");
    check(dnnl_memory_desc_init_by_tag(&yd, 4, y, dnnl_f32, dnnl_format_tag_any), "results");
    check(dnnl_convolution_forward_desc_init(
              &conv, backward ? dnnl_forward_training : dnnl_forward_inference, algorithm, &xd,
              &wd, NULL, &yd, one, one, one),
          "forward");
    check(dnnl_primitive_desc_create(&p->desc, &conv, NULL, p->engine, NULL), "forward");
    if (!backward)
        return;
    hint = p->desc;
    check(dnnl_convolution_backward_data_desc_init(&conv, algorithm, &xd, &wd, &yd, one, one,
                                                   one),
          "backward");
    check(dnnl_primitive_desc_create(&p->desc, &conv, NULL, p->engine, hint), "backward");
    dnnl_primitive_desc_destroy(hint);
}

/* Memory in the layout of the primitive, filled with random numbers in a plain one. */
static void make_argument(const struct peer *p, dnnl_query_t query, int name,
                          dnnl_format_tag_t plain, const dnnl_dims_t dims, dnnl_exec_arg_t *out)
{
    const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(p->desc, query, 0);
    dnnl_memory_desc_t plain_desc;
    dnnl_memory_t values;
    dnnl_primitive_desc_t reorder_desc;
    dnnl_primitive_t reorder;
    dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, NULL}, {DNNL_ARG_TO, NULL}};
    void *handle = NULL;
    unsigned state = 1;

    out->arg = name;
    check(dnnl_memory_create(&out->memory, wanted, p->engine, DNNL_MEMORY_ALLOCATE), "memory");
    check(dnnl_memory_desc_init_by_tag(&plain_desc, 4, dims, dnnl_f32, plain), "plain memory");
    check(dnnl_memory_create(&values, &plain_desc, p->engine, DNNL_MEMORY_ALLOCATE),
          "plain memory");
    check(dnnl_memory_get_data_handle(values, &handle), "plain memory");
    for (dnnl_dim_t i = 0; i < dims[0] * dims[1] * dims[2] * dims[3]; i++) {
        state = state * 1664525U + 1013904223U;
        ((float *)handle)[i] = (float)(state >> 8) / 8388608.0F - 1.0F;
    }
    check(dnnl_reorder_primitive_desc_create(&reorder_desc, &plain_desc, p->engine, wanted,
                                             p->engine, NULL),
          "reorder");
    check(dnnl_primitive_create(&reorder, reorder_desc), "reorder");
    args[0].memory = values;
    args[1].memory = out->memory;
    check(dnnl_primitive_execute(reorder, p->stream, 2, args), "reorder");
    check(dnnl_stream_wait(p->stream), "reorder");
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(reorder_desc);
    dnnl_memory_destroy(values);
}

static void open_peer(struct peer *p, dnnl_alg_kind_t algorithm, int backward, const long *size)
{
    const dnnl_dims_t x = {size[0], size[1], size[2], size[3]};
    const dnnl_dims_t w = {size[4], size[1], 3, 3};
    const dnnl_dims_t y = {size[0], size[4], size[2], size[3]};

    check(dnnl_engine_create(&p->engine, dnnl_cpu, 0), "engine");
    check(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags), "stream");
    describe(p, algorithm, backward, x, w, y);
    make_argument(p, dnnl_query_weights_md, DNNL_ARG_WEIGHTS, dnnl_oihw, w, &p->args[1]);
    if (backward) {
        make_argument(p, dnnl_query_diff_dst_md, DNNL_ARG_DIFF_DST, dnnl_nchw, y, &p->args[0]);
        make_argument(p, dnnl_query_diff_src_md, DNNL_ARG_DIFF_SRC, dnnl_nchw, x, &p->args[2]);
    } else {
        make_argument(p, dnnl_query_src_md, DNNL_ARG_SRC, dnnl_nchw, x, &p->args[0]);
        make_argument(p, dnnl_query_dst_md, DNNL_ARG_DST, dnnl_nchw, y, &p->args[2]);
    }
    check(dnnl_primitive_create(&p->primitive, p->desc), "primitive");
    p->batch = (int)size[0];
    p->madds = 9.0 * (double)size[0] * (double)size[1] * (double)size[2] * (double)size[3] *
               (double)size[4];
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void answer(const struct peer *p, size_t repeat, const char *name)
{
    double *seconds = calloc(repeat, sizeof *seconds);
    const dnnl_version_t *version = dnnl_version();
    struct rusage usage;
    double median;

    if (seconds == NULL)
        exit(1);
    for (size_t i = 0; i < repeat; i++) {
        const double start = now();

        check(dnnl_primitive_execute(p->primitive, p->stream, 3, p->args), "execute");
        check(dnnl_stream_wait(p->stream), "execute");
        seconds[i] = now() - start;
    }
    qsort(seconds, repeat, sizeof *seconds, compare);
    median = (seconds[(repeat - 1) / 2] + seconds[repeat / 2]) / 2;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"kernels\": \"oneDNN %d.%d.%d %s\", \"op\": \"conv\", \"batch\": %d, "
           "\"seconds\": {\"min\": %.9f, \"median\": %.9f, \"max\": %.9f}, "
           "\"effective_gflops\": %.3f, \"peak_rss_bytes\": %ld}\n",
           version->major, version->minor, version->patch, name, p->batch, seconds[0], median,
           seconds[repeat - 1], 2e-9 * p->madds / median, usage.ru_maxrss * 1024);
    fflush(stdout);
    free(seconds);
}

/* N,C,H,W,K: five positive numbers with commas between them. */
static int read_size(const char *text, long size[5])
{
    for (int i = 0; i < 5; i++) {
        char *end = NULL;

        size[i] = strtol(text, &end, 10);
        if (end == text || size[i] < 1 || *end != (i < 4 ? ',' : '\0'))
            return 0;
        text = end + 1;
    }
    return 1;
}

int main(int argc, char **argv)
{
    struct peer peer = {0};
    const char *name = NULL;
    char line[64];
    long size[5];

    if (argc != 4 || !read_size(argv[3], size)) {
        fputs("usage: peer_onednn direct|winograd fwd|bwd_x N,C,H,W,K\n", stderr);
        return 2;
    }
    open_peer(&peer,
              strcmp(argv[1], "winograd") == 0 ? dnnl_convolution_winograd
                                               : dnnl_convolution_direct,
              strcmp(argv[2], "bwd_x") == 0, size);
    check(dnnl_primitive_desc_query(peer.desc, dnnl_query_impl_info_str, 0, (void *)&name),
          "name");
    while (fgets(line, sizeof line, stdin) != NULL) {
        const long repeat = strtol(line, NULL, 10);

        if (repeat < 1)
            return 2;
        answer(&peer, (size_t)repeat, name);
    }
    return 0;
}

#endif
