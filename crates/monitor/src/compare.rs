//! `--compare`: two runs side by side, to see what a changed setting does.
//!
//! `figures` sets what the reports of both tell beside each other; `table` makes lines of it for a terminal, and `page` a
//! page to keep.

mod figures;
mod page;
mod table;

use std::time::Duration;

use figures::Section;
pub(crate) use page::page;
use serde::Serialize;
use stentor_core::aws::Error;
use stentor_core::clock::now_ms;
use stentor_core::cost::Prices;
use stentor_core::run::RunId;
pub(crate) use table::table;

use crate::known::{Data, Place};
use crate::reading::Sources;
use crate::report::Report;
use crate::view::rfc3339;
use crate::watch::{Choice, Watch};

/// The version of this form: a greater one where a field is taken away or means something else.
const FORM: u32 = 1;

/// Two runs, and their figures side by side: the first is what the second is compared with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    pub form: u32,
    pub made_at: String,
    pub sections: Vec<Section>,
    pub runs: [Report; 2],
}

impl Comparison {
    fn of(runs: [Report; 2], made_at: u64) -> Self {
        Self { form: FORM, made_at: rfc3339(made_at), sections: figures::sections(&runs), runs }
    }
}

/// Reads both runs as they stand.
pub(crate) async fn compare(
    sources: &Sources,
    runs: [RunId; 2],
    place: &Place,
    prices: &Prices,
) -> Result<Comparison, Error> {
    let made_at = now_ms();
    let read = async |run| {
        let seen = Watch::new(sources, Choice::This(run)).look().await?.ok_or(Error::NoSuchRun { run })?;
        Ok::<_, Error>(Report::of(&Data::of(seen, Duration::ZERO), place, prices, made_at))
    };
    Ok(Comparison::of([read(runs[0]).await?, read(runs[1]).await?], made_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Reading;
    use crate::snapshot::tests::{beat, reading};
    use crate::watch::{Seen, Standing};
    use stentor_core::aws::metrics::SenderBeat;
    use stentor_core::usage::{Account, Program, Usage};

    pub(super) fn report(reading: &Reading) -> Report {
        let snapshot = reading.snapshot(None, String::new());
        let standing = if snapshot.complete { Standing::Complete } else { Standing::GoesOn };
        let seen = Seen { snapshot, reading: reading.clone(), standing };
        let place = Place { stack: "stentor".into(), region: "us-east-1".into(), endpoint: "aws".into() };
        Report::of(&Data::of(seen, Duration::ZERO), &place, &Prices::default(), 0)
    }

    fn account(id: &str, program: Program, requests: u64) -> Account {
        let queue_requests = requests / 2;
        let usage = Usage { requests, queue_requests, write_units: Some(2_000.0), read_units: Some(0.0) };
        Account { id: id.into(), program: Some(program), usage: Some(usage), has_ended: true }
    }

    /// A complete run of one slow sender, and another of two faster ones, which told what they spent only in part.
    pub(super) fn compared() -> Comparison {
        let mut slow = reading(1_000, 1_000);
        let ended = |beat: SenderBeat| SenderBeat { ended_at: Some(99_000), ..beat };
        slow.beats = vec![ended(beat("a", 1_000, 99_000, 1_000))];
        slow.accounts = vec![account("p", Program::Producer, 140), account("a", Program::Sender, 400)];
        let mut fast = reading(2_000, 2_000);
        fast.beats =
            ["a", "b"].map(|name| SenderBeat { wait: 0.1, ..ended(beat(name, 1_000, 99_000, 1_000)) }).into();
        fast.beats[1].concurrency = 20;
        fast.accounts = vec![account("p", Program::Producer, 280), account("a", Program::Sender, 200)];
        Comparison::of([report(&slow), report(&fast)], 0)
    }

    fn figure<'c>(comparison: &'c Comparison, name: &str) -> &'c figures::Figure {
        comparison
            .sections
            .iter()
            .flat_map(|section| &section.figures)
            .find(|figure| figure.name == name)
            .unwrap()
    }

    #[test]
    fn the_second_is_told_against_the_first() {
        let compared = compared();
        let sent = figure(&compared, "sent");
        assert_eq!((sent.difference, sent.ratio), (Some(900.0), Some(2.0)));
        assert_eq!((sent.texts(), sent.change()), (["900".into(), "1,800".into()], "+100.0%".into()));
        assert_eq!(figure(&compared, "failed of concluded").change(), "=");
        assert_eq!(figure(&compared, "deliveries at once, each").texts(), ["1", "1 to 20"]);
        assert_eq!(figure(&compared, "mean wait").texts(), ["0.5 s", "0.1 s"]);
    }

    #[test]
    fn what_is_known_in_part_is_told_so_and_compared_with_nothing() {
        let compared = compared();
        let dollars = figure(&compared, "dollars");
        assert_eq!(dollars.at_least, [false, true]);
        assert_eq!((dollars.difference, dollars.ratio, dollars.change()), (None, None, "-".to_owned()));
        assert!(dollars.texts()[1].starts_with(">= $"), "{:?}", dollars.texts());
    }

    #[test]
    fn without_anything_known_nothing_is_made_up() {
        let nothing = report(&reading(10, 0));
        let compared = Comparison::of([nothing, report(&reading(10, 10))], 0);
        for name in ["average", "messages a second", "dollars a million messages", "mean wait"] {
            let figure = figure(&compared, name);
            assert_eq!((figure.texts()[0].as_str(), figure.difference), ("-", None), "{name}");
        }
        let sent = figure(&compared, "sent");
        assert_eq!((sent.ratio, sent.change()), (None, "+9".to_owned()));
    }
}
