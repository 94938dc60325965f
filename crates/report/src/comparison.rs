//! A comparison of two runs, to see what a changed setting does.

mod figures;
pub mod page;

pub use figures::{FigureGroup, Pair, PairValue};
pub use page::page;
use schemars::JsonSchema;
use serde::Serialize;
use stentor_aws::Error;
use stentor_cli::format::rfc3339;
use stentor_core::run::RunId;
use stentor_run_view::reading::{RunReader, Target};
use stentor_run_view::view::RunView;

use crate::Report;

/// Version of the JSON's structure; a greater one removes a field or changes its meaning.
const FORM: u32 = 1;

/// Two runs and their figures; the second is compared with the first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Two runs side by side")]
pub struct Comparison {
    /// Version of this structure; a greater one removes a field or changes its meaning.
    pub form: u32,
    /// When the comparison was made.
    pub made_at: String,
    /// The figures in groups.
    #[serde(rename = "sections")]
    pub groups: Vec<FigureGroup>,
    /// The reports of both runs.
    pub runs: [Report; 2],
}

impl Comparison {
    /// Compares two views; `made_at` is ms since the epoch.
    pub fn of(views: [&RunView; 2], target: &Target, made_at: u64) -> Self {
        Self {
            form: FORM,
            made_at: rfc3339(made_at),
            groups: figures::compare(views),
            runs: views.map(|view| Report::of(view, target, made_at)),
        }
    }
}

/// Reads both runs once and compares them.
pub async fn compare(reader: &RunReader, runs: [RunId; 2], target: &Target) -> Result<Comparison, Error> {
    let read = async |run| {
        let reading = reader.read(run).await?.ok_or(Error::NoSuchRun { run })?;
        Ok::<_, Error>(RunView::first(reading).with_prices(reader.prices.clone()))
    };
    let made_at = reader.now_ms();
    Ok(Comparison::of([&read(runs[0]).await?, &read(runs[1]).await?], target, made_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::compared;
    use stentor_run_view::fixtures::{reading, target};

    fn pair<'c>(comparison: &'c Comparison, name: &str) -> &'c Pair {
        let mut pairs = comparison.groups.iter().flat_map(|group| &group.figures);
        pairs.find(|pair| pair.name == name).unwrap()
    }

    #[test]
    fn the_second_run_is_compared_with_the_first() {
        let compared = compared();
        let sent = pair(&compared, "sent");
        assert_eq!((sent.difference, sent.ratio), (Some(900.0), Some(2.0)));
        assert_eq!((sent.texts(), sent.change()), (["900".into(), "1,800".into()], "+100.0%".into()));
        assert_eq!(pair(&compared, "failed of outcomes").change(), "=");
        assert_eq!(pair(&compared, "deliveries at once, each").texts(), ["1", "1 to 20"]);
        assert_eq!(pair(&compared, "mean wait").texts(), ["0.5 s", "0.1 s"]);
    }

    #[test]
    fn a_lower_bound_is_marked_and_not_compared() {
        let compared = compared();
        let dollars = pair(&compared, "dollars");
        assert_eq!(dollars.at_least, [false, true]);
        assert_eq!((dollars.difference, dollars.ratio, dollars.change()), (None, None, "-".to_owned()));
        assert!(dollars.texts()[1].starts_with(">= $"), "{:?}", dollars.texts());
    }

    #[test]
    fn an_unknown_value_is_compared_with_nothing() {
        let views = [&RunView::first(reading(10, 0)), &RunView::first(reading(10, 10))];
        let compared = Comparison::of(views, &target(), 0);
        for name in ["average", "messages a second", "dollars a million messages", "mean wait"] {
            let pair = pair(&compared, name);
            assert_eq!((pair.texts()[0].as_str(), pair.difference), ("-", None), "{name}");
        }
        let sent = pair(&compared, "sent");
        assert_eq!((sent.ratio, sent.change()), (None, "+9".to_owned()));
    }
}
