//! The settings of the deployed stack, which the deployment records.

use stentor_core::deployment::Deployment;

use super::{Error, Item, MetricsTable, string};

const DEPLOYMENT: &str = "deployment";
const SETTINGS: &str = "settings";

impl MetricsTable {
    /// Reads the settings that the deployment recorded. Unknown attributes are ignored, and invalid ones count as absent;
    /// without the item, all are.
    pub async fn deployment(&self) -> Result<Deployment, Error> {
        Ok(self.get(DEPLOYMENT, SETTINGS).await?.as_ref().map_or_else(Deployment::default, deployment))
    }
}

fn deployment(item: &Item) -> Deployment {
    let number = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
    Deployment::new(number("batching_window"), number("function_memory"), string(item, "architecture"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{number, text};
    use aws_sdk_dynamodb::types::AttributeValue;

    #[test]
    fn settings_are_read_as_far_as_they_are_valid() {
        let stored = Item::from([
            ("batching_window".to_owned(), number(300)),
            ("function_memory".to_owned(), number(512)),
            ("visibility_timeout".to_owned(), number(60)),
            ("architecture".to_owned(), text("x86_64")),
            ("of_a_later_version".to_owned(), text("odd")),
        ]);
        assert_eq!(deployment(&stored), Deployment::new(Some(300), Some(512), Some("x86_64")));
        let n = |digits: &str| AttributeValue::N(digits.to_owned());
        for odd in [n("-1"), n("1.5"), n("1e40"), text("300"), AttributeValue::Null(true)] {
            let mut item = stored.clone();
            item.insert("batching_window".to_owned(), odd.clone());
            assert_eq!(deployment(&item), Deployment::new(None, Some(512), Some("x86_64")), "{odd:?}");
        }
        assert_eq!(deployment(&Item::new()), Deployment::default());
    }
}
