#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs to a staging folder with an unusual layout, builds a user's program with nothing but
# pkg-config, shared and static, as C and as C++, runs it, uninstalls, and looks for leftovers.
# install.sh BUILD
set -euo pipefail
build=${1:-build}
make=${MAKE:-make}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
libdir=/opt/jem-odd/lib/odd-linux
layout=(PREFIX=/opt/jem-odd LIBDIR="$libdir" DESTDIR="$stage" BUILD="$build")

$make --no-print-directory -s install "${layout[@]}"

# As pkg-config of a cross compiler would: the staging folder is the root of another system.
export PKG_CONFIG_PATH=$stage$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$stage
grep -q "^libdir=\${prefix}/lib/odd-linux$" "$PKG_CONFIG_PATH/jem.pc" ||
    { echo "install: jem.pc has another LIBDIR"; cat "$PKG_CONFIG_PATH/jem.pc"; exit 1; }
version=$(pkg-config --modversion jem)
read -ra cflags <<<"$(pkg-config --cflags jem)"
read -ra shared <<<"$(pkg-config --libs jem)"
read -ra static <<<"$(pkg-config --static --libs jem)"

gcc -std=c99 -Wall -Wextra -Werror "${cflags[@]}" tests/abi/user.c -o "$stage/c-shared" "${shared[@]}"
g++ -x c++ -std=c++11 -Wall -Wextra -Werror "${cflags[@]}" tests/abi/user.c -x none -o "$stage/cc-shared" "${shared[@]}"
gcc -std=c99 "${cflags[@]}" tests/abi/user.c -o "$stage/c-static" "${static[@]/#-ljem/-l:libjem.a}"

for program in c-shared cc-shared c-static; do
    path=$stage$libdir
    [ $program = c-static ] && path=
    LD_LIBRARY_PATH=$path "$stage/$program" "$version" >"$stage/said" ||
        { echo "install: $program failed:"; cat "$stage/said"; exit 1; }
done
ldd "$stage/c-static" | grep -q libjem && { echo "install: the static program wants libjem.so"; exit 1; }

rm "$stage"/c-shared "$stage"/cc-shared "$stage"/c-static "$stage"/said
$make --no-print-directory -s uninstall "${layout[@]}"
left=$(find "$stage" ! -type d; find "$stage" -name jem)
[ -z "$left" ] || { echo "install: uninstall left: $left"; exit 1; }
