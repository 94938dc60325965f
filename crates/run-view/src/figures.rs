//! The registry of figures: name, label, unit, help and computation of each, once for every surface.
//!
//! A surface chooses and orders figures. To add one, write its computation in [`crate::view`] and one entry here: JSON,
//! schema, `--fail-if` and Prometheus read the registry.

use stentor_tally::DurationHistogram;

use crate::bill::{CountedUsage, LowerBound};
use crate::figure::figures;
pub use crate::figure::{Better, Figure};
use crate::metric::{Metric, Scope, gauge};
use crate::provider::ProviderBill;
pub use crate::sender_figures::*;
use crate::senders::SenderRecord;
use crate::throughput::overall_rate;
use crate::unit::Unit;
use crate::view::{RunView, mean_seconds, quantile_seconds, seconds};

const MESSAGES: Metric = Metric::gauge("stentor_messages", "Messages by outcome.", Scope::Run);
const QUEUE: Metric = Metric::gauge(
    "stentor_queue_messages",
    "Messages on the queue, of all runs; approximate on AWS.",
    Scope::Stack,
);
const DELIVERY: Metric = Metric::summary("stentor_delivery_seconds", "Duration of a delivery.");
const LATENCY: Metric =
    Metric::summary("stentor_latency_seconds", "Time from a message's creation to its outcome.");
const REACHED: Metric = Metric::gauge(
    "stentor_reached_seconds",
    "Time from the run's creation until this share of its messages was SENT.",
    Scope::Run,
);

figures! {
    /// All figures of a run. Those of the snapshot's JSON are in its order.
    FIGURES of RunView:
    FAILED_RATE {
        help: "Fraction of the outcomes that are failures, from 0 to 1.",
        path: "result.failed_rate", label: "failed of outcomes", unit: Unit::Fraction, better: Better::Lower,
        threshold: "failed_rate", value: |view| view.failed_rate().into(),
    }
    TOTAL {
        help: "Messages of the run's plan.",
        path: "snapshot.total", label: "messages", short: "of",
        metric: gauge("stentor_planned_messages", Scope::Run), value: |view| view.reading.total().into(),
    }
    ENQUEUED {
        help: "Messages in the table and on the queue so far.",
        path: "snapshot.enqueued", label: "enqueued", short: "queued",
        metric: gauge("stentor_enqueued_messages", Scope::Run), value: |view| u64::from(view.reading.record.enqueued).into(),
    }
    SENT {
        help: "Messages with the outcome SENT, as the tallies count them.",
        path: "snapshot.sent", label: "sent", better: Better::Higher, threshold: "sent",
        metric: MESSAGES.labelled("outcome", "sent"), value: |view| view.reading.tally.sent.into(),
    }
    FAILED {
        help: "Messages with the outcome FAILED.",
        path: "snapshot.failed", label: "failed", better: Better::Lower, threshold: "failed",
        metric: MESSAGES.labelled("outcome", "failed"), value: |view| view.reading.tally.failed.into(),
    }
    PENDING {
        help: "Messages without an outcome: total less sent less failed.",
        path: "snapshot.pending", label: "pending", better: Better::Lower, threshold: "pending",
        metric: MESSAGES.labelled("outcome", "pending"), value: |view| view.reading.pending().into(),
    }
    AVERAGE {
        help: "Mean duration of a delivery, sent or failed; exact.",
        path: "snapshot.average_seconds", label: "delivery average", short: "average", unit: Unit::Seconds,
        better: Better::Lower, threshold: "average", value: |view| mean_seconds(deliveries(view)).into(),
    }
    AVERAGE_LATENCY {
        help: "Mean time from a message's creation to its outcome; exact.",
        path: "snapshot.average_latency_seconds", label: "latency average", short: "average", unit: Unit::Seconds,
        better: Better::Lower, threshold: "average_latency", value: |view| mean_seconds(latencies(view)).into(),
    }
    DELIVERY_P50 {
        help: "Median duration of a delivery.",
        path: "snapshot.delivery_seconds.p50", label: "delivery p50", short: "p50", unit: Unit::Seconds,
        better: Better::Lower, threshold: "p50", metric: DELIVERY.labelled("quantile", "0.5"),
        value: |view| quantile_seconds(deliveries(view), 0.5).into(),
    }
    DELIVERY_P90 {
        help: "90 % of the deliveries took at most this time.",
        path: "snapshot.delivery_seconds.p90", label: "delivery p90", short: "p90", unit: Unit::Seconds,
        better: Better::Lower, threshold: "p90", metric: DELIVERY.labelled("quantile", "0.9"),
        value: |view| quantile_seconds(deliveries(view), 0.9).into(),
    }
    DELIVERY_P99 {
        help: "99 % of the deliveries took at most this time.",
        path: "snapshot.delivery_seconds.p99", label: "delivery p99", short: "p99", unit: Unit::Seconds,
        better: Better::Lower, threshold: "p99", metric: DELIVERY.labelled("quantile", "0.99"),
        value: |view| quantile_seconds(deliveries(view), 0.99).into(),
    }
    DELIVERY_MAX {
        help: "Longest duration of a delivery.",
        path: "snapshot.delivery_seconds.max", label: "delivery max", short: "max", unit: Unit::Seconds,
        better: Better::Lower, threshold: "max", metric: DELIVERY.labelled("quantile", "1"),
        value: |view| quantile_seconds(deliveries(view), 1.0).into(),
    }
    DELIVERY_SUM {
        help: "Sum of the durations of all deliveries.", label: "delivery sum", unit: Unit::Seconds,
        metric: DELIVERY.suffixed("_sum"), value: |view| Some(seconds(deliveries(view).sum_ms())).into(),
    }
    DELIVERY_COUNT {
        help: "Deliveries with a known duration.",
        label: "deliveries", metric: DELIVERY.suffixed("_count"), value: |view| deliveries(view).count().into(),
    }
    LATENCY_P50 {
        help: "Median time from a message's creation to its outcome.",
        path: "snapshot.latency_seconds.p50", label: "latency p50", short: "p50", unit: Unit::Seconds,
        better: Better::Lower, threshold: "p50_latency", metric: LATENCY.labelled("quantile", "0.5"),
        value: |view| quantile_seconds(latencies(view), 0.5).into(),
    }
    LATENCY_P90 {
        help: "90 % of the outcomes were recorded within this time of the message's creation.",
        path: "snapshot.latency_seconds.p90", label: "latency p90", short: "p90", unit: Unit::Seconds,
        better: Better::Lower, threshold: "p90_latency", metric: LATENCY.labelled("quantile", "0.9"),
        value: |view| quantile_seconds(latencies(view), 0.9).into(),
    }
    LATENCY_P99 {
        help: "99 % of the outcomes were recorded within this time of the message's creation.",
        path: "snapshot.latency_seconds.p99", label: "latency p99", short: "p99", unit: Unit::Seconds,
        better: Better::Lower, threshold: "p99_latency", metric: LATENCY.labelled("quantile", "0.99"),
        value: |view| quantile_seconds(latencies(view), 0.99).into(),
    }
    LATENCY_MAX {
        help: "Longest time from a message's creation to its outcome.",
        path: "snapshot.latency_seconds.max", label: "latency max", short: "max", unit: Unit::Seconds,
        better: Better::Lower, threshold: "max_latency", metric: LATENCY.labelled("quantile", "1"),
        value: |view| quantile_seconds(latencies(view), 1.0).into(),
    }
    LATENCY_SUM {
        help: "Sum of the times from creation to outcome.", label: "latency sum", unit: Unit::Seconds,
        metric: LATENCY.suffixed("_sum"), value: |view| Some(seconds(latencies(view).sum_ms())).into(),
    }
    LATENCY_COUNT {
        help: "Outcomes with a known latency.",
        label: "latencies", metric: LATENCY.suffixed("_count"), value: |view| latencies(view).count().into(),
    }
    REACHED_P50 {
        help: "Time from the run's creation until 50 % of its messages were SENT, interpolated; null while fewer are, and with a damaged tally.",
        path: "snapshot.reached_seconds.p50", label: "50 % reached", short: "50 %", unit: Unit::Duration,
        better: Better::Lower, threshold: "reached_p50", metric: REACHED.labelled("share", "0.5"),
        value: |view| view.seconds_to(50).into(), lower_bound: RunView::unreached_seconds,
    }
    REACHED_P90 {
        help: "Time from the run's creation until 90 % of its messages were SENT, interpolated; null while fewer are, and with a damaged tally.",
        path: "snapshot.reached_seconds.p90", label: "90 % reached", short: "90 %", unit: Unit::Duration,
        better: Better::Lower, threshold: "reached_p90", metric: REACHED.labelled("share", "0.9"),
        value: |view| view.seconds_to(90).into(), lower_bound: RunView::unreached_seconds,
    }
    REACHED_P99 {
        help: "Time from the run's creation until 99 % of its messages were SENT, interpolated; null while fewer are, and with a damaged tally.",
        path: "snapshot.reached_seconds.p99", label: "99 % reached", short: "99 %", unit: Unit::Duration,
        better: Better::Lower, threshold: "reached_p99", metric: REACHED.labelled("share", "0.99"),
        value: |view| view.seconds_to(99).into(), lower_bound: RunView::unreached_seconds,
    }
    PARTS {
        help: "Parts of the messages that were delivered, sent or failed; a message counts once, whatever its attempts.",
        path: "snapshot.parts", label: "parts", metric: gauge("stentor_parts", Scope::Run),
        value: |view| view.reading.tally.parts.into(),
    }
    THROUGHPUT {
        help: "Outcomes a second over the last seconds; over the whole run once it is complete.",
        path: "snapshot.messages_per_second", label: "throughput", short: "rate", unit: Unit::Rate,
        better: Better::Higher, threshold: "messages_per_second",
        metric: gauge("stentor_messages_per_second", Scope::Run), value: |view| view.messages_per_second.into(),
    }
    ETA {
        help: "Time left at the present throughput; unknown before 10 outcomes over at least 2 seconds.",
        path: "snapshot.eta_seconds", label: "time left", short: "left", unit: Unit::Duration, better: Better::Lower,
        metric: gauge("stentor_eta_seconds", Scope::Run), value: |view| view.eta_seconds().into(),
    }
    COMPLETE {
        help: "Whether every message is enqueued and has an outcome.",
        path: "snapshot.complete", label: "complete", unit: Unit::Flag, better: Better::Higher,
        metric: gauge("stentor_complete", Scope::Run), value: |view| u64::from(view.reading.is_complete()).into(),
    }
    WAITING {
        help: "Whether the run waits for its first sender.", path: "snapshot.waiting", label: "waiting for a sender",
        unit: Unit::Flag, metric: gauge("stentor_waiting", Scope::Run), value: |view| u64::from(view.is_waiting()).into(),
    }
    LAGGING {
        help: "Whether messages have outcomes that are not counted yet.", label: "counting is behind",
        unit: Unit::Flag, metric: gauge("stentor_lagging", Scope::Run), value: |view| u64::from(view.behind().is_some()).into(),
    }
    BEHIND {
        help: "Approximate number of messages whose outcome is not counted yet; unknown unless the state is `lagging`.",
        path: "snapshot.behind", label: "behind", optional: true, better: Better::Lower, threshold: "behind",
        metric: gauge("stentor_behind_messages", Scope::Run), value: |view| view.behind().map(|behind| behind as f64).into(),
    }
    QUEUE_VISIBLE {
        help: "Messages on the queue that can be received.",
        path: "snapshot.queue.visible", label: "visible",
        metric: QUEUE.labelled("state", "visible"), value: |view| view.reading.queue.visible.into(),
    }
    QUEUE_IN_FLIGHT {
        help: "Messages of the queue that senders have received and not deleted.",
        path: "snapshot.queue.in_flight", label: "in flight",
        metric: QUEUE.labelled("state", "in_flight"), value: |view| view.reading.queue.in_flight.into(),
    }
    QUEUE_DELAYED {
        help: "Messages on the queue that cannot be received yet.",
        path: "snapshot.queue.delayed", label: "delayed",
        metric: QUEUE.labelled("state", "delayed"), value: |view| view.reading.queue.delayed.into(),
    }
    DEAD_LETTERS {
        help: "Messages on the stack's dead-letter queue, of all runs and from other programs.",
        path: "snapshot.dead_letters", label: "dead letters (stack)", short: "dead", better: Better::Lower, threshold: "dead_letters",
        metric: gauge("stentor_dead_letters", Scope::Stack), value: |view| view.reading.dead_letters.into(),
    }
    DISCARDED_BATCHES {
        help: "Batches of the stream that were discarded, of all runs: the tallies may be too low. Read every 30 seconds.",
        path: "snapshot.discarded_batches", label: "discarded batches (stack)", short: "discarded", optional: true,
        better: Better::Lower, threshold: "discarded_batches", metric: gauge("stentor_discarded_batches", Scope::Stack),
        value: |view| view.reading.discarded_batches.map(|batches| batches as f64).into(),
    }
    PROVIDER_PARTS {
        help: "Parts of all deliveries that were begun with a simulated provider, further attempts and duplicates included; unknown without a provider.",
        path: "snapshot.provider.parts", label: "parts begun", short: "parts", optional: true,
        metric: gauge("stentor_provider_parts", Scope::Run),
        value: |view| of_provider(view, |bill| bill.parts.into()),
    }
    PROVIDER_PARTS_PER_SECOND {
        help: "Parts begun a second, of all runs, between the last two heartbeats of the senders alive; of the run, from the first outcome to the last, once it has ended.",
        path: "snapshot.provider.parts_per_second", label: "parts a second", short: "parts/s", unit: Unit::Rate, better: Better::Higher,
        metric: gauge("stentor_provider_parts_per_second", Scope::Run),
        value: |view| of_provider(view, |bill| bill.parts_per_second),
    }
    PROVIDER_LIMIT {
        help: "Rate limit of the provider in parts a second, for all senders of the stack together; unknown without one.",
        path: "snapshot.provider.limit_parts_per_second", label: "rate limit", short: "limit", unit: Unit::Rate,
        metric: gauge("stentor_provider_limit_parts_per_second", Scope::Run),
        value: |view| of_provider(view, |bill| bill.limit_parts_per_second.into()),
    }
    PROVIDER_LIMIT_USED {
        help: "Parts a second as a share of the rate limit; a burst can exceed 1.",
        path: "snapshot.provider.limit_used", label: "limit used", unit: Unit::Ratio, better: Better::Higher,
        metric: gauge("stentor_provider_limit_used_ratio", Scope::Run),
        value: |view| of_provider(view, |bill| bill.limit_used),
    }
    PROVIDER_FORFEITED {
        help: "Messages whose reserved start passed before they could start, so that they were reserved again; unknown without a provider.",
        path: "snapshot.provider.forfeited", label: "forfeited reservations", short: "forfeited", optional: true, better: Better::Lower,
        metric: gauge("stentor_provider_forfeited", Scope::Run),
        value: |view| of_provider(view, |bill| bill.forfeited.into()),
    }
    PROVIDER_DOLLARS {
        help: "Bill of the simulated provider in US dollars: parts begun, times price and carrier fee; unknown without a provider or its prices.",
        path: "snapshot.provider.dollars", label: "provider dollars", short: "dollars", unit: Unit::Dollars, better: Better::Lower,
        metric: gauge("stentor_provider_dollars", Scope::Run), value: |view| of_provider(view, |bill| bill.dollars),
    }
    PROVIDER_FINAL {
        help: "Whether all parts are reported and priced. Until then parts, forfeited, dollars, and the rate of an ended run are lower bounds; unknown without a provider.",
        path: "snapshot.provider.final", label: "final", unit: Unit::Flag, optional: true,
        metric: gauge("stentor_provider_final", Scope::Run),
        value: |view| of_provider(view, |bill| u64::from(bill.is_final()).into()),
    }
    DAMAGED_TALLIES {
        help: "Tallies that cannot be decoded: where there is one, the counts are too low.",
        label: "damaged tallies", better: Better::Lower,
        metric: gauge("stentor_broken_tallies", Scope::Run), value: |view| (view.reading.damaged.len() as u64).into(),
    }
    SENDERS_ALIVE {
        help: "Senders alive.",
        label: "senders", metric: gauge("stentor_senders", Scope::Stack),
        value: |view| (view.alive.len() as u64).into(),
    }
    SENDERS_OF_RUN {
        help: "Senders that worked on the run.",
        label: "senders", value: |view| (view.run_senders().count() as u64).into(),
    }
    OUTCOME_SECONDS {
        help: "Time from the first outcome to the last.",
        path: "result.seconds", label: "first to last outcome", unit: Unit::Duration, better: Better::Lower,
        value: |view| view.outcome_seconds().into(),
    }
    SECONDS_FROM_CREATION {
        help: "Time from the run's creation to the last outcome.",
        path: "result.seconds_from_creation", label: "creation to last outcome", unit: Unit::Duration,
        better: Better::Lower, value: |view| view.seconds_from_creation().into(),
    }
    OVERALL_THROUGHPUT {
        help: "Outcomes a second from the first to the last.",
        label: "messages a second", unit: Unit::Rate, better: Better::Higher,
        value: |view| overall_rate(&view.reading).into(),
    }
    DUPLICATES {
        help: "Messages that the run's senders received after their outcome was recorded, since these senders started.",
        path: "faults.duplicates", label: "duplicates of these senders", short: "Duplicates", better: Better::Lower,
        value: |view| of_senders(view, &SENDER_DUPLICATES),
    }
    RELEASED {
        help: "Messages that the run's senders released unfinished, since these senders started.",
        path: "faults.released", label: "released by these senders", short: "Released", better: Better::Lower,
        value: |view| of_senders(view, &SENDER_RELEASED),
    }
    LEASES_EXPIRED {
        help: "Leases that expired while the run's senders had the message, since these senders started.",
        path: "faults.leases_expired", label: "leases of these senders that expired", short: "Expired leases",
        better: Better::Lower, value: |view| of_senders(view, &SENDER_LEASES_EXPIRED),
    }
    INVALID {
        help: "Messages with a body that is not Stentor's, which the run's senders received first, since these senders started.",
        path: "faults.invalid", label: "invalid messages of these senders", short: "Invalid", better: Better::Lower,
        value: |view| of_senders(view, &SENDER_INVALID),
    }
    NOT_ENQUEUED {
        help: "Messages of the plan that no producer has enqueued.",
        path: "faults.not_enqueued", label: "not enqueued", better: Better::Lower,
        value: |view| view.reading.total().saturating_sub(view.reading.record.enqueued.into()).into(),
    }
    REQUESTS_PER_MESSAGE {
        help: "Requests to SQS and DynamoDB for each message, once the run is complete.",
        label: "requests a message", unit: Unit::PerMessage, better: Better::Lower,
        value: |view| per_message(view, |counted| counted.requests.into()),
    }
    QUEUE_REQUESTS_PER_MESSAGE {
        help: "Requests to SQS for each message, once the run is complete.",
        label: "queue requests a message", unit: Unit::PerMessage, better: Better::Lower,
        value: |view| per_message(view, |counted| counted.queue_requests.into()),
    }
    WRITE_UNITS_PER_MESSAGE {
        help: "Write units of DynamoDB for each message, once the run is complete.",
        label: "write units a message", unit: Unit::PerMessage, better: Better::Lower,
        value: |view| per_message(view, |counted| counted.write_units),
    }
    DOLLARS {
        help: "Cost of the run in US dollars.",
        path: "cost.dollars", label: "dollars", unit: Unit::Dollars, better: Better::Lower,
        value: |view| view.bill().dollars,
    }
    DOLLARS_PER_MILLION {
        help: "Cost in proportion for a million messages.",
        path: "cost.dollars_per_million", label: "dollars a million messages", unit: Unit::Dollars, better: Better::Lower,
        value: |view| view.bill().dollars_per_million,
    }
}

/// Delivery durations, as tables show them.
pub static DELIVERY_TABLE: [&Figure; 5] =
    [&AVERAGE, &DELIVERY_P50, &DELIVERY_P90, &DELIVERY_P99, &DELIVERY_MAX];

/// Times from creation to outcome, as tables show them.
pub static LATENCY_TABLE: [&Figure; 5] =
    [&AVERAGE_LATENCY, &LATENCY_P50, &LATENCY_P90, &LATENCY_P99, &LATENCY_MAX];

/// Times from the run's creation until a share of its messages was SENT, as tables show them.
pub static REACHED_TABLE: [&Figure; 3] = [&REACHED_P50, &REACHED_P90, &REACHED_P99];

fn deliveries(view: &RunView) -> &DurationHistogram {
    &view.reading.tally.delivery
}

fn latencies(view: &RunView) -> &DurationHistogram {
    &view.reading.tally.latency
}

/// A figure of the provider's bill; unknown without a provider.
fn of_provider(view: &RunView, figure: fn(&ProviderBill) -> LowerBound<f64>) -> LowerBound<f64> {
    view.provider_bill().map_or(None.into(), figure)
}

/// Sum over the run's senders; a sender without a heartbeat makes it a lower bound.
fn of_senders(view: &RunView, figure: &Figure<SenderRecord>) -> LowerBound<f64> {
    LowerBound::sum(view.run_senders().map(|sender| figure.value(sender)))
}

/// Usage divided by messages. While a run is active much of it belongs to messages without an outcome, and a damaged
/// tally counts too few: then it is unknown.
fn per_message(view: &RunView, usage: fn(&CountedUsage) -> LowerBound<f64>) -> LowerBound<f64> {
    let is_countable = view.reading.is_complete() && view.reading.damaged.is_empty();
    let per_message = |amount| is_countable.then(|| amount / view.reading.outcomes() as f64);
    usage(&view.bill().counted).and_then(per_message)
}

#[cfg(test)]
mod tests;
