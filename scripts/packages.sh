# packages.sh: Debian packages, by name; sourced. As root they are installed; an ordinary
# user gets those that can be used from a folder unpacked into the build folder.

# installed NAME: is this package installed?
installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

# available NAME: does apt know this package and have a version of it?
available() {
    [ -n "$(apt-cache show --no-all-versions "$1" 2>/dev/null || true)" ]
}

# refresh_lists: apt-get update, once a run and only as root.
lists_refreshed=
refresh_lists() {
    if [ -z "$lists_refreshed" ] && is_root; then
        run apt-get update -q || true # offline: what apt knows already may do
        lists_refreshed=yes
    fi
}

# install_packages NAME…: installs what is missing of these, or, without the right to,
# names the one command that does and ends with status 1.
install_packages() {
    local name missing=()
    for name in "$@"; do
        installed "$name" || missing+=("$name")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if ! is_root; then
        local command="sudo apt-get install -y ${missing[*]}"
        available "${missing[0]}" || command="sudo apt-get update && $command"
        printf '%s\n' "Missing: ${missing[*]}. This command installs it; then try again:" "    $command" >&2
        exit 1
    fi
    refresh_lists
    DEBIAN_FRONTEND=noninteractive run apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
}

# unpack_packages FOLDER NAME…: unpacks these packages, installed or not, below FOLDER.
# False where apt can't get them.
unpack_packages() {
    local folder=$1 downloads file
    shift
    say "unpacking $* into ${folder#"$root"/}"
    refresh_lists
    mkdir -p "$folder"
    downloads=$(mktemp -d "$build/download.XXXXXX")
    # root's apt hands downloads to a user that may not enter the clone
    if ! (cd "$downloads" && run apt-get -q -o APT::Sandbox::User=root download "$@"); then
        rm -rf "$downloads"
        return 1
    fi
    for file in "$downloads"/*.deb; do
        dpkg-deb -x "$file" "$folder"
    done
    rm -rf "$downloads"
}

# unpack_packages_of SUITE FOLDER NAME…: as unpack_packages, from another suite of Debian's, which the
# system's own lists need not know.
unpack_packages_of() {
    local suite=$1 folder=$2 place=$build/apt-$1
    shift 2
    mkdir -p "$place/lists/partial" "$place/cache/archives/partial"
    cat >"$place/apt.conf" <<END
Dir::Etc::sourcelist "$place/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$place/lists";
Dir::Cache "$place/cache";
APT::Sandbox::User "root";
END
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $suite main" \
        >"$place/sources.list"
    (
        export APT_CONFIG=$place/apt.conf
        run apt-get update -q
        unpack_packages "$folder" "$@"
    )
    rm -rf "$place"
}

# debian_mirror: where the system's own packages come from.
debian_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -1
}
