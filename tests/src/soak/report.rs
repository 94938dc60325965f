//! The report of a soak test.

use std::collections::BTreeMap;
use std::fmt;

use super::deaths::Deaths;
use super::verdict::SoakResult;
use crate::ProcessOutput;
use crate::proxy::ProxyFault;

/// Faults, kills and their results.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Number of rehearsals.
    pub runs: u64,
    /// Messages of all rehearsals.
    pub messages: u64,
    /// Number of injections of each fault.
    pub faults: BTreeMap<ProxyFault, u64>,
    /// Number of kills, by kind.
    pub deaths: Deaths,
    /// Whether the guarantees held.
    pub verdict: SoakResult,
    /// Counts reported by the senders.
    pub senders: SenderCounts,
}

/// Counts in the summaries of senders that shut down gracefully.
#[derive(Debug, Clone, Copy, Default)]
pub struct SenderCounts {
    /// Outcomes that came too late, and messages that already had one.
    pub duplicates: u64,
    /// Messages released without an outcome.
    pub released: u64,
}

impl SenderCounts {
    pub(super) fn of(ended: &[ProcessOutput]) -> Self {
        let mut counts = Self::default();
        for line in ended.iter().filter_map(|ended| ended.stdout.lines().last()) {
            let Ok(summary) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            counts.duplicates += summary["duplicates"].as_u64().unwrap_or(0);
            counts.released += summary["released"].as_u64().unwrap_or(0);
        }
        counts
    }
}

impl Report {
    /// Adds another report.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.messages += other.messages;
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        for (death, count) in &other.deaths.0 {
            *self.deaths.0.entry(*death).or_default() += count;
        }
        self.verdict.lost += other.verdict.lost;
        self.verdict.counted_twice += other.verdict.counted_twice;
        self.verdict.not_counted += other.verdict.not_counted;
        self.verdict.dead_letters += other.verdict.dead_letters;
        self.senders.duplicates += other.senders.duplicates;
        self.senders.released += other.senders.released;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, count: u64| writeln!(f, "{name:<40}{count:>8}");
        row("rehearsals", self.runs)?;
        row("messages", self.messages)?;
        for (fault, count) in &self.faults {
            row(&format!("fault: {}", fault.name()), *count)?;
        }
        for (death, count) in &self.deaths.0 {
            row(&format!("death: {}", death.name()), *count)?;
        }
        row("kinds of fault and death", (self.faults.len() + self.deaths.0.len()) as u64)?;
        row("duplicates caught", self.senders.duplicates)?;
        row("released", self.senders.released)?;
        row("dead letters", self.verdict.dead_letters)?;
        row("lost", self.verdict.lost)?;
        row("counted twice", self.verdict.counted_twice)?;
        row("not counted", self.verdict.not_counted)
    }
}
