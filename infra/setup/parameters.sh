# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with setup.sh and its other parts
# The parameters and tags of the stack: from the command line, checked by the rules of the template before AWS is
# called, and from the deployed stack.

template=$root/infra/template.yaml
parameters_set_here=(CodeBucket CodeKey Architecture SingleShard)
overrides=()       # KEY=VALUE
new_tags=()        # KEY=VALUE
kms_key=           # ARN, without a change
permission_flags=() # options of CloudFormation's service role

# Print the names of the template's parameters.
template_parameters() {
    sed -n '/^Parameters:/,/^[B-OQ-Z]/s/^  \([A-Za-z0-9]*\):.*/\1/p' "$template"
}

# Print a field of a parameter, such as MinValue, without quotes; empty where it has none.
parameter_rule() { # PARAMETER FIELD
    sed -n "/^Parameters:/,/^[B-OQ-Z]/{/^  $1:/,/^  [A-Za-z0-9]*:\$/{/^  $1:/d;s/^    $2: *//p}}" "$template" |
        sed "s/^'\(.*\)'\$/\1/"
}

check_override() { # KEY=VALUE
    local key=${1%%=*} names
    names=$(template_parameters | grep -vxF "$(printf '%s\n' "${parameters_set_here[@]}")" | tr '\n' ' ')
    [[ $1 =~ ^[A-Za-z0-9]+=[A-Za-z0-9._/:@+=,-]*$ ]] || wrong_usage "--parameter $1: write it as KEY=VALUE"
    [[ " ${parameters_set_here[*]} " != *" $key "* ]] || wrong_usage "--parameter $key: setup.sh sets this one by itself"
    [[ " $names" == *" $key "* ]] || wrong_usage "--parameter $key: the template has no such parameter; it has ${names% }"
    check_value "--parameter $key" "$key" "${1#*=}"
}

# Check a value by the template's rules for its parameter.
check_value() { # OPTION PARAMETER VALUE
    local least most allowed pattern
    allowed=$(parameter_rule "$2" AllowedValues)
    allowed=${allowed//[\[\]\',]/}
    [[ -z $allowed || " $allowed " == *" $3 "* ]] || wrong_usage "$1=$3: the values are $allowed"
    if [[ $(parameter_rule "$2" Type) == Number && -z $allowed ]]; then
        least=$(parameter_rule "$2" MinValue) most=$(parameter_rule "$2" MaxValue)
        if ! [[ $3 =~ ^[0-9]{1,9}$ ]] || ((10#$3 < least || 10#$3 > most)); then
            wrong_usage "$1=$3: a whole number from $least to $most"
        fi
    fi
    pattern=$(parameter_rule "$2" AllowedPattern)
    # A pattern with a backslash means something else here than in CloudFormation, which checks it.
    [[ -z $pattern || $pattern == *\\* || $3 =~ ^($pattern)$ ]] ||
        wrong_usage "$1=$3: $(parameter_rule "$2" ConstraintDescription)"
}

# --- Options that set parameters --------------------------------------------------------------------

set_warm_throughput() { # NUMBER
    check_value --warm-throughput WarmWriteUnits "$1"
    overrides+=("WarmWriteUnits=$1")
}

set_alarm_email() { # ADDRESS
    [[ $1 =~ ^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$ ]] ||
        wrong_usage "--alarm-email $1: an address is written like ops@example.com"
    overrides+=("AlarmEmail=$1" Alarms=true)
}

set_permissions_boundary() { # ARN
    [[ $1 =~ ^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+$ ]] ||
        wrong_usage "--permissions-boundary $1: the ARN of a managed policy is arn:aws:iam::ACCOUNT:policy/NAME"
    overrides+=("PermissionsBoundary=$1")
}

set_kms_key() { # ARN
    [[ $1 =~ ^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$ ]] ||
        wrong_usage "--kms-key $1: the ARN of a key is arn:aws:kms:REGION:ACCOUNT:key/ID"
    kms_key=$1
    overrides+=("KmsKey=$1")
}

# DynamoDB, SQS and SNS use keys only in their region.
check_key_region() {
    local of_key
    [[ -n $kms_key ]] || return 0
    of_key=$(cut -d : -f 4 <<<"$kms_key")
    [[ $of_key == "$region" ]] || wrong_usage "--kms-key $kms_key: the key is in $of_key, the stack in $region; name a key of $region"
}

set_role_arn() { # ARN
    [[ $1 =~ ^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$ ]] ||
        wrong_usage "--role-arn $1: the ARN of a role is arn:aws:iam::ACCOUNT:role/NAME"
    permission_flags=(--role-arn "$1")
}

add_tag() { # KEY=VALUE
    local letters='A-Za-z0-9 _.:/+@-'
    [[ $1 =~ ^[$letters]{1,128}=[=$letters]{0,256}$ && $1 != aws:* ]] ||
        wrong_usage "--tags $1: write it as KEY=VALUE, of letters, digits, blanks and _ . : / + - @; a key does not begin with aws:"
    new_tags+=("$1")
}

# --- For the AWS CLI ----------------------------------------------------------------------------------

# Print the parameters of a change as JSON: parameters_json KEY=VALUE... The stack keeps the others that it has.
parameters_json() {
    local key pair value separator='['
    while read -r key; do
        value=
        for pair; do [[ $pair != "$key="* ]] || value="\"ParameterValue\": $(json_text "${pair#*=}")"; done
        [[ -n $value || -z ${stack_parameters[$key]+set} ]] || value='"UsePreviousValue": true'
        [[ -n $value ]] || continue
        printf '%s{"ParameterKey": "%s", %s}' "$separator" "$key" "$value"
        separator=', '
    done < <(template_parameters)
    printf ']\n'
}

# Print the tags of a change as JSON: those of --tags, and the others that the stack has.
tags_json() {
    local pair key separator='['
    for pair in "${new_tags[@]}"; do stack_tags[${pair%%=*}]=${pair#*=}; done
    for key in "${!stack_tags[@]}"; do
        printf '%s{"Key": %s, "Value": %s}' "$separator" "$(json_text "$key")" "$(json_text "${stack_tags[$key]}")"
        separator=', '
    done
    printf ']\n'
}
