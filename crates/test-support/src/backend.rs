//! The emulator that the tests use.

use std::sync::OnceLock;
use std::time::Duration;

use crate::is_full;

/// An emulator of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// MiniStack, light and fast: the default.
    MiniStack,
    /// LocalStack, an independent second emulator: `STENTOR_BACKEND=localstack`.
    LocalStack,
}

impl Backend {
    /// Returns the backend that `STENTOR_BACKEND` selects.
    pub fn of_these_tests() -> Self {
        static CHOSEN: OnceLock<Backend> = OnceLock::new();
        *CHOSEN.get_or_init(|| match std::env::var("STENTOR_BACKEND").as_deref() {
            Err(_) | Ok("ministack") => Self::MiniStack,
            Ok("localstack") => Self::LocalStack,
            Ok(other) => panic!("STENTOR_BACKEND={other}: there are ministack and localstack"),
        })
    }

    /// Returns the name for `STENTOR_BACKEND` and `--backend`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MiniStack => "ministack",
            Self::LocalStack => "localstack",
        }
    }
}

/// Returns how long to wait for a condition on a slow machine, where MiniStack needs at most a minute.
pub fn time_limit() -> Duration {
    match Backend::of_these_tests() {
        Backend::MiniStack => Duration::from_mins(1),
        Backend::LocalStack => Duration::from_mins(4),
    }
}

/// Returns how many messages a long test needs: all of them in full, else half of them, and fewer on LocalStack, whose
/// `DynamoDB` takes a hundred writes a second.
pub fn scaled(messages: u64) -> u64 {
    match Backend::of_these_tests() {
        Backend::MiniStack if is_full() => messages,
        Backend::MiniStack => messages / 2,
        Backend::LocalStack => messages / 5,
    }
}
