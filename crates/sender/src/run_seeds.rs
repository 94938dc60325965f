//! The seeds of runs, from which the carriers of their messages follow.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use stentor_aws::Error;
use stentor_core::run::RunId;
use tokio::sync::OnceCell;

use crate::Connections;

/// The seeds of the runs, each read from the metrics table when it is first needed.
#[derive(Debug)]
pub(crate) struct RunSeeds {
    connections: Rc<Connections>,
    seeds: RefCell<BTreeMap<RunId, Rc<OnceCell<u64>>>>,
}

impl RunSeeds {
    pub(crate) fn new(connections: &Rc<Connections>) -> Self {
        Self { connections: Rc::clone(connections), seeds: RefCell::default() }
    }

    /// Returns the seed of a run; 0 for a run without a record.
    pub(crate) async fn get(&self, run: RunId) -> Result<u64, Error> {
        let seed = Rc::clone(self.seeds.borrow_mut().entry(run).or_default());
        let read =
            async || Ok(self.connections.metrics.run(run).await?.map_or(0, |record| record.plan.seed()));
        seed.get_or_try_init(read).await.copied()
    }
}
