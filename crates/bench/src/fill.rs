//! Fills a fake with the messages of a run, without a producer or senders.

use anyhow::Error;
use stentor_core::delivery::Status;
use stentor_core::run::Plan;
use stentor_fake_aws::{AttributeValue, FakeAws, TableKind};
use stentor_test_support::now_ms;

/// Lifetime of a message in the table, seconds: seven days.
const LIFETIME: u64 = 7 * 24 * 3_600;

/// Puts the messages of a run into table and queue, as a finished producer leaves them.
pub fn put_run(fake: &FakeAws, plan: &Plan) -> anyhow::Result<()> {
    let now = now_ms();
    let (created_at, expires_at) = (now.to_string(), (now / 1_000 + LIFETIME).to_string());
    let (run, pending) = (plan.run().to_string(), Status::Pending.as_str());
    fake.reserve(plan.total() as usize);
    for id in plan.ids(0..plan.total()) {
        let message = plan.message(id);
        let id = id.to_string();
        let item = [
            ("id", text(&id)),
            ("run", text(&run)),
            ("phone", text(&message.phone)),
            ("body", text(&message.body)),
            ("parts", number(message.parts().into())),
            ("status", text(pending)),
            ("created_at", AttributeValue::N(created_at.as_str().into())),
            ("expires_at", AttributeValue::N(expires_at.as_str().into())),
        ];
        fake.put_item(TableKind::Messages, &item).map_err(Error::msg)?;
        fake.send_message(&message.to_queue_json(false));
    }
    put_run_record(fake, plan, now)
}

/// Puts the record of a run that was enqueued at `now`, ms since the epoch, and makes it the latest.
pub fn put_run_record(fake: &FakeAws, plan: &Plan, now: u64) -> anyhow::Result<()> {
    let run = plan.run().to_string();
    let total = u64::from(plan.total());
    let record = [
        ("run", text(&run)),
        ("part", text("run")),
        ("total", number(total)),
        ("length", number(plan.length().max.into())),
        ("exact_length", AttributeValue::Bool(plan.length().exact)),
        ("seed", number(plan.seed())),
        ("created_at", number(now)),
        ("enqueued", number(total)),
        ("finished_at", number(now)),
    ];
    let latest = [("run", text("latest")), ("part", text("run")), ("id", text(&run))];
    fake.put_item(TableKind::Metrics, &record).map_err(Error::msg)?;
    fake.put_item(TableKind::Metrics, &latest).map_err(Error::msg)
}

/// Puts the heartbeat of a sender that has sent that many messages at `now`, ms since the epoch.
pub fn put_heartbeat(fake: &FakeAws, sender: &str, sent: u64, now: u64) -> anyhow::Result<()> {
    let heartbeat = [
        ("run", text("senders")),
        ("part", text(sender)),
        ("sender", text(sender)),
        ("started_at", number(now.saturating_sub(60_000))),
        ("seen_at", number(now)),
        ("wait", AttributeValue::N("0.5".into())),
        ("failure_rate", AttributeValue::N("0.1".into())),
        ("concurrency", number(100)),
        ("sent", number(sent)),
        ("failed", number(sent / 9)),
        ("duplicates", number(0)),
        ("released", number(0)),
    ];
    fake.put_item(TableKind::Metrics, &heartbeat).map_err(Error::msg)
}

fn text(text: &str) -> AttributeValue<'_> {
    AttributeValue::S(text.into())
}

fn number(number: u64) -> AttributeValue<'static> {
    AttributeValue::N(number.to_string().into())
}
