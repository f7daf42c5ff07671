/* SPDX-License-Identifier: MIT */
#ifndef JEM_MODEL_H
#define JEM_MODEL_H

/**
 * @file
 * A model: an ordinary image classifier f: R^(C x H x W) -> R^classes, with its weights.
 *
 * Three architectures, chosen by "model.arch":
 *
 *   - "wrn": the paper's Wide ResNet WRN-depth-widen without any normalisation (Zagoruyko and
 *     Komodakis 2016; JEM section 5): LeakyReLU 0.2, a bias on every convolution, the stride
 *     in the second 3x3 convolution of a stage's first block, global average pooling. Without
 *     normalisation the energy of an image depends on that image alone. Height and width
 *     must be multiples of 4.
 *   - "small": five 3x3 convolutions (two with stride 2), LeakyReLU, global average, linear:
 *     about 70,000 weights at the default width, for work on a CPU.
 *   - "mlp": fully connected layers with LeakyReLU.
 *
 * Weights start as PyTorch starts them: uniform in +-1/sqrt(fan_in), for weights and biases.
 * Parameter names and shapes of a "wrn" are those of the official PyTorch state dict.
 *
 * A model remembers more than weights: texts by key, which are saved and loaded with it and
 * which a training hands on to all that it saves. They are the caller's own; the example
 * programs keep there what somebody needs to use the model on other images:
 *
 *     "class.0", "class.1", ...       names of the classes
 *     "image.crop" "image.size"       how pictures become images: the middle that is cut out and
 *     "image.colour" "image.range"    the size it gets ("32" or "28x20"), "grey" or "colour",
 *                                     what the numbers of an array mean ("0..255", "0..1")
 *     "data.spec"                     what it was trained on, as the programs' --data says it
 *     "data.kind" "data.path"         the same in two parts
 *     "data.path_bytes"               the path with % codes, if it is not UTF-8
 *     "data.train" "data.validation"  jem_dataset_fingerprint() of the images it was trained on,
 *     "data.test"                     validated with and tested with, as 16 hexadecimal digits
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Build a model with fresh random weights.
 *
 * Reads the options "model.*" and "train.seed".
 *
 * @param ctx  the context
 * @param opts settings, or NULL for the paper's WRN-28-10 on 3x32x32 with 10 classes
 * @param out  the new model, to be given back with jem_model_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NOMEM, JEM_E_SHAPE (depth not 6n+4, size not a
 *         multiple of 4)
 * @since 0.1
 */
JEM_API jem_status jem_model_create(jem_context *ctx, const jem_options *opts, jem_model **out);

/**
 * Open a model from a safetensors file: one that jem_model_save() or jem_trainer_save() wrote,
 * or a checkpoint of the official PyTorch code that was converted as it is.
 *
 * The latter has no metadata of libjem and the tensors of the official state dict of a Wide
 * ResNet without normalisation ("f.conv1.weight", ..., "class_output.bias"). Its depth, width,
 * channels and classes follow from names and shapes, height and width are 32 unless the
 * metadata "model.height" and "model.width" say otherwise; jem_model_option() tells all of
 * them. Tensors of the network that are missing or too many are refused, others ignored.
 *
 * Weights may be F32, F64, F16 or BF16; a number too large for a float counts as infinite.
 *
 * @param ctx  the context
 * @param path file name
 * @param out  the model; NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NOMEM, JEM_E_IO, JEM_E_FORMAT, JEM_E_VERSION,
 *         JEM_E_NUMERIC (a weight is NaN or infinite), JEM_E_SHAPE
 * @since 0.1
 */
JEM_API jem_status jem_model_load(jem_context *ctx, const char *path, jem_model **out);

/**
 * Write a model to a safetensors file: first to a temporary file beside it, then renamed, so
 * that `path` holds the old or the new file, never half of one. The heads "energy_output" and
 * "f.linear", which the official code saves and does not use, are written as they were loaded.
 *
 * @param model the model
 * @param path  file name
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NOMEM, JEM_E_IO
 * @since 0.1
 */
JEM_API jem_status jem_model_save(const jem_model *model, const char *path);

/**
 * What goes in and what comes out.
 *
 * @param model the model
 * @param shape gets channels, height, width, classes
 * @return JEM_OK; JEM_E_ARGUMENT
 * @since 0.1
 */
JEM_API jem_status jem_model_shape(const jem_model *model, int64_t shape[4]);

/**
 * How many numbers the last layer makes the logits of: d in jem_head_features(). 640 for the
 * paper's network.
 *
 * @param model the model
 * @param out   the number
 * @return JEM_OK; JEM_E_ARGUMENT
 * @since 0.1
 */
JEM_API jem_status jem_model_features(const jem_model *model, int64_t *out);

/**
 * The model's settings as text, for example the value of "model.arch".
 *
 * @param model    the model
 * @param name     an option that begins with "model."
 * @param out      gets the zero-ended text
 * @param out_size bytes in `out`; 64 is always enough
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN, JEM_E_SPACE
 * @since 0.1
 */
JEM_API jem_status jem_model_option(const jem_model *model, const char *name, char *out,
                                    int64_t out_size);

/**
 * Have the model remember a text, until it is saved and loaded and saved again.
 *
 * At most 16,384 entries, and 4 MiB of keys and values together.
 *
 * @param model the model; no other thread may use its entries meanwhile
 * @param key   1 to 128 bytes of a-z 0-9 . _ -
 * @param value UTF-8, at most 65,536 bytes, copied; NULL forgets the key
 * @return JEM_OK; JEM_E_ARGUMENT (another byte in the key, not UTF-8), JEM_E_RANGE (beyond a
 *         bound), JEM_E_NOMEM; all entries are as before then
 * @since 0.1
 */
JEM_API jem_status jem_model_meta_set(jem_model *model, const char *key, const char *value);

/**
 * A text that the model remembers.
 *
 * @param model    the model
 * @param key      the key
 * @param out      gets the zero-ended text; may be NULL with out_size 0, to ask for the length
 * @param out_size bytes in `out`
 * @param length   gets the number of bytes before the zero; may be NULL
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN (no such key), JEM_E_SPACE (`length` says how many)
 * @since 0.1
 */
JEM_API jem_status jem_model_meta_get(const jem_model *model, const char *key, char *out,
                                      int64_t out_size, int64_t *length);

/**
 * Walk through what the model remembers, in the order of the keys.
 *
 * @param model the model
 * @param index 0, 1, ... until JEM_E_RANGE
 * @param key   gets the key; like the value it lives until the entry is set again or forgotten,
 *              or the model is freed; may be NULL
 * @param value gets the text; may be NULL
 * @return JEM_OK; JEM_E_ARGUMENT; JEM_E_RANGE beyond the entries, which is the end of a
 *         walk (the last-error text is not touched)
 * @since 0.1
 */
JEM_API jem_status jem_model_meta_at(const jem_model *model, int64_t index, const char **key,
                                     const char **value);

/**
 * Walk through the parameters.
 *
 * @param model the model
 * @param index 0, 1, ... until JEM_E_RANGE
 * @param name  gets the parameter's name; it lives as long as the model; may be NULL
 * @param shape gets four sizes, as in PyTorch and padded with 1 at the end: a convolution is
 *              out x in x kh x kw, a linear layer out x in x 1 x 1, a bias out x 1 x 1 x 1; may
 *              be NULL
 * @return JEM_OK; JEM_E_ARGUMENT; JEM_E_RANGE beyond the parameters, which is the end of
 *         a walk (the last-error text is not touched)
 * @since 0.1
 */
JEM_API jem_status jem_model_param_info(const jem_model *model, int64_t index,
                                        const char **name, int64_t shape[4]);

/**
 * Read a parameter.
 *
 * @param model   the model
 * @param name    for example "class_output.weight"
 * @param out     gets the values, in row-major order of the shape
 * @param out_len length of `out`; at least the product of the shape
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN, JEM_E_SPACE
 * @since 0.1
 */
JEM_API jem_status jem_model_param_get(const jem_model *model, const char *name, float *out,
                                       int64_t out_len);

/**
 * Write a parameter. No head or trainer of the model may be at work meanwhile.
 *
 * @param model  the model
 * @param name   the parameter
 * @param values finite values, in row-major order of the shape
 * @param len    length of `values`; exactly the product of the shape
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN, JEM_E_SHAPE, JEM_E_NUMERIC (unchanged then)
 * @since 0.1
 */
JEM_API jem_status jem_model_param_set(jem_model *model, const char *name, const float *values,
                                       int64_t len);

/**
 * Give a model back. Its heads and trainers keep it alive until they are freed.
 *
 * @param model the model, or NULL
 * @since 0.1
 */
JEM_API void jem_model_free(jem_model *model);

#ifdef __cplusplus
}
#endif

#endif
