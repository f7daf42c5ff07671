#!/bin/bash
# SPDX-License-Identifier: MIT
# The library does not print, stop the process, read the environment or the locale, and
# allocates in one file. Checked twice: calls in the text without comments and strings, and
# names that the objects ask the linker for. banned.sh BUILD
set -euo pipefail
build=${1:-build}

memory='malloc calloc realloc free posix_memalign aligned_alloc reallocarray strdup strndup'
never='printf fprintf vprintf vfprintf dprintf puts fputs putchar fputc putc perror syslog
    stdout stderr stdin abort exit _exit _Exit quick_exit atexit assert __assert_fail raise kill
    getenv secure_getenv setenv putenv unsetenv setlocale uselocale signal sigaction
    chdir umask system popen fork vfork dlopen longjmp alloca
    atoi atol atoll atof strtod strtof strtold sscanf fscanf scanf sprintf vsprintf
    strcpy strcat stpcpy gets strtok strerror rand srand random srandom drand48 time localtime
    fesetround feenableexcept'
pattern() { printf '(%s)' "$(xargs <<<"$*" | tr ' ' '|')"; }

failed=0
for source in $(find libjem -name '*.[ch]' | sort); do
    banned="$never $memory"
    [ "$source" = libjem/core/memory.c ] && banned=$never
    hits=$(gcc -fpreprocessed -dD -E -P "$source" 2>/dev/null | sed 's/"[^"]*"//g' |
        grep -oE "(^|[^A-Za-z0-9_>.])$(pattern "$banned")[[:space:]]*\(" | tr -d ' \t(;' |
        sort -u | tr '\n' ' ' || true)
    if [ -n "$hits" ]; then
        echo "banned: $source calls: $hits"
        failed=1
    fi
    object=$build/obj/${source%.c}.o
    [ -f "$object" ] || continue
    hits=$(nm -u "$object" | awk '{print $2}' | grep -xE "$(pattern "$banned")" | tr '\n' ' ' || true)
    if [ -n "$hits" ]; then
        echo "banned: $object needs: $hits"
        failed=1
    fi
    # No global state that can change. (.data.rel.ro holds constant tables of pointers.)
    hits=$(nm "$object" | awk '$2 ~ /^[dDbBC]$/ {print $3}' | sort |
        comm -23 - <(objdump -t "$object" | awk '/\.(tbss|tdata|data\.rel\.ro)/ {print $NF}' | sort) |
        tr '\n' ' ')
    if [ -n "$hits" ]; then
        echo "banned: $object has global state: $hits"
        failed=1
    fi
done
exit $failed
