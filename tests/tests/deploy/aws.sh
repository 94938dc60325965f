#!/usr/bin/env bash
# Replaces the `aws` command: answers as AWS does, from the files in $STAND_IN, and records the calls.
#
# phase.N has the states that `describe-stacks` returns after N changes of the stack, one a call, the last one again.
cd "$STAND_IN" || exit 1
[[ $1 != --version ]] || { echo 'aws-cli/2.0.0' && exit; }
[[ $1 != --cli-connect-timeout ]] || shift 2
operation="$1 $2"
printf '%s\n' "$*" >>calls
for argument; do [[ $argument != file://* ]] || cat -- "${argument#file://}" >>files; done

refuse() { # CODE MESSAGE
    name=$(sed 's/.* //; s/^./\u&/; s/-\(.\)/\u\1/g' <<<"$operation")
    printf '\nAn error occurred (%s) when calling the %s operation: %s\n' "$1" "$name" "$2" >&2
    exit 254
}

content() { cat -- "$1" 2>/dev/null || printf '%s\n' "$2"; } # FILE DEFAULT

change() {
    changes=$(($(content changes 0) + 1))
    echo "$changes" >changes
}

if [[ $operation == "$(content denied '')" ]]; then
    [[ $2 != head-* ]] || refuse 403 Forbidden
    [[ $1 != s3 ]] || operation='s3api delete-object'
    action=$(sed 's/^s3api/s3/; s/ \(.\)/:\u\1/; s/-\(.\)/\u\1/g' <<<"$operation")
    refuse AccessDenied "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: $action on resource: x"
fi

case $operation in
    'configure get') echo eu-central-1 ;;
    'sts get-caller-identity') echo 123456789012 ;;
    'cloudformation describe-stacks')
        states=phase.$(content changes 0)
        state=$(head -n 1 "$states")
        (($(wc -l <"$states") == 1)) || sed -i 1d "$states"
        [[ $state != NONE ]] || refuse ValidationError "Stack with id drill does not exist"
        printf 'state\t-\t%s\nid\t-\tarn:aws:cloudformation:eu-central-1:123456789012:stack/drill/1\n' "$state"
        printf 'about\t-\t%s\nrole\t-\t%s\n' "$(content about 'Stentor - rehearsal')" "$(content role None)"
        printf 'parameter\tWarmWriteUnits\t%s\nparameter\tBatchingWindow\t7\n' "$(content warm 0)"
        printf 'tag\tteam\talerts\ntag\towner\tann\noutput\tMapping\tthe-mapping\n'
        ;;
    'cloudformation '*-stack | 'cloudformation continue-update-rollback')
        change
        [[ $2 == delete-stack ]] || echo arn:aws:cloudformation:eu-central-1:123456789012:stack/drill/1
        ;;
    'cloudformation describe-stack-events') content events '' ;;
    'cloudformation describe-stack-resources')
        printf '%s\t%s\t%s\n' Queue AWS::SQS::Queue https://sqs.eu-central-1.amazonaws.com/123456789012/drill-queue \
            StreamDeadLetterQueue AWS::SQS::Queue https://sqs.eu-central-1.amazonaws.com/123456789012/drill-stream-dlq \
            MessagesTable AWS::DynamoDB::Table drill-messages AggregatorMapping AWS::Lambda::EventSourceMapping the-mapping \
            MonitorPolicy AWS::IAM::ManagedPolicy arn:aws:iam::123456789012:policy/drill-MonitorPolicy \
            ErrorAlarm AWS::CloudWatch::Alarm drill-errors
        ;;
    'cloudwatch describe-alarms') printf 'drill-errors\t%s\n' "$(content alarm OK)" ;;
    's3api head-bucket') [[ ! -e no-bucket ]] || refuse 404 'Not Found' ;;
    's3api create-bucket')
        left=$(content aborted 0)
        echo $((left - 1)) >aborted
        ((left <= 0)) || refuse OperationAborted 'A conflicting conditional operation is currently in progress against this resource. Please try again.'
        rm no-bucket
        ;;
    's3api get-public-access-block') printf 'True\tTrue\tTrue\t%s\n' "$(content closed True)" ;;
    's3api list-objects-v2') content objects 1 ;;
    'dynamodb update-item') printf '5\t4\n' ;;
    'dynamodb get-item') content removed None ;;
    'dynamodb query') printf 'shard#0\t%s\n' "$(content counted 40)" ;;
    'dynamodb describe-table') if [[ $* == *Status* ]]; then echo ACTIVE; else content takes 4000; fi ;;
    'sqs get-queue-attributes')
        [[ $* != *"$(content gone nothing)"* ]] || refuse AWS.SimpleQueueService.NonExistentQueue 'The specified queue does not exist.'
        if [[ $* == *stream-dlq* ]]; then content discarded 0; else echo 3; fi
        ;;
    'lambda get-event-source-mapping') content mapping 'Enabled, No records processed' ;;
    'iam get-policy') echo present ;;
esac
