//! The settings of a simulation.

use super::{SECOND, START};

/// A limiter that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NoLead,
    StartsLate,
    Unconditional,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) rate: f64,
    pub(super) senders: usize,
    pub(super) parts: u32,
    /// Free slots of a sender; by default enough for the limit.
    pub(super) slots: Option<usize>,
    /// Duration of a delivery, µs.
    pub(super) delivery: u64,
    pub(super) seconds: u64,
    /// Shortest and longest time of a request there and back, µs.
    pub(super) latency: (u64, u64),
    /// How far the clocks of the senders are off, µs.
    pub(super) skew: i64,
    /// Shares of the senders that join, are killed, or are paused for ten seconds, after half of the time.
    pub(super) joiners: f64,
    pub(super) killed: f64,
    pub(super) paused: f64,
    /// Share of the answers that are lost.
    pub(super) lost: f64,
    pub(super) fault: Option<Fault>,
}

impl Setting {
    pub(super) fn new(rate: f64, senders: usize, parts: u32) -> Self {
        Self {
            rate,
            senders,
            parts,
            slots: None,
            delivery: SECOND / 2,
            seconds: 66,
            latency: (3_000, 20_000),
            skew: 0,
            joiners: 0.0,
            killed: 0.0,
            paused: 0.0,
            lost: 0.0,
            fault: None,
        }
    }

    pub(super) fn half(&self) -> u64 {
        START + self.seconds * SECOND / 2
    }

    /// The time in which each sender reserves one message, seconds.
    pub(super) fn cycle(&self) -> f64 {
        self.senders as f64 * f64::from(self.parts) / self.rate
    }
}

/// Twice as many as the limit needs, as for a sender without `--concurrency`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
pub(super) fn slots(setting: &Setting) -> usize {
    let needed = setting.rate * setting.delivery as f64 / SECOND as f64 / setting.senders as f64;
    ((2.0 * needed) as usize + 2).max(10)
}
