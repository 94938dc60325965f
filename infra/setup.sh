#!/usr/bin/env bash
# Stentor's infrastructure: AWS, the local emulator, the demo, and the user's shell. See --help.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=infra/local/loopback.sh
source "$root/infra/local/loopback.sh"
# shellcheck source=infra/setup/common.sh
source "$root/infra/setup/common.sh"
# shellcheck source=infra/setup/prerequisites.sh
source "$root/infra/setup/prerequisites.sh"
# shellcheck source=infra/setup/function.sh
source "$root/infra/setup/function.sh"
# shellcheck source=infra/setup/stack.sh
source "$root/infra/setup/stack.sh"
# shellcheck source=infra/setup/emulator.sh
source "$root/infra/setup/emulator.sh"
# shellcheck source=infra/setup/demo.sh
source "$root/infra/setup/demo.sh"
# shellcheck source=infra/setup/install.sh
source "$root/infra/setup/install.sh"

usage() {
    cat <<'USAGE'
Usage: infra/setup.sh COMMAND [OPTIONS]

On this machine (needs Rust, Python 3.10 or newer with venv, and a C compiler):
  demo [--backend B] [PRODUCER ARGUMENTS]
                              Run a complete rehearsal on a separate emulator: build, deploy,
                              produce [-m 1000 -l 100], deliver with four senders, watch, audit,
                              stop everything. For example: demo -m 5000
  local [--backend B] [--port P] [--stack NAME]
                              Start the emulator in the background (or find it running), deploy to
                              it, and print how to use it. Port 0 takes a free one.
  function                    Build the function for Lambda's containers on this machine, and print
                              its path.
  status                      List the running emulators that `local` has started.
  stop [--port P | --all]     Stop one of them, or all. Succeeds if none is running.
  install [--prefix DIR] [--force]
                              Build producer, sender and monitor, and install them with completions (bash,
                              zsh, fish) and man pages below DIR, which is PREFIX, else ~/.local. Prints
                              what to add to PATH. Overwrites a file that it did not install only with
                              --force.
  uninstall [--prefix DIR]    Remove what install has installed, and nothing else.

On AWS, or on what AWS_ENDPOINT_URL names (with the usual AWS credentials):
  deploy [--stack NAME] [--region R] [--parameter KEY=VALUE]...
                              Build the function, create or update the stack, and print how to use it.
                              Parameters are those of infra/template.yaml; an update keeps those that
                              are not given.
  destroy [--stack NAME] [--region R] [--yes]
                              Delete the stack with all messages and counts, after confirmation.

  --help                      This text.

B is ministack (light, from PyPI) or localstack (its image where a Docker engine answers, else from
PyPI; that needs Python 3.13 and Java 17 or newer).
Defaults: B is STENTOR_BACKEND, else ministack; NAME is stentor; P is STENTOR_PORT, else 4566; R is
AWS_REGION, AWS_DEFAULT_REGION or the profile's. CARGO_TARGET_DIR is the build folder. The tools are
installed into the ignored folder .local/.
Exit status: 0 success, 1 failure, 2 usage error, 129, 130 and 143 after SIGHUP, SIGINT and SIGTERM.
USAGE
}

# Variables that the options set; each command accepts some of the options.
stack=stentor
port=${STENTOR_PORT:-4566}
backend=${STENTOR_BACKEND:-ministack}
region=
prefix=${PREFIX:-}
assume_yes=
all=
force=
overrides=()

# Parse the options of a command; the first argument lists the accepted ones: parse '--stack --region' "$@"
parse() {
    local known=" $1 "
    shift
    while (($#)); do
        case $1 in
            -h | --help) usage && exit 0 ;;
            --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
        esac
        [[ $known == *" $1 "* ]] || wrong_usage "$1: $command does not take this"
        case $1 in
            --yes) assume_yes=1 && shift && continue ;;
            --all) all=1 && shift && continue ;;
            --force) force=1 && shift && continue ;;
        esac
        (($# > 1)) || wrong_usage "$1: a value is missing"
        case $1 in
            --stack) stack=$2 && check_stack_name ;;
            --port) port=$2 ;;
            --backend) backend=$2 ;;
            --region) region=$2 && check_region ;;
            --prefix) prefix=$2 && check_prefix ;;
            --parameter) overrides+=("$2") && check_override "$2" ;;
        esac
        shift 2
    done
    [[ $known != *' --port '* ]] || check_port
    [[ $known != *' --backend '* ]] || check_backend
}

check_backend() {
    [[ $backend == ministack || $backend == localstack ]] ||
        wrong_usage "--backend $backend: there are ministack and localstack"
}

check_stack_name() {
    [[ $stack =~ ^[a-z][a-z0-9-]{0,29}$ && $stack != *- ]] ||
        wrong_usage "--stack $stack: a name has up to 30 of a-z, 0-9 and -, begins with a letter and does not end in -"
}

check_region() {
    [[ $region =~ ^[a-z]{2}[a-z0-9-]+-[0-9]+$ ]] || wrong_usage "--region $region: a region is a name like eu-central-1"
}

check_prefix() {
    [[ -n $prefix && $prefix != *$'\n'* ]] || wrong_usage '--prefix: a folder is missing'
}

check_port() {
    if ! [[ $port =~ ^[0-9]{1,5}$ ]] || ((10#$port > 65535)); then
        wrong_usage "--port $port: a port is a number from 0 to 65535"
    fi
    port=$((10#$port))
}

main() {
    command=${1:-}
    (($#)) && shift
    case $command in
        deploy) parse '--stack --region --parameter' "$@" && deploy ;;
        destroy) parse '--stack --region --yes' "$@" && destroy ;;
        local) parse '--stack --port --backend' "$@" && start_local ;;
        function) parse '' "$@" && print_function ;;
        status) parse '' "$@" && show_status ;;
        stop) parse '--port --all' "$@" && stop_emulators ;;
        install) parse '--prefix --force' "$@" && install_programs ;;
        uninstall) parse '--prefix' "$@" && uninstall_programs ;;
        demo) demo "$@" ;;
        -h | --help | help) usage ;;
        '') wrong_usage 'a command is missing' ;;
        *) wrong_usage "$command: no such command" ;;
    esac
}

main "$@"
