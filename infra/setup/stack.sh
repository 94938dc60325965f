# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Creates, updates and deletes the stack on AWS or an emulator with CloudFormation.

template=$root/infra/template.yaml
parameters_set_here=(CodeBucket CodeKey Architecture SingleShard)

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

# Print the last message of the AWS CLI, in one line.
reason() {
    local text
    text=$(grep -v '^[[:space:]]*$' "$work/error" | tail -n 1 || true)
    printf '%s\n' "${text:-it gave no reason}"
}

# --- Account and region -------------------------------------------------------------------------

# Set the $aws command: the user's AWS CLI, with their ways to sign in; or the pinned one for an emulator. That is
# called as a module, since its script does not start from a folder whose path is long or contains blanks.
find_aws() {
    export AWS_PAGER=''
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

# Set $account. This also checks the credentials and the endpoint.
find_account() {
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
    find_account
    bucket=$stack-code-$account-$region
    ((${#bucket} <= 63)) ||
        fail "--stack $stack: too long for the name of its code bucket, $bucket: shorten it by $((${#bucket} - 63))"
}

place() { printf '%s\n' "${AWS_ENDPOINT_URL:-account $account}, region $region"; }

# --- Deploy ---------------------------------------------------------------------------------------

deploy() {
    need_build_tools
    prepare_cloud
    if [[ -n ${AWS_ENDPOINT_URL:-} ]]; then
        build_function_here
        deploy_stack "$bootstrap" "$(architecture_here)" true
    else
        build_for_lambda arm64
        deploy_stack "$bootstrap" arm64 false
    fi
    say_how_to_use_it
}

# Update the code and the stack: deploy_stack BOOTSTRAP ARCHITECTURE SINGLE-SHARD
deploy_stack() {
    local hash
    hash=$(pack "$1" "$work/aggregator.zip") || fail "$1 could not be packed: see the message above"
    make_bucket
    upload "aggregator-$hash.zip"
    set_stack "CodeBucket=$bucket" "CodeKey=aggregator-$hash.zip" "Architecture=$2" "SingleShard=$3" \
        ${overrides[@]+"${overrides[@]}"}
}

make_bucket() {
    local location=()
    if ! cloud s3api head-bucket --bucket "$bucket" --expected-bucket-owner "$account" >/dev/null 2>&1; then
        [[ $region == us-east-1 ]] || location=(--create-bucket-configuration "LocationConstraint=$region")
        must "making bucket $bucket" s3api create-bucket --bucket "$bucket" ${location[@]+"${location[@]}"} >/dev/null
    fi
    must "closing bucket $bucket to the public" s3api put-public-access-block --bucket "$bucket" \
        --public-access-block-configuration \
        BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
}

upload() { # KEY
    cloud s3api head-object --bucket "$bucket" --key "$1" >/dev/null 2>&1 ||
        must "uploading the function to $bucket" s3api put-object --bucket "$bucket" --key "$1" --body "$work/aggregator.zip" >/dev/null
}

# Print the names of the template's parameters.
template_parameters() {
    sed -n '/^Parameters:/,/^[B-OQ-Z]/s/^  \([A-Za-z0-9]*\):.*/\1/p' "$template"
}

check_override() { # KEY=VALUE
    local key=${1%%=*} names
    names=$(template_parameters | grep -vxF "$(printf '%s\n' "${parameters_set_here[@]}")" | tr '\n' ' ')
    [[ $1 =~ ^[A-Za-z0-9]+=[A-Za-z0-9._/-]+$ ]] || wrong_usage "--parameter $1: write it as KEY=VALUE"
    [[ " ${parameters_set_here[*]} " != *" $key "* ]] || wrong_usage "--parameter $key: setup.sh sets this one by itself"
    [[ " $names" == *" $key "* ]] || wrong_usage "--parameter $key: the template has no such parameter; it has ${names% }"
}

# Create the stack, or update it: set_stack KEY=VALUE... An update keeps the parameters not named.
set_stack() {
    local status verb=create done=CREATE_COMPLETE kept='' parameters id
    status=$(stack_status "$stack") || exit 1
    case $status in
        NONE) ;;
        CREATE_COMPLETE | UPDATE_COMPLETE | UPDATE_ROLLBACK_COMPLETE | IMPORT_COMPLETE)
            verb=update done=UPDATE_COMPLETE
            kept=$(must "reading stack $stack" cloudformation describe-stacks --stack-name "$stack" \
                --query 'Stacks[0].Parameters[].ParameterKey' --output text) || exit 1
            ;;
        *_IN_PROGRESS) fail "stack $stack ($(place)) is being changed, its status is $status: wait for that, then run this again" ;;
        *) fail "stack $stack ($(place)) is in status $status and cannot be updated: delete it with
infra/setup.sh destroy --stack $stack --region $region
and run this again." ;;
    esac
    mapfile -t parameters < <(stack_parameters "$kept" "$@")
    say "$([[ $verb == create ]] && echo creating || echo updating) stack $stack ($(place)) ..."
    token=stentor-$$-$RANDOM$RANDOM
    if ! id=$(cloud cloudformation "$verb-stack" --stack-name "$stack" --template-body "file://$template" \
        --capabilities CAPABILITY_IAM --client-request-token "$token" --parameters "${parameters[@]}" \
        --query StackId --output text 2>"$work/error"); then
        grep -q 'No updates are to be performed' "$work/error" && return
        fail "stack $stack ($(place)): ${verb} was refused: $(reason)"
    fi
    status=$(settled_status "$id") || exit 1
    [[ $status == "$done" ]] || fail "stack $stack ($(place)) ended in $status:
$(failed_resources "$id" | head -n 2)"
}

# Print the parameters for the AWS CLI, one per line: stack_parameters KEPT KEY=VALUE...
stack_parameters() {
    local kept=" ${1//[[:space:]]/ } " key pair value
    shift
    while read -r key; do
        value=
        for pair; do [[ $pair != "$key="* ]] || value=ParameterKey=$key,ParameterValue=${pair#*=}; done
        if [[ -n $value ]]; then
            printf '%s\n' "$value"
        elif [[ $kept == *" $key "* ]]; then
            printf 'ParameterKey=%s,UsePreviousValue=true\n' "$key"
        fi
    done < <(template_parameters)
}

stack_status() { # NAME-OR-ID
    local status
    if status=$(cloud cloudformation describe-stacks --stack-name "$1" --query 'Stacks[0].StackStatus' --output text 2>"$work/error"); then
        printf '%s\n' "$status"
    elif grep -q 'does not exist' "$work/error"; then
        echo NONE
    else
        fail "reading stack $stack ($(place)) failed: $(reason)"
    fi
}

# Wait until the stack's operation has ended, and print its status.
settled_status() { # ID
    local status pause=3
    [[ -z ${AWS_ENDPOINT_URL:-} ]] || pause=0.1
    while status=$(stack_status "$1") || exit 1; do
        [[ $status == *_IN_PROGRESS ]] || break
        sleep "$pause"
    done
    printf '%s\n' "$status"
}

# Print the failures of the last operation, the first cause first.
failed_resources() { # ID
    cloud cloudformation describe-stack-events --stack-name "$1" --output text --query \
        "reverse(StackEvents[?ClientRequestToken=='$token' && ends_with(ResourceStatus, '_FAILED')].[LogicalResourceId, ResourceStatusReason])" \
        2>/dev/null | tr '\t' ' ' | grep -v 'cancelled' || echo 'it names no cause: see its events in the CloudFormation console'
}

say_how_to_use_it() {
    local folder flags
    find_target
    folder=$(quoted "$(short "$target/release")")
    flags=$([[ $stack == stentor ]] || printf -- '--stack %s ' "$stack")
    say "stack $stack is ready ($(place))"
    cat <<NEXT
Build the programs, once:
    cargo build --release --locked -p producer -p sender -p monitor
In each terminal:
    export AWS_REGION=$region${AWS_ENDPOINT_URL:+ AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL}
Then, in several of them:
    $folder/producer $flags-m 1000 -l 100
    $folder/sender $flags-w 0.5 -f 0.1
    $folder/monitor $flags-t 5
At the end, to take it all away:
    infra/setup.sh destroy --stack $stack --region $region
NEXT
}

# --- Destroy --------------------------------------------------------------------------------------

destroy() {
    local status
    need flock 'install util-linux (Debian, Ubuntu: apt-get install util-linux)'
    prepare_cloud
    status=$(stack_status "$stack") || exit 1
    if [[ $status == NONE ]] && ! bucket_exists; then
        say "nothing to destroy: there is no stack $stack and no bucket $bucket ($(place))"
        return
    fi
    [[ $status != *_IN_PROGRESS || $status == DELETE_IN_PROGRESS ]] ||
        fail "stack $stack ($(place)) is being changed, its status is $status: wait for that, then run this again"
    confirm_destroy
    [[ $status == NONE ]] || delete_stack
    ! bucket_exists || delete_bucket
    say "stack $stack is gone ($(place))"
}

bucket_exists() {
    cloud s3api head-bucket --bucket "$bucket" --expected-bucket-owner "$account" >/dev/null 2>&1
}

confirm_destroy() {
    local answer=
    [[ -z $assume_yes ]] || return 0
    say "This deletes stack $stack with its tables, queues, function and log, and bucket $bucket ($(place))."
    printf 'All messages and counts in it are lost. Delete it? [y/N] ' >&2
    read -r answer || true
    [[ $answer == [yY] || $answer == [yY][eE][sS] ]] || fail 'not confirmed, nothing was deleted: answer y, or pass --yes'
}

delete_stack() {
    local id status
    id=$(must "reading stack $stack" cloudformation describe-stacks --stack-name "$stack" \
        --query 'Stacks[0].StackId' --output text) || exit 1
    detach_policies "$id"
    say "deleting stack $stack ($(place)) ..."
    token=stentor-$$-$RANDOM$RANDOM
    must "deleting stack $stack" cloudformation delete-stack --stack-name "$id" --client-request-token "$token"
    status=$(settled_status "$id") || exit 1
    [[ $status == DELETE_COMPLETE || $status == NONE ]] || fail "stack $stack ($(place)) ended in $status:
$(failed_resources "$id" | head -n 2)"
}

# CloudFormation does not delete a policy that is attached to an identity.
detach_policies() { # ID
    local policies policy kind name
    policies=$(must "reading the policies of stack $stack" cloudformation describe-stack-resources --stack-name "$1" \
        --query "StackResources[?ResourceType=='AWS::IAM::ManagedPolicy' && ResourceStatus!='DELETE_COMPLETE'].PhysicalResourceId" \
        --output text) || exit 1
    for policy in $policies; do
        [[ $policy == arn:* ]] || continue
        for kind in user group role; do
            for name in $(attached_names "$policy" "$kind"); do
                say "detaching ${policy##*/} from $kind $name"
                must "detaching ${policy##*/} from $kind $name" iam "detach-$kind-policy" "--$kind-name" "$name" --policy-arn "$policy"
            done
        done
    done
}

# Print the users, groups or roles that a policy is attached to.
attached_names() { # POLICY KIND
    local member
    member=$(tr '[:lower:]' '[:upper:]' <<<"${2:0:1}")${2:1}
    must "reading who has ${1##*/}" iam list-entities-for-policy --policy-arn "$1" --policy-usage-filter PermissionsPolicy \
        --query "Policy${member}s[].${member}Name" --output text
}

delete_bucket() {
    say "deleting bucket $bucket ..."
    must "emptying bucket $bucket" s3 rm "s3://$bucket" --recursive --only-show-errors
    must "deleting bucket $bucket" s3api delete-bucket --bucket "$bucket"
}
