//! Dollars, from list prices and what was counted.
//!
//! Prices are those of us-east-1 in November 2026, before any free tier ("Amazon SQS pricing", standard queues;
//! "Amazon `DynamoDB` pricing for on-demand capacity"; "AWS Lambda pricing").

/// A million requests to a standard queue, each of up to 64 KiB.
const SQS_REQUESTS: f64 = 0.40;
/// A million write units.
const WRITE_UNITS: f64 = 0.625;
/// A million read units.
const READ_UNITS: f64 = 0.125;
/// A million invocations of a function.
const INVOCATIONS: f64 = 0.20;
/// A GB of memory for a second, arm64, which the stack's template takes.
const GB_SECOND: f64 = 0.000_013_333_4;

/// What a run takes, and how it goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Consumption {
    /// Requests to the queue, a message, of producers and senders together.
    pub queue_requests: f64,
    /// Write units of the messages table and the programs' own items, a message.
    pub write_units: f64,
    /// Read units, a message.
    pub read_units: f64,
    /// Messages concluded a second while the run goes on.
    pub messages_per_second: f64,
    /// How the stream is counted.
    pub counting: Counting,
}

/// What counting a stream takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counting {
    /// Shards of the stream that have records.
    pub shards: f64,
    /// Seconds between two batches of a shard: the template's batching window.
    pub window_seconds: f64,
    /// Write units that a put of a tally takes.
    pub tally_units: f64,
    /// How long an invocation is billed, ms.
    pub invocation_ms: f64,
    /// The function's memory, MB.
    pub memory_mb: f64,
}

/// Dollars a million messages, part by part.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Dollars {
    /// Requests to the queue.
    pub queue: f64,
    /// Writes and reads of the tables by the programs.
    pub tables: f64,
    /// Writes of the tallies by the function.
    pub tallies: f64,
    /// The function's invocations and time.
    pub function: f64,
}

impl Dollars {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.queue + self.tables + self.tallies + self.function
    }

    /// What a million messages cost.
    pub fn of(run: &Consumption) -> Self {
        let counting = run.counting;
        // A batch of each shard a window, as long as messages come; a batch holds at least one record.
        let by_time = counting.shards / counting.window_seconds / run.messages_per_second;
        let batches_a_message = by_time.min(1.0);
        let gb_seconds = counting.memory_mb / 1_024.0 * counting.invocation_ms / 1_000.0;
        Self {
            queue: run.queue_requests * SQS_REQUESTS,
            tables: run.write_units * WRITE_UNITS + run.read_units * READ_UNITS,
            tallies: batches_a_message * counting.tally_units * WRITE_UNITS,
            function: batches_a_message * (INVOCATIONS + gb_seconds * 1e6 * GB_SECOND),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Consumption = Consumption {
        queue_requests: 0.3,
        write_units: 2.0,
        read_units: 0.0,
        messages_per_second: 1_000.0,
        counting: Counting {
            shards: 8.0,
            window_seconds: 1.0,
            tally_units: 1.5,
            invocation_ms: 10.0,
            memory_mb: 128.0,
        },
    };

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-6
    }

    #[test]
    fn a_million_messages_cost_what_the_price_lists_say() {
        let dollars = Dollars::of(&RUN);
        assert!(close(dollars.queue, 0.12), "{dollars:?}");
        assert!(close(dollars.tables, 1.25), "{dollars:?}");
        // 8 tallies of 1.5 units a second, for a thousand seconds.
        assert!(close(dollars.tallies, 8.0 * 1.5 * 1_000.0 * 0.625 / 1e6), "{dollars:?}");
        // 8,000 invocations of an eighth of a GB for 10 ms.
        let function = 8_000.0 * (0.2 / 1e6 + 0.125 * 0.010 * 0.000_013_333_4);
        assert!(close(dollars.function, function), "{dollars:?}");
        assert!(close(dollars.total(), dollars.queue + dollars.tables + dollars.tallies + dollars.function));
    }

    #[test]
    fn a_slow_run_is_counted_no_more_often_than_messages_come() {
        let slow = Consumption { messages_per_second: 1.0, ..RUN };
        assert!(close(Dollars::of(&slow).tallies, 1.5 * 0.625));
    }
}
