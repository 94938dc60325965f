//! Progress of the deliveries of a stream.

use std::ops::Range;

use super::{From, Shard, Truth};

/// Positions in each shard, as numbers of changes from its start.
#[derive(Debug, Clone)]
pub struct Progress {
    lengths: Vec<usize>,
    /// All changes before this were processed.
    answered: Vec<usize>,
    /// Start of the last delivery.
    begun: Vec<usize>,
    /// All changes before this were passed to an instance at least once.
    delivered: Vec<usize>,
}

impl Progress {
    /// Returns the progress before any delivery.
    pub fn of(truth: &Truth) -> Self {
        let none = vec![0; truth.shards.len()];
        Self {
            lengths: truth.shards.iter().map(|shard| shard.changes.len()).collect(),
            answered: none.clone(),
            begun: none.clone(),
            delivered: none,
        }
    }

    /// Returns the changes of the next delivery, and marks them as delivered.
    pub fn deliver(&mut self, shard: usize, from: From, length: usize) -> Range<usize> {
        let answered = self.answered[shard];
        let start = match from {
            From::Next => answered,
            From::SameStart => self.begun[shard],
            From::Back(count) => answered.saturating_sub(count),
            From::Beginning => 0,
        };
        let end = start.saturating_add(length).min(self.lengths[shard]);
        self.begun[shard] = start;
        self.delivered[shard] = self.delivered[shard].max(end);
        start..end
    }

    /// Records that a delivery was processed without an error.
    pub fn answered(&mut self, shard: usize, changes: &Range<usize>) {
        self.answered[shard] = self.answered[shard].max(changes.end);
    }

    /// Returns the shard of a tally, and how many of its changes the tally's checkpoint covers. Fails if the
    /// checkpoint is invalid or covers changes that were not delivered.
    pub fn counted<'a>(
        &self,
        truth: &'a Truth,
        shard: &str,
        checkpoint: &str,
    ) -> Result<(&'a Shard, usize), String> {
        let (delivered, shard) = self
            .delivered
            .iter()
            .zip(&truth.shards)
            .find(|(_, other)| other.id == shard)
            .ok_or_else(|| format!("there is no shard '{shard}'"))?;
        match shard.up_to(checkpoint) {
            None => Err(format!("{} has no change '{checkpoint}'", shard.id)),
            Some(counted) if counted > *delivered => {
                Err(format!("{counted} changes of {} are counted, {delivered} were delivered", shard.id))
            }
            Some(counted) => Ok((shard, counted)),
        }
    }
}
