# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Waits until the stack counts outcomes: a new mapping can take minutes until it reads the stream.
#
# A probe is 40 messages of a run that no producer creates: its ID is a ULID of the time 0 that ends in the number of
# the probe. They become SENT, and the aggregator must count them. The item `deployment`, `probe` of the metrics table
# has the numbers: `number` of the last probe, `removed` of the last one of which nothing is left. So what a killed
# deploy left over, or the aggregator counts late, belongs to another run than that of the next probe, which
# removes it.

probe_messages=40
probe_wait=600  # seconds
probe_pause=3   # seconds between two polls of the tallies
probe_report=15 # seconds between two lines of progress

wait_until_counting() {
    local number removed run counted started waited=0 report_at=$probe_report
    started=$(date +%s)
    start_probe
    while true; do
        count_probe
        ((counted < probe_messages)) || break
        waited=$(($(date +%s) - started))
        ((waited < probe_wait)) || probe_failed
        if ((waited >= report_at)); then
            ! is_removed || { say 'another deploy of this stack has confirmed that outcomes are counted' && return; }
            report_probe
        fi
        pause "$probe_pause"
    done
    say "the aggregator has counted $counted of $probe_messages probe messages"
    remove_probes
}

# Create the messages of a new probe and make them SENT. Sets $number, $removed and $run.
start_probe() {
    local numbers now=$started
    numbers=$(must "numbering the probe in table $stack-metrics" dynamodb update-item --table-name "$stack-metrics" \
        --key '{"run": {"S": "deployment"}, "part": {"S": "probe"}}' --update-expression 'ADD #number :one' \
        --expression-attribute-names '{"#number": "number"}' --expression-attribute-values '{":one": {"N": "1"}}' \
        --return-values ALL_NEW --output text --query 'Attributes.[number.N, removed.N]') || exit 1
    read -r number removed <<<"$numbers"
    [[ $removed =~ ^[0-9]+$ ]] || removed=0
    run=$(probe_run "$number")
    say "waiting until the aggregator counts $probe_messages probe messages ..."
    probe_actions "$run" '{"Put": {"TableName": "@stack-messages", "Item": {"id": {"S": "@id"}, "run": {"S": "@run"},
 "status": {"S": "PENDING"}, "created_at": {"N": "'"${now}000"'"}, "expires_at": {"N": "'$((now + 86400))'"}}}}' >"$work/probe.json"
    must "writing probe messages to table $stack-messages" dynamodb transact-write-items --transact-items "file://$work/probe.json"
    probe_actions "$run" '{"Update": {"TableName": "@stack-messages", "Key": {"id": {"S": "@id"}},
 "UpdateExpression": "SET #status = :sent, concluded_at = :now", "ConditionExpression": "#status = :pending",
 "ExpressionAttributeNames": {"#status": "status"}, "ExpressionAttributeValues":
 {":sent": {"S": "SENT"}, ":pending": {"S": "PENDING"}, ":now": {"N": "'"${now}000"'"}}}}' >"$work/probe.json"
    must "writing outcomes of the probe to table $stack-messages" dynamodb transact-write-items --transact-items "file://$work/probe.json"
}

# Print the ID of a probe's run.
probe_run() { printf '%026d\n' "$1"; } # NUMBER

# Print an action for each message of a probe as a JSON list; @stack, @run and @id are replaced: probe_actions RUN ACTION
probe_actions() {
    local index action=${2//@stack/$stack} separator='['
    action=${action//@run/$1}
    for ((index = 0; index < probe_messages; index++)); do
        printf '%s%s' "$separator" "${action//@id/$1#$(printf '%09d' "$index")}"
        separator=', '
    done
    printf ']\n'
}

# Set $counted to the number of the probe's messages in the tallies.
count_probe() {
    local rows part sent
    counted=0
    rows=$(probe_tallies "$run") || exit 1
    while read -r part sent; do
        [[ $part != broken#* ]] || fail "the aggregator cannot write the tally of the probe: $sent"
        [[ ! $sent =~ ^[0-9]+$ ]] || counted=$((counted + sent))
    done <<<"$rows"
}

# Print the tallies of a probe: PART SENT, or for a damaged one PART REASON.
probe_tallies() { # RUN
    must "reading the tallies of the probe in table $stack-metrics" dynamodb query --table-name "$stack-metrics" --consistent-read \
        --key-condition-expression '#run = :run' --expression-attribute-names '{"#run": "run"}' \
        --expression-attribute-values "{\":run\": {\"S\": \"$1\"}}" --output text --query 'Items[].[part.S, tally.M.sent.N || why.S]'
}

# Print the state of the mapping, and the result of its last invocation.
mapping_state() {
    cloud lambda get-event-source-mapping --uuid "${stack_outputs[Mapping]:-}" --output text \
        --query "join(', ', [State || 'no state', LastProcessingResult || 'no result yet'])" 2>"$work/error" || reason
}

# Whether another deploy, whose probe was counted in the meantime, has removed this one as left over.
is_removed() {
    local last
    last=$(cloud dynamodb get-item --table-name "$stack-metrics" --consistent-read --output text --query 'Item.removed.N' \
        --key '{"run": {"S": "deployment"}, "part": {"S": "probe"}}' 2>/dev/null) && [[ $last =~ ^[0-9]+$ ]] && ((last >= number))
}

enable_mapping_command() {
    printf 'aws lambda update-event-source-mapping --uuid %s --enabled --region %s\n' "${stack_outputs[Mapping]:-}" "$region"
}

report_probe() {
    local state
    report_at=$((waited + probe_report))
    state=$(mapping_state)
    [[ $state != Disabl* ]] || fail "the event source mapping of stack $stack ($(place)) is disabled, so nothing is counted. Enable it, then run this again:
$(enable_mapping_command)"
    say "counted $counted of $probe_messages probe messages after $waited s; mapping: $state (a new one can take minutes, an update 90 s)"
}

probe_failed() {
    fail "the aggregator of stack $stack ($(place)) has counted $counted of $probe_messages probe messages in $((probe_wait / 60)) min. Look at
  the mapping: $(mapping_state)
  the errors of the function: aws logs tail /aws/lambda/$stack-aggregator --since 15m --region $region
  the stack, with the depth of $stack-stream-dlq: infra/setup.sh status $(stack_flags)
Then run this again, or with --no-wait."
}

# Remove all that this probe and earlier ones have left.
remove_probes() {
    local each
    for ((each = removed + 1; each <= number; each++)); do remove_probe "$each"; done
}

remove_probe() { # NUMBER
    local id rows part
    id=$(probe_run "$1")
    rows=$(probe_tallies "$id") || exit 1
    {
        probe_actions "$id" '{"Delete": {"TableName": "@stack-messages", "Key": {"id": {"S": "@id"}}}}' | tr -d ']\n'
        while read -r part _; do
            [[ -z $part ]] || printf ', {"Delete": {"TableName": "%s-metrics", "Key": {"run": {"S": "%s"}, "part": {"S": "%s"}}}}' \
                "$stack" "$id" "$part"
        done <<<"$rows"
        printf ', {"Update": {"TableName": "%s-metrics", "Key": {"run": {"S": "deployment"}, "part": {"S": "probe"}},
 "UpdateExpression": "SET removed = :number", "ExpressionAttributeValues": {":number": {"N": "%s"}}}}]\n' "$stack" "$1"
    } >"$work/probe.json"
    cloud dynamodb transact-write-items --transact-items "file://$work/probe.json" >/dev/null 2>"$work/error" ||
        say "probe messages or tallies of run $id stay until the next deploy: $(reason)"
}
