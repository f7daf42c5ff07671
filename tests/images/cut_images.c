/* SPDX-License-Identifier: MIT */

/* Every beginning of the image files named is refused, with nothing lost and nothing kept; says how
 * many that were. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/images/image.h"

static int cut(const char *path)
{
    struct image image;
    uint8_t *bytes = NULL;
    size_t length = 0;
    int64_t refused = 0;
    int rc = file_read(path, &bytes, &length);

    if (rc == EXIT_OK)
        rc = image_read_bytes(bytes, length, path, &image);
    if (rc != EXIT_OK)
        return rc;
    image_free(&image);
    for (size_t n = 0; n < length; n++) {
        uint8_t *part = malloc(n == 0 ? 1 : n); /* for tools that see reads beyond the end */

        if (part == NULL)
            return report_no_memory();
        memcpy(part, bytes, n);
        refused += image_read_bytes(part, n, path, &image) != EXIT_OK && image.pixels == NULL;
        image_free(&image);
        free(part);
    }
    free(bytes);
    printf("%s: %" PRId64 " of %zu refused\n", path, refused, length);
    return refused == (int64_t)length ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    int rc = EXIT_OK;

    report_program("cut_images");
    for (int i = 1; i < argc && rc == EXIT_OK; i++)
        rc = cut(argv[i]);
    return rc;
}
