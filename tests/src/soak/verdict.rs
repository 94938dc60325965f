//! Checks the guarantees with a count that shares no code with the programs.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{MessageCount, Stack};

/// The result of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct SoakResult {
    /// Messages without an outcome that are not in the dead-letter queue.
    pub lost: u64,
    /// Excess of the tallies over the table: messages counted twice.
    pub counted_twice: u64,
    /// Deficit of the tallies against the table after the stream had time to drain.
    pub not_counted: u64,
    /// Pending messages in the dead-letter queue.
    pub dead_letters: u64,
}

impl SoakResult {
    /// Whether every guarantee held.
    pub fn is_good(self) -> bool {
        self.lost + self.counted_twice + self.not_counted == 0
    }
}

/// Checks a run while it lasts: shown counts never exceed the table's, and an outcome never changes.
pub(super) struct Witness<'a> {
    stack: &'a Stack,
    run: &'a str,
    messages: u64,
    /// IDs and outcomes of messages seen with an outcome.
    outcomes: BTreeSet<(String, String)>,
    looks: u32,
}

impl<'a> Witness<'a> {
    pub(super) fn new(stack: &'a Stack, run: &'a str, messages: u64) -> Self {
        Self { stack, run, messages, outcomes: BTreeSet::new(), looks: 0 }
    }

    pub(super) fn look(&mut self) -> Result<(), String> {
        const EVERY: u32 = 10;
        self.looks += 1;
        if !self.looks.is_multiple_of(EVERY) {
            return Ok(());
        }
        // The tallies are read first: by the time the table is counted, its counts can only have grown.
        let shown = self.stack.tallied(self.run);
        let items = self.stack.items(self.run);
        let count = MessageCount::of(&items);
        if shown.0 > count.sent || shown.1 > count.failed || count.total() > self.messages {
            return Err(format!("tallies of {shown:?} exceed the table's {count:?}"));
        }
        let outcomes = outcomes(&items);
        if let Some(changed) = self.outcomes.difference(&outcomes).next() {
            return Err(format!("an outcome has changed: it was {changed:?}"));
        }
        self.outcomes = outcomes;
        Ok(())
    }
}

fn outcomes(items: &[Value]) -> BTreeSet<(String, String)> {
    let concluded = items.iter().filter(|item| item["status"]["S"] != "PENDING");
    concluded.map(|item| (item["id"]["S"].to_string(), item["attempt"]["S"].to_string())).collect()
}

/// Checks the guarantees at the end: the outcome of every planned message, and whether it was counted.
pub(super) fn judge(stack: &Stack, run: &str, messages: u64) -> Result<SoakResult, String> {
    let items = stack.items(run);
    let letters = stack.dead_letters();
    let count = MessageCount::of(&items);
    let is_letter = |item: &&Value| letters.contains(item["id"]["S"].as_str().unwrap_or_default());
    let dead_letters =
        items.iter().filter(|item| item["status"]["S"] == "PENDING").filter(is_letter).count() as u64;
    stack.drain_stream();
    let (sent, failed) = stack.tallied(run);
    let audited = stack.monitor(&format!("audit --run {run}")).run();
    let verdict = SoakResult {
        lost: messages.saturating_sub(count.sent + count.failed + dead_letters),
        counted_twice: sent.saturating_sub(count.sent) + failed.saturating_sub(count.failed),
        not_counted: count.sent.saturating_sub(sent) + count.failed.saturating_sub(failed),
        dead_letters,
    };
    if verdict.is_good() && audited.code != Some(0) {
        return Err(format!("the audit does not agree: {}{}", audited.stdout, audited.stderr));
    }
    Ok(verdict)
}
