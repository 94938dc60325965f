//! Puts a run into the sink without a producer.

use stentor_core::clock::now_ms;
use stentor_core::delivery::Status;
use stentor_core::message::Envelope;
use stentor_core::run::Plan;

use super::Sink;
use super::item::{Item, Value};
use super::queue::md5;
use super::table::Key;

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
        let refused = anyhow::Error::msg;
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
            let item = Item::of(item.iter().map(|(name, value)| (*name, value))).map_err(refused)?;
            let key = Key { hash: id.into(), range: "".into() };
            state.tables.messages.put(&key, item).map_err(refused)?;
            let body = Envelope { message, possibly_repeated: false }.to_wire();
            state.queues.main.send(&body, md5(&body));
        }
        let number = |number: u64| Value::N(number.to_string().into());
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
        for (hash, item) in [(run.as_str(), record.as_slice()), ("latest", latest.as_slice())] {
            let item = Item::of(item.iter().map(|(name, value)| (*name, value))).map_err(refused)?;
            let key = Key { hash: hash.into(), range: "run".into() };
            state.tables.metrics.put(&key, item).map_err(refused)?;
        }
        self.shared.arrivals[0].notify_one();
        Ok(())
    }
}
