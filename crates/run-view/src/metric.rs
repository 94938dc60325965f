//! Names and labels of figures in Prometheus.

/// The sample of a figure: a metric family, and what distinguishes the sample within it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Name of the family.
    pub family: &'static str,
    /// Prometheus' type of the family: `gauge` or `summary`.
    pub kind: &'static str,
    /// Help of the family; `None` where it is that of its only figure.
    pub help: Option<&'static str>,
    /// What the family has one set of samples for.
    pub scope: Scope,
    /// Suffix of the sample's name, as `_sum` of a summary.
    pub suffix: &'static str,
    /// A label that distinguishes the sample, as `outcome="sent"`.
    pub label: Option<(&'static str, &'static str)>,
}

/// What a metric describes, which decides the label that identifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The stack: no label.
    Stack,
    /// A run: `run`.
    Run,
    /// A sender: `sender`.
    Sender,
}

/// A gauge with a single sample, explained by its figure.
pub const fn gauge(name: &'static str, scope: Scope) -> Option<Metric> {
    Some(Metric { family: name, kind: "gauge", help: None, scope, suffix: "", label: None })
}

/// Whether the page's data are current.
pub const UP: Metric = Metric::gauge("stentor_up", "Whether AWS answers the monitor.", Scope::Stack);

/// Names what is watched, by its labels `run`, `stack` and `region`.
pub const RUN_INFO: Metric = Metric::gauge("stentor_run_info", "The run that is watched.", Scope::Run);

/// Age of the page's data.
pub const DATA_AGE: Metric =
    Metric::gauge("stentor_data_age_seconds", "Time since these figures were read.", Scope::Run);

/// Failed messages by code, by its label `code`.
pub const FAILURES: Metric =
    Metric::gauge("stentor_failures", "Failed messages by failure code.", Scope::Run);

impl Metric {
    /// A family of gauges.
    pub const fn gauge(name: &'static str, help: &'static str, scope: Scope) -> Self {
        Self { family: name, kind: "gauge", help: Some(help), scope, suffix: "", label: None }
    }

    /// The durations of a run, with their quantiles, sum and count.
    pub const fn summary(name: &'static str, help: &'static str) -> Self {
        Self { kind: "summary", ..Self::gauge(name, help, Scope::Run) }
    }

    /// The sample of the family with this label.
    pub const fn labelled(self, label: &'static str, value: &'static str) -> Option<Self> {
        Some(Self { label: Some((label, value)), ..self })
    }

    /// The sample of the family with this suffix.
    pub const fn suffixed(self, suffix: &'static str) -> Option<Self> {
        Some(Self { suffix, ..self })
    }
}
