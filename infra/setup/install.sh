# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Installs the programs for a user's shell, and removes them.
#
# A list below the prefix records the installed files: `file SHA256 PATH` for each file, and `folder PATH` for each
# created folder, with paths relative to the prefix. A file that differs from the list belongs to the user,
# whatever its name.

list=share/stentor/installed

# Suffix of a file until it is completely written.
half=.stentor-new

install_programs() {
    local staged files=()
    need_build_tools
    find_prefix
    build_here producer sender monitor xtask
    make_work_folder
    stage_files
    mapfile -t files < <(cd -- "$staged" && find . -type f -printf '%P\n' | sort)
    refuse_foreign "${files[@]}"
    # Until the installation is complete, the list has both old and new files, so that it can be repeated.
    note_files "${files[@]}"
    place_files "${files[@]}"
    forget_old_files "${files[@]}"
    say "installed producer, sender and monitor in $prefix, with completions for bash, zsh and fish and man pages"
    tell_of_shell
}

uninstall_programs() {
    local kept=()
    find_prefix
    if [[ ! -f $prefix/$list ]]; then
        say "nothing of Stentor is installed in $prefix"
        return
    fi
    remove_own_files
    remove_own_folders
    ((${#kept[@]} == 0)) || say "left alone, since they changed after they were installed: ${kept[*]}"
    say "removed Stentor's programs, completions and man pages from $prefix"
}

# Set $prefix to an absolute path.
find_prefix() {
    if [[ -z $prefix ]]; then
        [[ -n ${HOME:-} ]] || fail 'HOME is not set: set the folder with --prefix'
        prefix=$HOME/.local
    fi
    [[ $prefix == /* ]] || prefix=$PWD/$prefix
    [[ $prefix == / ]] || prefix=${prefix%/}
}

# Set $staged to a folder with all files in the layout of the prefix.
stage_files() {
    local program
    staged=$work/staged
    mkdir -p -- "$staged/bin"
    "$target/release/xtask" "$staged" || fail 'the completions and man pages could not be made: see the message above'
    for program in producer sender monitor; do cp -- "$target/release/$program" "$staged/bin/$program"; done
}

# --- Existing files ---------------------------------------------------------------------------

hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; } # FILE

exists() { [[ -e $1 || -L $1 ]]; } # PATH

# Whether a file below the prefix is unchanged since its installation.
is_own() { # PATH
    [[ -f $prefix/$1 && ! -L $prefix/$1 && -f $prefix/$list ]] &&
        grep -qxF -- "file $(hash_of "$prefix/$1") $1" "$prefix/$list"
}

# Fail before any change if a file would be overwritten that is not Stentor's.
refuse_foreign() { # PATHS...
    local path foreign=()
    for path; do
        [[ ! -d $prefix/$path ]] || fail "$prefix/$path is a folder: move it away, or choose another --prefix"
        [[ -n $force ]] || ! exists "$prefix/$path" || is_own "$path" || foreign+=("$path")
    done
    ((${#foreign[@]} == 0)) ||
        fail "not Stentor's own, and left as they are, in $prefix: ${foreign[*]} (--force overwrites them, --prefix goes elsewhere)"
}

# --- Install --------------------------------------------------------------------------------------

# Add files and their missing folders to the list.
note_files() { # PATHS...
    local path folder
    make_folder "$prefix/$(dirname -- "$list")"
    for path; do
        make_folder "$(dirname -- "$prefix/$path")"
        printf 'file %s %s\n' "$(hash_of "$staged/$path")" "$path" >>"$prefix/$list" || fail "$prefix/$list cannot be written"
    done
}

# Create a folder and its missing parents, and add each to the list.
make_folder() { # FOLDER
    local folder=$1 made=()
    while [[ ! -d $folder ]]; do
        made=("$folder" "${made[@]}")
        folder=$(dirname -- "$folder")
    done
    ((${#made[@]})) || return 0
    mkdir -p -- "$1" || fail "$1 cannot be made: choose another --prefix"
    for folder in "${made[@]}"; do
        # The prefix itself is `.`; an uninstallation does not remove folders above it.
        case $folder in
            "$prefix") printf 'folder .\n' ;;
            "$prefix"/*) printf 'folder %s\n' "${folder#"$prefix"/}" ;;
        esac
    done >>"$prefix/$list"
}

# Each file is replaced atomically, and a running program continues.
place_files() { # PATHS...
    local path mode
    for path; do
        mode=644
        [[ $path != bin/* ]] || mode=755
        if ! install -m "$mode" -- "$staged/$path" "$prefix/$path$half" || ! mv -fT -- "$prefix/$path$half" "$prefix/$path"; then
            fail "$prefix/$path cannot be written"
        fi
    done
}

# Remove the files of an earlier installation that this one does not have, also from the list.
forget_old_files() { # PATHS...
    local path kind hash
    while read -r kind hash path; do
        [[ $kind == file ]] || continue
        [[ -e $staged/$path ]] || ! is_own "$path" || rm -f -- "$prefix/$path"
    done <"$prefix/$list"
    {
        grep '^folder ' "$prefix/$list" | sort -u || true
        for path; do printf 'file %s %s\n' "$(hash_of "$prefix/$path")" "$path"; done
    } >"$work/list"
    mv -f -- "$work/list" "$prefix/$list"
}

# --- Uninstall ------------------------------------------------------------------------------------

remove_own_files() {
    local path kind hash
    while read -r kind hash path; do
        [[ $kind == file ]] || continue
        rm -f -- "$prefix/$path$half"
        if is_own "$path"; then
            rm -f -- "$prefix/$path"
        elif exists "$prefix/$path"; then
            kept+=("$path")
        fi
    done <"$prefix/$list"
}

# Remove the created folders, deepest first, unless they contain other files.
remove_own_folders() {
    local folders=() folder
    mapfile -t folders < <(sed -n 's/^folder //p' "$prefix/$list" | sort -ur)
    rm -f -- "$prefix/$list"
    for folder in "${folders[@]}"; do
        [[ $folder == . ]] || rmdir -- "$prefix/$folder" 2>/dev/null || true
    done
    [[ " ${folders[*]} " != *' . '* ]] || rmdir -- "$prefix" 2>/dev/null || true
}

# --- Hints for the user ---------------------------------------------------------------------------

tell_of_shell() {
    local name found data=${XDG_DATA_HOME:-${HOME:-}/.local/share}:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}
    if ! is_among "$prefix/bin" "$PATH"; then
        say 'Your shell does not look there yet. Add to your ~/.profile (or ~/.zshenv):'
        say "  export PATH=$(quoted "$prefix/bin"):\$PATH"
    else
        for name in producer sender monitor; do
            found=$(type -P "$name") || continue
            [[ $found -ef $prefix/bin/$name ]] || say "note: \`$name\` is still $found, which comes first on your PATH"
        done
    fi
    is_among "$prefix/share" "$data" || {
        say 'For completions in bash and fish, add:'
        say "  export XDG_DATA_DIRS=$(quoted "$prefix/share"):\${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"
    }
    zsh_looks_there || {
        say 'For completions in zsh, add to your ~/.zshrc, above compinit:'
        say "  fpath=($(quoted "$prefix/share/zsh/site-functions") \$fpath)"
    }
}

is_among() { [[ :$2: == *":$1:"* || :$2: == *":$1/:"* ]]; } # FOLDER LIST

quoted() { printf '%q' "$1"; } # TEXT

# Whether zsh is unused, or finds completions below the prefix. The user's interactive settings are not run.
zsh_looks_there() {
    local folder=$prefix/share/zsh/site-functions settings=${ZDOTDIR:-${HOME:-}}/.zshrc
    command -v zsh >/dev/null || return 0
    is_among "$folder" "$(zsh -c 'print -r -- $FPATH' </dev/null 2>/dev/null)" ||
        grep -qsE -- 'share/zsh/site-functions' "$settings"
}
