//! The flags that all three programs share, and the destination they name.

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, ValueHint};
use stentor_aws::names::StackName;
use stentor_sign_in::{Destination, Endpoint};
use tracing_subscriber::filter::LevelFilter;

use crate::help::{CONNECTION, HELP, OUTPUT, STYLES};
use crate::units::parse_url;

/// Stack of a call without `--stack`.
pub(crate) const DEFAULT_STACK: &str = "stentor";

/// Default port of the local emulator.
pub(crate) const LOCAL_PORT: u16 = 4566;

/// Flags that all three programs accept, before and after a subcommand.
#[expect(clippy::doc_markdown, reason = "the texts are the help's, where backticks would show")]
#[derive(Debug, Clone, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, disable_help_subcommand = true)]
#[command(propagate_version = true, styles = STYLES)]
pub struct SharedArgs {
    /// Stack to use
    #[arg(long, global = true, value_name = "NAME", env = "STENTOR_STACK", hide_env_values = true, default_value = DEFAULT_STACK, help_heading = CONNECTION)]
    pub stack: StackName,
    /// Use the emulator on this machine (port 4566 or STENTOR_PORT; no credentials needed)
    #[arg(long, global = true, env = "STENTOR_LOCAL", hide_env_values = true, value_parser = FalseyValueParser::new(), help_heading = CONNECTION)]
    pub local: bool,
    /// Override the endpoint URL (also overrides --local and AWS_ENDPOINT_URL)
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url, value_parser = parse_url, help_heading = CONNECTION)]
    pub endpoint_url: Option<String>,
    /// AWS region [default: from the AWS environment or profile]
    #[arg(long, global = true, value_name = "REGION", help_heading = CONNECTION)]
    pub region: Option<String>,
    /// Profile of the AWS configuration
    #[arg(long, global = true, value_name = "NAME", help_heading = CONNECTION)]
    pub profile: Option<String>,
    /// Print results as JSON, one object per line
    #[arg(long, global = true, help_heading = OUTPUT)]
    pub json: bool,
    /// Increase log verbosity (-v: progress, -vv: every retry)
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet", help_heading = OUTPUT)]
    pub verbose: u8,
    /// Print only errors
    #[arg(short, long, global = true, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Print help (-h: summary)
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = HELP)]
    pub help: Option<bool>,
    /// Print the version and its commit
    #[arg(short = 'V', long, global = true, action = ArgAction::Version, help_heading = HELP)]
    pub version: Option<bool>,
}

impl SharedArgs {
    /// Returns the stack and endpoint that the flags and `STENTOR_PORT` name.
    pub(crate) fn destination(&self) -> Result<Destination, UsageError> {
        let endpoint = match (&self.endpoint_url, self.local) {
            (Some(url), _) => Endpoint::Url(url.clone()),
            (None, true) => Endpoint::Local(local_port(std::env::var("STENTOR_PORT").ok())?),
            (None, false) => {
                if !ignores_endpoint_variables() {
                    ENDPOINT_VARIABLES.into_iter().try_for_each(check_endpoint)?;
                }
                Endpoint::Default
            }
        };
        Ok(Destination {
            stack: self.stack.clone(),
            endpoint,
            region: self.region.clone(),
            profile: self.profile.clone(),
        })
    }

    pub(crate) fn log_level(&self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::ERROR,
            (false, 0) => LevelFilter::WARN,
            (false, 1) => LevelFilter::INFO,
            (false, _) => LevelFilter::DEBUG,
        }
    }
}

/// A flag or variable that was parsed but cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Variables of the AWS SDK that override the endpoint of AWS.
const ENDPOINT_VARIABLES: [&str; 3] =
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS"];

/// Whether the environment makes the SDK ignore its variables of endpoints.
fn ignores_endpoint_variables() -> bool {
    std::env::var("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_ok_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Refuses a value of such a variable as that of `--endpoint-url`.
fn check_endpoint(variable: &str) -> Result<(), UsageError> {
    let Some(text) = std::env::var(variable).ok().filter(|text| !text.is_empty()) else { return Ok(()) };
    let refused = |why| UsageError(format!("invalid value '{text}' for {variable}: {why}"));
    parse_url(&text).map(|_| ()).map_err(refused)
}

fn local_port(variable: Option<String>) -> Result<u16, UsageError> {
    let Some(text) = variable.filter(|text| !text.is_empty()) else { return Ok(LOCAL_PORT) };
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        UsageError(format!("invalid value '{text}' for STENTOR_PORT: give a port from 1 to 65535"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    #[command(version)]
    struct Program {
        #[command(flatten)]
        shared: SharedArgs,
        #[command(subcommand)]
        command: Option<Command>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        List,
    }

    fn shared(line: &str) -> SharedArgs {
        let words = format!("program {line}");
        Program::try_parse_from(words.split_whitespace()).unwrap().shared
    }

    #[test]
    fn an_endpoint_url_overrides_local() {
        let endpoint = |line| shared(line).destination().unwrap().endpoint;
        assert_eq!(endpoint("--local --endpoint-url http://h:1"), Endpoint::Url("http://h:1".into()));
        assert_eq!(endpoint(""), Endpoint::Default);
    }

    #[test]
    fn an_endpoint_has_a_scheme_and_no_path() {
        for url in
            ["http://h:1", "https://h/", "http://[::1]:4566", "http://[::1]", "https://a-b.example.com"]
        {
            assert_eq!(parse_url(url).as_deref(), Ok(url));
        }
        for url in [
            "",
            "h:1",
            "ftp://h",
            "http://",
            "http:///",
            "http://h:x",
            "http://h:70000",
            "http://a b",
            "http://u@h",
            "http://:1",
            "http://a:b:1",
            "http://[::1",
            "http://h]x[:1",
        ] {
            assert!(parse_url(url).unwrap_err().contains("give a URL such as"), "{url}");
        }
        assert_eq!(parse_url("https://h:1/x/").unwrap_err(), "give it without a path: https://h:1");
    }

    #[test]
    fn shared_flags_are_accepted_before_and_after_a_subcommand() {
        let flags =
            "--stack other --endpoint-url http://h:1 --region eu-west-1 --profile p --local --json -vv";
        let expected = format!("{:?}", shared(flags));
        assert!(expected.contains("eu-west-1"), "{expected}");
        for line in [format!("{flags} list"), format!("list {flags}")] {
            assert_eq!(format!("{:?}", shared(&line)), expected, "{line}");
        }
        assert!(shared("list -q").quiet && shared("-q list").quiet);
    }

    #[test]
    fn the_local_port_is_4566_or_that_of_the_variable() {
        assert_eq!(local_port(None).unwrap(), 4566);
        assert_eq!(local_port(Some(String::new())).unwrap(), 4566);
        assert_eq!(local_port(Some("5000".into())).unwrap(), 5000);
        for bad in ["0", "x", "70000"] {
            assert!(local_port(Some(bad.into())).unwrap_err().to_string().contains("STENTOR_PORT"));
        }
    }
}
