# python.sh: a private Python environment in .build/venv; sourced.

python_requirements=$root/Tests/live/requirements.txt

venv_python=$build/venv/bin/python

has_python() {
    "$venv_python" -m pip --version >/dev/null 2>&1
}

# borrows_pip: without Debian's python3-venv an environment has no pip of its own; the
# system's pip, where there is one, can put it in.
borrows_pip() {
    python3 -c 'import venv, pip' >/dev/null 2>&1
}

# want_python: adds to wanted what make_python can't do without.
want_python() {
    if ! has_python && ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1 && ! borrows_pip; then
        wanted+=(python3 python3-venv)
    fi
}

# make_python [test]: makes .build/venv if need be; test: with what the live tests need.
make_python() {
    if ! has_python; then
        say "making a Python environment in ${build#"$root"/}/venv"
        rm -rf "$build/venv"
        if python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
            run python3 -m venv "$build/venv"
        else
            run python3 -m venv --without-pip "$build/venv"
            run python3 -m pip --python "$venv_python" install -q --only-binary=:all: pip
        fi
    fi
    if [ "${1:-}" = test ] && ! same_file "$python_requirements" "$build/venv/requirements.txt"; then
        say "installing the Python packages of live tests and lint into ${build#"$root"/}/venv"
        run "$venv_python" -m pip install -q --disable-pip-version-check --only-binary=:all: \
            -r "$python_requirements"
        cp "$python_requirements" "$build/venv/requirements.txt"
    fi
}
