#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs to a staging folder with an unusual layout, builds a user's program with nothing but
# pkg-config, shared and static, as C and as C++, and runs it. Moves the tree to another place and
# runs an installed program there; looks at man pages and completions; moves it back, uninstalls,
# and looks for leftovers.
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

programs="c-shared cc-shared c-static"
if [ -e "$(gcc -print-file-name=libblis.a)" ]; then
    # glibc warns of dlopen() in the OpenMP library: of no use to a program that stays on one machine.
    gcc -std=c99 -static "${cflags[@]}" tests/abi/user.c -o "$stage/c-alone" "${static[@]}" 2>"$stage/said" ||
        { echo "install: a fully static program does not link:"; cat "$stage/said"; exit 1; }
    programs+=" c-alone"
else
    echo "skip: a fully static program; libblis.a is not installed"
fi

for program in $programs; do
    path=$stage$libdir
    case $program in *-static | *-alone) path= ;; esac
    LD_LIBRARY_PATH=$path "$stage/$program" "$version" >"$stage/said" ||
        { echo "install: $program failed:"; cat "$stage/said"; exit 1; }
done
ldd "$stage/c-static" | grep -q libjem && { echo "install: the static program wants libjem.so"; exit 1; }
[ ! -e "$stage/c-alone" ] || ! ldd "$stage/c-alone" >/dev/null 2>&1 ||
    { echo "install: the fully static program wants shared libraries"; exit 1; }

rm -f "$stage"/c-shared "$stage"/cc-shared "$stage"/c-static "$stage"/c-alone "$stage"/said
fail() { echo "install: $1"; exit 1; }

# The tree at another place, where neither the build folder nor the prefix help.
moved=$stage/moved
mv "$stage/opt/jem-odd" "$moved"
share=$moved/share
found=$(env -u LD_LIBRARY_PATH ldd "$moved/bin/jem-score" | awk '/libjem/ { print $3 }')
[ "$(realpath "$found")" = "$(realpath "$moved/lib/odd-linux/libjem.so")" ] ||
    fail "jem-score finds the library at \"$found\""
"$moved/bin/jem-score" --version | grep -qF "(libjem $version)" || fail "jem-score --version"
(cd / && "$moved/bin/jem-score" --model "$share/jem/models/fashion-mnist-jem.safetensors" \
    --data fashion-mnist --count 3 --out "$stage/scores" >"$stage/said") ||
    { cat "$stage/said"; fail "jem-score does not score"; }
[ -s "$stage/scores/log_px.npy" ] || fail "jem-score wrote no scores"
rm -r "$stage/scores" "$stage/said"

# Every program has its pages, and they name every option that its help does.
count=0
for program in "$moved"/bin/jem-*; do
    name=${program##*/}
    count=$((count + 1))
    man=$share/man/man1/$name.1
    bash_page=$share/bash-completion/completions/$name
    zsh_page=$share/zsh/site-functions/_$name
    grep -q "^\.TH JEM" "$man" || fail "$man is no man page"
    bash -n "$bash_page" || fail "$bash_page is no bash"
    head -1 "$zsh_page" | grep -qx "#compdef $name" || fail "$zsh_page is no completion"
    if command -v groff >/dev/null; then
        said=$(groff -ww -man -Tutf8 -z "$man" 2>&1)
        [ -z "$said" ] || fail "$man: $said"
    fi
    for option in $("$program" --help | sed -n 's/^  --\([a-z0-9-]*\).*/\1/p'); do
        grep -qF -- "\\-\\-${option//-/\\-}\\fR" "$man" || fail "$man lacks --$option"
        grep -qE -- "--${option}['\" ]" "$bash_page" || fail "$bash_page lacks --$option"
        grep -qF -- "--${option}[" "$zsh_page" || fail "$zsh_page lacks --$option"
    done
done
[ $count -ge 15 ] || fail "only $count programs"
complete_words() { # LINE: what bash offers for its last word
    # shellcheck disable=SC2016 # for the other shell
    bash -c 'source "$1"; read -ra COMP_WORDS <<<"$2"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _jem_score; echo "${COMPREPLY[*]}"' - "$share/bash-completion/completions/jem-score" "$1"
}
[ "$(complete_words 'jem-score --mod')" = --model ] || fail "bash does not complete --mod"

mv "$moved" "$stage/opt/jem-odd"
$make --no-print-directory -s uninstall "${layout[@]}"
left=$(find "$stage" ! -type d; find "$stage" -name 'jem*' ! -name jem-odd)
[ -z "$left" ] || fail "uninstall left: $left"
