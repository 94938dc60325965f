//! Names of a stack's resources.

use std::fmt;
use std::str::FromStr;

use stentor_core::ParseError;

/// Characters in a stack name, at most: a queue's name has at most 80, and suffixes add up to 11.
const MAX_NAME: usize = 64;

/// A CloudFormation stack's name: a letter, then letters, digits and hyphens; 64 characters at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackName(String);

const INVALID_NAME: ParseError = ParseError(
    "invalid stack name: expected a letter, then letters, digits and hyphens, 64 characters at most",
);

impl FromStr for StackName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let valid = text.len() <= MAX_NAME
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if valid { Ok(Self(text.to_owned())) } else { Err(INVALID_NAME) }
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StackName {
    /// The messages table.
    pub fn messages_table(&self) -> String {
        format!("{self}-messages")
    }

    /// Returns the stack that a metrics table belongs to; `None` where the name is not one of a metrics table.
    pub fn from_metrics_table(table: &str) -> Option<Self> {
        table.strip_suffix("-metrics")?.parse().ok()
    }

    /// The metrics table: runs, tallies, usage and heartbeats.
    pub fn metrics_table(&self) -> String {
        format!("{self}-metrics")
    }

    /// The queue that senders receive from.
    pub fn queue(&self) -> String {
        format!("{self}-queue")
    }

    /// The dead-letter queue, which gets a message after ten receives.
    pub fn dead_letter_queue(&self) -> String {
        format!("{self}-dlq")
    }

    /// The queue of the stream's discarded batches.
    pub fn stream_dead_letter_queue(&self) -> String {
        format!("{self}-stream-dlq")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_cloudformation() {
        assert_eq!("drill-2".parse::<StackName>().unwrap().queue(), "drill-2-queue");
        assert_eq!(StackName::from_metrics_table("drill-2-metrics"), "drill-2".parse().ok());
        assert_eq!(StackName::from_metrics_table("drill-2"), None);
        for bad in ["", "2drill", "a b", "a_b", "-a", &"a".repeat(65)] {
            assert_eq!(bad.parse::<StackName>(), Err(INVALID_NAME), "{bad:?}");
        }
    }
}
