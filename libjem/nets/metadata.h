/* SPDX-License-Identifier: MIT */
#ifndef JEM_NETS_METADATA_H
#define JEM_NETS_METADATA_H

/* What a model is told to remember about itself: texts by key, in the order of the keys, within
 * the bounds of jem/model.h. */

#include <jem/context.h>

#define JEM__METADATA_ENTRIES 16384
#define JEM__METADATA_KEY     128                /* bytes */
#define JEM__METADATA_VALUE   (64 << 10)         /* bytes */
#define JEM__METADATA_BYTES   ((int64_t)4 << 20) /* of all keys and values */

typedef struct jem__metadata_entry {
    char *key, *value;
} jem__metadata_entry;

typedef struct jem__metadata {
    jem_context *ctx; /* for memory, not a reference */
    jem__metadata_entry *entries;
    int64_t count, room; /* entries, and what there is space for */
    int64_t bytes;
} jem__metadata;

void jem__metadata_init(jem_context *ctx, jem__metadata *out);
void jem__metadata_free(jem__metadata *m); /* all zero accepted */

/* value NULL: forget the key. On failure all is as before. */
jem_status jem__metadata_set(jem__metadata *m, const char *caller, const char *key,
                             const char *value);
const char *jem__metadata_get(const jem__metadata *m, const char *key); /* NULL: none */
/* to = from */
jem_status jem__metadata_copy(const jem__metadata *from, jem__metadata *to);

#endif
