//! A sender's part of an allowance: the block that it has reserved, and how much to reserve next.

use std::sync::Arc;

use super::{Allowance, Counter};

/// Seconds of the sender's share of the provider's rate limit that a block lasts at most.
const MAX_SECONDS: f64 = 10.0;

/// The blocks of all senders together are at most one in this number of the units that are left.
const SHARE_OF_REST: u64 = 100;

/// How long a refusal is remembered, ms. Until then others may return what they did not use.
const REFUSAL_MS: u64 = 10_000;

/// A sender's part of an allowance.
#[derive(Debug)]
pub struct LocalAllowance {
    allowance: Allowance,
    /// The counter of the current day or month.
    counter: Arc<Counter>,
    /// Units reserved and not taken.
    reserved: u64,
    /// Units left in the counter as last read; `None` before the first answer.
    left: Option<u64>,
    /// The last own reservation; `None` before the first.
    last: Option<LastBlock>,
    refusal: Option<Refusal>,
    /// Units of earlier counters, to be returned to them.
    unused: Vec<Reservation>,
}

#[derive(Debug, Clone, Copy)]
struct LastBlock {
    /// Its number in the counter.
    number: u64,
    units: u64,
    /// Blocks of all senders since the own one before, this one included; `None` after the first.
    senders: Option<u64>,
}

/// The counter has refused this number of units, which are refused here until a time.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    units: u64,
    until_ms: u64,
}

/// Units of a counter, to be reserved or returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The counter.
    pub counter: Arc<Counter>,
    /// Units, at least 1.
    pub units: u64,
}

/// What a counter contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Units reserved by all senders.
    pub used: u64,
    /// Reservations of all senders.
    pub blocks: u64,
}

/// The answer of a counter to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReserveResult {
    /// Reserved, with the counter's new state.
    Reserved(Counted),
    /// Refused, since the counter would exceed its limit; with its state, if the answer contained it.
    Refused(Option<Counted>),
}

/// Result of taking units for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeResult {
    /// The units are taken from this counter.
    Taken(Arc<Counter>),
    /// The counter refuses them.
    Refused,
    /// Reserve these units first, and record the answer.
    Reserve(Reservation),
}

impl LocalAllowance {
    /// Creates the part of a sender that has reserved nothing.
    pub fn new(allowance: Allowance, now_ms: u64) -> Self {
        let counter = Arc::new(allowance.counter_at(now_ms));
        Self { allowance, counter, reserved: 0, left: None, last: None, refusal: None, unused: Vec::new() }
    }

    /// Takes the units of a message, at least 1, from those reserved.
    pub fn take(&mut self, units: u64, now_ms: u64) -> TakeResult {
        if now_ms / 1_000 >= self.counter.ends_at {
            self.begin_period(now_ms);
        }
        if let Some(rest) = self.reserved.checked_sub(units) {
            self.reserved = rest;
            return TakeResult::Taken(Arc::clone(&self.counter));
        }
        let missing = units - self.reserved;
        let is_refused = |refusal: Refusal| now_ms < refusal.until_ms && missing >= refusal.units;
        if units > self.counter.limit || self.refusal.is_some_and(is_refused) {
            return TakeResult::Refused;
        }
        let units = self.block_size(missing, units);
        TakeResult::Reserve(Reservation { counter: Arc::clone(&self.counter), units })
    }

    /// Records the answer to a reservation that was made for a message with `units`.
    pub fn record(&mut self, request: Reservation, units: u64, result: ReserveResult, now_ms: u64) {
        let is_current = request.counter == self.counter;
        match result {
            ReserveResult::Reserved(_) if !is_current => self.unused.push(request),
            ReserveResult::Reserved(counted) => {
                self.reserved += request.units;
                self.left = Some(self.counter.limit.saturating_sub(counted.used));
                let since = self.last.map(|last| counted.blocks.saturating_sub(last.number).max(1));
                self.last = Some(LastBlock { number: counted.blocks, units: request.units, senders: since });
                self.refusal = None;
            }
            ReserveResult::Refused(_) if !is_current => {}
            ReserveResult::Refused(counted) => {
                let missing = units.saturating_sub(self.reserved);
                let left = match counted {
                    Some(counted) => self.counter.limit.saturating_sub(counted.used),
                    // A block was too large, which does not show how much is left.
                    None => request.units.saturating_sub(1).min(missing),
                };
                self.left = Some(left);
                if left < missing {
                    self.refusal = Some(Refusal { units: missing, until_ms: now_ms + REFUSAL_MS });
                }
            }
        }
    }

    /// Returns units that were taken and are not used after all.
    pub fn give_up(&mut self, counter: &Arc<Counter>, units: u64) {
        if *counter == self.counter {
            self.reserved += units;
        } else {
            self.unused.push(Reservation { counter: Arc::clone(counter), units });
        }
    }

    /// Removes and returns the units of earlier days and months, to be returned to their counters.
    pub fn take_unused(&mut self) -> Vec<Reservation> {
        std::mem::take(&mut self.unused)
    }

    /// Removes and returns all units that this sender has reserved and not used.
    pub fn close(&mut self) -> Vec<Reservation> {
        self.retire_block();
        self.take_unused()
    }

    /// A block of the earlier day or month is not used in this one.
    fn begin_period(&mut self, now_ms: u64) {
        self.retire_block();
        self.counter = Arc::new(self.allowance.counter_at(now_ms));
        (self.left, self.last, self.refusal) = (None, None, None);
    }

    fn retire_block(&mut self) {
        let units = std::mem::take(&mut self.reserved);
        if units > 0 {
            self.unused.push(Reservation { counter: Arc::clone(&self.counter), units });
        }
    }

    /// Returns how many units to reserve for a message of `message` units that misses this number: what it misses, and as
    /// many messages like it as the block permits. Each sender's blocks are its share of all blocks that were reserved
    /// meanwhile, so those of all senders together are within the limits of one. A sender that starts has not seen others
    /// yet, so its blocks at most double.
    fn block_size(&self, missing: u64, message: u64) -> u64 {
        let (Some(left), Some(LastBlock { units, senders: Some(senders), .. })) = (self.left, self.last)
        else {
            return missing;
        };
        let share = left / SHARE_OF_REST.saturating_mul(senders);
        let block = self.allowance.per_second.map_or(share, |rate| share.min(seconds_of(rate, senders)));
        let more = block.min(units.saturating_mul(2)).saturating_sub(missing);
        missing + more - more % message
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
fn seconds_of(per_second: f64, senders: u64) -> u64 {
    (per_second * MAX_SECONDS / senders as f64) as u64
}

#[cfg(test)]
mod tests;
