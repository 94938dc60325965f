//! The producer on the fake.

use std::time::Duration;

use super::Scenario;
use super::play::{growth, produce, usual};
use crate::report::Figure;

const REQUESTS: Figure = Figure::at_most("requests", "a message", 0.141);

pub(super) const QUICK: Scenario = Scenario {
    name: "producer-quick",
    figures: &[REQUESTS],
    play: |bench| Ok(vec![produce(bench, 10_000, Duration::ZERO)?.requests_a_message()]),
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "producer",
        figures: &[
            REQUESTS,
            Figure::at_most("CPU", "µs a message", 16.0),
            Figure::shown("speed at 0 ms a call", "messages/s"),
            Figure::shown("connections", ""),
        ],
        play: |bench| usual(|messages| produce(bench, messages, Duration::ZERO)),
    },
    Scenario {
        name: "producer-5ms",
        figures: &[Figure::shown("speed at 5 ms a call", "messages/s")],
        play: |bench| Ok(vec![produce(bench, 200_000, Duration::from_millis(5))?.messages_per_second()]),
    },
    Scenario {
        name: "producer-20ms",
        figures: &[Figure::at_least("speed at 20 ms a call", "messages/s", 30_000.0)],
        play: |bench| Ok(vec![produce(bench, 200_000, Duration::from_millis(20))?.messages_per_second()]),
    },
    Scenario {
        name: "producer-growth",
        figures: &[
            Figure::shown("CPU, 10 thousand", "µs a message"),
            Figure::shown("CPU, 100 thousand", "µs a message"),
            Figure::shown("CPU, 1 million", "µs a message"),
            Figure::at_most("CPU a message, 1 million against 10 thousand", "times", 1.1),
            Figure::at_most("memory, 1 million", "MiB", 48.0),
        ],
        play: |bench| growth(|messages| produce(bench, messages, Duration::ZERO)),
    },
];
