/* SPDX-License-Identifier: MIT */

/* What a binding in another language does: no header, no macro, only names and plain types.
 * Argument: the library's file. */

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *library;

/* A function by name, put into a function pointer the way POSIX asks for. */
static int find(const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        fprintf(stderr, "ffi: no %s\n", name);
        return 0;
    }
    memcpy(function, &symbol, sizeof symbol);
    return 1;
}

int main(int argc, char **argv)
{
    const char *(*last_error)(void);
    int32_t (*context_create)(const char *, void **);
    int32_t (*options_create)(void *, void **);
    int32_t (*options_set_str)(void *, const char *, const char *);
    int32_t (*model_create)(void *, const void *, void **);
    int32_t (*head_create)(void *, int64_t, void **);
    int32_t (*head_log_px)(void *, const float *, const int32_t *, int64_t, float *, int64_t);
    void (*context_free)(void *), (*options_free)(void *), (*model_free)(void *);
    void (*head_free)(void *);

    library = dlopen(argc > 1 ? argv[1] : "libjem.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "ffi: %s\n", dlerror());
        return 1;
    }
    if (!find("jem_last_error", &last_error) || !find("jem_context_create", &context_create) ||
        !find("jem_options_create", &options_create) ||
        !find("jem_options_set_str", &options_set_str) ||
        !find("jem_model_create", &model_create) || !find("jem_head_create", &head_create) ||
        !find("jem_head_log_px", &head_log_px) || !find("jem_context_free", &context_free) ||
        !find("jem_options_free", &options_free) || !find("jem_model_free", &model_free) ||
        !find("jem_head_free", &head_free))
        return 1;

    void *context = NULL, *options = NULL, *model = NULL, *head = NULL;
    const float image[16] = {0.0f};
    float log_px[1] = {0.0f};
    const int32_t status_range = -5;

    if (context_create(NULL, &context) != 0 || options_create(context, &options) != 0 ||
        options_set_str(options, "model.arch", "mlp") != 0 ||
        options_set_str(options, "model.hidden", "8") != 0 ||
        options_set_str(options, "model.channels", "1") != 0 ||
        options_set_str(options, "model.height", "4") != 0 ||
        options_set_str(options, "model.width", "4") != 0 ||
        model_create(context, options, &model) != 0 || head_create(model, 1, &head) != 0 ||
        head_log_px(head, image, NULL, 1, log_px, 1) != 0) {
        fprintf(stderr, "ffi: %s\n", last_error());
        return 1;
    }
    if (options_set_str(options, "sgld.steps", "-1") != status_range ||
        strstr(last_error(), "sgld.steps") == NULL) {
        fprintf(stderr, "ffi: a bad value was answered with \"%s\"\n", last_error());
        return 1;
    }
    printf("dlopen: log p(x) = %.3f + const\n", (double)log_px[0]);

    context_free(context);
    options_free(options);
    model_free(model);
    head_free(head);
    return dlclose(library);
}
