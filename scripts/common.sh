# common.sh: what every script here starts from; sourced, never run.
#
# Sets: root (the clone), build (its git-ignored build folder), pg_major (the PostgreSQL this builds
# for: PG_MAJOR, or PG_CONFIG's, or 16), out (the finished files, a folder for each major version).

set -euo pipefail
umask 022
unset CDPATH

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$root/.build
pg_major=${PG_MAJOR:-}
if [ -z "$pg_major" ] && [ -n "${PG_CONFIG:-}" ]; then
    pg_major=$("$PG_CONFIG" --version 2>/dev/null | sed -E 's/^PostgreSQL ([0-9]+).*/\1/') || true
fi
pg_major=${pg_major:-16}
out=${CARPOOL_OUT:-$build/out-$pg_major}

# say TEXT…: a step, as it happens. On stderr: stdout belongs to results.
say() {
    printf '==> %s\n' "$*" >&2
}

# die TEXT…: says why and ends with status 1.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

case $pg_major in
15 | 16 | 17 | 18) ;;
*) die "there is no pg_carpool for PostgreSQL $pg_major: it is for 15, 16, 17 and 18" ;;
esac

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
