//! Runs scripts with real instances of the function and a table for them.

use std::ops::Range;
use std::time::Duration;

use stentor_fake_aws::FakeAws;
use stentor_tally::Tally;
use stentor_tests::stream::{
    From, INSTANCES, Progress, Script, Shard, Step, Truth, Window, empty_answer, empty_event, event, run_name,
};
use stentor_tests::{Function, InvocationResult};

use crate::call_check::check_call;
use crate::reading::{Expected, read};

/// The stack of the fake.
const STACK: &str = "stentor";
pub const METRICS_TABLE: &str = "stentor-metrics";

/// A table and instances, used by many scripts one after the other.
pub struct Stage {
    fake: FakeAws,
    instances: [Option<Instance>; INSTANCES],
    stories: u64,
}

/// A running instance and its current batch.
struct Instance {
    function: Function,
    work: Option<Delivery>,
}

/// The shard, and the range of its changes.
type Delivery = (usize, Range<usize>);

/// A running script.
struct Play<'a> {
    stage: &'a mut Stage,
    truth: &'a Truth,
    progress: Progress,
    story: u64,
    /// No more faults are injected, so every invocation must succeed.
    faultless: bool,
}

impl Stage {
    pub fn set() -> Self {
        let fake = FakeAws::start(STACK, Duration::ZERO).expect("a loopback port is free");
        fake.set_call_check(check_call);
        fake.record_puts();
        Self { fake, instances: Default::default(), stories: 0 }
    }

    /// Runs a script with separate runs. The error describes the first wrong result.
    pub fn play(&mut self, script: &Script) -> Result<(), String> {
        self.stories += 1;
        self.fake.inject(&script.faults);
        let truth = &script.truth;
        let (progress, story) = (Progress::of(truth), self.stories);
        let play = Play { stage: self, truth, progress, story, faultless: false };
        let played = play.play_out(&script.steps);
        if played.is_err() {
            // Pending calls must not affect the next script.
            self.instances = Default::default();
        }
        played
    }

    fn instance(&mut self, place: usize) -> &mut Instance {
        self.instances[place].get_or_insert_with(|| {
            let access_key = format!("INSTANCE{place}");
            let function = Function::start_at(&self.fake.endpoint(), METRICS_TABLE, &access_key);
            let process = function.process().clone();
            self.fake.register_caller(&access_key, move || process.kill());
            Instance { function, work: None }
        })
    }
}

impl Play<'_> {
    fn play_out(mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            self.step(*step)
                .and_then(|()| self.check_what_was_written())
                .map_err(|wrong| format!("after {step:?}: {wrong}"))?;
        }
        (0..INSTANCES).try_for_each(|instance| self.finish(instance))?;
        self.stage.fake.recover();
        self.faultless = true;
        for shard in 0..self.truth.shards.len() {
            for (instance, from) in [(0, From::Next), (1, From::Beginning)] {
                self.begin(instance, shard, from, usize::MAX, Window::Ending);
                self.finish(instance)?;
            }
        }
        self.check_what_was_written()?;
        self.truth.shards.iter().try_for_each(|shard| self.check_whole_shard(shard))
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Deliver { instance, shard, from, length, window } => {
                self.finish(instance)?;
                self.begin(instance, shard % self.truth.shards.len(), from, length, window);
            }
            Step::DeliverNothing { instance, emptiness } => {
                self.finish(instance)?;
                let event = empty_event(&self.truth.shards[0], emptiness);
                let given = self.stage.instance(instance);
                given.function.begin(&event);
                given.work = Some((0, 0..0));
            }
            Step::GoOn { instance, .. } => self.finish(instance)?,
            Step::Kill { instance } => self.stage.instances[instance] = None,
        }
        Ok(())
    }

    fn begin(&mut self, instance: usize, shard: usize, from: From, length: usize, window: Window) {
        let changes = self.progress.deliver(shard, from, length);
        let event = event(&self.truth.shards[shard], changes.clone(), self.story, window);
        let given = self.stage.instance(instance);
        given.function.begin(&event);
        given.work = Some((shard, changes));
    }

    /// Waits until an instance is idle.
    fn finish(&mut self, instance: usize) -> Result<(), String> {
        let Some(working) = &mut self.stage.instances[instance] else { return Ok(()) };
        let Some((shard, changes)) = working.work.take() else { return Ok(()) };
        match working.function.finish() {
            InvocationResult::Answered(answer) if answer == empty_answer() => {
                self.progress.answered(shard, &changes);
                Ok(())
            }
            InvocationResult::Failed(_) if !self.faultless => Ok(()),
            InvocationResult::Killed if !self.faultless => {
                self.stage.instances[instance] = None;
                Ok(())
            }
            other => Err(format!("{changes:?} of shard {shard} came to {other:?}")),
        }
    }

    /// Checks that each tally is that of its shard up to its checkpoint, and that all of that was delivered.
    fn check_what_was_written(&self) -> Result<(), String> {
        let fake = &self.stage.fake;
        assert_eq!(fake.violations(), [""; 0]);
        for item in fake.take_recorded_puts() {
            let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
            let (run, part) = (text("run"), text("part"));
            // The last call of a killed instance may arrive after the end of its script.
            let of_this_script = (0..self.truth.runs).find(|number| run_name(self.story, *number) == run);
            let Some(number) = of_this_script else { continue };
            let shard = part.strip_prefix("shard#").ok_or_else(|| format!("unknown item {part}"))?;
            let (shard, counted) = self.progress.counted(self.truth, shard, &text("checkpoint"))?;
            let expected = Expected::of(shard.conclusions(number, counted));
            check(&part, &read(&item["tally"])?, &expected)?;
        }
        Ok(())
    }

    /// Checks that every run's tally covers the whole shard.
    fn check_whole_shard(&self, shard: &Shard) -> Result<(), String> {
        for number in 0..self.truth.runs {
            let part = format!("shard#{}", shard.id);
            let expected = Expected::of(shard.conclusions(number, shard.changes.len()));
            let item = self.stage.fake.metrics_item(&run_name(self.story, number), &part);
            let found = match item {
                Some(item) => read(&item["tally"])?,
                None => Tally::default(),
            };
            check(&part, &found, &expected)?;
        }
        Ok(())
    }
}

fn check(part: &str, found: &Tally, expected: &Expected) -> Result<(), String> {
    expected.check(found).map_err(|error| format!("{part}: {error}"))
}
