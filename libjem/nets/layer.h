/* SPDX-License-Identifier: MIT */
#ifndef JEM_NETS_LAYER_H
#define JEM_NETS_LAYER_H

/* What a kind of layer is: its operations, and what a workspace must know to plan for it.
 *
 * Each kind is one file, layer_NAME.c, that holds its passes side by side, the row of its
 * operations, and a function that adds such a layer to a network. Nothing else in nets/ knows
 * one kind from another. */

#include "core/error.h"
#include "nets/network.h"

/* One pass over one layer: the tensors of n images that an operation works on. Those that a
 * pass does not have, or that the layer does not, have mem NULL. */
typedef struct jem__layer_pass {
    const jem__backend *backend;
    jem__queue *queue;
    const jem__layer *layer;
    jem__tensor in[JEM__LAYER_INPUTS], out; /* values; in a tangent, their changes */
    jem__signs signs_in;                    /* of in[0], where the layer's slope is below 1 */
    jem__signs signs_out;                   /* forward: where to keep those of out */
    jem__tensor param[JEM__LAYER_PARAMS];   /* in backward_w their gradients, to add to */
    jem__tensor gy, gx;                     /* backward: gradients of out and of one input */
    jem__tensor so_far; /* backward_x: what to add to gx; may be gx itself */
    jem__tensor work;   /* tangent: numbers that the kind asked for */
} jem__layer_pass;

/* A parameter to be made; see jem__param. */
typedef struct jem__layer_param {
    const char *suffix; /* of its name: "weight" */
    int64_t shape[4], dims[4];
    int32_t rank;
    int64_t fan_in;
} jem__layer_param;

/* What follows from the sizes of a layer's inputs. */
typedef struct jem__layer_made {
    jem__value out;
    int32_t n_params;
    jem__layer_param param[JEM__LAYER_PARAMS];
} jem__layer_made;

/* How the gradient of one input is made. */
typedef struct jem__layer_input {
    const char *verb;  /* what the layer does with it, for people: "adds" */
    int32_t handed_on; /* it is the gradient of the output: no pass, the memory is passed on */
    int32_t adds;      /* backward_x can add what later readers of the value have made so far */
    int32_t value_kept; /* backward_x reads the value itself, so that it must outlive forward */
} jem__layer_input;

struct jem__layer_kind {
    const char *name;

    /* Building: check the layer against its inputs, which are known to exist, fill in what
     * follows from their sizes, and say what it makes. `name` is for messages. */
    jem_status (*check)(const jem__network *net, const char *name, jem__layer *layer,
                        jem__layer_made *made);

    /* out from in; signs_out where wanted, if the kind keeps signs. */
    jem_status (*forward)(const jem__layer_pass *pass);
    /* gx, of in[input], from gy [+ so_far]; not called for inputs that are handed on. */
    jem_status (*backward_x)(const jem__layer_pass *pass, int32_t input);
    /* param += their gradients from in and gy. NULL: a kind without parameters. */
    jem_status (*backward_w)(const jem__layer_pass *pass);
    /* The change of out from the changes in in: forward without biases, with the slopes that
     * signs_in tells. NULL: none, as for a kind whose passes read values, since the changes
     * take their places. */
    jem_status (*tangent)(const jem__layer_pass *pass);

    jem__layer_input input[JEM__LAYER_INPUTS];
    int32_t keeps_signs; /* so that another layer may read its output through an activation */
    /* Numbers per image that a tangent needs as `work`. NULL: none. */
    int64_t (*tangent_work)(const jem__network *net, const jem__layer *layer);
};

/* Append a layer whose kind, inputs, slope and numbers of its own are set: checks it, makes its
 * parameters NAME.SUFFIX and its output, whose number goes to *out. */
jem_status jem__network_append(jem__network *net, const char *name, jem__layer layer,
                               int32_t *out);

/* For checks: 1 <= size <= limit. */
#define JEM__MAX_CHANNELS (INT64_C(1) << 20)
#define JEM__MAX_SIDE     (INT64_C(1) << 16)
jem_status jem__check_size(const char *what, int64_t size, int64_t limit);

#endif
