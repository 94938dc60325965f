//! Batches of a stream, as Lambda passes them to the function.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context;
use stentor_core::delivery::{DeliveryModel, DistributionKind, FailureRate, Outcome, WaitDistribution};
use stentor_core::message::MessageId;
use stentor_core::run::RunId;

/// Default creation time of the first message, ms since the epoch.
const BEGINNING: u64 = 1_764_000_000_000;

/// A shard ID without its last digit.
const SHARD: &str = "shardId-00000001764002431842-6a1d7b3";

/// The outcomes of a run in one shard, one in ten FAILED. They are the same in every run of the benchmark.
#[derive(Debug)]
pub struct Stream {
    run: RunId,
    shard: u8,
    beginning: u64,
    next: u32,
    per_second: f64,
    waiting: DeliveryModel,
    delivery: DeliveryModel,
}

impl Stream {
    /// Creates a stream of messages that are created at that rate, wait on the queue and are delivered.
    pub fn of(
        per_second: f64,
        waiting: WaitDistribution,
        delivery: WaitDistribution,
    ) -> anyhow::Result<Self> {
        let failure_rate = FailureRate::new(0.1).context("0.1 is within 0 to 1")?;
        Ok(Self {
            run: RunId::from_parts(BEGINNING, 1),
            shard: 0,
            beginning: BEGINNING,
            next: 0,
            per_second,
            waiting: DeliveryModel { wait: waiting, failure_rate, causes: vec![], seed: 1 },
            delivery: DeliveryModel { wait: delivery, failure_rate, causes: vec![], seed: 2 },
        })
    }

    /// Creates the stream of a rehearsal whose senders keep up: 0.05 s on the queue, 0.5 s of delivery.
    pub fn usual(per_second: f64) -> anyhow::Result<Self> {
        let waiting = WaitDistribution::new(DistributionKind::Exponential, 0.05, 0.0)?;
        Self::of(per_second, waiting, WaitDistribution::new(DistributionKind::Normal, 0.5, 0.25)?)
    }

    /// Creates a stream with widely spread times: exponential waits and deliveries with a mean of over an hour.
    pub fn wide(per_second: f64) -> anyhow::Result<Self> {
        let wait = WaitDistribution::new(DistributionKind::Exponential, 4_000.0, 0.0)?;
        Self::of(per_second, wait, wait)
    }

    /// Selects another shard of the run, 0 to 15.
    #[must_use]
    pub fn in_shard(mut self, shard: u8) -> Self {
        self.shard = shard;
        self
    }

    /// Sets the creation time of the first message, ms since the epoch.
    #[must_use]
    pub fn since(mut self, beginning: u64) -> Self {
        self.beginning = beginning;
        self
    }

    /// Returns the run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Returns an event with the next records of the shard.
    pub fn batch(&mut self, records: u32) -> String {
        let mut event = String::with_capacity(records as usize * 1_500);
        event.push_str(r#"{"Records":["#);
        for place in 0..records {
            if place > 0 {
                event.push(',');
            }
            self.record(&mut event);
        }
        let _ = write!(
            event,
            r#"],"shardId":"{SHARD}{shard:x}","eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/bench-messages/stream/2025-11-24T16:00:00.000","window":{{"start":"2025-11-24T16:00:00Z","end":"2025-11-24T16:15:00Z"}},"state":{{}},"isFinalInvokeForWindow":false,"isWindowTerminatedEarly":false}}"#,
            shard = self.shard,
        );
        event
    }

    fn record(&mut self, event: &mut String) {
        let number = self.next;
        self.next += 1;
        let id = MessageId::new(self.run, number).expect("a run has up to a thousand million messages");
        let run = self.run;
        let delivery = self.delivery.plan_delivery(id, 1);
        let waiting = self.waiting.plan_delivery(id, 1).wait;
        let after = Duration::from_secs_f64(f64::from(number) / self.per_second);
        let created_at = u128::from(self.beginning) + after.as_millis();
        let delivery_ms = delivery.wait.as_millis();
        let concluded_at = created_at + (waiting + delivery.wait).as_millis();
        let status = if delivery.outcome() == Outcome::Sent { "SENT" } else { "FAILED" };
        let expires_at = created_at / 1_000 + 604_800;
        // The attributes of both images. The average body has half of the producer's default length.
        let fixed = format!(
            r#""id":{{"S":"{id}"}},"run":{{"S":"{run}"}},"phone":{{"S":"+12125550100"}},"body":{{"S":"Shelter in place, and wait for word from the county."}},"created_at":{{"N":"{created_at}"}},"expires_at":{{"N":"{expires_at}"}}"#
        );
        let _ = write!(
            event,
            r#"{{"eventID":"{number:032x}","eventName":"MODIFY","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1","dynamodb":{{"ApproximateCreationDateTime":{seconds},"Keys":{{"id":{{"S":"{id}"}}}},"NewImage":{{{fixed},"status":{{"S":"{status}"}},"concluded_at":{{"N":"{concluded_at}"}},"delivery_ms":{{"N":"{delivery_ms}"}},"sender":{{"S":"01KAVG5QZ8M3T9W4C6X2N7B1DG"}},"attempt":{{"S":"01KAVG5QZ8M3T9W4C6X2{number:06}"}}}},"OldImage":{{{fixed},"status":{{"S":"PENDING"}}}},"SequenceNumber":"5839300000000031{number:09}","SizeBytes":620,"StreamViewType":"NEW_AND_OLD_IMAGES"}},"eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/bench-messages/stream/2025-11-24T16:00:00.000"}}"#,
            seconds = concluded_at / 1_000,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn batches_are_consecutive_events_of_one_shard() {
        let mut stream = Stream::usual(100.0).unwrap();
        let numbers = [stream.batch(3), stream.batch(2)].map(|event| {
            let event: Value = serde_json::from_str(&event).unwrap();
            assert_eq!(event["shardId"], format!("{SHARD}0"));
            let records = event["Records"].as_array().unwrap().clone();
            let changes = records.iter().map(|record| &record["dynamodb"]);
            changes.map(|change| change["SequenceNumber"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        });
        assert_eq!((numbers[0].len(), numbers[1].len()), (3, 2));
        assert!(numbers.concat().is_sorted());
    }

    #[test]
    fn times_follow_the_wait_distributions() {
        let event: Value = serde_json::from_str(&Stream::usual(100.0).unwrap().batch(1_000)).unwrap();
        let number = |record: &Value, name: &str| {
            record["dynamodb"]["NewImage"][name]["N"].as_str().unwrap().parse::<f64>().unwrap()
        };
        let records = event["Records"].as_array().unwrap();
        let mean = |value: &dyn Fn(&Value) -> f64| records.iter().map(value).sum::<f64>() / 1_000.0;
        let delivery = mean(&|record| number(record, "delivery_ms"));
        let latency = mean(&|record| number(record, "concluded_at") - number(record, "created_at"));
        assert!((480.0..520.0).contains(&delivery), "{delivery}");
        assert!((30.0..70.0).contains(&(latency - delivery)), "{latency}");
        let paced = number(&records[999], "created_at") - number(&records[0], "created_at");
        assert!((9_989.0..=9_990.0).contains(&paced), "{paced}");
    }
}
