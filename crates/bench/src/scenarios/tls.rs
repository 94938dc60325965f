//! Producer and sender over TLS, beside the same without it.

use std::time::Duration;

use super::Scenario;
use super::play::{Played, produce, produce_over_tls, send, send_over_tls};
use super::sender::BUSY;
use crate::report::Figure;

const FIGURES: &[Figure] = &[
    Figure::shown("requests over TLS", "a message"),
    Figure::shown("requests without TLS", "a message"),
    Figure::shown("CPU over TLS", "µs a message"),
    Figure::shown("CPU without TLS", "µs a message"),
    Figure::shown("connections over TLS", ""),
];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "tls-producer",
        figures: FIGURES,
        play: |bench| {
            beside(
                |messages| produce_over_tls(bench, messages),
                |messages| produce(bench, messages, Duration::ZERO),
            )
        },
    },
    Scenario {
        name: "tls-sender",
        figures: FIGURES,
        play: |bench| {
            beside(
                |messages| send_over_tls(bench, messages, BUSY),
                |messages| send(bench, messages, Duration::ZERO, 1, BUSY),
            )
        },
    },
];

/// Plays 10 and 110 thousand messages over TLS and without.
fn beside(
    over_tls: impl Fn(u32) -> anyhow::Result<Played>,
    plain: impl Fn(u32) -> anyhow::Result<Played>,
) -> anyhow::Result<Vec<f64>> {
    let (fewer_tls, more_tls) = (over_tls(10_000)?, over_tls(110_000)?);
    let (fewer, more) = (plain(10_000)?, plain(110_000)?);
    Ok(vec![
        more_tls.requests_a_message(),
        more.requests_a_message(),
        more_tls.cpu_beyond(&fewer_tls),
        more.cpu_beyond(&fewer),
        more_tls.stats.connections as f64,
    ])
}
