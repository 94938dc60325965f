//! What a producer reports when the table throttles it.

use std::time::Duration;

use stentor_aws::Session;
use stentor_cli::{ConnectionFlags, format, hints};
use stentor_core::adaptive_rate::Throttling;
use tokio::time::sleep;

/// A table that grows with its traffic may throttle for some seconds; from this time on it takes long.
const REPORT_AFTER: Duration = Duration::from_secs(10);

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Reports once that the table has throttled the session for [`REPORT_AFTER`]: what it accepts, how long the rest of the
/// messages takes, and what to do. `left` returns the number of messages that are not enqueued.
pub(crate) async fn report_throttling(
    session: &Session,
    connection: &ConnectionFlags,
    left: impl Fn() -> u32,
) {
    let throttling = loop {
        sleep(CHECK_INTERVAL).await;
        match session.write_throttling() {
            Some(throttling) if throttling.lasted >= REPORT_AFTER => break throttling,
            _ => {}
        }
    };
    let text = text(&session.stack().messages_table(), throttling, left());
    let hint = hints::prepare_table(connection, session.endpoint());
    tracing::warn!("{text}{}", hint.map(|hint| format!(". {hint}")).unwrap_or_default());
}

fn text(table: &str, throttling: Throttling, left: u32) -> String {
    let accepted = throttling.accepted_per_second;
    let rate = format::rate(accepted);
    let rest = format::counted(left.into(), "message");
    let time = format::duration(f64::from(left) / accepted.max(1.0));
    format!(
        "table {table} throttles writes: it accepts {rate} writes a second from this producer; the remaining {rest} take about {time}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_the_accepted_rate_and_the_time_of_the_rest() {
        let throttling = Throttling { lasted: REPORT_AFTER, accepted_per_second: 4_000.0 };
        let text = text("drill-messages", throttling, 960_000);
        assert_eq!(
            text,
            "table drill-messages throttles writes: it accepts 4,000 writes a second from this producer; the remaining \
             960,000 messages take about 4 min 0 s"
        );
    }
}
