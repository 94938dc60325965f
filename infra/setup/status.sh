# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# Reports whether a stack works: its state, each resource, the mapping, the alarms and the dead letters.

# CloudFormation does not notice what is deleted or switched off by hand, so each resource is read from its service.
show_stack_status() {
    local resources name type id problems=() alarms=()
    prepare_cloud
    read_stack
    [[ $stack_state != NONE ]] || fail "there is no stack $stack ($(place)): infra/setup.sh deploy $(stack_flags) creates it"
    refuse_foreign_stack
    printf 'stack %s  %s  %s\n' "$stack" "$stack_state" "$(place)"
    [[ $stack_state == *_COMPLETE && $stack_state != ROLLBACK_COMPLETE ]] ||
        problems+=("the stack is in status $stack_state: infra/setup.sh deploy $(stack_flags)")
    resources=$(stack_resources) || exit 1
    while IFS=$'\t' read -r name type id; do
        [[ $type != AWS::CloudWatch::Alarm ]] || alarms+=("$id")
        show_resource "$name" "$type" "$id"
    done <<<"$resources"
    ((${#alarms[@]} == 0)) || show_alarms
    for name in ${problems[@]+"${problems[@]}"}; do say "problem: $name"; done
    ((${#problems[@]} == 0)) || exit 1
}

show_resource() { # NAME TYPE ID
    local state short_type=${2##*::}
    # The others are a part of these.
    declare -F "read_$short_type" >/dev/null || return 0
    if state=$("read_$short_type" "$3" 2>"$work/error") && [[ -n $state && $state != None ]]; then
        check_resource "$1" "$3" "$state"
    elif [[ -z $state || $state == None ]] && [[ ! -s $work/error ]] || grep -qE '\(([A-Za-z.]*(NotFound|NonExistent)[A-Za-z]*|NoSuchEntity|404)\)|does not exist' "$work/error"; then
        state=missing
        problems+=("$short_type $(short_id "$3") was deleted outside of CloudFormation, which does not create it again: infra/setup.sh destroy $(stack_flags), then deploy")
    else
        state="unknown: $(reason)"
        problems+=("$short_type $(short_id "$3") cannot be read: $(reason)")
    fi
    printf '%-18s  %-44s  %s\n' "$short_type" "$(short_id "$3")" "$state"
}

# Note what is wrong with a resource that exists.
check_resource() { # NAME ID STATE
    case $1:$3 in
        AggregatorMapping:Enabled*PROBLEM* | AggregatorMapping:*rror*)
            problems+=("the aggregator fails: aws logs tail /aws/lambda/$stack-aggregator --since 1h --region $region") ;;
        AggregatorMapping:Disabl*)
            problems+=("the event source mapping is disabled, so nothing is counted. Enable it: $(enable_mapping_command)") ;;
        MessagesTable:ACTIVE | MetricsTable:ACTIVE | MessagesTable:UPDATING | MetricsTable:UPDATING) ;;
        MessagesTable:* | MetricsTable:*) problems+=("table $(short_id "$2") is in status $3") ;;
        Aggregator:Failed* | Aggregator:Inactive*) problems+=("function $(short_id "$2") is in state $3") ;;
        DeadLetterQueue:'0 messages' | StreamDeadLetterQueue:'0 messages') ;;
        DeadLetterQueue:*) problems+=("messages without an outcome are in $(short_id "$2"): see docs/guide.md, Crash and recovery") ;;
        StreamDeadLetterQueue:*) problems+=("batches of the stream were discarded, so tallies may be too low: monitor audit, then monitor repair") ;;
    esac
}

# Print the state of a resource, by its type and the ID that CloudFormation has of it.
read_Table() { cloud dynamodb describe-table --table-name "$1" --query Table.TableStatus --output text; }
read_Queue() {
    local messages
    messages=$(cloud sqs get-queue-attributes --queue-url "$1" --attribute-names ApproximateNumberOfMessages \
        --query Attributes.ApproximateNumberOfMessages --output text) || return
    if [[ $messages == 1 ]]; then echo '1 message'; else printf '%s messages\n' "$messages"; fi
}
read_Function() { cloud lambda get-function-configuration --function-name "$1" --query "State || 'present'" --output text; }
read_EventSourceMapping() {
    cloud lambda get-event-source-mapping --uuid "$1" --output text \
        --query "join(', last result: ', [State || 'no state', LastProcessingResult || 'none yet'])"
}
read_LogGroup() {
    cloud logs describe-log-groups --log-group-name-prefix "$1" --output text \
        --query "logGroups[?logGroupName=='$1'] | [0] && 'present'"
}
read_Role() { cloud iam get-role --role-name "$1" --query "Role.RoleName && 'present'" --output text; }
read_ManagedPolicy() { cloud iam get-policy --policy-arn "$1" --query "Policy.Arn && 'present'" --output text; }
read_Dashboard() { cloud cloudwatch get-dashboard --dashboard-name "$1" --query "DashboardBody && 'present'" --output text; }
read_Topic() { cloud sns get-topic-attributes --topic-arn "$1" --query "Attributes.TopicArn && 'present'" --output text; }

# Print the state of each alarm.
show_alarms() {
    local rows name state found=''
    rows=$(cloud cloudwatch describe-alarms --alarm-names "${alarms[@]}" --output text \
        --query 'MetricAlarms[].[AlarmName, StateValue]' 2>"$work/error") || {
        problems+=("the alarms cannot be read: $(reason)")
        return 0
    }
    while read -r name state; do
        [[ -n $name ]] || continue
        found+=" $name "
        printf '%-18s  %-44s  %s\n' Alarm "$name" "$state"
        [[ $state != ALARM ]] || problems+=("alarm $name is in state ALARM")
    done <<<"$rows"
    for name in "${alarms[@]}"; do
        [[ $found == *" $name "* ]] || problems+=("Alarm $name was deleted outside of CloudFormation")
    done
}
