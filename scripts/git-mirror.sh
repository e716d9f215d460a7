# git-mirror.sh: packages from a local mirror; sourced.

# trust_git_mirror: where git's own settings (url.….insteadOf) send a package of
# Package.swift to a folder of another user, an administrator's mirror, git would refuse to
# read it. For the commands that follow, exactly those folders count as safe; the settings
# of the user hold as before. On any other machine this does nothing.
trust_git_mirror() {
    local package place config=$build/gitconfig mirrors=()
    while read -r package; do
        place=$(git ls-remote --get-url "$package")
        case $place in
        /*) mirrors+=("$place" "$place.git") ;;
        esac
    done < <(sed -nE 's/.*\.package\(url: "([^"]+)".*/\1/p' "$root/Package.swift")
    if is_root || [ "${#mirrors[@]}" -eq 0 ]; then
        return 0
    fi
    mkdir -p "$build"
    {
        printf '[include]\n\tpath = %s\n' "${XDG_CONFIG_HOME:-$HOME/.config}/git/config" \
            "${GIT_CONFIG_GLOBAL:-$HOME/.gitconfig}"
        printf '[safe]\n'
        printf '\tdirectory = %s\n' "${mirrors[@]}"
    } >"$config.new"
    mv "$config.new" "$config"
    export GIT_CONFIG_GLOBAL=$config
}
