//! `monitor compare`: two runs side by side, to see what a changed setting does.
//!
//! `figures` sets what the reports of both tell beside each other; `table` makes lines of it for a terminal, and `page` a
//! page to keep.

pub mod figures;
pub mod page;

use std::time::Duration;

use figures::Section;
pub use page::page;
use serde::Serialize;
use stentor_aws::Error;
use stentor_aws::clock::now_ms;
use stentor_core::cost::Prices;
use stentor_core::run::RunId;

use crate::Report;
use stentor_cli::format::rfc3339;
use stentor_run_view::follow::{Choice, Watch};
use stentor_run_view::reading::Sources;
use stentor_run_view::view::{Data, Place};

/// The version of this form: a greater one where a field is taken away or means something else.
const FORM: u32 = 1;

/// Two runs, and their figures side by side: the first is what the second is compared with.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    pub form: u32,
    pub made_at: String,
    pub sections: Vec<Section>,
    pub runs: [Report; 2],
}

impl Comparison {
    /// Compares two reports; `made_at` is ms since the epoch.
    pub fn of(runs: [Report; 2], made_at: u64) -> Self {
        Self { form: FORM, made_at: rfc3339(made_at), sections: figures::sections(&runs), runs }
    }
}

/// Reads both runs as they stand.
pub async fn compare(
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
    use crate::fixtures::{compared, report};
    use stentor_run_view::fixtures::reading;

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
