//! The first stage: receives messages from the queue and passes on those to be delivered.
//!
//! A message that may have an outcome already is looked up in the table first.

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use stentor_aws::Error;
use stentor_aws::boot_instant::BootInstant;
use stentor_aws::queue::ReceivedMessage;
use stentor_core::delivery::Status;
use stentor_core::message::{MessageRecord, QueueMessage};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Connections;
use crate::in_flight::{InFlight, InFlightMessage};
use crate::lease::Lease;
use crate::prefetch::{PipelineLoad, PrefetchPolicy};
use crate::reservation::AdmissionGauge;
use crate::settlement::Settlement;
use crate::state::SenderState;

/// How long a receive waits for a first message. A shutdown waits for open receives, so it takes as long.
const LONG_POLL: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Intake {
    pub connections: Rc<Connections>,
    pub in_flight: Rc<InFlight>,
    pub state: Rc<SenderState>,
    pub prefetch: PrefetchPolicy,
    /// Whether there is a provider: only then are the parts of a text counted.
    pub counts_parts: bool,
    /// With a rate limit: how many messages can be received for it.
    pub admissions: Option<Rc<AdmissionGauge>>,
    pub stop: CancellationToken,
}

#[derive(Debug)]
struct ReceiveResult {
    requested: usize,
    returned: usize,
    /// The messages to deliver among those returned.
    messages: Vec<InFlightMessage>,
}

impl Intake {
    /// Receives until `stop` is cancelled. Messages from receives that are open then are released.
    pub(crate) async fn run(self, output: UnboundedSender<InFlightMessage>) -> Result<(), Error> {
        let mut prefetch = self.prefetch.clone();
        let mut receives = FuturesUnordered::new();
        let mut requested = 0;
        while !self.stop.is_cancelled() {
            let load = PipelineLoad {
                undelivered: self.in_flight.undelivered(),
                unfinished: self.in_flight.len() + self.in_flight.unsettled(),
                requested,
                receives: receives.len(),
                admission: self.admissions.as_ref().map(|gauge| gauge.admission()),
                outcomes_per_second: self.connections.session.write_limit(),
            };
            if let Some(batch_size) = prefetch.batch_size(load) {
                requested += batch_size;
                receives.push(self.receive(batch_size));
                continue;
            }
            tokio::select! {
                Some(result) = receives.next() => {
                    let result: ReceiveResult = result?;
                    requested -= result.requested;
                    prefetch.observe(result.requested, result.returned);
                    for message in result.messages {
                        // A message that cannot be sent is dropped, which releases it.
                        let _ = output.send(message);
                    }
                }
                () = self.in_flight.changed() => {}
                () = admission_changed(self.admissions.as_deref()) => {}
                () = self.stop.cancelled() => {}
            }
        }
        while let Some(result) = receives.next().await {
            drop(result?);
        }
        Ok(())
    }

    async fn receive(&self, batch_size: usize) -> Result<ReceiveResult, Error> {
        let visibility = self.connections.visibility_timeout.get();
        let batch = self.connections.queue.receive(batch_size, LONG_POLL, visibility).await?;
        let returned = batch.len();
        if returned > 0 {
            self.state.activity.borrow_mut().last_received_at = Instant::now();
        }
        let (mut messages, mut unsure) = (Vec::with_capacity(returned), Vec::new());
        let now = BootInstant::now();
        for message in batch {
            if let Some((message, may_have_outcome)) = self.accept(message, visibility, now) {
                if may_have_outcome { unsure.push(message) } else { messages.push(message) }
            }
        }
        messages.extend(self.retain_pending(unsure).await?);
        Ok(ReceiveResult { requested: batch_size, returned, messages })
    }

    /// Parses a message and adds it to the set. Returns it with whether it may have an outcome already, or `None`
    /// for an invalid body, an expired lease or a message that is in flight already.
    fn accept(
        &self,
        received: ReceivedMessage,
        visibility: Duration,
        now: BootInstant,
    ) -> Option<(InFlightMessage, bool)> {
        let ReceivedMessage { body: text, receipt, receive_count, sent_at, requested_at } = received;
        let lease = Lease::new(receipt, requested_at, visibility);
        let body = match QueueMessage::from_json(&text) {
            Ok(body) => body,
            Err(error) => {
                self.state.counters.borrow_mut().record_invalid(&text, receive_count);
                self.state.activity.borrow_mut().warn_invalid_body(&error);
                self.in_flight.settle(lease, Settlement::RELEASE_UNUSABLE);
                return None;
            }
        };
        let id = body.message.id;
        self.state.activity.borrow_mut().runs.entry(id.run()).or_default().received += 1;
        let parts = if self.counts_parts { body.message.parts() } else { 1 };
        let mut message = self.in_flight.add(id, receive_count, parts, lease, now)?;
        // A message that is sent again later than it was created is looked up, since it may be a repeat.
        message.set_created_at(sent_at);
        Some((message, receive_count > 1 || body.possibly_repeated))
    }

    /// Looks the messages up in the table, and settles those that are not pending.
    async fn retain_pending(&self, messages: Vec<InFlightMessage>) -> Result<Vec<InFlightMessage>, Error> {
        if messages.is_empty() {
            return Ok(messages);
        }
        let ids: Vec<_> = messages.iter().map(InFlightMessage::id).collect();
        let records = self.connections.messages.get_messages(&ids).await?;
        let mut pending = Vec::new();
        for (mut message, record) in messages.into_iter().zip(records) {
            message.set_created_at(record.and_then(|record| record.created_at));
            match record.and_then(|MessageRecord { status, .. }| status) {
                Some(Status::Pending) => pending.push(message),
                Some(Status::Sent | Status::Failed) => {
                    self.state.counters.borrow_mut().duplicates += 1;
                    message.settle(Settlement::Delete);
                }
                None => {
                    self.state.activity.borrow_mut().warn_missing_item(message.id());
                    message.settle(Settlement::RELEASE_UNUSABLE);
                }
            }
        }
        Ok(pending)
    }
}

/// Waits until the rate limit admits more; for ever without a limit.
async fn admission_changed(gauge: Option<&AdmissionGauge>) {
    match gauge {
        Some(gauge) => gauge.changed().await,
        None => pending().await,
    }
}
