/* SPDX-License-Identifier: MIT */

/* Numbers that compiled programs carry inside them, so that no release may change them. A new
 * code gets a new line; a line never changes. Compiled by tests/gates/headers.sh, never run. */

#include <jem/jem.h>

#define FROZEN(name, value) _Static_assert((name) == (value), #name " is part of the ABI")

FROZEN(JEM_OK, 0);
FROZEN(JEM_E_INTERNAL, -1);
FROZEN(JEM_E_ARGUMENT, -2);
FROZEN(JEM_E_NOMEM, -3);
FROZEN(JEM_E_UNKNOWN, -4);
FROZEN(JEM_E_RANGE, -5);
FROZEN(JEM_E_SHAPE, -6);
FROZEN(JEM_E_SPACE, -7);
FROZEN(JEM_E_STATE, -8);
FROZEN(JEM_E_UNSUPPORTED, -9);
FROZEN(JEM_E_IO, -10);
FROZEN(JEM_E_FORMAT, -11);
FROZEN(JEM_E_VERSION, -12);
FROZEN(JEM_E_NUMERIC, -13);
FROZEN(JEM_E_BACKEND, -14);

FROZEN(JEM_LOG_ERROR, 1);
FROZEN(JEM_LOG_WARNING, 2);
FROZEN(JEM_LOG_INFO, 3);

FROZEN(sizeof(jem_status), 4);
FROZEN((jem_status)-1 < 0, 1);
