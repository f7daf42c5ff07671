/* SPDX-License-Identifier: MIT */
/* Checkpoints of the official code (wgrathwohl/JEM), brought over from PyTorch as they are: the
 * state dict of its class F around a Wide ResNet without normalisation.
 *
 *     f.conv1  f.layer{1,2,3}.B.{conv1,conv2,shortcut.0}  class_output     the network
 *     f.linear  energy_output                                             heads nobody uses
 *
 * Nothing in such a file says what network it is, so names and shapes have to: the blocks of a
 * stage give the depth, the first block's channels the width. What follows from that is then
 * demanded of the file, tensor by tensor; and a tensor of "f." that does not follow, such as
 * those of a normalisation, is refused, since the network would be another one without it. */

#include "io/official.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/options.h"

#define MAX_BLOCKS 200 /* of a stage; more than "model.depth" allows */

static const char *const unused[JEM__MODEL_UNUSED] = {
    "energy_output.weight", "energy_output.bias", "f.linear.weight", "f.linear.bias"};

const char *jem__official_unused(int32_t i)
{
    return unused[i];
}

static int32_t is_unused(const char *name)
{
    for (int32_t i = 0; i < JEM__MODEL_UNUSED; i++) {
        if (strcmp(unused[i], name) == 0)
            return 1;
    }
    return 0;
}

/* A tensor that tells a size: there, and of the wanted shape, in which -1 stands for any size
 * of at least 1. `form` is that shape for people. */
static jem_status measure(const char *caller, const jem__st_file *f, const char *name,
                          int32_t rank, const int64_t *wanted, const char *form,
                          const jem__st_tensor **out)
{
    const jem__st_tensor *t = jem__st_find(f, name);

    if (t == NULL)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: neither written by libjem (no \"format\" = \"libjem\" in its "
                         "metadata) nor an official checkpoint: tensor \"%s\" %s is missing",
                         caller, jem__st_path(f), name, form);
    int32_t fits = t->rank == rank;
    for (int32_t i = 0; fits && i < rank; i++)
        fits = wanted[i] == -1 ? t->shape[i] >= 1 : t->shape[i] == wanted[i];
    if (!fits) {
        char shape[JEM__ST_SHAPE_SIZE];
        jem__st_shape_text(t->rank, t->shape, shape);
        return jem__fail(JEM_E_SHAPE,
                         "%s: %s: not an official checkpoint: tensor \"%s\" is %s, must be %s",
                         caller, jem__st_path(f), name, shape, form);
    }
    *out = t;
    return JEM_OK;
}

static int64_t count_blocks(const jem__st_file *f)
{
    char name[64];
    int64_t n = 0;

    for (; n < MAX_BLOCKS; n++) {
        (void)snprintf(name, sizeof name, "f.layer1.%" PRId64 ".conv1.weight", n);
        if (jem__st_find(f, name) == NULL)
            break;
    }
    return n;
}

/* A setting that was refused is the file's fault: say which file. */
static jem_status of_file(const char *caller, const jem__st_file *f, jem_status status)
{
    if (status == JEM_OK || status == JEM_E_NOMEM)
        return status;
    return jem__fail(JEM_E_FORMAT, "%s: %s: %s", caller, jem__st_path(f), jem__error_text());
}

/* Height and width; without a word about them the default, 32, which the official code has. */
static jem_status set_noted(const jem__st_file *f, jem_options *opts, const char *name)
{
    const char *value = jem__st_metadata(f, name);

    return value == NULL ? JEM_OK : jem__options_set_str(opts, name, value);
}

static jem_status set_all(const jem__st_file *f, jem_options *opts, int64_t widen,
                          int64_t channels, int64_t classes)
{
    JEM__TRY(jem__options_set_i64(opts, "model.depth", 6 * count_blocks(f) + 4));
    JEM__TRY(jem__options_set_i64(opts, "model.widen", widen));
    JEM__TRY(jem__options_set_i64(opts, "model.channels", channels));
    JEM__TRY(jem__options_set_i64(opts, "model.classes", classes));
    JEM__TRY(set_noted(f, opts, "model.height"));
    return set_noted(f, opts, "model.width");
}

jem_status jem__official_options(const char *caller, const jem__st_file *f, jem_options *opts)
{
    const jem__st_tensor *stem, *first, *last;
    const int64_t stem_shape[] = {16, -1, 3, 3}, first_shape[] = {-1, 16, 3, 3};

    JEM__TRY(
        measure(caller, f, "f.conv1.weight", 4, stem_shape, "[16, channels, 3, 3]", &stem));
    JEM__TRY(measure(caller, f, "f.layer1.0.conv1.weight", 4, first_shape,
                     "[16 * width, 16, 3, 3]", &first));
    if (first->shape[0] % 16 != 0)
        return jem__fail(JEM_E_SHAPE,
                         "%s: %s: not an official checkpoint: tensor \"%s\" has %" PRId64
                         " output channels, must be a multiple of 16",
                         caller, jem__st_path(f), first->name, first->shape[0]);
    /* 64 * width; no overflow, since 16 x 3 x 3 times as many numbers were counted */
    const int64_t last_shape[] = {-1, 4 * first->shape[0]};
    JEM__TRY(measure(caller, f, "class_output.weight", 2, last_shape, "[classes, 64 * width]",
                     &last));
    return of_file(caller, f,
                   set_all(f, opts, first->shape[0] / 16, stem->shape[1], last->shape[0]));
}

static int32_t belongs(const char *name)
{
    return strncmp(name, "f.", 2) == 0 || strncmp(name, "class_output.", 13) == 0;
}

static int32_t is_parameter(const jem__network *net, const char *name)
{
    for (int32_t i = 0; i < net->n_params; i++) {
        if (strcmp(net->params[i].name, name) == 0)
            return 1;
    }
    return 0;
}

jem_status jem__official_check(const char *caller, const jem__st_file *f,
                               const jem__network *net)
{
    /* Tensors beyond the parameters, all of which are known to be there. */
    int64_t extra = -net->n_params;

    for (int64_t i = 0; i < jem__st_count(f); i++) {
        const char *name = jem__st_tensor_at(f, i)->name;
        extra += belongs(name) && !is_unused(name);
    }
    for (int64_t i = 0; extra > 0 && i < jem__st_count(f); i++) {
        const jem__st_tensor *t = jem__st_tensor_at(f, i);
        if (!belongs(t->name) || is_unused(t->name) || is_parameter(net, t->name))
            continue;
        char shape[JEM__ST_SHAPE_SIZE];
        jem__st_shape_text(t->rank, t->shape, shape);
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\" %s is unexpected: a Wide ResNet without "
                         "normalisation has none of that name",
                         caller, jem__st_path(f), t->name, shape);
    }
    return JEM_OK;
}
