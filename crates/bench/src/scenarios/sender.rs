//! Senders on the fake.

use std::time::Duration;

use super::play::{growth, send, usual};
use super::{Bench, Scenario};
use crate::report::Figure;

/// A sender with as much to do as it can.
pub(super) const BUSY: &str = "-w 0 -c 1000";

const REQUESTS: Figure = Figure::at_most("requests at load", "a message", 0.25);

pub(super) const QUICK: Scenario = Scenario {
    name: "sender-quick",
    figures: &[REQUESTS],
    play: |bench| Ok(vec![send(bench, 10_000, Duration::ZERO, 1, BUSY)?.requests_a_message()]),
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "sender",
        figures: &[
            REQUESTS,
            Figure::at_most("CPU", "µs a message", 25.0),
            Figure::shown("speed at 0 ms a call", "messages/s"),
            Figure::shown("connections", ""),
        ],
        play: |bench| usual(|messages| send(bench, messages, Duration::ZERO, 1, BUSY)),
    },
    Scenario {
        name: "sender-5ms",
        figures: &[Figure::shown("speed at 5 ms a call", "messages/s")],
        play: |bench| {
            Ok(vec![send(bench, 100_000, Duration::from_millis(5), 1, BUSY)?.messages_per_second()])
        },
    },
    Scenario {
        name: "sender-20ms",
        figures: &[
            Figure::at_least("speed at 20 ms a call", "messages/s", 10_000.0),
            Figure::at_most("requests at 20 ms a call", "a message", 0.25),
        ],
        play: |bench| {
            let played = send(bench, 100_000, Duration::from_millis(20), 1, BUSY)?;
            Ok(vec![played.messages_per_second(), played.requests_a_message()])
        },
    },
    Scenario {
        name: "sender-default-wait",
        figures: &[
            Figure::shown("outcome after the delivery ends, mean", "ms"),
            Figure::at_most("outcome after the delivery ends, longest", "ms", 10.0),
        ],
        play: |bench| {
            let lag = send(bench, 20, Duration::ZERO, 1, "-w 0.5 -c 1")?.stats.outcome_lag;
            Ok(vec![lag.mean_ms(), lag.max_ms as f64])
        },
    },
    Scenario {
        name: "sender-10000",
        figures: &[
            Figure::at_most("memory, -c 10000 -w 5", "MiB", 128.0),
            Figure::shown("speed, -c 10000 -w 5", "messages/s"),
        ],
        play: |bench| {
            let played = send(bench, 30_000, Duration::ZERO, 1, "-w 5 -c 10000")?;
            Ok(vec![played.measured.peak_mib, played.messages_per_second()])
        },
    },
    Scenario {
        name: "senders",
        figures: &[
            Figure::shown("speed, 1 sender, 20 ms a call", "messages/s"),
            Figure::shown("speed, 4 senders", "messages/s"),
            Figure::shown("speed, 16 senders", "messages/s"),
            Figure::shown("requests, 4 senders", "a message"),
            Figure::shown("requests, 16 senders", "a message"),
        ],
        play: several,
    },
    Scenario {
        name: "sender-growth",
        figures: &[
            Figure::shown("CPU, 10 thousand", "µs a message"),
            Figure::shown("CPU, 100 thousand", "µs a message"),
            Figure::shown("CPU, 1 million", "µs a message"),
            Figure::at_most("CPU a message, 1 million against 10 thousand", "times", 1.1),
            Figure::shown("memory, 1 million", "MiB"),
        ],
        play: |bench| growth(|messages| send(bench, messages, Duration::ZERO, 1, BUSY)),
    },
];

fn several(bench: &Bench) -> anyhow::Result<Vec<f64>> {
    let play = |senders| send(bench, 100_000, Duration::from_millis(20), senders, BUSY);
    let (one, four, sixteen) = (play(1)?, play(4)?, play(16)?);
    Ok(vec![
        one.messages_per_second(),
        four.messages_per_second(),
        sixteen.messages_per_second(),
        four.requests_a_message(),
        sixteen.requests_a_message(),
    ])
}
