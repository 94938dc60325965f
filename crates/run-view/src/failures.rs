//! Failed messages by code.

use schemars::JsonSchema;
use serde::Serialize;
use stentor_cli::format;
use stentor_core::provider::code::FailureCode;

use crate::view::RunView;

/// The failed messages of one code.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FailuresOfCode {
    /// The failure code; `UNKNOWN` for failures without one.
    pub code: String,
    /// Failed messages with this code.
    pub count: u64,
    /// The fraction of all failed messages, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
}

impl RunView {
    /// The failed messages by code, most frequent first.
    pub fn failures(&self) -> Vec<FailuresOfCode> {
        let tally = &self.reading.tally;
        let mut codes: Vec<(FailureCode, u64)> = tally.failures.iter().collect();
        codes.sort_by(|(one, messages), (other, others)| others.cmp(messages).then(one.cmp(other)));
        let share = |count: u64| count as f64 / tally.failed.max(1) as f64;
        let of_code = |(code, count): (FailureCode, u64)| FailuresOfCode {
            code: code.to_string(),
            count,
            share: share(count).min(1.0),
        };
        codes.into_iter().map(of_code).collect()
    }

    /// The failed messages by code, as tables and texts show them: none where no failure has a code.
    pub fn coded_failures(&self) -> Vec<FailuresOfCode> {
        let failures = self.failures();
        if has_codes(&failures) { failures } else { Vec::new() }
    }
}

/// Whether a failure has a code: otherwise the codes add nothing to the number of failures.
pub fn has_codes(failures: &[FailuresOfCode]) -> bool {
    failures.iter().any(|failures| failures.code != FailureCode::UNKNOWN.as_str())
}

impl FailuresOfCode {
    /// The code, the number of messages, and their share of all failures.
    pub fn text(&self) -> String {
        format!("{} {} ({})", self.code, format::thousands(self.count), format::percent(self.share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{fail_with, reading};
    use crate::reading::RunReading;

    fn texts(run: RunReading) -> Vec<String> {
        RunView::first(run).coded_failures().iter().map(FailuresOfCode::text).collect()
    }

    #[test]
    fn codes_come_most_frequent_first() {
        let mut run = reading(100, 0);
        fail_with(&mut run, &[("UNREACHABLE", 3), ("CARRIER_UNREACHABLE", 9), ("BLOCKED", 3)]);
        assert_eq!(
            texts(run),
            ["CARRIER_UNREACHABLE 9 (60.0%)", "BLOCKED 3 (20.0%)", "UNREACHABLE 3 (20.0%)"]
        );
    }

    #[test]
    fn failures_without_a_code_are_in_no_text_unless_others_have_one() {
        let mut run = reading(100, 50);
        assert_eq!(RunView::first(run.clone()).failures()[0].count, 5);
        assert!(texts(run.clone()).is_empty());
        fail_with(&mut run, &[("BLOCKED", 1)]);
        assert_eq!(texts(run), ["UNKNOWN 5 (83.3%)", "BLOCKED 1 (16.7%)"]);
    }
}
