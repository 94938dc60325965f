//! The connection flags of a call, for the commands that its messages suggest.

use stentor_sign_in::{Destination, Endpoint};

use crate::flags::{DEFAULT_STACK, LOCAL_PORT};

/// The flags that select the stack and endpoint of a call, for another call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionFlags(Destination);

impl Default for ConnectionFlags {
    fn default() -> Self {
        let stack = DEFAULT_STACK.parse().expect("it is a valid name");
        Self(Destination { stack, endpoint: Endpoint::Default, region: None, profile: None })
    }
}

impl ConnectionFlags {
    /// The flags of a destination; none for the defaults.
    pub fn of(destination: &Destination) -> Self {
        Self(destination.clone())
    }

    /// A call of `infra/setup.sh` for the same stack. It has no flag for profile and endpoint.
    pub fn setup(&self, command: &str) -> String {
        let Destination { stack, endpoint, region, profile } = &self.0;
        let url = match endpoint {
            Endpoint::Default => None,
            Endpoint::Url(url) => Some(url.clone()),
            Endpoint::Local(port) => Some(format!("http://127.0.0.1:{port}")),
        };
        let profile = profile.iter().map(|profile| format!("AWS_PROFILE={}", quoted(profile)));
        let url = url.iter().map(|url| format!("AWS_ENDPOINT_URL={}", quoted(url)));
        let region = region.iter().map(|region| format!("--region {}", quoted(region)));
        let call = [format!("./infra/setup.sh {command}"), format!("--stack {stack}")];
        profile.chain(url).chain(call).chain(region).collect::<Vec<_>>().join(" ")
    }

    /// A command line for the same stack and endpoint. There is no flag for the port of the local emulator.
    pub fn command(&self, call: &str) -> String {
        let Destination { stack, endpoint, region, profile } = &self.0;
        let stack = Some(stack.to_string()).filter(|stack| stack != DEFAULT_STACK);
        let (port, url) = match endpoint {
            Endpoint::Default => (None, None),
            Endpoint::Url(url) => (None, Some(url)),
            Endpoint::Local(port) => (Some(*port), None),
        };
        let variable = port.filter(|port| *port != LOCAL_PORT).map(|port| format!("STENTOR_PORT={port}"));
        let given = [
            ("--stack", stack.as_ref()),
            ("--region", region.as_ref()),
            ("--profile", profile.as_ref()),
            ("--endpoint-url", url),
        ];
        let flags = given.into_iter().filter_map(|(flag, value)| Some(format!("{flag} {}", quoted(value?))));
        let words = variable.into_iter().chain([call.to_owned()]).chain(flags);
        words.chain(port.map(|_| "--local".to_owned())).collect::<Vec<_>>().join(" ")
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
