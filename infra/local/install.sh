#!/usr/bin/env bash
# Install pinned, hash-checked Python packages into the checkout's ignored .local/ folder, once,
# and print the path of their virtual environment.
#
#   infra/local/install.sh [REQUIREMENTS [PYTHON]]      [infra/local/requirements.txt, 3.10 or newer]
#   infra/local/install.sh --missing                    Print what this machine lacks for that, a line for each.
#
# PYTHON is a version like 3.13, for requirements that are pinned for only that version.
# Safe to run concurrently from several processes, and after an interrupted run: an environment is used
# only if its marker file, written last, exists. Each set of pins has a separate environment.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -- "$here/../.." && pwd)

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit 1
}

# Set $python to the first Python of the right version that runs and has venv: a shim on PATH may fail. Without one,
# set $without_venv to the first of the right version, if there is one.
find_python() { # [VERSION]
    local name path found wanted='>= (3, 10)'
    [[ -z ${1:-} ]] || wanted="[:2] == (${1/./, })"
    python='' without_venv=''
    for name in python3 python3.13 python3.12 python3.11 python3.10 python3.14 python \
        "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/${1:-3}".*/bin/python; do
        path=$(command -v "$name") || continue
        found=$("$path" -c "import sys; sys.version_info$wanted or sys.exit(1); print('right'); import venv, ensurepip; print('usable')" \
            2>/dev/null) || true
        [[ -n $found ]] || continue
        [[ $found != *usable ]] || { python=$path && return; }
        without_venv=${without_venv:-$path}
    done
}

# Print what is missing for an installation, with the command that installs it. Needs what find_python has set.
print_missing() { # [VERSION]
    local label=${1:-3.10 or newer}
    if [[ -z $python && -n $without_venv ]]; then
        printf '%s\n' "venv for $without_venv: Debian, Ubuntu: apt-get install python${1:-3}-venv; Fedora: dnf install python${1:-3}-pip; macOS: brew install python${1:+@$1}"
    elif [[ -z $python ]]; then
        printf '%s\n' "Python $label with venv: Debian, Ubuntu: apt-get install python${1:-3} python${1:-3}-venv; Fedora: dnf install python${1:-3}; macOS: brew install python${1:+@$1}"
    fi
    command -v flock >/dev/null ||
        printf '%s\n' 'flock and setsid: Debian, Ubuntu: apt-get install util-linux; Fedora: dnf install util-linux; macOS: brew install util-linux'
}

# Set $python, or fail with what is missing.
check_machine() { # [VERSION]
    local line missing=()
    find_python "${1:-}"
    mapfile -t missing < <(print_missing "${1:-}")
    ((${#missing[@]})) || return 0
    for line in "${missing[@]}"; do printf 'install.sh: missing: %s\n' "$line" >&2; done
    exit 1
}

make_local() {
    if ! mkdir -p -- "$root/.local" 2>/dev/null || [[ ! -w $root/.local ]]; then
        fail "$root/.local cannot be written, into which packages are installed: check its owner, and that the disk is not read-only or full"
    fi
}

is_complete() { # ENVIRONMENT
    # After an update of its Python to another version, an environment runs without its packages.
    [[ -e $1/complete ]] && "$1/bin/python" -c 'import pip' >/dev/null 2>&1
}

# Print why a command failed, from its output, and what to do.
reason() { # LOG
    local why
    if grep -qsiE 'no space left on device|disk quota exceeded' "$1" || [[ ! -s $1 ]]; then
        printf '%s\n' 'the disk is full: free some space, then run this again'
    elif grep -qs 'connection broken by' "$1"; then
        printf '%s\n' "no connection to the package index: check the network, then run this again (log: $1)"
    else
        why=$(grep -m 1 '^ERROR' "$1" || tail -n 1 "$1")
        printf '%s\n' "${why:0:200}: check the network, then run this again (log: $1)"
    fi
}

install_into() { # ENVIRONMENT REQUIREMENTS LOG
    local environment=$1 requirements=$2 log=$3 failed=
    printf 'installing %s (once) ...\n' "${requirements#"$root"/}" >&2
    rm -rf -- "$environment"
    { : >"$log"; } 2>/dev/null || fail "$log cannot be written: check the owner of its folder, and that the disk is not full"
    if ! "$python" -m venv "$environment" >"$log" 2>&1; then
        failed="$python could not make a virtual environment"
    elif ! PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$environment/bin/python" -m pip install \
        --no-input --no-deps --require-hashes --only-binary :all: -r "$requirements" >>"$log" 2>&1; then
        failed="pip could not install ${requirements#"$root"/}"
    fi
    if [[ -n $failed ]]; then
        rm -rf -- "$environment"
        fail "$failed: $(reason "$log")"
    fi
    : >"$environment/complete"
    rm -f -- "$log"
}

main() {
    [[ ${1:-} != --missing ]] || { find_python && print_missing && return; }
    local requirements=${1:-$here/requirements.txt} environment hash
    [[ -r $requirements ]] || fail "$requirements: no such file of requirements"
    hash=$(cksum_of "$requirements")
    environment=$root/.local/venv-$hash
    if ! is_complete "$environment"; then
        check_machine "${2:-}"
        make_local
        exec 9>"$root/.local/venv-$hash.lock"
        flock -n 9 || { printf 'waiting for another installation ...\n' >&2 && flock 9; }
        if ! is_complete "$environment"; then # another process may have installed it meanwhile
            install_into "$environment" "$requirements" "$root/.local/venv-$hash.log" 9>&-
        fi
    fi
    printf '%s\n' "$environment"
}

cksum_of() { # FILE
    { sha256sum -- "$1" 2>/dev/null || shasum -a 256 -- "$1"; } | cut -c 1-16
}

main "$@"
