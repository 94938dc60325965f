# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Calls AWS or an emulator: the command, the account and the region, errors and pauses.

account= # set by use_emulator or find_account

# Every call to AWS. Version 1 of the command line ignores AWS_ENDPOINT_URL for some services, so
# the endpoint is always passed.
cloud() {
    "${aws[@]}" ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} --cli-connect-timeout 5 "$@"
}

# The same, but a failure ends the script with an error: must WHAT COMMAND...
must() {
    local what=$1
    shift
    cloud "$@" 2>"$work/error" || fail "$what failed: $(reason)"
}

# Print the last message of the AWS CLI, in one line. Where a permission is missing, it names the action.
reason() {
    local text
    text=$(grep -v '^[[:space:]]*$' "$work/error" | tail -n 1 | cut -c 1-600 || true)
    printf '%s\n' "${text:-it gave no reason}"
}

# Pause between two polls: pause SECONDS. Emulators answer at once.
pause() {
    if [[ -n ${AWS_ENDPOINT_URL:-} ]]; then sleep 0.1; else sleep "$1"; fi
}

# --- Account and region -------------------------------------------------------------------------

# Set the $aws command: the user's AWS CLI, with their ways to sign in; or the pinned one for an emulator. That is
# called as a module, since its script does not start from a folder whose path is long or contains blanks.
find_aws() {
    # The messages are read here, in the form that the AWS CLI had before 2026.
    export AWS_PAGER='' AWS_CLI_ERROR_FORMAT=legacy
    if [[ -z ${AWS_ENDPOINT_URL:-} ]] && aws --version >/dev/null 2>&1; then
        aws=(aws)
    else
        aws=("$venv/bin/python" -m awscli)
    fi
}

choose_region() {
    region=${region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-}}}
    [[ -n $region ]] || region=$("${aws[@]}" configure get region 2>/dev/null || true)
    [[ -n $region || -z ${AWS_ENDPOINT_URL:-} ]] || region=us-east-1
    [[ -n $region ]] || fail 'no region is set: name one with --region, or export AWS_REGION'
    export AWS_REGION=$region AWS_DEFAULT_REGION=$region
}

# Set $account, unless use_emulator has. The call also checks the credentials and the endpoint.
find_account() {
    [[ -z $account ]] || return 0
    account=$(AWS_MAX_ATTEMPTS=2 cloud sts get-caller-identity --query Account --output text 2>"$work/error") && return
    if grep -qi 'credential' "$work/error"; then
        fail "no AWS credentials: $(reason)
Sign in (aws configure, aws sso login, or AWS_PROFILE), then run this again."
    fi
    fail "${AWS_ENDPOINT_URL:-AWS in $region} did not return the account: $(reason)
Check AWS_ENDPOINT_URL, the region, the credentials and the network."
}

prepare_cloud() {
    install_tools
    make_work_folder
    find_aws
    choose_region
    check_key_region
    find_account
    bucket=$stack-code-$account-$region
    ((${#bucket} <= 63)) ||
        fail "--stack $stack: too long for the name of its code bucket, $bucket: shorten it by $((${#bucket} - 63))"
}

place() { printf '%s\n' "${AWS_ENDPOINT_URL:-account $account}, region $region"; }

# Print the options that select the stack, for commands that the user runs.
stack_flags() { printf -- '--stack %s --region %s' "$stack" "$region"; }

# Print an ID of CloudFormation without the parts of an ARN or URL before the name.
short_id() { # ID
    if [[ $1 == arn:* || $1 == http*://* ]]; then printf '%s\n' "${1##*[/:]}"; else printf '%s\n' "$1"; fi
}

# Print a text as a JSON string.
json_text() { # TEXT
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}
