/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_DIGEST_H
#define KIT_BASE_DIGEST_H

/* Is a file the one that was published? MD5 is what publishers give; it tells damage from
 * soundness, not friend from foe. */

#define DIGEST_MD5_TEXT 33

enum digest_verdict {
    DIGEST_UNKNOWN,   /* no published MD5 is known */
    DIGEST_PUBLISHED, /* the very bytes */
    DIGEST_REPACKED,  /* the published file in another gzip */
    DIGEST_DIFFERENT,
    DIGEST_PACKING /* another gzip; what the published one unpacks to is not known */
};

int digest_md5(const char *path, char md5[DIGEST_MD5_TEXT]);

/* `kind` as in --data. `md5` is that of the file as it lies there. */
int digest_file(const char *kind, const char *path, char md5[DIGEST_MD5_TEXT],
                enum digest_verdict *verdict);

/* "as published", "differs from the published file" ... */
const char *digest_verdict_text(enum digest_verdict verdict);

#endif
