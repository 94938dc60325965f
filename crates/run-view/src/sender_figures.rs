//! The figures of a sender, in the registry's form.

use stentor_aws::metrics::Heartbeat;

use crate::bill::LowerBound;
use crate::figure::{Figure, figures};
use crate::metric::{Metric, Scope, gauge};
use crate::senders::SenderRecord;
use crate::unit::Unit;

const SENDER_MESSAGES: Metric =
    Metric::gauge("stentor_sender_messages", "Messages of a sender by outcome.", Scope::Sender);

figures! {
    /// All figures of a sender, in the order of the snapshot's JSON.
    SENDER_FIGURES of SenderRecord:
    SENDER_SEEN {
        help: "Time since a sender's last heartbeat, when these figures were read.",
        path: "sender.seen_seconds_ago", label: "last seen", unit: Unit::Age,
        metric: gauge("stentor_sender_seen_seconds", Scope::Sender), value: |sender| Some(sender.seen_seconds_ago).into(),
    }
    SENDER_WAIT {
        help: "Mean duration of its simulated deliveries.",
        path: "sender.wait", label: "mean wait", unit: Unit::Seconds,
        value: |sender| of_heartbeat(sender, |heartbeat| heartbeat.wait),
    }
    SENDER_FAILURE_RATE {
        help: "Fraction of its deliveries that it lets fail, from 0 to 1.",
        path: "sender.failure_rate", label: "failure rate", unit: Unit::Fraction,
        value: |sender| of_heartbeat(sender, |heartbeat| heartbeat.failure_rate),
    }
    SENDER_CONCURRENCY {
        help: "Deliveries that a sender makes at once.",
        path: "sender.concurrency", label: "at once", metric: gauge("stentor_sender_concurrency", Scope::Sender),
        value: |sender| of_heartbeat(sender, |heartbeat| heartbeat.concurrency.into()),
    }
    SENDER_SENT {
        help: "Messages that it sent since its start, of all runs.",
        path: "sender.sent", label: "sent", metric: SENDER_MESSAGES.labelled("outcome", "sent"),
        value: |sender| of_heartbeat(sender, |heartbeat| heartbeat.sent as f64),
    }
    SENDER_FAILED {
        help: "Messages that failed since its start, of all runs.",
        path: "sender.failed", label: "failed", metric: SENDER_MESSAGES.labelled("outcome", "failed"),
        value: |sender| of_heartbeat(sender, |heartbeat| heartbeat.failed as f64),
    }
    SENDER_DUPLICATES {
        help: "Messages that it received after their outcome was recorded.",
        path: "sender.duplicates", label: "duplicates", metric: SENDER_MESSAGES.labelled("outcome", "duplicate"),
        value: |sender| of_heartbeat(sender, |heartbeat| heartbeat.duplicates as f64),
    }
    SENDER_RELEASED {
        help: "Messages that it released unfinished.",
        path: "sender.released", label: "released", metric: SENDER_MESSAGES.labelled("outcome", "released"),
        value: |sender| of_heartbeat(sender, |heartbeat| heartbeat.released as f64),
    }
    SENDER_INVALID {
        help: "Messages with a body that is not Stentor's; the sender that receives one first counts it.",
        path: "sender.invalid", label: "invalid", metric: SENDER_MESSAGES.labelled("outcome", "invalid"),
        value: |sender| of_heartbeat(sender, |heartbeat| heartbeat.invalid as f64),
    }
    SENDER_LEASES_EXPIRED {
        help: "Leases that expired while it had the message, for example while its process was paused.",
        path: "sender.leases_expired", label: "expired", metric: gauge("stentor_sender_leases_expired", Scope::Sender),
        value: |sender| of_heartbeat(sender, |heartbeat| heartbeat.leases_expired as f64),
    }
    SENDER_THROUGHPUT {
        help: "Outcomes a second between a sender's last two heartbeats, or since its start.",
        path: "sender.messages_per_second", label: "rate", unit: Unit::Rate,
        metric: gauge("stentor_sender_messages_per_second", Scope::Sender), value: |sender| sender.messages_per_second.into(),
    }
    SENDER_FAILED_RATE {
        help: "Fraction of its outcomes that are failures.",
        label: "share", unit: Unit::Fraction, value: |sender| sender.failed_rate().into(),
    }
}

/// A value of the last heartbeat; unknown where it has expired.
fn of_heartbeat(sender: &SenderRecord, value: fn(&Heartbeat) -> f64) -> LowerBound<f64> {
    sender.heartbeat.as_ref().map(value).into()
}
