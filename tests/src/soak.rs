//! The soak test: one rehearsal under a mix of all faults and kills, checked by an independent count.
//!
//! A seed decides the faults and the kills. Scheduling still differs from run to run, so repeating a failed
//! seed does not reproduce it exactly.

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
/// Mean interval between kills.
const DEATH_EVERY: Duration = Duration::from_millis(1_200);
/// How long a stopped program runs on its stale state before it is terminated.
const CONTINUED_FOR: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// The settings of a soak test.
#[derive(Debug, Clone, Copy)]
pub struct Soak {
    /// Seed of the faults and kills.
    pub seed: u64,
    /// How long faults and kills are injected, before the rehearsal finishes without them.
    pub duration: Duration,
    /// Messages of the run.
    pub messages: u64,
}

impl Soak {
    /// Runs it. The error names the violated guarantee.
    pub fn play(&self) -> Result<Report, String> {
        let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
        let proxy = Proxy::start(self.seed);
        let run = Ulid::generate().to_string();
        let mut rehearsal = Rehearsal::start(self, &run, stack.at_port(proxy.port()));
        let mut witness = Witness::new(&stack, &run, self.messages);
        proxy.inject(FaultPlan::mix(FAULT_RATE));
        let end = Instant::now() + self.duration;
        while Instant::now() < end {
            rehearsal.inject_death(&stack);
            rehearsal.restart_ended()?;
            witness.look()?;
            std::thread::sleep(TICK);
        }
        proxy.inject(FaultPlan::none());
        let (deaths, senders) = rehearsal.finish()?;
        stack.sender("-w 0 -f 0.1 -c 10 --idle-timeout 2").run().exits(0);
        let verdict = judge(&stack, &run, self.messages)?;
        Ok(Report { runs: 1, messages: self.messages, faults: proxy.injected(), deaths, verdict, senders })
    }
}

/// The running programs of the rehearsal.
struct Rehearsal<'a> {
    endpoint: StackEndpoint<'a>,
    chance: ChaCha8Rng,
    begin: String,
    resume: String,
    producers: Vec<Process>,
    producer_done: bool,
    senders: Vec<Process>,
    /// Stopped programs, and when each continues.
    stopped: Vec<(Process, Instant)>,
    next_death: Instant,
    deaths: Deaths,
    ended: Vec<ProcessOutput>,
}

impl<'a> Rehearsal<'a> {
    fn start(soak: &Soak, run: &str, endpoint: StackEndpoint<'a>) -> Self {
        let rate = soak.messages as f64 / soak.duration.as_secs_f64() * 2.0;
        let mut rehearsal = Self {
            endpoint,
            chance: ChaCha8Rng::seed_from_u64(soak.seed),
            begin: format!("-m {} --run {run} --rate {rate} --concurrency 4", soak.messages),
            resume: format!("resume {run} --rate {rate} --concurrency 4"),
            producers: Vec::new(),
            producer_done: false,
            senders: Vec::new(),
            stopped: Vec::new(),
            next_death: Instant::now() + DEATH_EVERY,
            deaths: Deaths::default(),
            ended: Vec::new(),
        };
        rehearsal.producers.push(endpoint.producer(&rehearsal.begin).start());
        (0..SENDERS).for_each(|_| rehearsal.start_sender());
        rehearsal
    }

    fn start_sender(&mut self) {
        let wait = self.chance.random_range(0.0..0.2);
        let line = format!("-w {wait:.3} -f 0.1 -c 5 --max-attempts 2 --forever --json");
        self.senders.push(self.endpoint.sender(&line).start());
    }

    /// Injects the next kill when it is due.
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
            self.producers.push(self.endpoint.producer(&self.resume).start());
        }
        running
    }

    /// Stops a sender for longer than the visibility timeout.
    fn stop_sender(&mut self) -> bool {
        let one = self.chance.random_range(0..self.senders.len());
        if !self.senders[one].is_running() {
            return false;
        }
        let sender = self.senders.swap_remove(one);
        sender.signal("STOP");
        self.stopped.push((sender, Instant::now() + Duration::from_secs(12)));
        self.start_sender();
        true
    }

    fn stop_producer(&mut self) -> bool {
        if !self.producers.first_mut().is_some_and(Process::is_running) {
            return false;
        }
        let producer = self.producers.remove(0);
        producer.signal("STOP");
        self.stopped.push((producer, Instant::now() + Duration::from_secs(4)));
        true
    }

    /// Restarts programs that have exited, and continues stopped programs that are due.
    fn restart_ended(&mut self) -> Result<(), String> {
        for (program, until) in std::mem::take(&mut self.stopped) {
            if Instant::now() < until {
                self.stopped.push((program, until));
            } else {
                self.continue_stopped(program)?;
            }
        }
        for mut sender in std::mem::take(&mut self.senders) {
            if sender.is_running() {
                self.senders.push(sender);
            } else {
                self.check_exit(sender)?;
            }
        }
        while self.senders.len() < SENDERS {
            self.start_sender();
        }
        for mut producer in std::mem::take(&mut self.producers) {
            if producer.is_running() {
                self.producers.push(producer);
            } else if self.check_exit(producer)? {
                self.producer_done = true;
            }
        }
        if self.producers.is_empty() && !self.producer_done {
            self.restart_producer();
        }
        Ok(())
    }

    /// Continues a stopped program for a while, and then terminates it.
    fn continue_stopped(&mut self, program: Process) -> Result<(), String> {
        program.signal("CONT");
        std::thread::sleep(CONTINUED_FOR);
        program.signal("TERM");
        self.check_exit(program).map(drop)
    }

    /// Starts a producer. If the last one was killed before it wrote its plan, this one starts the run again.
    fn restart_producer(&mut self) {
        let has_no_plan = self.ended.last().is_some_and(|ended| ended.stderr.contains("no run "));
        let line = if has_no_plan { &self.begin } else { &self.resume };
        self.producers.push(self.endpoint.producer(line).start());
    }

    /// Checks that a program exited with success, by a signal or with an error message, and returns whether it
    /// succeeded.
    fn check_exit(&mut self, program: Process) -> Result<bool, String> {
        let ended = program.finish();
        let failure = format!("{} ended with {:?}:\n{}", ended.line, ended.code, ended.stderr);
        let clear = match ended.code {
            None | Some(0 | 130 | 143) => true,
            Some(1) => ended.stderr.lines().any(|line| line.starts_with("error: ")),
            Some(_) => false,
        };
        if !clear || ended.stderr.contains("panicked") {
            return Err(failure);
        }
        let done = ended.code == Some(0);
        self.ended.push(ended);
        Ok(done)
    }

    /// Waits for the producer to complete without faults, and then terminates the senders.
    fn finish(mut self) -> Result<(Deaths, report::SenderCounts), String> {
        for (program, until) in std::mem::take(&mut self.stopped) {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            self.continue_stopped(program)?;
        }
        let deadline = Instant::now() + Duration::from_secs(90);
        while !self.producer_done || !self.producers.is_empty() {
            self.restart_ended()?;
            if Instant::now() > deadline {
                return Err("the producer does not finish".to_owned());
            }
            std::thread::sleep(TICK);
        }
        for sender in std::mem::take(&mut self.senders) {
            sender.signal("TERM");
            self.check_exit(sender)?;
        }
        Ok((self.deaths, report::SenderCounts::of(&self.ended)))
    }
}
