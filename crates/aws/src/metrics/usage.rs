//! Usage records: what each program used for a run.

use serde::{Deserialize, Serialize};

use super::{Error, Item, MetricsTable, item_of};
use stentor_core::run::RunId;
use stentor_core::usage::{OutcomeCounts, ProgramKind, ProviderUsage, SenderUsage, Usage, UsageRecord};

pub(super) const USAGE: &str = "usage#";

#[derive(Serialize, Deserialize)]
struct UsageItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<ProgramKind>,
    #[serde(flatten)]
    usage: Usage,
    /// Absent in the item of a producer, and of a sender of an older version.
    #[serde(flatten)]
    outcomes: Option<OutcomeCounts>,
    /// Only of a sender with a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<ProviderUsage>,
    #[serde(default)]
    ended: bool,
}

impl MetricsTable {
    /// Replaces the usage record of the program `id`; the last time with `has_ended`. It is a sender's where `sender` is
    /// given, and a producer's otherwise.
    pub async fn put_usage(
        &self,
        run: RunId,
        id: &str,
        usage: &Usage,
        sender: Option<SenderUsage>,
        has_ended: bool,
    ) -> Result<(), Error> {
        const CALL: &str = "PutItem (usage)";
        let (run, part) = (run.to_string(), format!("{USAGE}{id}"));
        let program = if sender.is_some() { ProgramKind::Sender } else { ProgramKind::Producer };
        let (outcomes, provider) = sender.map(|sender| (sender.outcomes, sender.provider)).unzip();
        let stored = UsageItem {
            program: Some(program),
            usage: *usage,
            outcomes,
            provider: provider.flatten(),
            ended: has_ended,
        };
        self.put(CALL, &item_of(&run, &part, &stored)?, None).await.map(drop)
    }
}

/// Decodes a usage record; where a value is invalid, none of them is used.
pub(super) fn usage_record(id: &str, item: Item) -> UsageRecord {
    let stored: Option<UsageItem> = serde_dynamo::from_item(item).ok().filter(is_sound);
    UsageRecord {
        id: id.to_owned(),
        program: stored.as_ref().and_then(|stored| stored.program),
        outcomes: stored.as_ref().and_then(|stored| stored.outcomes),
        provider: stored.as_ref().and_then(|stored| stored.provider.clone()),
        has_ended: stored.as_ref().is_some_and(|stored| stored.ended),
        usage: stored.map(|stored| stored.usage),
    }
}

fn is_sound(stored: &UsageItem) -> bool {
    let Usage { requests, queue_requests, write_units, read_units } = stored.usage;
    let units = [write_units, read_units];
    queue_requests <= requests && units.into_iter().flatten().all(|units| units.is_finite() && units >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::types::AttributeValue;

    const USED: Usage = Usage { requests: 7, queue_requests: 3, write_units: Some(4.5), read_units: None };

    fn item(program: Option<ProgramKind>, ended: bool) -> Item {
        item_of("run", "usage#a", &UsageItem { program, usage: USED, outcomes: None, provider: None, ended })
            .unwrap()
    }

    #[test]
    fn a_usage_record_round_trips_with_and_without_its_program() {
        for (program, has_ended) in [(Some(ProgramKind::Sender), true), (None, false)] {
            let (id, outcomes, provider) = ("a".to_owned(), None, None);
            let expected = UsageRecord { id, program, usage: Some(USED), outcomes, provider, has_ended };
            assert_eq!(usage_record("a", item(program, has_ended)), expected);
        }
        let mut of_an_older_program = item(Some(ProgramKind::Sender), true);
        of_an_older_program.remove("ended");
        assert!(!usage_record("a", of_an_older_program).has_ended);
    }

    #[test]
    fn outcomes_round_trip_and_invalid_ones_leave_the_usage() {
        let outcomes = Some(OutcomeCounts { sent: 7, failed: 3 });
        let sender = Some(ProgramKind::Sender);
        let stored = UsageItem { program: sender, usage: USED, outcomes, provider: None, ended: true };
        let item = item_of("run", "usage#a", &stored).unwrap();
        assert_eq!(usage_record("a", item.clone()).outcomes, outcomes);
        for odd in [AttributeValue::N("-1".to_owned()), AttributeValue::S("many".to_owned())] {
            let mut item = item.clone();
            item.insert("sent".to_owned(), odd);
            let record = usage_record("a", item);
            assert_eq!((record.outcomes, record.usage), (None, Some(USED)));
        }
    }

    #[test]
    fn what_a_sender_used_of_its_provider_round_trips_and_an_invalid_one_invalidates_the_record() {
        let provider = ProviderUsage {
            profile: "us-short-code".to_owned(),
            parts: [("T-Mobile".to_owned(), 300), ("OTHER".to_owned(), 7)].into(),
            forfeited: 2,
        };
        let (program, outcomes) = (Some(ProgramKind::Sender), Some(OutcomeCounts::default()));
        let stored =
            UsageItem { program, usage: USED, outcomes, provider: Some(provider.clone()), ended: true };
        let item = item_of("run", "usage#a", &stored).unwrap();
        assert_eq!(usage_record("a", item.clone()).provider, Some(provider));
        for odd in [AttributeValue::S("many".to_owned()), AttributeValue::N("7".to_owned())] {
            let mut item = item.clone();
            item.insert("provider".to_owned(), odd);
            let record = usage_record("a", item);
            assert_eq!(
                (record.usage, record.provider),
                (None, None),
                "a bill without it would seem complete"
            );
        }
    }

    #[test]
    fn an_invalid_usage_record_is_kept_without_usage() {
        let n = |digits: &str| AttributeValue::N(digits.to_owned());
        for (name, odd) in [
            ("requests", n("-1")),
            ("requests", n("2")),
            ("write_units", n("-0.5")),
            ("write_units", n("1e999")),
            ("read_units", AttributeValue::S("many".to_owned())),
            ("program", AttributeValue::S("\u{1b}[2J".to_owned())),
        ] {
            let mut item = item(Some(ProgramKind::Producer), true);
            item.insert(name.to_owned(), odd);
            assert_eq!(
                usage_record("a", item),
                UsageRecord {
                    id: "a".to_owned(),
                    program: None,
                    usage: None,
                    outcomes: None,
                    provider: None,
                    has_ended: false
                },
                "{name}"
            );
        }
    }
}
