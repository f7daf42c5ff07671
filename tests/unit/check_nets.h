/* SPDX-License-Identifier: MIT */
#ifndef CHECK_NETS_H
#define CHECK_NETS_H

/* The suite of nets/ and api/jem_model.c, in five files. */

#include <check.h>

Suite *jem_nets_suite(void);         /* check_nets.c: running networks */
TCase *jem_nets_layers_case(void);   /* check_nets_layers.c: layers by themselves */
TCase *jem_nets_build_case(void);    /* check_nets_build.c: building networks */
TCase *jem_nets_model_case(void);    /* check_nets_model.c: models */
TCase *jem_nets_metadata_case(void); /* check_nets_metadata.c: what they remember */

#endif
