# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Parses the options of a command; each command accepts some of them.

stack=stentor
stack_named=
port=${STENTOR_PORT:-4566}
backend=${STENTOR_BACKEND:-ministack}
region=
prefix=${PREFIX:-}
assume_yes=
all=
force=

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
        if take_flag "$1"; then
            shift
            continue
        fi
        (($# > 1)) || wrong_usage "$1: a value is missing"
        take_option "$1" "$2"
        shift 2
    done
    [[ $known != *' --port '* ]] || check_port
    [[ $known != *' --backend '* ]] || check_backend
    check_alarm_options
}

# Take an option without a value.
take_flag() {
    case $1 in
        --yes) assume_yes=1 ;;
        --all) all=1 ;;
        --force) force=1 ;;
        --no-wait) no_wait=1 ;;
        --no-alarms) overrides+=(Alarms=false) ;;
        *) return 1 ;;
    esac
}

take_option() { # OPTION VALUE
    case $1 in
        --stack) stack=$2 stack_named=1 && check_stack_name ;;
        --port) port=$2 ;;
        --backend) backend=$2 ;;
        --region) region=$2 && check_region ;;
        --prefix) prefix=$2 && check_prefix ;;
        --parameter)
            check_override "$2" && overrides+=("$2")
            [[ $2 != KmsKey=?* ]] || kms_key=${2#*=}
            ;;
        --tags) add_tag "$2" ;;
        --role-arn) set_role_arn "$2" ;;
        --permissions-boundary) set_permissions_boundary "$2" ;;
        --kms-key) set_kms_key "$2" ;;
        --alarm-email) set_alarm_email "$2" ;;
        --warm-throughput) set_warm_throughput "$2" ;;
    esac
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

check_alarm_options() {
    local given=" ${overrides[*]+${overrides[*]}} "
    [[ $given != *' AlarmEmail='* || $given != *' Alarms=false '* ]] ||
        wrong_usage '--alarm-email and --no-alarms exclude each other'
}

check_port() {
    if ! [[ $port =~ ^[0-9]{1,5}$ ]] || ((10#$port > 65535)); then
        wrong_usage "--port $port: a port is a number from 0 to 65535"
    fi
    port=$((10#$port))
}
