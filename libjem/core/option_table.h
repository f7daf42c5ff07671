/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_OPTION_TABLE_H
#define JEM_CORE_OPTION_TABLE_H

/* The table of options and the presets, as data. */

#include <stdint.h>

#define JEM__OPTION_COUNT 62
#define JEM__TEXT_SIZE    64 /* bytes of a text value, end included */

enum jem__option_type { JEM__OPTION_I64, JEM__OPTION_F64, JEM__OPTION_TEXT };

union jem__option_value {
    int64_t i64;
    double f64;
    char text[JEM__TEXT_SIZE];
};

struct jem__option_row {
    const char *name;
    enum jem__option_type type;
    const char *fallback_text;
    union jem__option_value fallback;
    int64_t low_i64, high_i64;
    double low_f64, high_f64;
    const char *choices; /* of a text: "adam, sgd"; NULL: a list of epochs */
    const char *allowed; /* bounds or choices, for people */
    const char *help;
};

extern const struct jem__option_row jem__option_rows[JEM__OPTION_COUNT];

struct jem__setting {
    const char *name, *value;
};

/* Settings in `common`, then those in `own`, which may overrule; each ends with a NULL name. */
struct jem__preset {
    const char *name, *help;
    const struct jem__setting *common, *own;
};

#define JEM__PRESET_COUNT 7

extern const struct jem__preset jem__presets[JEM__PRESET_COUNT];

#endif
