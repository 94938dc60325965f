# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# The local emulator: start it, find it, stop it.
#
# An emulator holds the lock on .local/PORT/pid while it runs, so the process ID in that file is valid. The
# file also contains the backend. It is empty for the emulators of `demo` and the tests, which exit when
# their stdin is closed.

# Use the emulator on $port from now on, independently of the user's AWS settings.
use_emulator() {
    local name
    for name in "${!AWS_@}"; do unset "$name"; done
    region=us-east-1
    account=000000000000 # of every emulator, for these credentials
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port
}

# Print the process id and the backend of the emulator on a port, or fail.
emulator_on() { # PORT
    local file=$state/$1/pid
    [[ -s $file ]] && ! flock --shared -n "$file" true && cat -- "$file" 2>/dev/null
}

# Install the backend's dependencies while the programs and the function are built.
prepare_emulator() {
    start_group install_backend
    installer=$group
    at_end end_installer
    build_for_emulator
    wait "$installer" || exit 1
    installer=
    [[ $(<"$work/functions_in") != container ]] || build_for_lambda "$(architecture_here)"
}

install_backend() { exec "$root/infra/local/emulator.sh" --backend "$backend" --prepare >"$work/functions_in"; }

end_installer() { [[ -z $installer ]] || end_group "$installer"; }

# Wait for the emulator's ready line in $work/ready, and set $port from it.
wait_until_ready() { # PROCESS
    local deadline=$((SECONDS + 60)) line=
    until line=$(grep -m 1 '^ready on ' "$work/ready" 2>/dev/null); do
        if ! is_alive "$1"; then fail "$backend did not start: $(last_lines "$work/log")"; fi
        ((SECONDS < deadline)) || fail "$backend did not answer within 60 s: $(last_lines "$work/log")"
        sleep 0.02
    done
    port=${line##*:}
    # From here on the log is named after the port.
    mv -- "$work/log" "$state/$port/log"
}

last_line() { # LOG
    local line
    line=$(grep -v '^[[:space:]]*$' "$1" 2>/dev/null | tail -n 1)
    printf '%s\n' "${line:-its log is empty}"
}

# Print the end of a log, which explains a failed start.
last_lines() { # LOG
    local lines
    lines=$(grep -v '^[[:space:]]*$' "$1" 2>/dev/null | tail -n 5)
    printf '%s\n' "${lines:-its log is empty}"
}

# Start an emulator that outlives this script; a failure before `keep_emulator` ends it.
start_emulator() {
    say "starting $backend ..."
    setsid "$root/infra/local/emulator.sh" --backend "$backend" --port "$port" \
        </dev/null >"$work/ready" 2>"$work/log" &
    started=$!
    at_end end_started_emulator
    wait_until_ready "$started"
}

end_started_emulator() {
    [[ -z $started ]] || {
        end_group "$started"
        drop_logs
    }
}

# Remove the logs of an emulator that has exited, unless they explain a failure. Called by `leave`.
drop_logs() {
    [[ -e $state/$port/log ]] || return 0
    case $status in
        0 | 2 | 129 | 130 | 143) rm -rf -- "${state:?}/$port" ;;
        *) say "the logs are in $(short "$state/$port")" ;;
    esac
}

keep_emulator() { started=; }

# End an emulator that is not a child of this script, and its functions.
end_emulator() { # PROCESS PORT
    local deadline=$((SECONDS + 20)) # a container takes up to 10 s
    kill -TERM "$1" 2>/dev/null || true
    while emulator_on "$2" >/dev/null; do
        ((SECONDS < deadline)) || kill -KILL -- "-$1" 2>/dev/null || return 0
        sleep 0.05
    done
}

# --- Commands -------------------------------------------------------------------------------------

start_local() {
    need_build_tools
    local running=
    ((port == 0)) || running=$(emulator_on "$port") || true
    [[ -z $running ]] || same_backend "${running#* }"
    make_work_folder
    prepare_emulator
    install_tools
    started=
    if [[ -n $running ]]; then
        say "$backend is running on http://127.0.0.1:$port"
    else
        start_emulator
    fi
    use_emulator
    prepare_cloud
    deploy_stack "$bootstrap" "$(architecture_here)" true
    keep_emulator
    say_how_to_use_local
}

same_backend() { # OF-THE-RUNNING-EMULATOR
    [[ ${1%-in-docker} == "$backend" ]] || fail "port $port has $1, not $backend: stop that first
(infra/setup.sh stop --port $port), or choose another port with --port"
}

say_how_to_use_local() {
    local flags
    flags=$([[ $stack == stentor ]] || printf -- '--stack %s ' "$stack")
    say "stack $stack is ready in $backend on http://127.0.0.1:$port (log: $(short "$state/$port/log"))"
    cat <<NEXT
In each terminal:
    export STENTOR_LOCAL=1 STENTOR_PORT=$port PATH=$(quoted "$programs"):"\$PATH"
Then, in several of them:
    producer $flags-m 1000 -l 100
    sender $flags-w 0.5 -f 0.1
    monitor $flags-t 5
At the end:
    infra/setup.sh stop --port $port
NEXT
}

# Print the ports of the emulators that run in the background.
running_ports() {
    local file number
    for file in "$state"/[0-9]*/pid; do
        number=$(basename -- "$(dirname -- "$file")")
        ! emulator_on "$number" >/dev/null || printf '%s\n' "$number"
    done
}

show_status() {
    local number ports pid name
    need flock 'install util-linux (Debian, Ubuntu: apt-get install util-linux)'
    ports=$(running_ports)
    [[ -n $ports ]] || say 'no emulator is running: infra/setup.sh local starts one'
    for number in $ports; do
        read -r pid name < <(emulator_on "$number") || continue
        printf 'http://127.0.0.1:%s  %s  process %s  log %s\n' "$number" "$name" "$pid" "$(short "$state/$number/log")"
    done
}

stop_emulators() {
    local number ports=$port
    need flock 'install util-linux (Debian, Ubuntu: apt-get install util-linux)'
    [[ -z $all ]] || ports=$(running_ports)
    [[ -n $ports ]] || say 'no emulator is running'
    for number in $ports; do stop_emulator "$number"; done
}

stop_emulator() { # PORT
    local pid
    if ! read -r pid _ < <(emulator_on "$1"); then
        say "no emulator of this checkout is running on port $1"
        return
    fi
    end_emulator "$pid" "$1"
    rm -rf -- "${state:?}/$1"
    say "stopped http://127.0.0.1:$1 (process $pid)"
}
