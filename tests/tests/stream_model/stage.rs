//! Where scripts are played: real instances of the function, and a table for them.

use std::ops::Range;

use stentor_core::tally::Tally;
use stentor_tests::stream::{
    From, INSTANCES, Progress, Script, Shard, Step, Truth, Window, empty_answer, empty_event, event, run_name,
};
use stentor_tests::{Function, Invoked, MetricsStandIn};

use crate::reading::{Expected, read};

/// A table and instances that many scripts are played with, one after the other.
pub struct Stage {
    table: MetricsStandIn,
    instances: [Option<Instance>; INSTANCES],
    stories: u64,
}

/// A running instance, and what it is at.
struct Instance {
    function: Function,
    work: Option<Delivery>,
}

/// The shard, and which of its changes.
type Delivery = (usize, Range<usize>);

/// A script that is being played.
struct Play<'a> {
    stage: &'a mut Stage,
    truth: &'a Truth,
    progress: Progress,
    story: u64,
    /// Nothing goes wrong any more, so that every invocation must be answered well.
    faultless: bool,
}

impl Stage {
    pub fn set() -> Self {
        Self { table: MetricsStandIn::start(), instances: Default::default(), stories: 0 }
    }

    /// Plays a script, with runs of its own; the error says what came out wrong.
    pub fn play(&mut self, script: &Script) -> Result<(), String> {
        self.stories += 1;
        self.table.plan(&script.faults);
        let truth = &script.truth;
        let (progress, story) = (Progress::of(truth), self.stories);
        let play = Play { stage: self, truth, progress, story, faultless: false };
        let played = play.play_out(&script.steps);
        if played.is_err() {
            // What is still going on must not come into the next script.
            self.instances = Default::default();
        }
        played
    }

    fn instance(&mut self, place: usize) -> &mut Instance {
        self.instances[place].get_or_insert_with(|| {
            let access_key = format!("INSTANCE{place}");
            let function = Function::start_at(&self.table.url(), MetricsStandIn::NAME, &access_key);
            self.table.know(&access_key, function.life());
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
        self.stage.table.recover();
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

    /// Waits until an instance has nothing to do.
    fn finish(&mut self, instance: usize) -> Result<(), String> {
        let Some(working) = &mut self.stage.instances[instance] else { return Ok(()) };
        let Some((shard, changes)) = working.work.take() else { return Ok(()) };
        match working.function.finish() {
            Invoked::Answered(answer) if answer == empty_answer() => {
                self.progress.answered(shard, &changes);
                Ok(())
            }
            Invoked::Failed(_) if !self.faultless => Ok(()),
            Invoked::Killed if !self.faultless => {
                self.stage.instances[instance] = None;
                Ok(())
            }
            other => Err(format!("{changes:?} of shard {shard} came to {other:?}")),
        }
    }

    /// Each must be the tally of its shard's beginning up to its checkpoint, of which all was delivered.
    fn check_what_was_written(&self) -> Result<(), String> {
        for item in self.stage.table.take_written() {
            let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
            let (run, part) = (text("run"), text("part"));
            // A killed instance's last call may come in after the end of its script.
            let of_this_script = (0..self.truth.runs).find(|number| run_name(self.story, *number) == run);
            let Some(number) = of_this_script else { continue };
            let shard = part.strip_prefix("shard#").ok_or_else(|| format!("a strange {part}"))?;
            let (shard, counted) = self.progress.counted(self.truth, shard, &text("checkpoint"))?;
            let expected = Expected::of(shard.conclusions(number, counted));
            check(&part, &read(&item["tally"])?, &expected)?;
        }
        Ok(())
    }

    /// Every run's tally of the shard must hold all of it.
    fn check_whole_shard(&self, shard: &Shard) -> Result<(), String> {
        for number in 0..self.truth.runs {
            let part = format!("shard#{}", shard.id);
            let expected = Expected::of(shard.conclusions(number, shard.changes.len()));
            let item = self.stage.table.item(&run_name(self.story, number), &part);
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
