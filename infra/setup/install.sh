# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Installing the programs for a user's shell, and taking them away again.
#
# A list below the prefix says what is Stentor's own there: `file SHA256 PATH` for each file as it was put there, and
# `folder PATH` for each folder that was made for them, paths below the prefix. A file that is not as in the list is
# somebody else's, whatever its name.

list=share/stentor/installed

# What the name of a file ends in until all of it is there.
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
    # Until all is there, both what was and what will be are Stentor's: an interrupted installation goes on later.
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
    say "took Stentor's programs, completions and man pages out of $prefix"
}

# Set $prefix to an absolute path.
find_prefix() {
    if [[ -z $prefix ]]; then
        [[ -n ${HOME:-} ]] || fail 'HOME is not set: say where to with --prefix'
        prefix=$HOME/.local
    fi
    [[ $prefix == /* ]] || prefix=$PWD/$prefix
    [[ $prefix == / ]] || prefix=${prefix%/}
}

# Set $staged to a folder with all files as they are to lie below the prefix.
stage_files() {
    local program
    staged=$work/staged
    mkdir -p -- "$staged/bin"
    "$target/release/xtask" "$staged" || fail 'the completions and man pages could not be made: see the message above'
    for program in producer sender monitor; do cp -- "$target/release/$program" "$staged/bin/$program"; done
}

# --- What is there ----------------------------------------------------------------------------

hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; } # FILE

exists() { [[ -e $1 || -L $1 ]]; } # PATH

# Whether a file below the prefix is as it was put there.
is_own() { # PATH
    [[ -f $prefix/$1 && ! -L $prefix/$1 && -f $prefix/$list ]] &&
        grep -qxF -- "file $(hash_of "$prefix/$1") $1" "$prefix/$list"
}

# Fail where a file would be overwritten that is not Stentor's, before anything is changed.
refuse_foreign() { # PATHS...
    local path foreign=()
    for path; do
        [[ ! -d $prefix/$path ]] || fail "$prefix/$path is a folder: move it away, or choose another --prefix"
        [[ -n $force ]] || ! exists "$prefix/$path" || is_own "$path" || foreign+=("$path")
    done
    ((${#foreign[@]} == 0)) ||
        fail "not Stentor's own, and left as they are, in $prefix: ${foreign[*]} (--force overwrites them, --prefix goes elsewhere)"
}

# --- Putting them there -------------------------------------------------------------------------

# Add files, and the folders that they need and that are not there, to the list.
note_files() { # PATHS...
    local path folder
    make_folder "$prefix/$(dirname -- "$list")"
    for path; do
        make_folder "$(dirname -- "$prefix/$path")"
        printf 'file %s %s\n' "$(hash_of "$staged/$path")" "$path" >>"$prefix/$list" || fail "$prefix/$list cannot be written"
    done
}

# Make a folder and those above it, each noted in the list.
make_folder() { # FOLDER
    local folder=$1 made=()
    while [[ ! -d $folder ]]; do
        made=("$folder" "${made[@]}")
        folder=$(dirname -- "$folder")
    done
    ((${#made[@]})) || return 0
    mkdir -p -- "$1" || fail "$1 cannot be made: choose another --prefix"
    for folder in "${made[@]}"; do
        # The prefix itself is `.`; what lies above it is no business of an uninstallation.
        case $folder in
            "$prefix") printf 'folder .\n' ;;
            "$prefix"/*) printf 'folder %s\n' "${folder#"$prefix"/}" ;;
        esac
    done >>"$prefix/$list"
}

# Each file is there as a whole or not at all, and a program that runs goes on running.
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

# Remove what an earlier installation put there and this one does not have, and leave it out of the list.
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

# --- Taking them away ---------------------------------------------------------------------------

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

# The folders that were made for the files go, deepest first, where nothing else has come into them.
remove_own_folders() {
    local folders=() folder
    mapfile -t folders < <(sed -n 's/^folder //p' "$prefix/$list" | sort -ur)
    rm -f -- "$prefix/$list"
    for folder in "${folders[@]}"; do
        [[ $folder == . ]] || rmdir -- "$prefix/$folder" 2>/dev/null || true
    done
    [[ " ${folders[*]} " != *' . '* ]] || rmdir -- "$prefix" 2>/dev/null || true
}

# --- What is left to the user -------------------------------------------------------------------

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

# Whether zsh finds completions below the prefix, as far as can be told without running the user's interactive settings,
# or nobody uses it here.
zsh_looks_there() {
    local folder=$prefix/share/zsh/site-functions settings=${ZDOTDIR:-${HOME:-}}/.zshrc
    command -v zsh >/dev/null || return 0
    is_among "$folder" "$(zsh -c 'print -r -- $FPATH' </dev/null 2>/dev/null)" ||
        grep -qsE -- 'share/zsh/site-functions' "$settings"
}
