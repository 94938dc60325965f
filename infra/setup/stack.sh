# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Reads the stack, and creates, updates, repairs and deletes it, in whatever state CloudFormation left it.

# What CloudFormation has of the stack, as `read_stack` has read it.
stack_state=NONE # or the status of the stack
stack_id=
stack_about= # the template's description
stack_role=  # the service role
declare -A stack_parameters=() stack_outputs=() stack_tags=()
verb=  # create or update
token= # of the last change that this script has started

# The rows of `describe-stacks`: KIND KEY VALUE.
stack_rows="Stacks[0].[[['state', '-', StackStatus], ['id', '-', StackId], ['about', '-', Description], ['role', '-', RoleARN]], "
stack_rows+="Parameters[].['parameter', ParameterKey, ParameterValue], Outputs[].['output', OutputKey, OutputValue], Tags[].['tag', Key, Value]][]"

# Read the stack, by its name or an ID. A deleted stack can only be found by its ID.
read_stack() { # [ID]
    local rows kind key value
    stack_state=NONE stack_id='' stack_about='' stack_role=''
    stack_parameters=() stack_outputs=() stack_tags=()
    if ! rows=$(cloud cloudformation describe-stacks --stack-name "${1:-$stack}" --output text --query "$stack_rows" 2>"$work/error"); then
        ! grep -q 'does not exist' "$work/error" || return 0
        fail "reading stack $stack ($(place)) failed: $(reason)"
    fi
    while IFS=$'\t' read -r kind key value; do
        [[ $value != None ]] || value=
        case $kind in
            state) stack_state=$value ;;
            id) stack_id=$value ;;
            about) stack_about=$value ;;
            role) stack_role=$value ;;
            parameter) stack_parameters[$key]=$value ;;
            output) stack_outputs[$key]=$value ;;
            tag) stack_tags[$key]=$value ;;
        esac
    done <<<"$rows"
    # Nothing that a deleted stack had may be kept by a new one of its name.
    [[ $stack_state != DELETE_COMPLETE ]] || {
        stack_state=NONE
        stack_parameters=() stack_outputs=() stack_tags=()
    }
}

# Whether a change of the stack is under way. A stack in review has a change set that nobody has started.
is_changing() { [[ $stack_state == *_IN_PROGRESS && $stack_state != REVIEW_IN_PROGRESS ]]; }

# Read the stack until the change that is under way has ended.
settle() { # ID
    local polls=0
    read_stack "$1"
    while is_changing; do
        ((++polls % 20)) || say "stack $stack is still in state $stack_state ..."
        pause 3
        read_stack "$1"
    done
}

# Fail where something else made the stack, before anything is changed.
refuse_foreign_stack() {
    local advice='Choose another name with --stack.'
    [[ $stack_state != NONE && $stack_about != 'Stentor '* ]] || return 0
    # Where no description is returned, as on LocalStack, a parameter identifies the template.
    [[ -n $stack_about || -z ${stack_parameters[SingleShard]+set} ]] || return 0
    [[ $stack_state != REVIEW_IN_PROGRESS ]] ||
        advice="It has a change set, but no resources yet. If nobody needs it: aws cloudformation delete-stack --stack-name $stack --region $region"
    fail "stack $stack ($(place)) was not made by Stentor: ${stack_about:-it has no description}
Nothing was changed. $advice"
}

# Wait for a change that another command has started.
await_other_change() {
    is_changing || return 0
    say "stack $stack ($(place)) is being changed, its status is $stack_state: waiting until that has ended ..."
    settle "$stack_id"
}

# --- Create, update, repair -----------------------------------------------------------------------

# Bring the stack that was read into a state that can be created or updated, and set $verb to `create` or `update`.
make_changeable() {
    local repaired=
    while true; do
        refuse_foreign_stack
        [[ -z $repaired || $stack_state != "$repaired" ]] ||
            fail "stack $stack ($(place)) is in status $stack_state again: $(failed_resources "$stack_id")"
        case $stack_state in
            NONE) verb=create && return ;;
            CREATE_COMPLETE | UPDATE_COMPLETE | UPDATE_ROLLBACK_COMPLETE | IMPORT_COMPLETE | IMPORT_ROLLBACK_COMPLETE)
                verb=update && return
                ;;
            REVIEW_IN_PROGRESS | CREATE_FAILED | ROLLBACK_COMPLETE | ROLLBACK_FAILED)
                repaired=$stack_state
                say "stack $stack ($(place)) was never created completely, its status is $stack_state: nothing in it can be lost"
                delete_stack
                ;;
            UPDATE_FAILED) repaired=$stack_state && end_rollback rollback-stack ;;
            UPDATE_ROLLBACK_FAILED) repaired=$stack_state && end_rollback continue-update-rollback ;;
            DELETE_FAILED) fail "stack $stack ($(place)) was deleted in part, its status is $stack_state: delete the rest with
infra/setup.sh destroy $(stack_flags)
and run this again." ;;
            *_IN_PROGRESS) await_other_change ;;
            *) fail "stack $stack ($(place)) is in status $stack_state, which deploy cannot repair: see its events with
aws cloudformation describe-stack-events --stack-name $stack --region $region" ;;
        esac
    done
}

# Complete the rollback of a failed update: end_rollback COMMAND
end_rollback() {
    say "stack $stack ($(place)) is in status $stack_state: rolling its last update back ..."
    token=stentor-$$-$RANDOM$RANDOM
    must "rolling back stack $stack" cloudformation "$1" --stack-name "$stack_id" --client-request-token "$token" \
        ${permission_flags[@]+"${permission_flags[@]}"} >/dev/null
    settle "$stack_id"
    [[ $stack_state == *_FAILED ]] || return 0
    fail "stack $stack ($(place)) cannot be rolled back: $(failed_resources "$stack_id" | head -n 2)
Correct that, or skip the resource: aws cloudformation continue-update-rollback --stack-name $stack --region $region --resources-to-skip NAME"
}

# Create or update the stack, after `make_changeable`: set_stack KEY=VALUE... An update keeps what is not named.
set_stack() {
    local attempt failures
    for attempt in 1 2 3; do
        start_change "$@" || return 0
        settle "$stack_id"
        [[ $stack_state != "${verb^^}_COMPLETE" ]] || return 0
        failures=$(failed_resources "$stack_id" | head -n 2)
        if [[ $failures != *'wait 60 seconds'* && $failures != *QueueDeletedRecently* ]] || ((attempt == 3)); then
            fail "stack $stack ($(place)) ended in $stack_state:
$failures"
        fi
        make_changeable
        wait_for_queue_names
    done
}

# Start to create or update the stack, and set $stack_id. Fails where there is nothing to change.
start_change() { # KEY=VALUE...
    local id options=()
    parameters_json "$@" >"$work/parameters.json"
    options=(--parameters "file://$work/parameters.json" ${permission_flags[@]+"${permission_flags[@]}"})
    if ((${#new_tags[@]})); then
        tags_json >"$work/tags.json"
        options+=(--tags "file://$work/tags.json")
    fi
    say "$([[ $verb == create ]] && echo creating || echo updating) stack $stack ($(place)) ..."
    token=stentor-$$-$RANDOM$RANDOM
    if ! id=$(cloud cloudformation "$verb-stack" --stack-name "$stack" --template-body "file://$template" \
        --capabilities CAPABILITY_IAM --client-request-token "$token" "${options[@]}" \
        --query StackId --output text 2>"$work/error"); then
        ! grep -q 'No updates are to be performed' "$work/error" || return 1
        fail "stack $stack ($(place)): ${verb} was refused: $(reason)"
    fi
    stack_id=$id
}

# SQS refuses the name of a queue for 60 s after its deletion (Amazon SQS API Reference, "DeleteQueue"). The queues of
# the attempt that failed were deleted too.
wait_for_queue_names() {
    local left
    for ((left = 70; left > 0; left -= 10)); do
        say "SQS refuses the names of queues that were deleted in the last 60 s: trying again in $left s ..."
        sleep 10
    done
}

# Print the failures of the last change that this script has started, or of the stack, the first cause first.
failed_resources() { # ID
    local of_change=${token:+"ClientRequestToken=='$token' && "}
    cloud cloudformation describe-stack-events --stack-name "$1" --output text --query \
        "StackEvents[?${of_change}ends_with(ResourceStatus || '', '_FAILED')].[LogicalResourceId, join(' ', [ResourceStatusReason || ''])]" \
        2>/dev/null | tr '\t' ' ' | sed '1!G;h;$!d' | grep -v 'cancelled' || echo 'it names no cause: see its events in the CloudFormation console'
}

# --- Delete -----------------------------------------------------------------------------------------

# Delete the stack that was read, and read it again.
delete_stack() {
    local id=$stack_id
    detach_policies
    say "deleting stack $stack ($(place)) ..."
    token=stentor-$$-$RANDOM$RANDOM
    must "deleting stack $stack" cloudformation delete-stack --stack-name "$id" --client-request-token "$token" \
        ${permission_flags[@]+"${permission_flags[@]}"}
    settle "$id"
    [[ $stack_state == NONE ]] || fail "stack $stack ($(place)) ended in $stack_state:
$(failed_resources "$id" | head -n 2)
Correct that, then run this again."
}

# Print the resources that the stack has: LOGICAL-NAME TYPE PHYSICAL-ID.
stack_resources() {
    must "reading the resources of stack $stack" cloudformation describe-stack-resources --stack-name "$stack_id" --output text \
        --query "StackResources[?ResourceStatus!='DELETE_COMPLETE' && PhysicalResourceId].[LogicalResourceId, ResourceType, PhysicalResourceId]"
}

# CloudFormation does not delete a policy that is attached to an identity.
detach_policies() {
    local resources policy type attached kind name
    resources=$(stack_resources) || exit 1
    while IFS=$'\t' read -r _ type policy; do
        [[ $type == AWS::IAM::ManagedPolicy && $policy == arn:* ]] || continue
        attached=$(attached_identities "$policy") || exit 1
        while IFS=$'\t' read -r kind name; do
            [[ -n $name ]] || continue
            say "detaching ${policy##*/} from $kind $name"
            must "detaching ${policy##*/} from $kind $name" iam "detach-$kind-policy" "--$kind-name" "$name" --policy-arn "$policy"
        done <<<"$attached"
    done <<<"$resources"
}

# Print the users, groups and roles that a policy is attached to, a line each: KIND NAME.
attached_identities() { # POLICY
    must "reading who has ${1##*/}" iam list-entities-for-policy --policy-arn "$1" --policy-usage-filter PermissionsPolicy --output text \
        --query "[PolicyUsers[].['user', UserName], PolicyGroups[].['group', GroupName], PolicyRoles[].['role', RoleName]][]"
}
