//! What a soak tells in the end.

use std::collections::BTreeMap;
use std::fmt;

use super::deaths::Deaths;
use super::verdict::SoakResult;
use crate::ProcessOutput;
use crate::proxy::ProxyFault;

/// What happened, and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Rehearsals in it.
    pub runs: u64,
    /// Messages of all of them.
    pub messages: u64,
    /// How often each fault was injected.
    pub faults: BTreeMap<ProxyFault, u64>,
    /// How often processes died, by kind.
    pub deaths: Deaths,
    /// Whether the promises were kept.
    pub verdict: SoakResult,
    /// What the senders said of themselves.
    pub senders: SenderCounts,
}

/// What senders that ended in good order said they did.
#[derive(Debug, Clone, Copy, Default)]
pub struct SenderCounts {
    /// Conclusions that were too late, and messages found concluded.
    pub duplicates: u64,
    /// Messages given back unfinished.
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
        row("given back", self.senders.released)?;
        row("dead letters", self.verdict.dead_letters)?;
        row("lost", self.verdict.lost)?;
        row("counted twice", self.verdict.counted_twice)?;
        row("not counted", self.verdict.not_counted)
    }
}
