//! The total of a run, from the tallies of its shards or from the final tally.

use super::{ShardTally, Tally};

/// A tally of a run that cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedTally {
    /// The stream shard of the tally; `final` for the tally that `monitor repair` counted from the messages table.
    pub shard: String,
    /// The error.
    pub why: String,
}

/// The `shard` of a damaged final tally.
const FINAL: &str = "final";

/// Adds up the tallies of a run as they are read one by one.
#[derive(Debug, Default)]
pub struct RunTally {
    shards: Tally,
    damaged: Vec<DamagedTally>,
    counted: Option<Tally>,
}

impl RunTally {
    /// Adds the tally of a shard, or the error that reading it returned.
    pub fn add_shard(&mut self, shard: &str, read: Result<ShardTally, String>) {
        match read {
            Ok(read) => self.shards.merge(&read.tally),
            Err(why) => self.add_damaged(shard, why),
        }
    }

    /// Adds a shard whose tally cannot be read or written.
    pub fn add_damaged(&mut self, shard: &str, why: String) {
        self.damaged.push(DamagedTally { shard: shard.to_owned(), why });
    }

    /// Sets the final tally, which was counted from the messages table, or adds the error that reading it returned.
    pub fn set_final(&mut self, read: Result<Tally, String>) {
        match read {
            Ok(tally) => self.counted = Some(tally),
            Err(why) => self.add_damaged(FINAL, why),
        }
    }

    /// Returns the total of the run and the damaged tallies that are missing in it, each shard once. A final tally
    /// covers the whole run: it is the total, and no tally is missing.
    pub fn total(self) -> (Tally, Vec<DamagedTally>) {
        if let Some(counted) = self.counted {
            return (counted, Vec::new());
        }
        let mut damaged = self.damaged;
        // A shard can be both marked by the aggregator and unreadable here.
        damaged.sort_by(|one, other| one.shard.cmp(&other.shard));
        damaged.dedup_by(|one, other| one.shard == other.shard);
        (self.shards, damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sent: u64) -> Tally {
        Tally { sent, ..Tally::default() }
    }

    fn shard(sent: u64) -> ShardTally {
        ShardTally { checkpoint: None, tally: tally(sent) }
    }

    #[test]
    fn shards_add_up() {
        let mut run = RunTally::default();
        run.add_shard("1", Ok(shard(3)));
        run.add_shard("2", Ok(shard(4)));
        assert_eq!(run.total(), (tally(7), vec![]));
    }

    #[test]
    fn a_marked_and_unreadable_tally_is_damaged_once() {
        let mut run = RunTally::default();
        run.add_damaged("2", "marked".into());
        run.add_shard("1", Ok(shard(3)));
        run.add_shard("2", Err("odd".into()));
        let damaged = DamagedTally { shard: "2".into(), why: "marked".into() };
        assert_eq!(run.total(), (tally(3), vec![damaged]));
    }

    #[test]
    fn a_final_tally_replaces_the_shards_and_their_damage() {
        let mut run = RunTally::default();
        run.add_damaged("2", "marked".into());
        run.set_final(Ok(tally(10)));
        run.add_shard("1", Ok(shard(3)));
        run.add_shard("2", Err("odd".into()));
        assert_eq!(run.total(), (tally(10), vec![]));
    }

    #[test]
    fn an_unreadable_final_tally_is_damaged_and_the_shards_are_the_total() {
        let mut run = RunTally::default();
        run.add_shard("1", Ok(shard(3)));
        run.set_final(Err("version 9".into()));
        let damaged = DamagedTally { shard: "final".into(), why: "version 9".into() };
        assert_eq!(run.total(), (tally(3), vec![damaged]));
    }
}
