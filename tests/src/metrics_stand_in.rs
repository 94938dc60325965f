//! A metrics table in memory, which speaks as much of DynamoDB's protocol as the function uses, and fails
//! in DynamoDB's own ways when it is told to.

mod rules;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::function::Life;
use crate::http::{self, Connection, Request, Server};
use crate::stream::Fault;
use rules::{Answer, Call, Items};

pub use rules::Item;

/// How long it says nothing where it is silent: less than a client waits.
const SILENCE: Duration = Duration::from_secs(5);

/// A table in memory, served on a loopback port.
#[derive(Debug)]
pub struct MetricsStandIn {
    server: Server,
    table: Table,
}

/// What the connections share.
#[derive(Debug, Clone, Default)]
struct Table(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    items: Items,
    faults: VecDeque<Fault>,
    late: Vec<Late>,
    callers: HashMap<String, Life>,
    written: Vec<Item>,
    protests: Vec<String>,
}

/// A call that is carried out only some calls later.
#[derive(Debug)]
struct Late {
    calls: usize,
    call: Call,
}

/// What a connection does next.
enum Reply {
    Answer(Answer),
    AnswerAfter(Duration, Answer),
    Close,
    Kill(Option<Life>),
}

impl MetricsStandIn {
    /// The table's name.
    pub const NAME: &str = "stentor-metrics";

    /// Starts one.
    pub fn start() -> Self {
        let table = Table::default();
        let serving = table.clone();
        let server = http::serve(move |connection| {
            let _ = converse(connection, &serving);
        });
        Self { server, table }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Says how it takes the next calls; all later ones it takes well.
    pub fn plan(&self, faults: &[Fault]) {
        self.table.state().faults = faults.iter().copied().collect();
    }

    /// From now on all goes well, and what was late has come.
    pub fn recover(&self) {
        let mut state = self.table.state();
        state.faults.clear();
        for late in std::mem::take(&mut state.late) {
            state.carry_out(&late.call);
        }
    }

    /// Whom to kill where a fault kills the caller that signs with an access key.
    pub fn know(&self, access_key: &str, life: &Life) {
        self.table.state().callers.insert(access_key.to_owned(), life.clone());
    }

    /// The item as it stands.
    pub fn item(&self, run: &str, part: &str) -> Option<Item> {
        self.table.state().items.get(&(run.to_owned(), part.to_owned())).cloned()
    }

    /// The items that were written since this was last asked.
    ///
    /// # Panics
    /// Where a call was not understood, or DynamoDB would not take it.
    pub fn take_written(&self) -> Vec<Item> {
        let mut state = self.table.state();
        assert!(state.protests.is_empty(), "{:?}", state.protests);
        std::mem::take(&mut state.written)
    }
}

impl Table {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, request: &Request) -> Reply {
        let mut state = self.state();
        let call = match Call::of(request) {
            Ok(call) => call,
            Err(why) => {
                state.protests.push(why.clone());
                return Reply::Answer(Answer::error(400, "ValidationException", &why));
            }
        };
        state.let_late_ones_come();
        match state.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => Reply::Answer(state.carry_out(&call)),
            Fault::Silent => Reply::AnswerAfter(SILENCE, state.carry_out(&call)),
            Fault::Throttled => Reply::Answer(Answer::throttled()),
            Fault::Failed(status) => Reply::Answer(Answer::failed(status)),
            Fault::Refused => Reply::Answer(Answer::refused()),
            Fault::LostBefore => Reply::Close,
            Fault::LostAfter => {
                state.carry_out(&call);
                Reply::Close
            }
            Fault::Late(calls) => {
                state.late.push(Late { calls, call });
                Reply::Close
            }
            Fault::KillBefore => Reply::Kill(state.callers.get(call.access_key()).cloned()),
            Fault::KillAfter => {
                state.carry_out(&call);
                Reply::Kill(state.callers.get(call.access_key()).cloned())
            }
        }
    }
}

impl State {
    fn carry_out(&mut self, call: &Call) -> Answer {
        call.carry_out(&mut self.items, &mut self.written)
    }

    fn let_late_ones_come(&mut self) {
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .map(|late| Late { calls: late.calls - 1, ..late })
            .partition::<Vec<_>, _>(|late| late.calls == 0);
        self.late = later;
        for late in due {
            self.carry_out(&late.call);
        }
    }
}

fn converse(mut connection: Connection, table: &Table) -> Option<()> {
    loop {
        let request = connection.request()?;
        let answer = match table.reply(&request) {
            Reply::Answer(answer) => answer,
            Reply::AnswerAfter(silence, answer) => {
                std::thread::sleep(silence);
                answer
            }
            Reply::Close => return None,
            Reply::Kill(life) => {
                life?.end();
                return None;
            }
        };
        let headers = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-RequestId", "STANDIN")];
        connection.answer(answer.status, &headers, &answer.body)?;
    }
}
