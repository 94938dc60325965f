# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Removes everything that `deploy` has made.

destroy() {
    local packages=''
    need flock 'install util-linux (Debian, Ubuntu: apt-get install util-linux)'
    prepare_cloud
    read_stack
    refuse_foreign_stack
    ! bucket_exists || packages=$(bucket_content)
    if [[ $stack_state == NONE && -z $packages ]]; then
        say "nothing to destroy: there is no stack $stack and no bucket $bucket ($(place))"
        return
    fi
    await_other_change
    list_resources_to_delete
    confirm_destroy
    find_kept_resources
    [[ $stack_state == NONE ]] || delete_stack
    [[ -z $packages ]] || delete_bucket
    delete_log_group
    say "stack $stack is deleted ($(place))${kept_resources:+; kept: $kept_resources}"
}

# Print what the bucket holds.
bucket_content() {
    local objects
    objects=$(cloud s3api list-objects-v2 --bucket "$bucket" --output text --query "length(Contents || \`[]\`)" 2>/dev/null) || objects=unknown
    printf 'objects: %s\n' "$objects"
}

# Print each resource that goes, with the type as AWS names it.
list_resources_to_delete() {
    local resources name type id
    say "This deletes from $(place), with all messages and counts:"
    if [[ $stack_state != NONE ]]; then
        say "  stack $stack ($stack_state)"
        resources=$(stack_resources) || exit 1
        while IFS=$'\t' read -r name type id; do
            [[ -z $name ]] || say "    ${type#AWS::}  $(short_id "$id")"
        done <<<"$resources"
    fi
    [[ -z $packages ]] || say "  bucket $bucket ($packages)"
}

confirm_destroy() {
    local answer=
    [[ -z $assume_yes ]] || return 0
    printf 'Delete it? [y/N] ' >&2
    read -r answer || true
    [[ $answer == [yY] || $answer == [yY][eE][sS] ]] || fail 'not confirmed, nothing was deleted: answer y, or pass --yes'
}

# Set $kept_resources to what the stack uses and deploy has not made.
find_kept_resources() {
    kept_resources=
    [[ -z ${stack_parameters[KmsKey]:-} ]] || kept_resources="the key ${stack_parameters[KmsKey]}"
    [[ -z ${stack_parameters[PermissionsBoundary]:-} ]] || kept_resources+="${kept_resources:+, }the policy ${stack_parameters[PermissionsBoundary]}"
    [[ -z $stack_role ]] || kept_resources+="${kept_resources:+, }the role $stack_role"
}

delete_bucket() {
    say "deleting bucket $bucket ..."
    # Anything else in it keeps the bucket.
    must "emptying bucket $bucket" s3 rm "s3://$bucket" --recursive --exclude '*' --include 'aggregator-*.zip' --only-show-errors
    must "deleting bucket $bucket" s3api delete-bucket --bucket "$bucket"
}

# The log group goes with the stack; an invocation that was under way may have made it again.
delete_log_group() {
    local group=/aws/lambda/$stack-aggregator groups
    groups=$(cloud logs describe-log-groups --log-group-name-prefix "$group" --output text \
        --query 'logGroups[].logGroupName' 2>"$work/error") || {
        say "whether log group $group is left is unknown: $(reason)"
        return
    }
    [[ " ${groups//[[:space:]]/ } " == *" $group "* ]] || return 0
    say "deleting log group $group ..."
    must "deleting log group $group" logs delete-log-group --log-group-name "$group"
}
