//! The deliveries of a stream, and the faults between them.

use proptest::collection::vec;
use proptest::prelude::*;

use stentor_fake_aws::Fault;

use super::Truth;

/// Maximum number of instances of the function.
pub const INSTANCES: usize = 3;

/// Maximum number of steps of a script, and of calls that its faults are spread over.
const STEPS: usize = 24;
const CALLS: usize = 30;

/// A stream and its deliveries. After the last step the rest is delivered without faults, and then all of it
/// again.
#[derive(Debug, Clone)]
pub struct Script {
    /// The contents of the stream.
    pub truth: Truth,
    /// Steps, one after the other. Instances process their deliveries concurrently.
    pub steps: Vec<Step>,
    /// The faults of the first calls to the metrics table. All later calls succeed.
    pub faults: Vec<Fault>,
}

/// A step. Shard numbers are taken modulo the number of shards.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// An instance receives records of a shard, once it has responded to its last event.
    Deliver {
        /// Index of the instance.
        instance: usize,
        /// Index of the shard.
        shard: usize,
        /// Start of the records.
        from: From,
        /// Maximum number of records.
        length: usize,
        /// The event's tumbling window.
        window: Window,
    },
    /// An instance receives an event without records, once it has responded to its last event.
    DeliverNothing {
        /// Index of the instance.
        instance: usize,
        /// The form of the empty event.
        emptiness: Emptiness,
    },
    /// An instance continues: for that many calls to the table where those are steps, otherwise to its
    /// response.
    GoOn {
        /// Index of the instance.
        instance: usize,
        /// Number of calls.
        calls: usize,
    },
    /// An instance is killed and replaced by a new one.
    Kill {
        /// Index of the instance.
        instance: usize,
    },
}

/// Start of a delivery; never beyond what was processed.
#[derive(Debug, Clone, Copy)]
pub enum From {
    /// At the first record not yet processed: for the first time, repeated, halved, extended, or from a later
    /// start.
    Next,
    /// At the start of the shard's last delivery.
    SameStart,
    /// That many changes before the first record not yet processed.
    Back(usize),
    /// At the shard's first record, hours late.
    Beginning,
}

/// The state of an event's tumbling window.
#[derive(Debug, Clone, Copy)]
pub enum Window {
    /// A new window: the state is empty.
    Begun,
    /// A window that continues, with the state of the last response, or null.
    GoingOn {
        /// The state is null.
        null_state: bool,
    },
    /// A window that ends with these records.
    Ending,
}

/// The form of an event without records.
#[derive(Debug, Clone, Copy)]
pub enum Emptiness {
    /// `Records` is missing.
    Absent,
    /// `Records` is null.
    Null,
    /// `Records` is empty.
    Empty,
}

impl Script {
    /// Generates any script.
    pub fn any() -> impl Strategy<Value = Self> {
        (Truth::any(), vec(step(), 1..=STEPS), vec(fault(), 0..=CALLS))
            .prop_map(|(truth, steps, faults)| Self { truth, steps, faults })
    }
}

fn step() -> impl Strategy<Value = Step> {
    let instance = 0..INSTANCES;
    let deliver = (instance.clone(), 0..6_usize, from(), length(), window());
    prop_oneof![
        12 => deliver.prop_map(|(instance, shard, from, length, window)| {
            Step::Deliver { instance, shard, from, length, window }
        }),
        1 => (instance.clone(), emptiness())
            .prop_map(|(instance, emptiness)| Step::DeliverNothing { instance, emptiness }),
        5 => (instance.clone(), 1..4_usize).prop_map(|(instance, calls)| Step::GoOn { instance, calls }),
        1 => instance.prop_map(|instance| Step::Kill { instance }),
    ]
}

fn from() -> impl Strategy<Value = From> {
    prop_oneof![
        5 => Just(From::Next),
        2 => Just(From::SameStart),
        2 => (1..12_usize).prop_map(From::Back),
        1 => Just(From::Beginning),
    ]
}

/// Generates a number of records: mostly a few, sometimes all.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 1..10_usize, 1 => Just(1_000)]
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        Just(Window::Begun),
        any::<bool>().prop_map(|null_state| Window::GoingOn { null_state }),
        Just(Window::Ending),
    ]
}

fn emptiness() -> impl Strategy<Value = Emptiness> {
    prop_oneof![Just(Emptiness::Absent), Just(Emptiness::Null), Just(Emptiness::Empty)]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        400 => Just(Fault::None),
        25 => Just(Fault::Throttled),
        10 => Just(Fault::Failed(500)),
        10 => Just(Fault::Failed(503)),
        15 => Just(Fault::Refused),
        15 => Just(Fault::LostBefore),
        30 => Just(Fault::LostAfter),
        15 => (1..6_usize).prop_map(Fault::Late),
        1 => Just(Fault::Silent),
        3 => Just(Fault::KillBefore),
        6 => Just(Fault::KillAfter),
    ]
}
