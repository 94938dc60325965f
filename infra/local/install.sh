#!/usr/bin/env bash
# Install pinned, hash-checked Python packages into the checkout's ignored .local/ folder, once,
# and print the path of their virtual environment.
#
#   infra/local/install.sh [REQUIREMENTS [PYTHON]]      [infra/local/requirements.txt, 3.10 or newer]
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

# Print the first Python of the right version that runs: a shim on PATH may fail.
find_python() { # [VERSION]
    local name path wanted='>= (3, 10)' label='3.10 or newer' package=python3
    [[ -z ${1:-} ]] || wanted="[:2] == (${1/./, })" label=$1 package=python$1
    for name in python3 python3.13 python3.12 python3.11 python3.10 python3.14 python \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/${1:-3}".*/bin/python; do
        path=$(command -v "$name") || continue
        if "$path" -c "import sys; sys.exit(not sys.version_info$wanted)" >/dev/null 2>&1; then
            printf '%s\n' "$path"
            return
        fi
    done
    fail "Python $label is missing: install it (Debian, Ubuntu: apt-get install $package $package-venv) and run this again"
}

is_complete() { # ENVIRONMENT
    [[ -e $1/complete ]] && "$1/bin/python" -c '' >/dev/null 2>&1
}

install_into() { # ENVIRONMENT REQUIREMENTS LOG [PYTHON]
    local environment=$1 requirements=$2 log=$3 python why
    python=$(find_python "${4:-}")
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        fail "$python has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv) and run this again"
    printf 'installing %s (once) ...\n' "${requirements#"$root"/}" >&2
    rm -rf -- "$environment"
    "$python" -m venv "$environment" >"$log" 2>&1 ||
        fail "$python could not make a virtual environment: see $log"
    if ! PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$environment/bin/python" -m pip install \
        --no-input --no-deps --require-hashes --only-binary :all: -r "$requirements" >>"$log" 2>&1; then
        why=$(grep -m 1 '^ERROR' "$log" || tail -n 1 "$log")
        fail "pip could not install ${requirements#"$root"/} (${why:0:200}): check the network, then run this again (log: $log)"
    fi
    : >"$environment/complete"
    rm -f -- "$log"
}

main() {
    local requirements=${1:-$here/requirements.txt} environment hash
    [[ -r $requirements ]] || fail "$requirements: no such file of requirements"
    command -v flock >/dev/null || fail 'flock is missing: install util-linux (Debian, Ubuntu: apt-get install util-linux) and run this again'
    hash=$(cksum_of "$requirements")
    environment=$root/.local/venv-$hash
    if ! is_complete "$environment"; then
        mkdir -p -- "$root/.local"
        exec 9>"$root/.local/venv-$hash.lock"
        flock -n 9 || { printf 'waiting for another installation ...\n' >&2 && flock 9; }
        if ! is_complete "$environment"; then # another process may have installed it meanwhile
            install_into "$environment" "$requirements" "$root/.local/venv-$hash.log" "${2:-}" 9>&-
        fi
    fi
    printf '%s\n' "$environment"
}

cksum_of() { # FILE
    { sha256sum -- "$1" 2>/dev/null || shasum -a 256 -- "$1"; } | cut -c 1-16
}

main "$@"
