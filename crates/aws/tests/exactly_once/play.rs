//! Runs a script on instances and a table in memory, and compares the tallies with the true values.

use std::rc::Rc;

use stentor_core::delivery::Outcome;
use stentor_core::run::RunId;
use stentor_tally::{OutcomeEvent, ShardTally, StreamRecord, Tally};
use stentor_tests::stream::{
    self, CODES, Change, Counts, From, INSTANCES, Progress, Script, Shard, Step, Truth, What,
};

use crate::instance::{Delivery, Instance, Runs};
use crate::table::{Name, Table};

pub struct Play<'a> {
    script: &'a Script,
    truth: &'a Truth,
    table: Rc<Table>,
    instances: [Instance; INSTANCES],
    progress: Progress,
    written_out: bool,
}

impl<'a> Play<'a> {
    pub fn of(script: &'a Script, written_out: bool) -> Self {
        Self {
            script,
            truth: &script.truth,
            table: Rc::new(Table::new(&script.faults, written_out)),
            instances: Default::default(),
            progress: Progress::of(&script.truth),
            written_out,
        }
    }

    /// Runs the script. The error describes the first wrong result.
    pub fn play_out(mut self) -> Result<(), String> {
        for step in &self.script.steps {
            self.step(*step);
            self.check_what_was_written().map_err(|wrong| format!("after {step:?}: {wrong}"))?;
        }
        (0..INSTANCES).for_each(|instance| self.finish(instance));
        self.table.recover();
        for shard in 0..self.truth.shards.len() {
            self.deliver_all(shard, From::Next);
            self.deliver_all(shard, From::Beginning);
            self.check_whole_shard(&self.truth.shards[shard])
                .map_err(|wrong| format!("at the end: {wrong}"))?;
        }
        Ok(())
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

    /// Checks that each tally equals the changes of its shard up to its checkpoint, and that all of these were delivered.
    fn check_what_was_written(&self) -> Result<(), String> {
        for name in self.table.take_written() {
            let found = self.table.tally(&name).ok_or("the tally is missing")?;
            let checkpoint = found.checkpoint.as_ref().ok_or("the tally has no checkpoint")?.to_string();
            let (shard, counted) = self.progress.counted(self.truth, &name.1, &checkpoint)?;
            let number = (0..self.truth.runs).find(|number| run(*number) == name.0).ok_or("unknown run")?;
            equal(&name, &counts(&found), &shard.conclusions(number, counted).collect())?;
        }
        Ok(())
    }

    /// Checks that every run's tally covers the whole shard.
    fn check_whole_shard(&self, shard: &Shard) -> Result<(), String> {
        for number in 0..self.truth.runs {
            let name = (run(number), shard.id.clone());
            let all = shard.conclusions(number, shard.changes.len());
            let found = self.table.tally(&name);
            let found_counts = found.as_deref().map(counts).unwrap_or_default();
            equal(&name, &found_counts, &all.clone().collect())?;
            if self.written_out {
                // In all bins of the histograms and timelines, which is slow.
                let mut right = Tally::default();
                all.for_each(|end| right.count(&outcome_event(end)));
                equal(&name, &found.as_deref().cloned().unwrap_or_default().tally, &right)?;
            }
        }
        Ok(())
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(name: &Name, found: &T, right: &T) -> Result<(), String> {
    if found == right { Ok(()) } else { Err(format!("{name:?} is {found:?}, and should be {right:?}")) }
}

fn run(number: usize) -> RunId {
    stream::run_name(0, number).parse().expect("a run id")
}

/// Returns the records of each run, as the function reads them from an event.
fn runs(changes: &[Change]) -> Runs {
    let mut runs = Runs::new();
    for change in changes {
        let event = match &change.what {
            What::Conclusion(end) => Some(outcome_event(end)),
            What::Noise(noise) if noise.has_a_place() => None,
            What::Noise(_) => continue,
        };
        let sequence = change.sequence.parse().expect("a sequence number");
        runs.entry(run(change.run)).or_default().push(StreamRecord { sequence, event });
    }
    runs
}

fn outcome_event(end: &stream::Conclusion) -> OutcomeEvent {
    OutcomeEvent {
        outcome: if end.sent { Outcome::Sent } else { Outcome::Failed },
        created_at: Some(end.created_at),
        concluded_at: end.concluded_at,
        delivery_ms: end.delivery_ms,
        parts: end.parts,
        reason: end.reason.map(|code| code.parse().expect("a failure code")),
    }
}

fn counts(shard: &ShardTally) -> Counts {
    let tally = &shard.tally;
    Counts {
        sent: tally.sent,
        failed: tally.failed,
        failures: CODES.map(|code| failures(tally, code)),
        parts: tally.parts,
        deliveries: tally.delivery.count(),
        delivery_ms: tally.delivery.sum_ms(),
        latencies: tally.latency.count(),
        latency_ms: tally.latency.sum_ms(),
        first_concluded_at: tally.first_concluded_at,
        last_concluded_at: tally.last_concluded_at,
    }
}

fn failures(tally: &Tally, code: &str) -> u64 {
    tally.failures.iter().find(|(found, _)| found.as_str() == code).map_or(0, |(_, count)| count)
}
