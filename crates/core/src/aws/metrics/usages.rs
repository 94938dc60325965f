//! What each program has spent on a run.

use super::{Condition, Error, Item, MetricsTable, key, malformed};
use crate::run::RunId;
use crate::usage::Usage;

const USAGE: &str = "usage#";

impl MetricsTable {
    /// Says what a program, named by its own id, has spent on a run so far, in the place of what it said before.
    pub async fn spent(&self, run: RunId, program: &str, usage: &Usage) -> Result<(), Error> {
        const CALL: &str = "PutItem (usage)";
        let (run, part) = (run.to_string(), format!("{USAGE}{program}"));
        let mut item: Item = serde_dynamo::to_item(usage).map_err(|e| malformed(&run, &part, &e))?;
        item.extend(key(&run, &part));
        self.put(CALL, &item, Condition::None).await.map(drop)
    }
}
