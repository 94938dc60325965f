//! Puts a run into the sink without a producer, and signs of life without a sender.

use stentor_aws::clock::now_ms;
use stentor_core::delivery::Status;
use stentor_core::message::QueueMessage;
use stentor_core::run::Plan;

use super::Sink;
use super::dynamodb::Tables;
use super::item::{Item, Value};
use super::queue::md5;
use super::table::{Key, Table};

/// How long a message stays in the table, seconds: seven days.
const LIFETIME: u64 = 7 * 24 * 3_600;

impl Sink {
    /// Puts the whole run into table and queue, as a producer leaves it that has ended.
    pub fn fill(&self, plan: &Plan) -> anyhow::Result<()> {
        let mut state = self.shared.state();
        let state = &mut *state;
        let now = now_ms();
        let (created_at, expires_at) = (now.to_string(), (now / 1_000 + LIFETIME).to_string());
        let (run, pending) = (plan.run().to_string(), Status::Pending.as_str());
        state.tables.messages.reserve(plan.total() as usize);
        state.queues.main.reserve(plan.total() as usize);
        for id in plan.ids(0..plan.total()) {
            let message = plan.message(id);
            let id = id.to_string();
            let item = [
                ("id", Value::S(id.as_str().into())),
                ("run", Value::S(run.as_str().into())),
                ("phone", Value::S(message.phone.as_str().into())),
                ("body", Value::S(message.body.as_str().into())),
                ("status", Value::S(pending.into())),
                ("created_at", Value::N(created_at.as_str().into())),
                ("expires_at", Value::N(expires_at.as_str().into())),
            ];
            put(&mut state.tables.messages, &id, "", &item)?;
            let body = QueueMessage { message, possibly_repeated: false }.to_json();
            state.queues.main.send(&body, md5(&body));
        }
        record(&mut state.tables, plan, now)?;
        self.shared.arrivals[0].notify_one();
        Ok(())
    }

    /// Puts the run alone into the table, as if all of it had been enqueued at `now`, ms since the epoch.
    pub fn record(&self, plan: &Plan, now: u64) -> anyhow::Result<()> {
        record(&mut self.shared.state().tables, plan, now)
    }

    /// Leaves the sign of life of a sender that has sent so many, at `now`, ms since the epoch.
    pub fn beat(&self, sender: &str, sent: u64, now: u64) -> anyhow::Result<()> {
        let beat = [
            ("run", Value::S("senders".into())),
            ("part", Value::S(sender.into())),
            ("sender", Value::S(sender.into())),
            ("started_at", number(now.saturating_sub(60_000))),
            ("seen_at", number(now)),
            ("wait", Value::N("0.5".into())),
            ("failure_rate", Value::N("0.1".into())),
            ("concurrency", number(100)),
            ("sent", number(sent)),
            ("failed", number(sent / 9)),
            ("duplicates", number(0)),
            ("released", number(0)),
        ];
        put(&mut self.shared.state().tables.metrics, "senders", sender, &beat)
    }
}

/// Puts what the run is, and that it is the latest.
fn record(tables: &mut Tables, plan: &Plan, now: u64) -> anyhow::Result<()> {
    let run = plan.run().to_string();
    let (total, run_id) = (u64::from(plan.total()), Value::S(run.as_str().into()));
    let record = [
        ("run", run_id.clone()),
        ("part", Value::S("run".into())),
        ("total", number(total)),
        ("length", number(plan.length().max.into())),
        ("exact_length", Value::Bool(plan.length().exact)),
        ("seed", number(plan.seed())),
        ("created_at", number(now)),
        ("enqueued", number(total)),
        ("finished_at", number(now)),
    ];
    let latest = [("run", Value::S("latest".into())), ("part", Value::S("run".into())), ("id", run_id)];
    put(&mut tables.metrics, &run, "run", &record)?;
    put(&mut tables.metrics, "latest", "run", &latest)
}

fn put(table: &mut Table, hash: &str, range: &str, item: &[(&str, Value)]) -> anyhow::Result<()> {
    let item = Item::of(item.iter().map(|(name, value)| (*name, value))).map_err(anyhow::Error::msg)?;
    table.put(&Key { hash: hash.into(), range: range.into() }, item).map_err(anyhow::Error::msg).map(drop)
}

fn number(number: u64) -> Value<'static> {
    Value::N(number.to_string().into())
}
