/* SPDX-License-Identifier: MIT */
/* See metadata.h. */

#include "nets/metadata.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "core/algorithms/utf8.h"
#include "core/error.h"
#include "core/memory.h"

void jem__metadata_init(jem_context *ctx, jem__metadata *out)
{
    *out = (jem__metadata){.ctx = ctx};
}

void jem__metadata_free(jem__metadata *m)
{
    for (int64_t i = 0; i < m->count; i++) {
        jem__free(m->ctx, m->entries[i].key);
        jem__free(m->ctx, m->entries[i].value);
    }
    if (m->ctx != NULL)
        jem__free(m->ctx, m->entries);
    *m = (jem__metadata){.ctx = m->ctx};
}

/* Where the key is or would be; *found says which. */
static int64_t place_of(const jem__metadata *m, const char *key, int32_t *found)
{
    int64_t low = 0, high = m->count;

    *found = 0;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = strcmp(m->entries[middle].key, key);
        if (order == 0) {
            *found = 1;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *jem__metadata_get(const jem__metadata *m, const char *key)
{
    int32_t found;
    const int64_t at = place_of(m, key, &found);

    return found ? m->entries[at].value : NULL;
}

static jem_status check_key(const char *caller, const char *key)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t len = strlen(key), sound = strspn(key, allowed);

    if (len == 0 || len > JEM__METADATA_KEY)
        return jem__fail(JEM_E_RANGE, "%s: a key of %zu bytes, must be 1 to %d", caller, len,
                         JEM__METADATA_KEY);
    if (sound < len)
        return jem__fail(JEM_E_ARGUMENT,
                         "%s: byte %zu of the key is 0x%02x, must be one of a-z 0-9 . _ -",
                         caller, sound, (unsigned)(uint8_t)key[sound]);
    return JEM_OK;
}

static jem_status check_value(const char *caller, const char *key, const char *value)
{
    const int64_t len = (int64_t)strlen(value);

    if (len > JEM__METADATA_VALUE)
        return jem__fail(JEM_E_RANGE,
                         "%s: the value of \"%s\" has %" PRId64 " bytes, must be at most %d",
                         caller, key, len, JEM__METADATA_VALUE);
    const int64_t sound = jem__utf8_sound(value, len);
    if (sound < len)
        return jem__fail(JEM_E_ARGUMENT,
                         "%s: the value of \"%s\" is not UTF-8 from byte %" PRId64
                         " on, which is 0x%02x",
                         caller, key, sound, (unsigned)(uint8_t)value[sound]);
    return JEM_OK;
}

static void forget(jem__metadata *m, int64_t at)
{
    jem__metadata_entry *e = &m->entries[at];

    m->bytes -= (int64_t)(strlen(e->key) + strlen(e->value));
    jem__free(m->ctx, e->key);
    jem__free(m->ctx, e->value);
    m->count--;
    memmove(e, e + 1, (size_t)(m->count - at) * sizeof *e);
}

static jem_status make_room(jem__metadata *m)
{
    if (m->count < m->room)
        return JEM_OK;
    const int64_t room = m->room > 0 ? 2 * m->room : 16;
    jem__metadata_entry *more = jem__alloc(m->ctx, room, sizeof *more);
    if (more == NULL)
        return JEM_E_NOMEM;
    if (m->count > 0)
        memcpy(more, m->entries, (size_t)m->count * sizeof *more);
    jem__free(m->ctx, m->entries);
    m->entries = more;
    m->room = room;
    return JEM_OK;
}

/* A new key at place `at`. */
static jem_status insert(jem__metadata *m, int64_t at, const char *key, char *value)
{
    JEM__TRY(make_room(m));
    char *copy = jem__strdup(m->ctx, key);
    if (copy == NULL)
        return JEM_E_NOMEM;
    jem__metadata_entry *e = &m->entries[at];
    memmove(e + 1, e, (size_t)(m->count - at) * sizeof *e);
    *e = (jem__metadata_entry){copy, value};
    m->count++;
    return JEM_OK;
}

static jem_status check_bounds(const jem__metadata *m, const char *caller, const char *key,
                               int32_t found, int64_t bytes)
{
    if (!found && m->count >= JEM__METADATA_ENTRIES)
        return jem__fail(JEM_E_RANGE, "%s: \"%s\" would be entry %d, must be at most %d",
                         caller, key, JEM__METADATA_ENTRIES + 1, JEM__METADATA_ENTRIES);
    if (bytes > JEM__METADATA_BYTES)
        return jem__fail(JEM_E_RANGE,
                         "%s: with \"%s\" all entries have %" PRId64
                         " bytes, must be at most %" PRId64,
                         caller, key, bytes, JEM__METADATA_BYTES);
    return JEM_OK;
}

jem_status jem__metadata_set(jem__metadata *m, const char *caller, const char *key,
                             const char *value)
{
    int32_t found;

    JEM__TRY(check_key(caller, key));
    const int64_t at = place_of(m, key, &found);
    if (value == NULL) {
        if (found)
            forget(m, at);
        return JEM_OK;
    }
    JEM__TRY(check_value(caller, key, value));
    const int64_t old = found ? (int64_t)strlen(m->entries[at].value) : -(int64_t)strlen(key);
    const int64_t bytes = m->bytes + (int64_t)strlen(value) - old;
    JEM__TRY(check_bounds(m, caller, key, found, bytes));
    char *copy = jem__strdup(m->ctx, value);
    if (copy == NULL)
        return JEM_E_NOMEM;
    if (found) {
        jem__free(m->ctx, m->entries[at].value);
        m->entries[at].value = copy;
    } else {
        const jem_status status = insert(m, at, key, copy);
        if (status != JEM_OK) {
            jem__free(m->ctx, copy);
            return status;
        }
    }
    m->bytes = bytes;
    return JEM_OK;
}

jem_status jem__metadata_copy(const jem__metadata *from, jem__metadata *to)
{
    jem__metadata_free(to);
    for (int64_t i = 0; i < from->count; i++)
        JEM__TRY(jem__metadata_set(to, "jem__metadata_copy", from->entries[i].key,
                                   from->entries[i].value));
    return JEM_OK;
}
