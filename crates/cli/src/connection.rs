//! The connection flags of a call, for the commands that its messages suggest.

use stentor_aws::session::{Destination, Endpoint};

use crate::flags::{DEFAULT_STACK, LOCAL_PORT};

/// The flags that select the stack and endpoint of a call, for another call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionFlags {
    /// A variable before the command: there is no flag for the port.
    variable: Option<String>,
    flags: Vec<String>,
    /// What `infra/setup.sh` has no flag for.
    setup_variables: Vec<String>,
    setup_flags: Vec<String>,
}

impl Default for ConnectionFlags {
    fn default() -> Self {
        Self {
            variable: None,
            flags: Vec::new(),
            setup_variables: Vec::new(),
            setup_flags: vec![format!("--stack {DEFAULT_STACK}")],
        }
    }
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
        let local = match destination.endpoint {
            Endpoint::Local(port) => Some(format!("http://127.0.0.1:{port}")),
            Endpoint::Default | Endpoint::Url(_) => None,
        };
        let assign =
            |name: &str, value: Option<&String>| value.map(|value| format!("{name}={}", quoted(value)));
        let profile = assign("AWS_PROFILE", destination.profile.as_ref());
        let url = assign("AWS_ENDPOINT_URL", url.or(local.as_ref()));
        connection.setup_variables = [profile, url].into_iter().flatten().collect();
        let region = destination.region.as_ref().map(|region| format!("--region {}", quoted(region)));
        connection.setup_flags = [format!("--stack {}", quoted(&stack))].into_iter().chain(region).collect();
        connection
    }

    /// A call of `infra/setup.sh` for the same stack.
    pub fn setup(&self, command: &str) -> String {
        let call = [format!("./infra/setup.sh {command}")];
        [self.setup_variables.as_slice(), &call, &self.setup_flags].concat().join(" ")
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

    fn connection(
        stack: &str,
        endpoint: Endpoint,
        region: Option<&str>,
        profile: Option<&str>,
    ) -> ConnectionFlags {
        let stack = stack.parse().unwrap();
        let (region, profile) = (region.map(str::to_owned), profile.map(str::to_owned));
        ConnectionFlags::of(&Destination { stack, endpoint, region, profile })
    }

    fn command(stack: &str, endpoint: Endpoint, region: Option<&str>, profile: Option<&str>) -> String {
        connection(stack, endpoint, region, profile).command("sender -c 1")
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

    #[test]
    fn a_call_of_the_setup_has_stack_region_profile_and_endpoint() {
        let status =
            |stack, endpoint, region, profile| connection(stack, endpoint, region, profile).setup("status");
        assert_eq!(ConnectionFlags::default().setup("status"), "./infra/setup.sh status --stack stentor");
        assert_eq!(
            status("drill", Endpoint::Default, Some("eu-west-1"), Some("ops")),
            "AWS_PROFILE=ops ./infra/setup.sh status --stack drill --region eu-west-1"
        );
        assert_eq!(
            status("drill", Endpoint::Local(4566), None, None),
            "AWS_ENDPOINT_URL=http://127.0.0.1:4566 ./infra/setup.sh status --stack drill"
        );
    }
}
