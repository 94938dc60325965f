# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Shared by all commands: messages, prerequisites, folders and cleanup.

# The folder for all files except cargo's.
state=$root/.local

# Progress goes to stderr; stdout is for results.
say() { printf '%s\n' "$*" >&2; }

fail() {
    say "setup.sh: $*"
    exit 1
}

wrong_usage() {
    say "setup.sh: $*"
    say 'infra/setup.sh --help shows the commands and their options.'
    exit 2
}

need() { # COMMAND WHAT-TO-DO
    command -v "$1" >/dev/null || fail "$1 is missing: $2, then run this again"
}

# Install the packages for local deployments (once), and set $venv to their folder.
install_tools() {
    [[ -z ${venv:-} ]] || return 0
    venv=$("$root/infra/local/install.sh") || exit 1
}

# Create a temporary folder, which is removed at the exit.
make_work_folder() {
    [[ -z ${work:-} ]] || return 0
    if ! mkdir -p -- "$state" 2>/dev/null || [[ ! -w $state ]]; then
        fail "$state cannot be written: check its owner, and that the disk is not read-only or full"
    fi
    # Remove the folders of killed runs. Another run may remove its own in the meantime.
    find "$state" -maxdepth 1 -name 'work.*' -mtime +0 -exec rm -rf -- {} + 2>/dev/null || true
    work=$(mktemp -d "$state/work.XXXXXX") || fail "$state cannot hold temporary files"
}

# --- Exit -------------------------------------------------------------------------------------
# Every exit of this script - success, failure, Ctrl-C, SIGTERM - runs `leave`, which calls the functions
# registered with `at_end`, newest first.

cleanups=()
child= # process group that `run` waits for

at_end() { cleanups+=("$1"); } # FUNCTION

leave() {
    local status=$? i
    trap - EXIT
    trap '' INT TERM HUP
    set +e
    [[ -z $child ]] || end_group "$child"
    for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do "${cleanups[i]}"; done
    [[ -z ${work:-} ]] || rm -rf -- "$work"
    exit "$status"
}

trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# Start a command as a new process group, so that a Ctrl-C in the terminal reaches only this script, which
# then ends the group. Its ID is in $group afterwards.
start_group() { # COMMAND...
    set -m
    "$@" </dev/null 8>&- & # 8 is the pipe to the demo's emulator
    group=$!
    set +m
}

# Start a command that runs `setsid`, so that closing the terminal ends only this script, which then ends the command's
# process group. Its ID is in $group afterwards.
start_session() { # COMMAND...
    "$@" </dev/null 8>&- &
    group=$!
}

# Run a command and wait for it; unlike a plain call this can be interrupted immediately.
run() { # COMMAND...
    local status=0
    start_group "$@"
    child=$group
    wait "$child" || status=$?
    child=
    return "$status"
}

is_alive() { kill -0 "$1" 2>/dev/null; } # PROCESS

end_group() { # PROCESS-GROUP
    local deadline=$((SECONDS + 5))
    # A session becomes a group once its `setsid` has run. Another process that was given its ID may never lead a group.
    until kill -TERM -- "-$1" 2>/dev/null; do
        is_alive "$1" || return 0
        ((SECONDS < deadline)) || return 0
        sleep 0.01
    done
    wait_until_gone "$1" 10 || kill -KILL -- "-$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
    return 0
}

wait_until_gone() { # PROCESS SECONDS
    local deadline=$((SECONDS + $2))
    while is_alive "$1"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}
