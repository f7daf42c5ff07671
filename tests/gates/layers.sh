#!/bin/sh
# SPDX-License-Identifier: MIT
# Arrows only point down, in libjem/ and in examples/: a room includes itself and rooms to its
# left in its list. No folder has more than 24 files, no two files of the library one name.
set -eu
library="core backend data nets eval io energy train api"
kit="base cli formats images data stats draw attack features lab"
most=24
failed=0

includes() { grep -rnE '^[[:space:]]*#[[:space:]]*include' "$@" --include='*.[ch]' | sort; }

includes libjem | awk -v rooms="$library" '
    BEGIN { n = split(rooms, list, " "); for (i = 1; i <= n; i++) level[list[i]] = i }
    function bad(text) { print "layers: " where ": " text; failed = 1 }
    {
        split($0, at, ":"); where = at[1] ":" at[2]
        split(at[1], dir, "/"); room = dir[2]
        if (!(room in level)) bad("unknown room " room)

        if (match($0, /<[^>]+>/)) {
            header = substr($0, RSTART + 1, RLENGTH - 2)
            if (header ~ /^blis/ && blis != "" && blis != at[1])
                bad("<" header "> belongs in one file, and " blis " has it")
            if (header ~ /^blis/) blis = at[1]
            if (header ~ /^jansson/) bad("<" header ">: libjem reads JSON itself, io/json.h")
            next
        }
        match($0, /"[^"]+"/); header = substr($0, RSTART + 1, RLENGTH - 2)
        parts = split(header, to, "/")
        if (!(to[1] in level)) bad("\"" header "\": write \"room/name.h\"; rooms are " rooms)
        else if (level[to[1]] > level[room]) bad("includes " header ", which lies above " room)
        else if (to[1] == "backend" && parts >= 3 && index(at[1], "libjem/backend/" to[2] "/") != 1)
            bad("includes " header "; outside that backend only backend/backend.h is known")
    }
    END { exit failed }' || failed=1

# Lessons use the library alone; programs the kit, the library and files of their own folder; the
# kit only what lies below. jem-bench times the inside of the library.
includes examples | awk -v rooms="$kit" '
    BEGIN { n = split(rooms, list, " "); for (i = 1; i <= n; i++) level[list[i]] = i }
    function bad(text) { print "layers: " where ": " text; failed = 1 }
    {
        split($0, at, ":"); where = at[1] ":" at[2]
        parts = split(at[1], dir, "/")
        if (dir[2] == "kit" && !(dir[3] in level)) bad("unknown room " dir[3])
        if (!match($0, /"[^"]+"/)) next
        header = substr($0, RSTART + 1, RLENGTH - 2); split(header, to, "/")
        if (dir[2] == "lessons") bad("a lesson includes " header)
        else if (dir[2] == "kit" && (to[1] != "kit" || !(to[2] in level)))
            bad("\"" header "\": write \"kit/room/name.h\"; rooms are " rooms)
        else if (dir[2] == "kit" && level[to[2]] > level[dir[3]])
            bad("includes " header ", which lies above " dir[3])
        else if (dir[2] != "kit" && to[1] != "kit" && index(header, "/") && dir[3] != "jem-bench")
            bad("\"" header "\": a program includes the kit and its own folder")
    }
    END { exit failed }' || failed=1

full=$(find libjem examples -type d | while read -r dir; do
    n=$(find "$dir" -maxdepth 1 -type f | wc -l)
    [ "$n" -le $most ] || echo "layers: $dir has $n files, at most $most"
done)
[ -z "$full" ] || { echo "$full"; failed=1; }

twice=$(find libjem -name '*.[ch]' -exec basename {} \; | sort | uniq -d)
[ -z "$twice" ] || { echo "layers: file names that stand twice: $twice"; failed=1; }
exit $failed
