//! The connection flags of a call, for the commands that its messages suggest.

use stentor_aws::session::{Destination, Endpoint};

use crate::flags::{DEFAULT_STACK, LOCAL_PORT};

/// The flags that select the stack and endpoint of a call, for another call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFlags {
    /// A variable before the command: there is no flag for the port.
    variable: Option<String>,
    flags: Vec<String>,
}

impl ConnectionFlags {
    /// The flags of a destination; none for the defaults.
    pub fn of(destination: &Destination) -> Self {
        let stack = destination.stack.to_string();
        let url = match &destination.endpoint {
            Endpoint::Url(url) => Some(url),
            Endpoint::Default | Endpoint::Local(_) => None,
        };
        let given = [
            ("--stack", Some(&stack).filter(|stack| *stack != DEFAULT_STACK)),
            ("--region", destination.region.as_ref()),
            ("--profile", destination.profile.as_ref()),
            ("--endpoint-url", url),
        ];
        let mut connection = Self::default();
        for (flag, value) in given {
            connection.flags.extend(value.map(|value| format!("{flag} {}", quoted(value))));
        }
        if let Endpoint::Local(port) = destination.endpoint {
            connection.flags.push("--local".to_owned());
            connection.variable = (port != LOCAL_PORT).then(|| format!("STENTOR_PORT={port}"));
        }
        connection
    }

    /// A command line for the same stack and endpoint.
    pub fn command(&self, call: &str) -> String {
        let flags = self.flags.iter().map(String::as_str);
        self.variable.as_deref().into_iter().chain([call]).chain(flags).collect::<Vec<_>>().join(" ")
    }
}

/// A value as a shell takes it.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(stack: &str, endpoint: Endpoint, region: Option<&str>, profile: Option<&str>) -> String {
        let destination = Destination {
            stack: stack.parse().unwrap(),
            endpoint,
            region: region.map(str::to_owned),
            profile: profile.map(str::to_owned),
        };
        ConnectionFlags::of(&destination).command("sender -c 1")
    }

    #[test]
    fn a_suggested_command_has_the_flags_that_were_given() {
        let default = || Endpoint::Default;
        assert_eq!(command("stentor", default(), None, None), "sender -c 1");
        assert_eq!(command("drill", Endpoint::Local(4566), None, None), "sender -c 1 --stack drill --local");
        assert_eq!(
            command("stentor", Endpoint::Local(5000), None, None),
            "STENTOR_PORT=5000 sender -c 1 --local"
        );
        assert_eq!(
            command("stentor", Endpoint::Url("http://h:1/?a&b".into()), Some("eu-west-1"), Some("it's")),
            r"sender -c 1 --region eu-west-1 --profile 'it'\''s' --endpoint-url 'http://h:1/?a&b'"
        );
    }
}
