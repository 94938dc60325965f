//! How far the deliveries of a stream have come.

use std::ops::Range;

use super::{From, Shard, Truth};

/// For each shard, in numbers of changes from its beginning.
#[derive(Debug, Clone)]
pub struct Progress {
    lengths: Vec<usize>,
    /// All below was answered.
    answered: Vec<usize>,
    /// Where the last delivery began.
    begun: Vec<usize>,
    /// All below was handed to an instance at least once.
    delivered: Vec<usize>,
}

impl Progress {
    /// Nothing delivered yet.
    pub fn of(truth: &Truth) -> Self {
        let none = vec![0; truth.shards.len()];
        Self {
            lengths: truth.shards.iter().map(|shard| shard.changes.len()).collect(),
            answered: none.clone(),
            begun: none.clone(),
            delivered: none,
        }
    }

    /// Which changes the next delivery brings, which thereby count as delivered.
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

    /// A delivery was answered without an error.
    pub fn answered(&mut self, shard: usize, changes: &Range<usize>) {
        self.answered[shard] = self.answered[shard].max(changes.end);
    }

    /// Which shard a tally is of, and how many of its changes lie up to the tally's checkpoint; an error
    /// where that cannot be, or not all of them were delivered.
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
