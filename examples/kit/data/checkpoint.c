/* SPDX-License-Identifier: MIT */

/* Reads the header of a safetensors file: 8 bytes of length (little-endian), JSON, values. */

#include "kit/data/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/cli/settings.h"
#include "kit/images/image.h"

#define HEADER_CAP 100000000u

static int read_header(struct checkpoint *c)
{
    uint8_t b[8];
    uint64_t length = 0;
    char *text;

    if (fread(b, 1, 8, c->file) != 8)
        return ferror(c->file) ? report_failed("cannot read %s: %s", c->path, strerror(errno))
                               : report_failed("%s: too short for a safetensors file", c->path);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | b[i];
    if (length > HEADER_CAP || (int64_t)length > c->size - 8)
        return report_failed("%s: not a safetensors file, or cut short: its header would have "
                             "%" PRIu64 " bytes, the file has %" PRId64,
                             c->path, length, c->size);
    text = malloc((size_t)length + 1);
    if (text == NULL)
        return report_no_memory();
    if (fread(text, 1, (size_t)length, c->file) != (size_t)length) {
        free(text);
        return report_failed("cannot read %s: %s", c->path, strerror(errno));
    }
    const int rc = json_parse(c->path, text, (size_t)length, &c->header);
    free(text);
    TRY(rc);
    c->data_at = 8 + (int64_t)length;
    return EXIT_OK;
}

#define CONVERT                                                                                \
    "examples/convert/pt2safetensors.py makes a model of it, inception2safetensors.py one of " \
    "Inception-v3"
#define WANTED                                                                                 \
    "give a .safetensors file, which jem-train writes and examples/convert/ makes of "         \
    "PyTorch's"

/* How files of other formats begin. */
static const struct {
    const char *begin;
    size_t length;
    const char *what, *advice;
} others[] = {
    {"\x80\x02", 2, "a PyTorch checkpoint", CONVERT},
    {"\x93NUMPY", 6, "a NumPy array (.npy)", WANTED},
    {"\x89PNG", 4, "a picture (PNG)", WANTED},
    {"\xff\xd8\xff", 3, "a picture (JPEG)", WANTED},
    {"\x1f\x8b", 2, "a gzip file", "if it holds a model, unpack it with gunzip"},
    {"\x89HDF", 4, "an HDF5 file", WANTED},
    {"MATLAB 5.0", 10, "a MAT-file", WANTED},
    {"\0\0\x08", 3, "an IDX file, as MNIST's are", WANTED},
};

/* What a ZIP archive holds first is named at byte 30. */
static int zip_begins_with(const char *begin, size_t length, const char *ending)
{
    const size_t named = (size_t)((unsigned char)begin[26] | (unsigned char)begin[27] << 8);
    char name[64];

    snprintf(name, sizeof name, "%.*s", (int)(named < length - 30 ? named : length - 30),
             begin + 30);
    return file_has_ending(name, ending);
}

static void advise(const char *path, const char *what, const char *advice)
{
    report_note("%s looks like %s; %s", path, what, advice);
}

void checkpoint_advise(const char *path)
{
    char begin[96] = {0};
    FILE *file = fopen(path, "rb");
    const size_t n = file == NULL ? 0 : fread(begin, 1, sizeof begin, file);

    if (file != NULL)
        fclose(file);
    if (memcmp(begin + 4, "\0\0\0\0{", 5) == 0)
        return; /* a safetensors file, whatever the length of its header looks like */
    if (n > 30 && memcmp(begin, "PK\3\4", 4) == 0) {
        if (zip_begins_with(begin, n, "/data.pkl"))
            advise(path, "a PyTorch checkpoint", CONVERT);
        else if (zip_begins_with(begin, n, ".npy"))
            advise(path, "NumPy arrays (.npz)", WANTED);
        else
            advise(path, "a ZIP archive", WANTED);
        return;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (n > others[i].length && memcmp(begin, others[i].begin, others[i].length) == 0) {
            advise(path, others[i].what, others[i].advice);
            return;
        }
}

int checkpoint_open(const char *path, struct checkpoint *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    out->path = path;
    out->file = fopen(path, "rb");
    if (out->file == NULL)
        return report_failed("cannot open %s: %s", path, strerror(errno));
    if (fseeko(out->file, 0, SEEK_END) != 0 || (out->size = ftello(out->file)) < 0 ||
        fseeko(out->file, 0, SEEK_SET) != 0)
        rc = report_failed("cannot read %s: %s", path, strerror(errno));
    else
        rc = read_header(out);
    if (rc != EXIT_OK) {
        checkpoint_close(out);
        checkpoint_advise(path);
    }
    return rc;
}

void checkpoint_close(struct checkpoint *c)
{
    if (c->file != NULL)
        fclose(c->file);
    json_decref(c->header);
    memset(c, 0, sizeof *c);
}

int checkpoint_settings(const struct checkpoint *c, jem_options *opts)
{
    return settings_from_json(opts, json_object_get(c->header, "__metadata__"));
}

/* `count` floats at `begin` behind the header. */
static int read_floats(const struct checkpoint *c, int64_t begin, int64_t count, float **values)
{
    *values = malloc((size_t)count * sizeof **values);
    if (*values == NULL)
        return report_no_memory();
    if (fseeko(c->file, c->data_at + begin, SEEK_SET) == 0 &&
        fread(*values, sizeof **values, (size_t)count, c->file) == (size_t)count)
        return EXIT_OK; /* little-endian machines only, as libjem's build demands */
    free(*values);
    *values = NULL;
    return report_failed("cannot read %s: %s", c->path, strerror(errno));
}

/* What the header says of a tensor: zeros and NULL where it does not say it. */
struct entry {
    const char *type;
    const json_t *sizes;
    int64_t begin, end; /* of its values, behind the header */
};

static struct entry find_entry(const struct checkpoint *c, const char *name)
{
    const json_t *tensor = json_object_get(c->header, name);
    const json_t *offsets = json_object_get(tensor, "data_offsets");

    return (struct entry){.type = json_string_value(json_object_get(tensor, "dtype")),
                          .sizes = json_object_get(tensor, "shape"),
                          .begin = json_integer_value(json_array_get(offsets, 0)),
                          .end = json_integer_value(json_array_get(offsets, 1))};
}

static int64_t size_at(const struct entry *e, int i)
{
    return json_integer_value(json_array_get(e->sizes, (size_t)i));
}

/* Is it `count` floats that lie in the file? */
static int holds_floats(const struct checkpoint *c, const struct entry *e, int64_t count)
{
    return e->type != NULL && strcmp(e->type, "F32") == 0 && e->begin >= 0 &&
           e->end >= e->begin && e->end <= c->size - c->data_at &&
           e->end - e->begin == count * 4;
}

int checkpoint_tensor(const struct checkpoint *c, const char *name, int dims,
                      const int64_t *shape, float **values)
{
    const struct entry e = find_entry(c, name);
    int fits = json_array_size(e.sizes) == (size_t)dims;
    int64_t count = 1;

    *values = NULL;
    if (json_object_get(c->header, name) == NULL)
        return report_failed("%s holds no tensor \"%s\"", c->path, name);
    for (int i = 0; i < dims; i++) {
        fits = fits && size_at(&e, i) == shape[i];
        count *= shape[i];
    }
    if (!fits || !holds_floats(c, &e, count))
        return report_failed("%s: type, shape or place of the tensor \"%s\" is not what it "
                             "should be: %" PRId64 " floats (F32) in %d dimensions",
                             c->path, name, count, dims);
    return read_floats(c, e.begin, count, values);
}

/* Where the values of the buffer begin, and how many images there are. */
static int find_buffer(const struct checkpoint *c, const int64_t shape[3], int64_t *begin,
                       int64_t *n)
{
    const struct entry e = find_entry(c, "replay_buffer");
    const int64_t image = shape[0] * shape[1] * shape[2];

    if (json_object_get(c->header, "replay_buffer") == NULL)
        return report_failed("%s holds no replay buffer; give a training's last.safetensors",
                             c->path);
    *begin = e.begin;
    *n = size_at(&e, 0);
    for (int i = 0; i < 3; i++)
        if (size_at(&e, i + 1) != shape[i])
            return report_failed("%s: its replay buffer is not of the model's image size",
                                 c->path);
    if (*n < 1 || *n > INT64_MAX / 4 / image || !holds_floats(c, &e, *n * image))
        return report_failed("%s: type, shape and place of its replay buffer do not agree",
                             c->path);
    return EXIT_OK;
}

int checkpoint_buffer(const struct checkpoint *c, const int64_t shape[3], int64_t most,
                      float **x, int64_t *n, int64_t *of)
{
    const int64_t size = shape[0] * shape[1] * shape[2];
    int64_t begin = 0;

    *x = NULL;
    TRY(find_buffer(c, shape, &begin, of));
    *n = *of < most ? *of : most;
    TRY(read_floats(c, begin, *of * size, x));
    image_spread(*x, *of, *n, size);
    return EXIT_OK;
}
