#!/usr/bin/env bash
# Stentor's infrastructure: AWS, the local emulator, the demo, and the user's shell. See --help.
set -euo pipefail

((BASH_VERSINFO[0] >= 4)) || {
    echo 'setup.sh: Bash 4 or newer is missing; on macOS: brew install bash' >&2
    exit 1
}

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=infra/local/loopback.sh
source "$root/infra/local/loopback.sh"
# shellcheck source=infra/setup/common.sh
source "$root/infra/setup/common.sh"
# shellcheck source=infra/setup/options.sh
source "$root/infra/setup/options.sh"
# shellcheck source=infra/setup/prerequisites.sh
source "$root/infra/setup/prerequisites.sh"
# shellcheck source=infra/setup/function.sh
source "$root/infra/setup/function.sh"
# shellcheck source=infra/setup/cloud.sh
source "$root/infra/setup/cloud.sh"
# shellcheck source=infra/setup/parameters.sh
source "$root/infra/setup/parameters.sh"
# shellcheck source=infra/setup/stack.sh
source "$root/infra/setup/stack.sh"
# shellcheck source=infra/setup/deploy.sh
source "$root/infra/setup/deploy.sh"
# shellcheck source=infra/setup/probe.sh
source "$root/infra/setup/probe.sh"
# shellcheck source=infra/setup/destroy.sh
source "$root/infra/setup/destroy.sh"
# shellcheck source=infra/setup/status.sh
source "$root/infra/setup/status.sh"
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
  deploy [--stack NAME] [--region R] [OPTIONS]
                              Build the function, create, update or repair the stack, wait until outcomes
                              are counted, and print how to use it. An update keeps the settings that are not given:
      --parameter KEY=VALUE   Set a parameter of infra/template.yaml; repeatable.
      --tags KEY=VALUE        Tag all resources of the stack; repeatable.
      --role-arn ARN          Role that CloudFormation assumes for this and later changes.
      --permissions-boundary ARN
                              Limit the function's role by this managed policy.
      --kms-key ARN           Encrypt tables and queues with this key of the stack's region. KMS charges
                              $1 a month for the key and $0.03 per 10,000 requests.
      --alarm-email ADDRESS   Notify this address of alarms, after it has confirmed a message of SNS.
      --no-alarms             Leave out the alarms and the dashboard.
      --warm-throughput N     Prepare the messages table for N writes a second, 4000 to 999999: charged
                              once, about $0.65 per 1,000 above 4,000. It can only be raised.
      --no-wait               Do not wait until outcomes are counted.
  status --stack NAME [--region R]
                              Report each resource of the stack, the mapping, alarms and dead letters. Exit
                              status 1 if something is missing, disabled or failing.
  destroy [--stack NAME] [--region R] [--yes]
                              List what is deleted, ask for confirmation, and delete it: the stack with all messages
                              and counts, its log and its code bucket.

  --help                      This text.

B is ministack (light, from PyPI) or localstack (its image where a Docker engine answers, else from
PyPI; that needs Python 3.13 and Java 17 or newer).
Defaults: B is STENTOR_BACKEND, else ministack; NAME is stentor; P is STENTOR_PORT, else 4566; R is
AWS_REGION, AWS_DEFAULT_REGION or the profile's. CARGO_TARGET_DIR is the build folder. The tools are
installed into the ignored folder .local/.
Exit status: 0 success, 1 failure, 2 usage error, 129, 130 and 143 after SIGHUP, SIGINT and SIGTERM.
USAGE
}

deploy_options='--stack --region --parameter --tags --role-arn --permissions-boundary --kms-key --alarm-email'
deploy_options+=' --no-alarms --warm-throughput --no-wait'

# With a stack or a region this reports a stack, else the emulators.
show_any_status() {
    if [[ -n $stack_named || -n $region ]]; then show_stack_status; else show_status; fi
}

main() {
    command=${1:-}
    (($#)) && shift
    case $command in
        deploy) parse "$deploy_options" "$@" && deploy ;;
        destroy) parse '--stack --region --yes' "$@" && destroy ;;
        local) parse '--stack --port --backend' "$@" && start_local ;;
        function) parse '' "$@" && print_function ;;
        status) parse '--stack --region' "$@" && show_any_status ;;
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
