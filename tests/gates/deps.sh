#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs Debian packages that are missing. deps.sh SET...: sets are
#     demo   library and programs, and images to train on
#     check  unit tests and the gates of `make check`
#     torch  what `make check-torch` compares with
#     own    pictures for `make experiments-own`
#     gates  what CI runs beside: format, tidy, documentation, ABI comparison
# Silent when all is there.
set -eu

demo="gcc make pkg-config binutils libc6-dev libblis-dev libjansson-dev libzip-dev zlib1g-dev libpng-dev
      libjpeg-dev libmd-dev libdnnl-dev liblapacke-dev dataset-fashion-mnist"
check="check groff-base g++ clang libclang-rt-dev python3 python3-numpy"
torch="python3 python3-torch python3-numpy python3-scipy python3-sklearn"
own="python3 python3-numpy python3-pil python3-sklearn python3-skimage opencv-doc fonts-dejavu fonts-liberation
     fonts-lato fonts-freefont-ttf fonts-urw-base35"
gates="clang-format clang-tidy doxygen abigail-tools shellcheck"

wanted=
for set in "$@"; do
    case $set in
    demo) wanted="$wanted $demo" ;;
    check) wanted="$wanted $demo $check" ;;
    torch) wanted="$wanted $torch" ;;
    own) wanted="$wanted $own" ;;
    gates) wanted="$wanted $gates" ;;
    *) echo "deps.sh: unknown set '$set'; there are: demo check torch own gates" >&2 && exit 2 ;;
    esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "deps: no apt here. Needed: a C11 compiler, make, pkg-config, BLIS, jansson; for the" \
        "programs libzip, zlib, libpng, libjpeg, libmd, oneDNN 2, LAPACKE; for the tests Check and clang. Going on." >&2
    exit 0
fi

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)
    case " $missing " in
    *" $package "*) continue ;;
    esac
    echo "$state" | grep -qx installed || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" -eq 0 ]; then
    root=
elif sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    echo "deps: packages are missing. Run: sudo apt-get install$missing" >&2
    exit 1
fi

echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # lists of words
{ $root env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing; } \
    >"$log" 2>&1 || {
    tail -20 "$log" >&2
    echo "deps: failed. Run: sudo apt-get update && sudo apt-get install$missing" >&2
    exit 1
}
