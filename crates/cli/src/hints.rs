//! What to do about the errors of stentor-aws: the last line of a program's error message.

use stentor_aws::Error;

/// Formats an error, followed by a line that says what to do where there is something to do.
pub fn with_hint(error: &Error) -> String {
    hint(error).map_or_else(|| error.to_string(), |hint| format!("{error}\n{hint}"))
}

/// As [`with_hint`] for an error that may come from stentor-aws; any other is formatted alone.
pub fn describe(error: &anyhow::Error) -> String {
    error.downcast_ref().map_or_else(|| error.to_string(), with_hint)
}

fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::NoCredentials(_) | Error::BadCredentials(_) => {
            "Sign in (aws configure, or aws sso login and --profile), set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY, or use --local"
                .to_owned()
        }
        Error::NoRegion => "Pass --region, or set AWS_REGION or a region in your profile".to_owned(),
        Error::Unreachable { .. } => {
            "Is it running, and is the URL right? Start the local emulator with: ./infra/setup.sh local"
                .to_owned()
        }
        Error::NotDeployed { stack, region, .. } => format!(
            "Deploy it: ./infra/setup.sh deploy --stack {stack} --region {region}, or locally: \
             ./infra/setup.sh local --stack {stack}"
        ),
        Error::NoSuchRun { .. } => {
            "The producer prints a run's ID when it starts; check --stack, and list its runs with: monitor runs".to_owned()
        }
        Error::Rejected { .. } | Error::RetriesExhausted { .. } | Error::InvalidData { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_follows_the_error_on_a_line_of_its_own() {
        let error = Error::NotDeployed {
            stack: "drill".into(),
            region: "eu-west-1".into(),
            resource: "drill-queue".into(),
            endpoint: "AWS in eu-west-1".into(),
        };
        let lines = with_hint(&error);
        let (first, hint) = lines.split_once('\n').unwrap();
        assert_eq!(first, error.to_string());
        assert!(
            hint.starts_with("Deploy it: ./infra/setup.sh deploy --stack drill --region eu-west-1"),
            "{hint}"
        );
        assert_eq!(describe(&error.into()), lines);
    }

    #[test]
    fn an_error_of_another_kind_is_formatted_alone() {
        assert_eq!(describe(&anyhow::anyhow!("disk full")), "disk full");
    }
}
