//! The soak as a command: rehearsals under a mix of all faults and deaths, several at once.
//!
//! ```text
//! cargo run -p stentor-tests --bin soak -- --seeds 8 --seconds 15
//! cargo run -p stentor-tests --bin soak -- --seed 1234
//! ```

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use stentor_tests::soak::{Report, Soak};

/// Rehearses under faults and deaths, and checks that nothing is lost and nothing counts twice.
#[derive(Debug, Parser)]
struct Args {
    /// The first seed; the others follow it. A fresh one if left out
    #[arg(long)]
    seed: Option<u64>,
    /// Seeds to play
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,
    /// Rehearsals at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=32))]
    at_once: u64,
    /// How long things go wrong in each, seconds
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Messages of each
    #[arg(short, long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    messages: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let first = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!(
        "seeds from {first} on: {} of {} messages and {} s each",
        args.seeds, args.messages, args.seconds
    );
    let start = Instant::now();
    let (sum, broken) = play_all(&args, first);
    println!("\n{sum}");
    println!("{} of {} seeds broken, in {} s", broken.len(), args.seeds, start.elapsed().as_secs());
    for seed in &broken {
        println!("play it again: --seed {seed} --seconds {} -m {}", args.seconds, args.messages);
    }
    println!("seeds from {first} on");
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays every seed; returns the sum of what happened, and the seeds under which a promise was broken.
fn play_all(args: &Args, first: u64) -> (Report, Vec<u64>) {
    let (next, done) = (AtomicU64::new(0), Mutex::new((Report::default(), Vec::new())));
    std::thread::scope(|scope| {
        for _ in 0..args.at_once.min(args.seeds) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= args.seeds {
                        return;
                    }
                    let seed = first.wrapping_add(place);
                    let soak =
                        Soak { seed, duration: Duration::from_secs(args.seconds), messages: args.messages };
                    let (report, kept) = play(&soak);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.0.add(&report);
                    done.1.extend((!kept).then_some(seed));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Plays one seed, and says how it went: what happened, and whether all promises were kept.
fn play(soak: &Soak) -> (Report, bool) {
    // A panic is that of a check which the tests make as well; it has told its reason.
    let played = std::panic::catch_unwind(|| soak.play()).unwrap_or_else(|_| Err("see above".to_owned()));
    let (report, broken) = match played {
        Ok(report) if report.verdict.is_good() => (report, None),
        Ok(report) => (report.clone(), Some(format!("{:?}", report.verdict))),
        Err(why) => (Report::default(), Some(why)),
    };
    println!(
        "seed {}: {}",
        soak.seed,
        broken.as_ref().map_or("all promises kept".into(), |why| format!("BROKEN: {why}"))
    );
    (report, broken.is_none())
}
