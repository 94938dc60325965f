//! A script, played on instances and a table in memory, and held against the truth.

use std::rc::Rc;

use stentor_core::delivery::Outcome;
use stentor_core::run::RunId;
use stentor_core::tally::{Conclusion, Record, ShardTally, Tally};
use stentor_tests::stream::{
    self, Change, Counts, From, INSTANCES, Progress, Script, Shard, Step, Truth, What,
};

use crate::instance::{Delivery, Instance, Runs};
use crate::table::{Name, Table};

pub struct Play<'a> {
    script: &'a Script,
    truth: &'a Truth,
    table: Rc<Table>,
    instances: [Instance; INSTANCES],
    progress: Progress,
}

impl<'a> Play<'a> {
    pub fn of(script: &'a Script, written_out: bool) -> Self {
        Self {
            script,
            truth: &script.truth,
            table: Rc::new(Table::new(&script.faults, written_out)),
            instances: Default::default(),
            progress: Progress::of(&script.truth),
        }
    }

    /// Plays it; the error says what came out wrong.
    pub fn to_its_end(mut self) -> Result<(), String> {
        for step in &self.script.steps {
            self.step(*step);
            self.check_what_was_written().map_err(|wrong| format!("after {step:?}: {wrong}"))?;
        }
        (0..INSTANCES).for_each(|instance| self.finish(instance));
        self.table.recover();
        for shard in 0..self.truth.shards.len() {
            self.deliver_all(shard, From::Next);
            self.check_whole_shard(shard).map_err(|wrong| format!("once all had come: {wrong}"))?;
            self.deliver_all(shard, From::Beginning);
            self.check_whole_shard(shard).map_err(|wrong| format!("once all had come again: {wrong}"))?;
        }
        self.check_what_was_written()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Deliver { instance, shard, from, length, window: _ } => {
                self.finish(instance);
                self.begin(instance, shard % self.truth.shards.len(), from, length);
            }
            Step::DeliverNothing { instance, .. } => self.finish(instance),
            Step::GoOn { instance, calls } => (0..calls).for_each(|_| self.go_on(instance)),
            Step::Kill { instance } => self.instances[instance].kill(),
        }
    }

    fn deliver_all(&mut self, shard: usize, from: From) {
        self.begin(0, shard, from, usize::MAX);
        self.finish(0);
    }

    fn begin(&mut self, instance: usize, shard: usize, from: From, length: usize) {
        let changes = self.progress.deliver(shard, from, length);
        let Shard { id, changes: all } = &self.truth.shards[shard];
        let runs = runs(&all[changes.clone()]);
        let delivery: Delivery = (shard, changes);
        self.instances[instance].begin(&self.table, delivery, id.clone(), runs);
    }

    fn go_on(&mut self, instance: usize) {
        if let Some((shard, changes)) = self.instances[instance].go_on(&self.table) {
            self.progress.answered(shard, &changes);
        }
    }

    fn finish(&mut self, instance: usize) {
        while self.instances[instance].is_busy() {
            self.go_on(instance);
        }
    }

    fn check_what_was_written(&self) -> Result<(), String> {
        self.table.take_written().iter().try_for_each(|name| self.check(name).map(drop))
    }

    /// A tally must be that of the beginning of its shard up to its checkpoint, of which all was delivered.
    /// Returns how many changes that is.
    fn check(&self, name: &Name) -> Result<usize, String> {
        let place = self.truth.shards.iter().position(|shard| shard.id == name.1).ok_or("a strange shard")?;
        let shard = &self.truth.shards[place];
        let found = self.table.tally(name);
        let counted = match &found.checkpoint {
            None => 0,
            Some(checkpoint) => shard.up_to(&checkpoint.to_string()).ok_or("a strange checkpoint")?,
        };
        let delivered = self.progress.delivered(place);
        if counted > delivered {
            return Err(format!("{counted} changes of {name:?} are counted, {delivered} were delivered"));
        }
        let number = (0..self.truth.runs).find(|number| run(*number) == name.0).ok_or("a strange run")?;
        let right: Counts = shard.conclusions(number, counted).collect();
        match counts(&found) {
            counts if counts == right => Ok(counted),
            counts => Err(format!("{name:?} is {counts:?}, and should be {right:?}")),
        }
    }

    /// Every run's tally of the shard must hold all of it, in its histograms and timeline too.
    fn check_whole_shard(&self, shard: usize) -> Result<(), String> {
        let Shard { id, changes } = &self.truth.shards[shard];
        for number in 0..self.truth.runs {
            let name = (run(number), id.clone());
            self.check(&name)?;
            let mut right = Tally::default();
            self.truth.shards[shard]
                .conclusions(number, changes.len())
                .for_each(|end| right.count(&conclusion(end)));
            if self.table.tally(&name).tally != right {
                return Err(format!("{name:?} is not that of the whole shard"));
            }
        }
        Ok(())
    }
}

fn run(number: usize) -> RunId {
    stream::run_name(0, number).parse().expect("a run id")
}

/// The records of each run, as the function reads them from an event.
fn runs(changes: &[Change]) -> Runs {
    let mut runs = Runs::new();
    for change in changes {
        let conclusion = match &change.what {
            What::Conclusion(end) => Some(conclusion(end)),
            What::Noise(noise) if noise.has_a_place() => None,
            What::Noise(_) => continue,
        };
        let sequence = change.sequence.parse().expect("a sequence number");
        runs.entry(run(change.run)).or_default().push(Record { sequence, conclusion });
    }
    runs
}

fn conclusion(end: &stream::Conclusion) -> Conclusion {
    Conclusion {
        outcome: if end.sent { Outcome::Sent } else { Outcome::Failed },
        created_at: Some(end.created_at),
        concluded_at: end.concluded_at,
        delivery_ms: end.delivery_ms,
    }
}

fn counts(shard: &ShardTally) -> Counts {
    let tally = &shard.tally;
    Counts {
        sent: tally.sent,
        failed: tally.failed,
        deliveries: tally.delivery.count(),
        delivery_ms: tally.delivery.sum_ms(),
        latencies: tally.latency.count(),
        latency_ms: tally.latency.sum_ms(),
        first_concluded_at: tally.first_concluded_at,
        last_concluded_at: tally.last_concluded_at,
    }
}
