#!/bin/sh
# SPDX-License-Identifier: MIT
# Arrows only point down: a room includes itself and rooms to its left in this list.
set -eu
rooms="core backend data nets eval io energy train api"

grep -rnE '^[[:space:]]*#[[:space:]]*include' libjem --include='*.[ch]' | sort |
    awk -v rooms="$rooms" '
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
            if (header ~ /^jansson/ && room != "io") bad("<" header "> belongs in io/")
            next
        }
        match($0, /"[^"]+"/); header = substr($0, RSTART + 1, RLENGTH - 2)
        parts = split(header, to, "/")
        if (!(to[1] in level)) bad("\"" header "\": write \"room/name.h\"; rooms are " rooms)
        else if (level[to[1]] > level[room]) bad("includes " header ", which lies above " room)
        else if (to[1] == "backend" && parts == 3 && index(at[1], "libjem/backend/" to[2] "/") != 1)
            bad("includes " header "; outside that backend only backend/backend.h is known")
    }
    END { exit failed }'
