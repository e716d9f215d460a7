# common.sh: what every script here starts from; sourced, never run.
#
# Sets: root (the clone), build (its git-ignored build folder), out (the finished files),
# pg_major (the PostgreSQL this builds for).

set -euo pipefail
umask 022
unset CDPATH

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$root/.build
out=${CARPOOL_OUT:-$build/out}
pg_major=16

# say TEXT…: a step, as it happens. On stderr: stdout belongs to results.
say() {
    printf '==> %s\n' "$*" >&2
}

# die TEXT…: says why and ends with status 1.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

# run COMMAND…: shows the command, then runs it; what it prints goes to stderr.
run() {
    printf '  $ %s\n' "$*" >&2
    "$@" >&2
}

# same_file A B: both exist with the same bytes.
same_file() {
    [ -f "$1" ] && [ -f "$2" ] && cmp -s "$1" "$2"
}

# replace_file MODE SOURCE TARGET: by rename, so that whoever has the old file mapped or
# open keeps it whole. Leaves an equal file alone.
replace_file() {
    local mode=$1 source=$2 target=$3 fresh
    if same_file "$source" "$target"; then
        return 0
    fi
    fresh=$(mktemp "$target.XXXXXX")
    cp "$source" "$fresh"
    chmod "$mode" "$fresh"
    mv -f "$fresh" "$target"
}
