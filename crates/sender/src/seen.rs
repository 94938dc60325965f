//! What has come so far: when, of which runs, and what the user was warned of.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use stentor_core::message::{MessageId, ParseQueueMessageError};
use stentor_core::run::RunId;
use tokio::time::Instant;

/// What has come so far.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Messages received of each run.
    runs: RefCell<BTreeMap<RunId, u64>>,
    warned_of: RefCell<BTreeSet<RunId>>,
    warned_of_garbage: Cell<bool>,
    last: Cell<Instant>,
}

impl Seen {
    pub(crate) fn nothing_yet() -> Rc<Self> {
        Rc::new(Self {
            runs: RefCell::default(),
            warned_of: RefCell::default(),
            warned_of_garbage: Cell::new(false),
            last: Cell::new(Instant::now()),
        })
    }

    /// Something came, now.
    pub(crate) fn something(&self) {
        self.last.set(Instant::now());
    }

    /// A message of that run came.
    pub(crate) fn run(&self, run: RunId) {
        *self.runs.borrow_mut().entry(run).or_default() += 1;
    }

    /// The runs whose messages came.
    pub(crate) fn runs(&self) -> BTreeSet<RunId> {
        self.runs.borrow().keys().copied().collect()
    }

    /// How many messages came of each run.
    pub(crate) fn messages(&self) -> BTreeMap<RunId, u64> {
        self.runs.borrow().clone()
    }

    /// When something came last; at first, when the sender started.
    pub(crate) fn last(&self) -> Instant {
        self.last.get()
    }

    /// Warns of a message without an item, once a run.
    pub(crate) fn warn_of_missing(&self, id: MessageId) {
        if self.warned_of.borrow_mut().insert(id.run()) {
            tracing::warn!(
                "message {id} is on the queue but not in the table; it and others like it go back, and end as dead letters"
            );
        }
    }

    /// Warns of a body that is no message, once.
    pub(crate) fn warn_of_garbage(&self, error: &ParseQueueMessageError) {
        if !self.warned_of_garbage.replace(true) {
            tracing::warn!(
                "a body on the queue {error}; it and others like it go back, and end as dead letters"
            );
        }
    }
}
