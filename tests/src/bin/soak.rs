//! The soak test as a command: concurrent rehearsals under a mix of all faults and kills.
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

/// Run rehearsals under faults and kills, and check that nothing is lost or counted twice.
#[derive(Debug, Parser)]
struct Args {
    /// First seed; the others follow it [default: random]
    #[arg(long)]
    seed: Option<u64>,
    /// Number of seeds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,
    /// Number of concurrent rehearsals
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=32))]
    at_once: u64,
    /// Duration of the faults in each rehearsal, seconds
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Messages per rehearsal
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

/// Runs every seed, and returns the total report and the seeds that violated a guarantee.
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

/// Runs one seed, and returns its report and whether every guarantee held.
fn play(soak: &Soak) -> (Report, bool) {
    // A panic comes from an assertion shared with the tests, which has printed its reason.
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
