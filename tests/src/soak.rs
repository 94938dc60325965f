//! The soak: one rehearsal under a mix of all faults and deaths, judged by an independent count.
//!
//! A seed decides the faults and the deaths. What the scheduler makes of them differs from run to run all the
//! same, so a seed that failed is played again, not replayed to the letter.

mod deaths;
mod report;
mod verdict;

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ulid::Ulid;

use crate::proxy::{FaultPlan, Proxy};
use crate::{Process, ProcessOutput, Stack, StackEndpoint};
use deaths::{Death, Deaths};
pub use report::Report;
use verdict::{Witness, judge};

/// Fraction of the calls that fail.
const FAULT_RATE: f64 = 0.15;
const SENDERS: usize = 3;
/// Something dies about this often.
const DEATH_EVERY: Duration = Duration::from_millis(1_200);
/// How long a program that wakes up may act on what it believes.
const AWAKE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// What a soak is to do.
#[derive(Debug, Clone, Copy)]
pub struct Soak {
    /// Decides what goes wrong.
    pub seed: u64,
    /// How long faults and kills are injected, before the rehearsal finishes without them.
    pub duration: Duration,
    /// Messages of the run.
    pub messages: u64,
}

impl Soak {
    /// Plays it. An error says which promise was broken.
    pub fn play(&self) -> Result<Report, String> {
        let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
        let proxy = Proxy::start(self.seed);
        let run = Ulid::generate().to_string();
        let mut stage = Stage::set(self, &run, stack.at_port(proxy.port()));
        let mut witness = Witness::new(&stack, &run, self.messages);
        proxy.inject(FaultPlan::mix(FAULT_RATE));
        let end = Instant::now() + self.duration;
        while Instant::now() < end {
            stage.inject_death(&stack);
            stage.keep_going()?;
            witness.look()?;
            std::thread::sleep(TICK);
        }
        proxy.inject(FaultPlan::none());
        let (deaths, senders) = stage.wind_up()?;
        stack.sender("-w 0 -f 0.1 -c 10 --idle-timeout 2").run().exits(0);
        let verdict = judge(&stack, &run, self.messages)?;
        Ok(Report { runs: 1, messages: self.messages, faults: proxy.injected(), deaths, verdict, senders })
    }
}

/// The programs at work.
struct Stage<'a> {
    way: StackEndpoint<'a>,
    chance: ChaCha8Rng,
    begin: String,
    resume: String,
    producers: Vec<Process>,
    producer_done: bool,
    senders: Vec<Process>,
    /// Programs that were stopped, and when each goes on.
    sleeping: Vec<(Process, Instant)>,
    next_death: Instant,
    deaths: Deaths,
    ended: Vec<ProcessOutput>,
}

impl<'a> Stage<'a> {
    fn set(soak: &Soak, run: &str, way: StackEndpoint<'a>) -> Self {
        let rate = soak.messages as f64 / soak.duration.as_secs_f64() * 2.0;
        let mut stage = Self {
            way,
            chance: ChaCha8Rng::seed_from_u64(soak.seed),
            begin: format!("-m {} --run {run} --rate {rate} --concurrency 4", soak.messages),
            resume: format!("resume {run} --rate {rate} --concurrency 4"),
            producers: Vec::new(),
            producer_done: false,
            senders: Vec::new(),
            sleeping: Vec::new(),
            next_death: Instant::now() + DEATH_EVERY,
            deaths: Deaths::default(),
            ended: Vec::new(),
        };
        stage.producers.push(way.producer(&stage.begin).start());
        (0..SENDERS).for_each(|_| stage.start_sender());
        stage
    }

    fn start_sender(&mut self) {
        let wait = self.chance.random_range(0.0..0.2);
        let line = format!("-w {wait:.3} -f 0.1 -c 5 --max-attempts 2 --forever --json");
        self.senders.push(self.way.sender(&line).start());
    }

    /// Lets something die, when it is time.
    fn inject_death(&mut self, stack: &Stack) {
        if Instant::now() < self.next_death {
            return;
        }
        self.next_death = Instant::now() + DEATH_EVERY.mul_f64(self.chance.random_range(0.3..1.7));
        let death = Death::ALL[self.chance.random_range(0..Death::ALL.len())];
        let died = match death {
            Death::AggregatorKilled => stack.kill_function(),
            Death::SenderKilled => self.end_sender("KILL"),
            Death::SenderTerminated => self.end_sender("TERM"),
            Death::SenderInterrupted => self.end_sender("INT"),
            Death::ProducerKilled => self.end_producer("KILL"),
            Death::ProducerInterrupted => self.end_producer("INT"),
            Death::ProducerDoubled => self.double_producer(),
            Death::SenderStopped => self.stop_sender(),
            Death::ProducerStopped => self.stop_producer(),
        };
        if died {
            self.deaths.note(death);
        }
    }

    fn end_sender(&mut self, signal: &str) -> bool {
        let one = self.chance.random_range(0..self.senders.len());
        let sender = &mut self.senders[one];
        let running = sender.is_running();
        if running {
            sender.signal(signal);
        }
        running
    }

    fn end_producer(&mut self, signal: &str) -> bool {
        let running = self.producers.first_mut().is_some_and(Process::is_running);
        if running {
            self.producers[0].signal(signal);
        }
        running
    }

    fn double_producer(&mut self) -> bool {
        let running = self.producers.len() == 1 && self.producers[0].is_running();
        if running {
            self.producers.push(self.way.producer(&self.resume).start());
        }
        running
    }

    /// Longer than what it holds stays invisible to others.
    fn stop_sender(&mut self) -> bool {
        let one = self.chance.random_range(0..self.senders.len());
        if !self.senders[one].is_running() {
            return false;
        }
        let sender = self.senders.swap_remove(one);
        sender.signal("STOP");
        self.sleeping.push((sender, Instant::now() + Duration::from_secs(12)));
        self.start_sender();
        true
    }

    fn stop_producer(&mut self) -> bool {
        if !self.producers.first_mut().is_some_and(Process::is_running) {
            return false;
        }
        let producer = self.producers.remove(0);
        producer.signal("STOP");
        self.sleeping.push((producer, Instant::now() + Duration::from_secs(4)));
        true
    }

    /// Starts anew what has ended, and wakes what has slept long enough.
    fn keep_going(&mut self) -> Result<(), String> {
        for (sleeper, until) in std::mem::take(&mut self.sleeping) {
            if Instant::now() < until {
                self.sleeping.push((sleeper, until));
            } else {
                self.wake(sleeper)?;
            }
        }
        for mut sender in std::mem::take(&mut self.senders) {
            if sender.is_running() {
                self.senders.push(sender);
            } else {
                self.bury(sender)?;
            }
        }
        while self.senders.len() < SENDERS {
            self.start_sender();
        }
        for mut producer in std::mem::take(&mut self.producers) {
            if producer.is_running() {
                self.producers.push(producer);
            } else if self.bury(producer)? {
                self.producer_done = true;
            }
        }
        if self.producers.is_empty() && !self.producer_done {
            self.produce_on();
        }
        Ok(())
    }

    /// Lets a program that was stopped go on with what it had begun, and then end.
    fn wake(&mut self, sleeper: Process) -> Result<(), String> {
        sleeper.signal("CONT");
        std::thread::sleep(AWAKE);
        sleeper.signal("TERM");
        self.bury(sleeper).map(drop)
    }

    /// A producer that died before it wrote its plan left nothing to resume; begun again, the run may be there.
    fn produce_on(&mut self) {
        let nothing_begun = self.ended.last().is_some_and(|ended| ended.stderr.contains("no run "));
        let line = if nothing_begun { &self.begin } else { &self.resume };
        self.producers.push(self.way.producer(line).start());
    }

    /// A program that has ended did so by its own will, by a signal, or with a clear error.
    /// Returns whether it did all it was to do.
    fn bury(&mut self, program: Process) -> Result<bool, String> {
        let ended = program.finish();
        let told = format!("{} ended with {:?}:\n{}", ended.line, ended.code, ended.stderr);
        let clear = match ended.code {
            None | Some(0 | 130 | 143) => true,
            Some(1) => ended.stderr.lines().any(|line| line.starts_with("error: ")),
            Some(_) => false,
        };
        if !clear || ended.stderr.contains("panicked") {
            return Err(told);
        }
        let done = ended.code == Some(0);
        self.ended.push(ended);
        Ok(done)
    }

    /// Without faults: the producer comes to its end, and all others are told to stop.
    fn wind_up(mut self) -> Result<(Deaths, report::SenderCounts), String> {
        for (sleeper, until) in std::mem::take(&mut self.sleeping) {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            self.wake(sleeper)?;
        }
        let deadline = Instant::now() + Duration::from_secs(90);
        while !self.producer_done || !self.producers.is_empty() {
            self.keep_going()?;
            if Instant::now() > deadline {
                return Err("the producer does not come to its end".to_owned());
            }
            std::thread::sleep(TICK);
        }
        for sender in std::mem::take(&mut self.senders) {
            sender.signal("TERM");
            self.bury(sender)?;
        }
        Ok((self.deaths, report::SenderCounts::of(&self.ended)))
    }
}
