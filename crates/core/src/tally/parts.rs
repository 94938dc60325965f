//! Which of a run's tallies count.

use super::{ShardTally, Tally};

/// A tally of the run that cannot be kept or read any more, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The shard whose tally it is; `final` for the one that was counted from the table.
    pub shard: String,
    /// What is wrong.
    pub why: String,
}

/// What a broken final tally is called.
const FINAL: &str = "final";

/// A run's tallies, as they are read one by one.
#[derive(Debug, Default)]
pub struct RunTallies {
    shards: Tally,
    broken: Vec<Broken>,
    counted: Option<Tally>,
}

impl RunTallies {
    /// The tally of a shard, or why it cannot be read.
    pub fn shard(&mut self, shard: &str, read: Result<ShardTally, String>) {
        match read {
            Ok(read) => self.shards.merge(&read.tally),
            Err(why) => self.broken(shard, why),
        }
    }

    /// A mark that the tally of a shard cannot be kept.
    pub fn broken(&mut self, shard: &str, why: String) {
        self.broken.push(Broken { shard: shard.to_owned(), why });
    }

    /// The tally that was counted from the table of messages when all of them were concluded, or why it cannot
    /// be read.
    pub fn counted_from_table(&mut self, read: Result<Tally, String>) {
        match read {
            Ok(tally) => self.counted = Some(tally),
            Err(why) => self.broken(FINAL, why),
        }
    }

    /// What the run comes to, and which tallies are missing in it. One counted from the table has all of the run
    /// in it, and counts alone, whatever became of the others.
    pub fn settle(self) -> (Tally, Vec<Broken>) {
        if let Some(counted) = self.counted {
            return (counted, Vec::new());
        }
        let mut broken = self.broken;
        // The mark of the aggregator and our own finding are one thing.
        broken.sort_by(|one, other| one.shard.cmp(&other.shard));
        broken.dedup_by(|one, other| one.shard == other.shard);
        (self.shards, broken)
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
        let mut tallies = RunTallies::default();
        tallies.shard("1", Ok(shard(3)));
        tallies.shard("2", Ok(shard(4)));
        assert_eq!(tallies.settle(), (tally(7), vec![]));
    }

    #[test]
    fn a_tally_that_is_marked_and_cannot_be_read_is_broken_once() {
        let mut tallies = RunTallies::default();
        tallies.broken("2", "marked".into());
        tallies.shard("1", Ok(shard(3)));
        tallies.shard("2", Err("odd".into()));
        let broken = Broken { shard: "2".into(), why: "marked".into() };
        assert_eq!(tallies.settle(), (tally(3), vec![broken]));
    }

    #[test]
    fn one_counted_from_the_table_counts_alone_and_mends_what_is_broken() {
        let mut tallies = RunTallies::default();
        tallies.broken("2", "marked".into());
        tallies.counted_from_table(Ok(tally(10)));
        tallies.shard("1", Ok(shard(3)));
        tallies.shard("2", Err("odd".into()));
        assert_eq!(tallies.settle(), (tally(10), vec![]));
    }

    #[test]
    fn a_final_tally_that_cannot_be_read_leaves_the_shards_counting_and_is_told() {
        let mut tallies = RunTallies::default();
        tallies.shard("1", Ok(shard(3)));
        tallies.counted_from_table(Err("of version 9".into()));
        let broken = Broken { shard: "final".into(), why: "of version 9".into() };
        assert_eq!(tallies.settle(), (tally(3), vec![broken]));
    }
}
