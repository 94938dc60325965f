//! All figures in Prometheus' text format, version 0.0.4 ("Exposition formats", Prometheus documentation).
//!
//! Unknown values are left out, and so is everything about a run while there is none. Written by hand, because
//! prometheus-client 0.26 has no summaries (`MetricType` lists them as not supported yet), whose quantiles come from the
//! tally here and not from observations in this process.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

use stentor_core::escape::escape_control;
use stentor_run_view::failures::FailuresOfCode;
use stentor_run_view::figures::{FIGURES, Figure, SENDER_FIGURES};
use stentor_run_view::metric::{DATA_AGE, FAILURES, Metric, RUN_INFO, Scope, UP};
use stentor_run_view::reading::Target;
use stentor_run_view::senders::SenderRecord;
use stentor_run_view::state::RunState;
use stentor_run_view::view::RunView;

/// Labels of a sample; the values are escaped when they are written.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Renders the state at `now`. `interval` is the time between polls, from which `stentor_up` is computed.
pub(crate) fn render(state: &RunState, target: &Target, now: Duration, interval: Duration) -> String {
    let mut text = String::new();
    let is_up = f64::from(u8::from(state.stale_reason(now, interval).is_none()));
    one(&mut text, &UP, &vec![], is_up);
    let Some(view) = &state.view else { return text };
    let run = view.run();
    let labels = vec![("run", run.as_str()), ("stack", &target.stack), ("region", &target.region)];
    one(&mut text, &RUN_INFO, &labels, 1.0);
    let age = state.data_age(now).unwrap_or_default().as_secs_f64();
    one(&mut text, &DATA_AGE, &vec![("run", &run)], age);
    families(&mut text, FIGURES, &[(run.clone(), view)]);
    failures(&mut text, view);
    // A collector refuses a sample that comes twice, and a malformed item may repeat a name.
    let mut names = HashSet::new();
    let senders: Vec<(String, &SenderRecord)> = view
        .alive
        .iter()
        .map(|sender| (escape_control(&sender.name), sender))
        .filter(|(name, _)| names.insert(name.clone()))
        .collect();
    families(&mut text, SENDER_FIGURES, &senders);
    text
}

/// Writes each metric family of the figures once, with the samples of all subjects; each subject has a name.
fn families<S>(text: &mut String, figures: &[&Figure<S>], subjects: &[(String, &S)]) {
    let metrics = || figures.iter().filter_map(|figure| Some((*figure, figure.metric?)));
    let mut written = HashSet::new();
    for (first, family) in metrics() {
        if !written.insert(family.family) {
            continue;
        }
        let samples = subjects.iter().flat_map(|(name, subject)| {
            let members = metrics().filter(|(_, metric)| metric.family == family.family);
            members.filter_map(move |(figure, metric)| Some((metric, name.as_str(), figure.value(subject)?)))
        });
        let mut samples = samples.peekable();
        if samples.peek().is_some() {
            head(text, &family, first.help);
        }
        for (metric, name, value) in samples {
            let subject = match metric.scope {
                Scope::Stack => None,
                Scope::Run => Some(("run", name)),
                Scope::Sender => Some(("sender", name)),
            };
            sample(text, &metric, &subject.into_iter().chain(metric.label).collect(), value);
        }
    }
}

/// Writes the failed messages by code.
fn failures(text: &mut String, view: &RunView) {
    let (run, failures) = (view.run(), view.failures());
    if !failures.is_empty() {
        head(text, &FAILURES, "");
    }
    for FailuresOfCode { code, count, .. } in &failures {
        sample(text, &FAILURES, &vec![("run", &run), ("code", code)], *count as f64);
    }
}

/// Writes a family of a single sample.
fn one(text: &mut String, metric: &Metric, labels: &Labels<'_>, value: f64) {
    head(text, metric, "");
    sample(text, metric, labels, value);
}

fn head(text: &mut String, metric: &Metric, help: &str) {
    let Metric { family, kind, .. } = metric;
    let help = metric.help.unwrap_or(help);
    let _ = write!(text, "# HELP {family} {help}\n# TYPE {family} {kind}\n");
}

fn sample(text: &mut String, metric: &Metric, labels: &Labels<'_>, value: f64) {
    let labels: Vec<String> =
        labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ = writeln!(text, "{}{}{labels} {value}", metric.family, metric.suffix);
}

/// Escapes a label's value.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_run_view::fixtures::{heartbeat, reading, target, with_provider};
    use stentor_run_view::reading::RunReading;

    fn text_of(reading: Option<RunReading>) -> String {
        let mut state = RunState::default();
        let view = reading.map(|reading| Box::new(RunView::first(reading)));
        state.update(Ok(view), Duration::from_secs(1));
        render(&state, &target(), Duration::from_secs(3), Duration::from_secs(5))
    }

    #[track_caller]
    fn assert_has(text: &str, lines: &[&str]) {
        for line in lines {
            assert_eq!(text.lines().filter(|other| other == line).count(), 1, "{line} in {text}");
        }
    }

    #[test]
    fn a_provider_has_metrics_and_a_run_without_one_has_none() {
        let (text, run) = (text_of(Some(with_provider())), reading(1_000, 0).record.plan.run());
        assert_has(
            &text,
            &[
                &format!("stentor_provider_parts{{run=\"{run}\"}} 6000"),
                &format!("stentor_provider_limit_parts_per_second{{run=\"{run}\"}} 100"),
                &format!("stentor_provider_final{{run=\"{run}\"}} 1"),
            ],
        );
        assert!(
            text.contains("stentor_provider_dollars{") && text.contains("stentor_provider_limit_used_ratio{")
        );
        assert!(!text_of(Some(reading(1_000, 500))).contains("provider"));
    }

    #[test]
    fn a_run_is_rendered_in_base_units() {
        let text = text_of(Some(reading(2_000, 1_500)));
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
                &format!("stentor_delivery_seconds{{run=\"{run}\",quantile=\"0.99\"}} 0.099"),
                &format!("stentor_delivery_seconds_sum{{run=\"{run}\"}} 150"),
                &format!("stentor_delivery_seconds_count{{run=\"{run}\"}} 1500"),
                &format!("stentor_complete{{run=\"{run}\"}} 0"),
                &format!("stentor_waiting{{run=\"{run}\"}} 0"),
                "# TYPE stentor_failures gauge",
                &format!("stentor_failures{{run=\"{run}\",code=\"UNKNOWN\"}} 150"),
                &format!("stentor_parts{{run=\"{run}\"}} 1500"),
                "stentor_dead_letters 0",
                "stentor_discarded_batches 0",
                &format!("stentor_lagging{{run=\"{run}\"}} 0"),
            ],
        );
    }

    #[test]
    fn unknown_values_are_left_out() {
        let text = text_of(Some(reading(2_000, 0)));
        assert!(
            text.lines().any(|line| line.starts_with("stentor_waiting{") && line.ends_with(" 1")),
            "{text}"
        );
        for name in [
            "quantile",
            "stentor_reached_seconds",
            "stentor_failures",
            "stentor_messages_per_second",
            "stentor_eta_seconds",
            "stentor_sender_",
        ] {
            assert!(!text.contains(name), "{text}");
        }
        let none = text_of(None);
        assert_eq!((none.lines().count(), none.lines().last()), (3, Some("stentor_up 1")), "{none}");
    }

    #[test]
    fn a_hostile_name_stays_within_its_label_and_comes_once() {
        let mut reading = reading(10, 0);
        for name in ["a\"} 1\nstentor_up 7\n", "\u{1b}[2J", "\\u{1b}[2J", "twice", "twice"] {
            reading.heartbeats.push(heartbeat(name, 0, 99_000, 1));
        }
        let text = text_of(Some(reading));
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
    fn a_label_is_escaped_as_the_format_requires() {
        assert_eq!(escaped("a\\b\"c\nd"), r#"a\\b\"c\nd"#);
    }
}
