#!/bin/sh
# SPDX-License-Identifier: MIT
# Links in the documents lead somewhere: a relative link to a file that exists, an anchor to a
# heading of that page (as GitHub makes anchors of headings). Code and scripts that name a page
# of docs/, and pages that name a file of ours in `code`, name one that exists; docs/extending.md
# speaks of files to be made. links.sh [BUILD [FOLDER]]
set -eu
cd "${2:-.}"
pages=$(find . \( -name .git -o -name build \) -prune -o -name '*.md' -print | sed 's|^\./||' | sort)
[ -n "$pages" ] || { echo "links: no page"; exit 1; }
failed=0

# Prints "anchor PAGE NAME" for each heading and "link PAGE LINE TARGET" for each link. Fenced
# blocks and `code` hold neither.
# shellcheck disable=SC2086 # names of pages have no spaces
found=$(awk '
    FNR == 1 { fenced = 0 }
    /^```/ { fenced = !fenced; next }
    fenced || /^    / { next }
    /^#+ / {
        name = tolower($0); sub(/^#+ +/, "", name)
        gsub(/\]\([^)]*\)/, "", name); gsub(/[^a-z0-9 _-]/, "", name); gsub(/ /, "-", name)
        n = seen[FILENAME, name]++
        print "anchor", FILENAME, name (n ? "-" n : "")
    }
    {
        text = $0; gsub(/`[^`]*`/, "", text)
        while (match(text, /\]\([^) ]+\)/)) {
            print "link", FILENAME, FNR, substr(text, RSTART + 2, RLENGTH - 3)
            text = substr(text, RSTART + RLENGTH)
        }
    }' $pages)

wrong=$(echo "$found" | grep '^link' | while read -r _ page line target; do
    case $target in *://* | mailto:*) continue ;; esac
    file=${target%%#*} anchor=
    case $target in *'#'*) anchor=${target#*#} ;; esac
    if [ -z "$file" ]; then file=$page; else file=$(dirname "$page")/$file; fi
    if [ ! -e "$file" ]; then
        echo "links: $page:$line: $target: no such file"
    elif [ -n "$anchor" ]; then
        file=$(realpath --relative-to=. "$file")
        echo "$found" | grep -qxF "anchor $file $anchor" || echo "links: $page:$line: $target: no such heading"
    fi
done)
[ -z "$wrong" ] || { echo "$wrong"; failed=1; }

named=$(grep -rnoIE 'docs/[A-Za-z/_-]+\.md' . --exclude-dir=.git --exclude-dir=build | while IFS=: read -r at line page; do
    [ -e "$page" ] || echo "links: ${at#./}:$line: $page: no such page"
done)
[ -z "$named" ] || { echo "$named"; failed=1; }
# shellcheck disable=SC2016,SC2086 # a backtick is a backtick; names of pages have no spaces
files=$(grep -noHE '`(libjem|examples|tests|include|docs|packaging)/[a-zA-Z0-9_./-]+`' $pages | tr -d '`' |
    while IFS=: read -r page line file; do
        case $page:$file in docs/extending.md:* | *NAME* | *ROOM*) continue ;; esac
        [ -e "$file" ] || echo "links: $page:$line: $file: no such file"
    done)
[ -z "$files" ] || { echo "$files"; failed=1; }
[ $failed -ne 0 ] || echo "links: $(echo "$found" | grep -c '^link') links in $(echo "$pages" | wc -l) pages"
exit $failed
