//! Runs many generated cases on several threads.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use stentor_test_support::repetitions;

/// Runs `cases` cases, or a fifth of them: see [`repetitions`]. Each thread has a separate stage, which many cases use.
///
/// # Panics
/// If `play` returns an error: with the smallest failing case, and the seed that reproduces it.
pub fn for_every_case<C: Strategy, S>(
    cases: u32,
    threads: u32,
    any: impl Fn() -> C + Sync,
    set_stage: impl Fn() -> S + Sync,
    play: impl Fn(&mut S, C::Value) -> Result<(), String> + Sync,
) where
    C::Value: Send,
{
    let seed = match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => random_seed(),
    };
    let failure = std::thread::scope(|scope| {
        let run = |thread: u32| {
            let runner =
                TestRunner::new(config(repetitions(cases) / threads, seed.wrapping_add(thread.into())));
            let (any, set_stage, play) = (&any, &set_stage, &play);
            scope.spawn(move || try_cases(runner, &any(), set_stage(), play))
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        let results: Vec<_> = running.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        results.into_iter().find_map(|result| result.expect("see the panic above").err())
    });
    if let Some(failure) = failure {
        panic!("{failure}\nPROPTEST_RNG_SEED={seed} reproduces it");
    }
}

fn try_cases<C: Strategy, S>(
    mut runner: TestRunner,
    any: &C,
    stage: S,
    play: &impl Fn(&mut S, C::Value) -> Result<(), String>,
) -> Result<(), TestError<C::Value>> {
    let stage = RefCell::new(stage);
    runner.run(any, |case| play(&mut stage.borrow_mut(), case).map_err(TestCaseError::fail))
}

fn config(cases: u32, seed: u64) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        // The seed is printed, so failed cases are not saved to a file.
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    }
}

/// Returns a seed that differs each time.
fn random_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| (now.as_secs() << 30) ^ u64::from(now.subsec_nanos()))
}
