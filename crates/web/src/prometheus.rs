//! All figures in Prometheus' text format, version 0.0.4 ("Exposition formats", Prometheus documentation).
//!
//! What is not known is left out, and so is all of a run while there is none.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

use stentor_core::escape;
use stentor_core::tally::DurationHistogram;

use stentor_run_view::snapshot::{Percentiles, Sender, Snapshot};
use stentor_run_view::view::{Data, Known, Place};

/// A figure with the labels that tell it from others of its name.
type Sample<'a> = (Vec<(&'static str, &'a str)>, f64);

/// What is known at `now`, where new data are due every `interval`.
pub(crate) fn render(known: &Known, place: &Place, now: Duration, interval: Duration) -> String {
    let mut text = Text::default();
    let answers = f64::from(u8::from(known.silence(now, interval).is_none()));
    text.gauge("stentor_up", "Whether AWS answers the monitor.", [(vec![], answers)]);
    if let Some(data) = &known.data {
        let labels = vec![
            ("run", data.snapshot.run.as_str()),
            ("stack", place.stack.as_str()),
            ("region", place.region.as_str()),
        ];
        text.gauge("stentor_run_info", "The run that is watched.", [(labels, 1.0)]);
        let age = known.age(now).unwrap_or_default().as_secs_f64();
        text.one(
            "stentor_data_age_seconds",
            "Time since these figures were read.",
            &data.snapshot,
            Some(age),
        );
        messages(&mut text, &data.snapshot);
        times(&mut text, data);
        pace(&mut text, &data.snapshot);
        senders(&mut text, &data.snapshot);
    }
    text.0
}

fn messages(text: &mut Text, now: &Snapshot) {
    let run = || ("run", now.run.as_str());
    let by = |label: &'static str, counts: [(&'static str, u64); 3]| {
        counts.map(|(name, count)| (vec![run(), (label, name)], count as f64))
    };
    text.one("stentor_planned_messages", "Messages of the run's plan.", now, Some(now.total as f64));
    text.one(
        "stentor_enqueued_messages",
        "Messages in the table and on the queue so far.",
        now,
        Some(now.enqueued as f64),
    );
    let outcomes = [("sent", now.sent), ("failed", now.failed), ("pending", now.pending)];
    text.gauge("stentor_messages", "Messages by how they stand.", by("outcome", outcomes));
    let queue = now.queue;
    let states = [("visible", queue.visible), ("in_flight", queue.in_flight), ("delayed", queue.delayed)];
    let states = states.map(|(name, count)| (vec![("state", name)], count as f64));
    text.gauge("stentor_queue_messages", "Messages on the queue, of all runs; approximate on AWS.", states);
    let dead = [(vec![], now.dead_letters as f64)];
    text.gauge("stentor_dead_letters", "Messages on the dead-letter queue, of all runs.", dead);
    text.one(
        "stentor_broken_tallies",
        "Tallies that cannot be read: where there is one, the counts are too low.",
        now,
        Some(now.broken.len() as f64),
    );
}

fn times(text: &mut Text, data: &Data) {
    let now = &data.snapshot;
    text.summary(
        "stentor_delivery_seconds",
        "Duration of a delivery.",
        now,
        now.delivery_seconds,
        &data.reading.tally.delivery,
    );
    text.summary(
        "stentor_latency_seconds",
        "Time from a message's creation to its end.",
        now,
        now.latency_seconds,
        &data.reading.tally.latency,
    );
}

fn pace(text: &mut Text, now: &Snapshot) {
    let complete = f64::from(u8::from(now.complete));
    text.one(
        "stentor_messages_per_second",
        "Messages concluded a second, lately; of the whole run once it is complete.",
        now,
        now.messages_per_second,
    );
    text.one("stentor_eta_seconds", "Time left at that rate.", now, now.eta_seconds);
    text.one("stentor_complete", "Whether all is enqueued and nothing is pending.", now, Some(complete));
}

fn senders(text: &mut Text, now: &Snapshot) {
    text.gauge("stentor_senders", "Senders alive.", [(vec![], now.senders.len() as f64)]);
    // A collector refuses a figure that comes twice, and an odd item may repeat a name.
    let mut names = HashSet::new();
    let senders: Vec<(String, &Sender)> = now
        .senders
        .iter()
        .map(|sender| (escape::escape_control(&sender.name), sender))
        .filter(|(name, _)| names.insert(name.clone()))
        .collect();
    let counts = senders.iter().flat_map(|(name, sender)| {
        [
            ("sent", sender.sent),
            ("failed", sender.failed),
            ("duplicate", sender.duplicates),
            ("released", sender.released),
        ]
        .map(|(outcome, count)| (vec![("sender", name.as_str()), ("outcome", outcome)], count as f64))
    });
    text.gauge("stentor_sender_messages", "Messages that a sender has had, by what became of them.", counts);
    let each = |of: fn(&Sender) -> Option<f64>| {
        let samples = senders.iter().map(move |(name, sender)| (vec![("sender", name.as_str())], of(sender)));
        samples.filter_map(|(labels, value)| Some((labels, value?))).collect::<Vec<_>>()
    };
    text.gauge(
        "stentor_sender_messages_per_second",
        "Messages that a sender concludes a second, lately.",
        each(|sender| sender.messages_per_second),
    );
    text.gauge(
        "stentor_sender_seen_seconds",
        "Time since a sender's last sign of life, when these figures were read.",
        each(|sender| Some(sender.seen_seconds_ago)),
    );
    text.gauge(
        "stentor_sender_concurrency",
        "Deliveries that a sender plays at once.",
        each(|sender| Some(sender.concurrency.into())),
    );
}

/// The text so far.
#[derive(Default)]
struct Text(String);

impl Text {
    /// A figure that may rise and fall; without a sample it is left out.
    fn gauge<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Sample<'a>>) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_some() {
            self.head(name, "gauge", help);
        }
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// A figure that a run has one of, where it is known.
    fn one(&mut self, name: &str, help: &str, now: &Snapshot, value: Option<f64>) {
        self.gauge(name, help, value.map(|value| (vec![("run", now.run.as_str())], value)));
    }

    /// How durations are spread; the quantile 1 is the longest.
    fn summary(
        &mut self,
        name: &str,
        help: &str,
        now: &Snapshot,
        of: Percentiles,
        times: &DurationHistogram,
    ) {
        self.head(name, "summary", help);
        let run = ("run", now.run.as_str());
        for (quantile, value) in [("0.5", of.p50), ("0.9", of.p90), ("0.99", of.p99), ("1", of.max)] {
            if let Some(value) = value {
                self.sample(name, &[run, ("quantile", quantile)], value);
            }
        }
        self.sample(&format!("{name}_sum"), &[run], times.sum_ms() as f64 / 1_000.0);
        self.sample(&format!("{name}_count"), &[run], times.count() as f64);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments) {
        writeln!(self.0, "{line}").expect("a String takes all that is written");
    }
}

/// A label's value as the format has it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::{beat, reading};
    use stentor_run_view::follow::{Seen, Standing};
    use stentor_run_view::snapshot::Reading;
    use stentor_run_view::throughput::History;
    use stentor_run_view::view::Answer;

    fn text_of(answer: Answer) -> String {
        let mut known = Known::default();
        known.learn(answer, Duration::from_secs(1));
        let place = Place { stack: "drill".into(), region: "r".into(), endpoint: "http://e".into() };
        render(&known, &place, Duration::from_secs(3), Duration::from_secs(5))
    }

    fn seen(reading: Reading) -> Answer {
        let snapshot = History::default().snapshot(&reading);
        Answer::Seen(Box::new(Seen { snapshot, reading, standing: Standing::GoesOn }))
    }

    #[track_caller]
    fn assert_has(text: &str, lines: &[&str]) {
        for line in lines {
            assert_eq!(text.lines().filter(|other| other == line).count(), 1, "{line} in {text}");
        }
    }

    #[test]
    fn a_run_is_told_in_base_units() {
        let text = text_of(seen(reading(2_000, 1_500)));
        let run = reading(2_000, 0).record.plan.run();
        assert_has(
            &text,
            &[
                "stentor_up 1",
                "# TYPE stentor_messages gauge",
                &format!("stentor_messages{{run=\"{run}\",outcome=\"sent\"}} 1350"),
                &format!("stentor_messages{{run=\"{run}\",outcome=\"pending\"}} 500"),
                &format!("stentor_data_age_seconds{{run=\"{run}\"}} 2"),
                "# TYPE stentor_delivery_seconds summary",
                &format!("stentor_delivery_seconds{{run=\"{run}\",quantile=\"0.99\"}} 0.1"),
                &format!("stentor_delivery_seconds_sum{{run=\"{run}\"}} 150"),
                &format!("stentor_delivery_seconds_count{{run=\"{run}\"}} 1500"),
                &format!("stentor_complete{{run=\"{run}\"}} 0"),
            ],
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let text = text_of(seen(reading(2_000, 0)));
        for name in ["quantile", "stentor_messages_per_second", "stentor_eta_seconds", "stentor_sender_"] {
            assert!(!text.contains(name), "{text}");
        }
        let none = text_of(Answer::NoRun);
        assert_eq!((none.lines().count(), none.lines().last()), (3, Some("stentor_up 1")), "{none}");
    }

    #[test]
    fn a_hostile_name_stays_within_its_label_and_comes_once() {
        let mut reading = reading(10, 0);
        for name in ["a\"} 1\nstentor_up 7\n", "\u{1b}[2J", "\\u{1b}[2J", "twice", "twice"] {
            reading.beats.push(beat(name, 0, 99_000, 1));
        }
        let text = text_of(seen(reading));
        assert!(!text.contains('\u{1b}'));
        assert_has(
            &text,
            &[
                "stentor_up 1",
                "stentor_senders 5",
                r#"stentor_sender_seen_seconds{sender="a\"} 1\\nstentor_up 7\\n"} 1"#,
                r#"stentor_sender_seen_seconds{sender="\\u{1b}[2J"} 1"#,
                r#"stentor_sender_seen_seconds{sender="twice"} 1"#,
            ],
        );
        assert!(!text.lines().any(|line| line.starts_with("stentor_up 7")), "{text}");
    }

    #[test]
    fn a_label_is_escaped_as_the_format_says() {
        assert_eq!(escaped("a\\b\"c\nd"), r#"a\\b\"c\nd"#);
    }
}
