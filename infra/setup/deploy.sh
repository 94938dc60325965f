# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Deploys the stack to AWS or an emulator: the code bucket with the function, the stack, and its settings.

no_wait=

deploy() {
    need_build_tools
    prepare_cloud
    read_stack
    make_changeable
    check_warm_throughput
    if [[ -n ${AWS_ENDPOINT_URL:-} ]]; then
        build_function_here
        deploy_stack "$bootstrap" "$(architecture_here)" true
    else
        build_for_lambda arm64
        deploy_stack "$bootstrap" arm64 false
    fi
    [[ -n $no_wait ]] || wait_until_counting
    print_next_steps
}

# Update the code and the stack: deploy_stack BOOTSTRAP ARCHITECTURE SINGLE-SHARD
deploy_stack() {
    local hash key
    hash=$(pack "$1" "$work/aggregator.zip") || fail "$1 could not be packed: see the message above"
    key=aggregator-$hash.zip
    read_stack
    make_changeable
    upload "$key"
    set_stack "CodeBucket=$bucket" "CodeKey=$key" "Architecture=$2" "SingleShard=$3" \
        ${overrides[@]+"${overrides[@]}"}
    write_settings
    [[ $verb == create ]] || remove_old_packages "$key"
}

# --- Warm throughput ------------------------------------------------------------------------------

# Refuse to lower the warm throughput of the messages table, as DynamoDB does, before anything is changed (Amazon
# DynamoDB Developer Guide, "Understanding DynamoDB warm throughput").
check_warm_throughput() {
    local pair wanted='' before=${stack_parameters[WarmWriteUnits]:-0} now
    for pair in ${overrides[@]+"${overrides[@]}"}; do [[ $pair != WarmWriteUnits=* ]] || wanted=${pair#*=}; done
    [[ -n $wanted && $wanted != "$before" ]] || return 0
    now=$before
    if [[ $stack_state != NONE ]]; then
        now=$(cloud dynamodb describe-table --table-name "$stack-messages" --output text \
            --query 'Table.WarmThroughput.WriteUnitsPerSecond' 2>/dev/null) || now=$before
        [[ $now =~ ^[0-9]+$ ]] || now=$before
        ((now >= before)) || now=$before
    fi
    ((wanted >= now)) ||
        fail "--warm-throughput $wanted: table $stack-messages ($(place)) is already prepared for $now writes a second, and warm throughput cannot be lowered.
Nothing was changed. Omit the option, or pass at least $now."
    ((now >= 4000)) || now=4000
    say "preparing table $stack-messages for $wanted writes a second: charged once, about $(warm_dollars $((wanted - now))) (estimate, us-east-1)"
}

# Print the price of write units, each for one hour of provisioned capacity: $0.00065.
warm_dollars() { # WRITE-UNITS
    local cents=$((($1 * 65 + 500) / 1000))
    printf '$%d.%02d\n' $((cents / 100)) $((cents % 100))
}

# --- Code bucket --------------------------------------------------------------------------------

bucket_exists() {
    cloud s3api head-bucket --bucket "$bucket" --expected-bucket-owner "$account" >/dev/null 2>"$work/error" && return
    grep -q '(404)\|NoSuchBucket' "$work/error" && return 1
    # The answer to HeadBucket has no message.
    fail "reading bucket $bucket ($(place)) failed: access denied (s3:ListBucket), or it belongs to another account: $(reason)"
}

# Upload the function into the bucket, which is made where it is missing. S3 closes a new bucket to the public
# (Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage").
upload() { # KEY
    if bucket_exists; then
        block_public_access
        ! cloud s3api head-object --bucket "$bucket" --key "$1" >/dev/null 2>&1 || return 0
    else
        create_bucket
    fi
    must "uploading the function to $bucket" s3api put-object --bucket "$bucket" --key "$1" --body "$work/aggregator.zip" >/dev/null
}

block_public_access() {
    blocks_public_access || must "blocking public access to bucket $bucket" s3api put-public-access-block --bucket "$bucket" \
        --public-access-block-configuration \
        BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
}

# S3 refuses the name of a bucket for a while after its deletion.
create_bucket() {
    local location=() waited=0
    [[ $region == us-east-1 ]] || location=(--create-bucket-configuration "LocationConstraint=$region")
    until cloud s3api create-bucket --bucket "$bucket" ${location[@]+"${location[@]}"} >/dev/null 2>"$work/error"; do
        if ! grep -q 'OperationAborted' "$work/error" || ((waited >= 3600)); then
            fail "making bucket $bucket ($(place)) failed: $(reason)"
        fi
        say "S3 has not released the name of bucket $bucket yet, which was deleted a short time ago: trying again for up to $(((3600 - waited) / 60)) min ..."
        sleep 15
        waited=$((waited + 15))
    done
}

# Whether the bucket is closed to the public.
blocks_public_access() {
    local flags
    flags=$(cloud s3api get-public-access-block --bucket "$bucket" --output text --query \
        'PublicAccessBlockConfiguration.[BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets]' 2>/dev/null) &&
        [[ $flags == $'True\tTrue\tTrue\tTrue' ]]
}

# Remove the packages that the stack no longer uses, after an update that succeeded.
remove_old_packages() { # CURRENT-KEY
    local key keys
    keys=$(cloud s3api list-objects-v2 --bucket "$bucket" --prefix aggregator- --output text --query 'Contents[].Key' 2>"$work/error") ||
        say "the old packages of the function stay in $bucket: $(reason)"
    for key in $keys; do
        [[ $key != "$1" && $key == aggregator-*.zip ]] || continue
        cloud s3api delete-object --bucket "$bucket" --key "$key" >/dev/null 2>"$work/error" ||
            say "$key stays in $bucket: $(reason)"
    done
}

# --- Settings -------------------------------------------------------------------------------------

# Write what the programs need of the stack into its metrics table.
write_settings() {
    cat >"$work/settings.json" <<SETTINGS
{"run": {"S": "deployment"}, "part": {"S": "settings"},
 "batching_window": {"N": "$(parameter_value BatchingWindow)"},
 "function_memory": {"N": "$(parameter_value FunctionMemory)"},
 "visibility_timeout": {"N": "$(parameter_value VisibilityTimeout)"},
 "architecture": {"S": "$(parameter_value Architecture)"},
 "version": {"S": $(json_text "$(product_version)")}}
SETTINGS
    must "writing the settings to table $stack-metrics" dynamodb put-item --table-name "$stack-metrics" \
        --item "file://$work/settings.json" >/dev/null
}

# Print the value of a parameter in the stack that was read.
parameter_value() { # PARAMETER
    printf '%s' "${stack_parameters[$1]:-$(parameter_rule "$1" Default)}"
}

# Print the version as the programs print it: with the commit, where this folder is a checkout.
product_version() {
    local version commit git=(env -u GIT_DIR -u GIT_WORK_TREE git -C "$root")
    version=$(sed -n '/^\[workspace.package\]/,/^\[.*dependencies/s/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
    if [[ $("${git[@]}" rev-parse --show-toplevel 2>/dev/null) == "$(cd -- "$root" && pwd -P)" ]] &&
        commit=$("${git[@]}" rev-parse --short=12 HEAD 2>/dev/null); then
        version="$version ($commit)"
    fi
    printf '%s' "$version"
}

print_next_steps() {
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
To check the stack:
    infra/setup.sh status $(stack_flags)
To delete the stack:
    infra/setup.sh destroy $(stack_flags)
NEXT
}
