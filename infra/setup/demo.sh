# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# The demo: a complete rehearsal on a separate emulator, from deployment to audit.

demo_senders=4
demo_sender_flags=(-w 0.05 -f 0.1 -c 8)
# DynamoDB is slow in LocalStack, so there are fewer messages for about the same duration.
demo_messages_ministack=1000
demo_messages_localstack=200
senders=() # process groups
launcher=  # command that starts a program

demo() { # [--backend BACKEND] PRODUCER ARGUMENTS...
    local messages
    case ${1:-} in
        -h | --help) usage && return ;;
        --backend=*) set -- --backend "${1#*=}" "${@:2}" ;;&
        --backend | --backend=*)
            (($# > 1)) || wrong_usage '--backend: a value is missing'
            backend=$2
            shift 2
            ;;
    esac
    check_backend
    messages=demo_messages_$backend
    (($#)) || set -- -m "${!messages}" -l 100
    need_build_tools
    make_work_folder
    prepare_emulator
    install_tools
    start_demo_emulator
    use_emulator
    prepare_cloud
    deploy_stack "$bootstrap" "$(architecture_here)" true
    use_demo_programs
    program producer "$@"
    start_senders
    watch
    end_senders
    program monitor audit
}

# Start an emulator on a free port that exits when a pipe from this script is closed. So the emulator and its
# functions end with the script, even after SIGKILL.
start_demo_emulator() {
    port=0
    say "starting $backend ..."
    mkfifo "$work/stdin"
    set -m
    "$root/infra/local/emulator.sh" --backend "$backend" --port 0 --until-stdin-closes \
        <"$work/stdin" >"$work/ready" 2>"$work/log" &
    emulator=$!
    set +m
    at_end end_demo_emulator
    exec 8>"$work/stdin"
    wait_until_ready "$emulator"
}

end_demo_emulator() {
    exec 8>&-
    wait_until_gone "$emulator" 5 || end_group "$emulator"
    drop_logs
}

# The programs get only these two variables for the emulator, and none of the user's settings.
use_demo_programs() {
    local name
    for name in "${!STENTOR_@}"; do unset "$name"; done
    export STENTOR_LOCAL=1 STENTOR_PORT=$port
}

# Run one of the programs; if it fails, the demo exits with its status.
program() { # NAME ARGUMENTS...
    local name=$1 status=0
    shift
    say "$name $*"
    run program_of_demo "$name" "$@" || status=$?
    ((status == 0)) || stop_demo "$name $*" "$status"
}

# Exec one of the programs. If the system supports it, the program is killed with this script: the emulator
# is gone then, so there are no messages to release.
program_of_demo() { # NAME ARGUMENTS...
    local words=("$programs/$1" "${@:2}")
    ! command -v setpriv >/dev/null || words=(setpriv --pdeathsig KILL -- "${words[@]}")
    exec ${launcher:+"$launcher"} "${words[@]}"
}

stop_demo() { # WHAT STATUS
    say "setup.sh: the demo ends because \`$1\` ended with status $2"
    exit "$2"
}

start_senders() {
    local number
    say "sender ${demo_sender_flags[*]} (four of them)"
    at_end end_senders
    for ((number = 1; number <= demo_senders; number++)); do
        start_session sender_to_log "$number"
        senders+=("$group")
    done
}

sender_to_log() { # NUMBER
    local launcher=setsid
    program_of_demo sender "${demo_sender_flags[@]}" >"$state/$port/sender-$1.log" 2>&1
}

# They release their messages, and write a summary to their logs.
end_senders() {
    local sender
    for sender in ${senders[@]+"${senders[@]}"}; do kill -TERM -- "-$sender" 2>/dev/null || true; done
    for sender in ${senders[@]+"${senders[@]}"}; do end_group "$sender"; done
    senders=()
}

# Show the run until it is complete, as long as a sender is running.
watch() {
    local status=0
    say 'monitor -t 1'
    start_group program_of_demo monitor -t 1 --plain
    child=$group
    while is_alive "$child"; do
        any_sender_alive || sender_failed
        sleep 0.2 8>&-
    done
    wait "$child" || status=$?
    child=
    ((status == 0)) || stop_demo 'monitor -t 1' "$status"
}

any_sender_alive() {
    local sender
    for sender in "${senders[@]}"; do ! is_alive "$sender" || return 0; done
    return 1
}

# Senders exit once a run is complete. If all have exited and one failed, the run cannot complete.
sender_failed() {
    local number status
    for ((number = 1; number <= ${#senders[@]}; number++)); do
        status=0
        wait "${senders[number - 1]}" || status=$?
        ((status == 0)) || stop_demo "sender (the last line of its log: $(last_line "$state/$port/sender-$number.log"))" 1
    done
}
