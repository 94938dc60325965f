//! A table of tallies in memory, with the conditions and faults of the real one.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::Poll;

use aws_sdk_dynamodb::types::AttributeValue;
use stentor_aws::tally_store::PutResult;
use stentor_core::run::RunId;
use stentor_tally::{SequenceNumber, ShardTally, Tally};
use stentor_tests::stream::Fault;

/// The run and the shard of a tally.
pub type Name = (RunId, String);

/// The call failed permanently; earlier attempts may have been carried out.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused;

#[derive(Debug, Default)]
pub struct Table {
    tallies: RefCell<BTreeMap<Name, ShardTally>>,
    faults: RefCell<VecDeque<Fault>>,
    late: RefCell<Vec<Late>>,
    /// Tallies written since the last call of `take_written`.
    written: RefCell<Vec<Name>>,
    /// Whether the current caller is to be killed.
    kills: Cell<bool>,
    /// Whether tallies are stored as items of DynamoDB.
    written_out: bool,
}

#[derive(Debug)]
struct Late {
    calls: usize,
    put: Put,
}

/// A conditional put.
#[derive(Debug, Clone)]
struct Put {
    name: Name,
    before: Option<SequenceNumber>,
    after: ShardTally,
}

impl Table {
    pub fn new(faults: &[Fault], written_out: bool) -> Self {
        Self { faults: RefCell::new(faults.iter().copied().collect()), written_out, ..Self::default() }
    }

    /// Reads a tally, and retries until there is a response, as the session with AWS does.
    pub async fn read(&self, name: &Name) -> Result<ShardTally, Refused> {
        self.call_batch(|| self.tally(name).as_deref().cloned().unwrap_or_default(), None).await
    }

    /// Replaces a tally conditionally, as the session with AWS does.
    pub async fn swap(
        &self,
        name: &Name,
        before: &ShardTally,
        after: &ShardTally,
    ) -> Result<PutResult, Refused> {
        let put = Put { name: name.clone(), before: before.checkpoint.clone(), after: after.clone() };
        self.call_batch(|| self.put(&put), Some(&put)).await
    }

    /// Returns the current tally.
    pub fn tally(&self, name: &Name) -> Option<Ref<'_, ShardTally>> {
        Ref::filter_map(self.tallies.borrow(), |tallies| tallies.get(name)).ok()
    }

    /// Takes the names of the tallies that were written since the last call.
    pub fn take_written(&self) -> Vec<Name> {
        self.written.take()
    }

    /// Whether the current caller has just been killed.
    pub fn take_kill(&self) -> bool {
        self.kills.take()
    }

    /// Carries out all late calls, and injects no further faults.
    pub fn recover(&self) {
        self.faults.take();
        for late in self.late.take() {
            self.put(&late.put);
        }
    }

    async fn call_batch<A>(&self, carry_out: impl Fn() -> A, put: Option<&Put>) -> Result<A, Refused> {
        loop {
            others_go_on().await;
            self.let_late_ones_come();
            let fault = self.faults.borrow_mut().pop_front().unwrap_or(Fault::None);
            match fault {
                Fault::None | Fault::Silent => {
                    let answer = carry_out();
                    others_go_on().await;
                    return Ok(answer);
                }
                Fault::Throttled | Fault::Failed(_) | Fault::LostBefore => {}
                Fault::LostAfter => drop(carry_out()),
                Fault::Late(calls) => {
                    self.late.borrow_mut().extend(put.map(|put| Late { calls, put: put.clone() }));
                }
                Fault::Refused => return Err(Refused),
                Fault::KillBefore => self.kill().await,
                Fault::KillAfter => {
                    carry_out();
                    self.kill().await;
                }
            }
        }
    }

    async fn kill(&self) {
        self.kills.set(true);
        std::future::pending::<()>().await;
    }

    fn let_late_ones_come(&self) {
        let mut due = Vec::new();
        self.late.borrow_mut().retain_mut(|late| {
            late.calls -= 1;
            if late.calls == 0 {
                due.push(late.put.clone());
            }
            late.calls > 0
        });
        for put in due {
            self.put(&put);
        }
    }

    fn put(&self, put: &Put) -> PutResult {
        let mut tallies = self.tallies.borrow_mut();
        let stands = tallies.get(&put.name).and_then(|tally| tally.checkpoint.as_ref());
        if stands != put.before.as_ref() {
            return PutResult::Conflict;
        }
        let after = if self.written_out { read_back(&put.after) } else { put.after.clone() };
        tallies.insert(put.name.clone(), after);
        self.written.borrow_mut().push(put.name.clone());
        PutResult::Stored
    }
}

/// Encodes and decodes the tally, as the table does.
fn read_back(shard: &ShardTally) -> ShardTally {
    let item: HashMap<String, AttributeValue> =
        serde_dynamo::to_item(&shard.tally).expect("a tally can be encoded");
    let tally: Tally = serde_dynamo::from_item(item).expect("a tally can be decoded");
    let checkpoint = shard.checkpoint.as_ref().map(|number| number.to_string().parse().expect("a number"));
    ShardTally { checkpoint, tally }
}

/// Yields once.
async fn others_go_on() {
    let mut gave_way = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut gave_way, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
