//! Which emulator these tests are run on.

use std::sync::OnceLock;

/// An emulator of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Light and fast: the default.
    MiniStack,
    /// The second, independent one: `STENTOR_BACKEND=localstack`.
    LocalStack,
}

impl Backend {
    /// What `STENTOR_BACKEND` says.
    pub fn of_these_tests() -> Self {
        static CHOSEN: OnceLock<Backend> = OnceLock::new();
        *CHOSEN.get_or_init(|| match std::env::var("STENTOR_BACKEND").as_deref() {
            Err(_) | Ok("ministack") => Self::MiniStack,
            Ok("localstack") => Self::LocalStack,
            Ok(other) => panic!("STENTOR_BACKEND={other}: there are ministack and localstack"),
        })
    }

    /// Its name, as `STENTOR_BACKEND` and `--backend` take it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MiniStack => "ministack",
            Self::LocalStack => "localstack",
        }
    }
}

/// How many messages a big test has on this backend: LocalStack's `DynamoDB` takes a hundred writes a second.
pub fn scaled(messages: u64) -> u64 {
    match Backend::of_these_tests() {
        Backend::MiniStack => messages,
        Backend::LocalStack => messages / 5,
    }
}
