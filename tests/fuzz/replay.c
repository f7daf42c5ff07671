/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over every file of a folder: as it is, cut after every byte, and, when it
 * is short, with every byte in turn inverted, off by one bit, and zero.
 *
 *     replay_NAME FOLDER
 *
 * Needs no fuzzer, so every build and every sanitizer can do it. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define MAX_FILE    (1 << 20)
#define MAX_DAMAGED 4096 /* bytes of a file whose bytes are changed one by one */
#define NAME_SIZE   4096

static long runs;

/* A copy of its own length, so that a sanitizer sees a read beyond its end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static void run_variants(uint8_t *data, size_t size)
{
    for (size_t cut = 0; cut <= size; cut++)
        run(data, cut);
    for (size_t i = 0; i < size && size <= MAX_DAMAGED; i++) {
        const uint8_t whole = data[i], bit = (uint8_t)(1u << i % 8);
        const uint8_t damaged[] = {(uint8_t)~whole, whole ^ bit, 0};
        for (size_t k = 0; k < sizeof damaged; k++) {
            data[i] = damaged[k];
            run(data, size);
        }
        data[i] = whole;
    }
}

static int run_file(const char *path)
{
    static uint8_t data[MAX_FILE];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    const size_t size = fread(data, 1, sizeof data, file);
    const int failed = ferror(file) || size == sizeof data;
    fclose(file);
    if (failed) {
        fprintf(stderr, "%s: cannot be read, or longer than %d bytes\n", path, MAX_FILE);
        return 1;
    }
    run_variants(data, size);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    int files = 0, failed = 0;
    if (folder == NULL) {
        fprintf(stderr, "usage: replay_NAME FOLDER, a folder with files\n");
        return 2;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[NAME_SIZE];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        fprintf(stderr, "%s\n", path); /* the last one named is the one that crashed */
        failed |= run_file(path);
        files++;
    }
    closedir(folder);
    printf("%d files, %ld inputs\n", files, runs);
    return failed || files == 0;
}
