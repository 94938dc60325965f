//! In which deliveries a stream comes, and what goes wrong meanwhile.

use proptest::collection::vec;
use proptest::prelude::*;

use stentor_fake_aws::Fault;

use super::Truth;

/// How many instances of the function there are at most.
pub const INSTANCES: usize = 3;

/// The most steps of a script, and the most calls that its faults are spread over.
const STEPS: usize = 24;
const CALLS: usize = 30;

/// A stream and its deliveries. After the last step the rest of it comes, without faults, and then all of it again.
#[derive(Debug, Clone)]
pub struct Script {
    /// What happened.
    pub truth: Truth,
    /// What is done, one after the other; what an instance is given goes on beside it.
    pub steps: Vec<Step>,
    /// The faults of the first calls to the metrics table. All later calls succeed.
    pub faults: Vec<Fault>,
}

/// A step. A shard is meant modulo their number.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// An instance, once it has answered what it has, is given records of a shard.
    Deliver {
        /// Which instance.
        instance: usize,
        /// Which shard.
        shard: usize,
        /// Where they start.
        from: From,
        /// How many there are at most.
        length: usize,
        /// What the event says of its window.
        window: Window,
    },
    /// An instance, once it has answered what it has, is given an event without records.
    DeliverNothing {
        /// Which instance.
        instance: usize,
        /// How the event says so.
        emptiness: Emptiness,
    },
    /// An instance goes on: for as many calls of the table where those are steps, else to its answer.
    GoOn {
        /// Which instance.
        instance: usize,
        /// How many calls.
        calls: usize,
    },
    /// An instance is killed, and a new one takes its place.
    Kill {
        /// Which instance.
        instance: usize,
    },
}

/// Where a delivery starts; never beyond what was answered.
#[derive(Debug, Clone, Copy)]
pub enum From {
    /// With what was not answered yet: for the first time, again, halved, grown, or from a later start.
    Next,
    /// As the last delivery of the shard did.
    SameStart,
    /// That many changes before what was not answered yet.
    Back(usize),
    /// With the shard's first record, hours late.
    Beginning,
}

/// What an event says of its tumbling window.
#[derive(Debug, Clone, Copy)]
pub enum Window {
    /// It has just begun: the state is empty.
    Begun,
    /// It goes on, with what the last answer's state was, or null.
    GoingOn {
        /// The state is null.
        null_state: bool,
    },
    /// It ends with these records.
    Ending,
}

/// How an event has no records.
#[derive(Debug, Clone, Copy)]
pub enum Emptiness {
    /// `Records` is not there.
    Absent,
    /// It is null.
    Null,
    /// It is empty.
    Empty,
}

impl Script {
    /// Any script.
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

/// Mostly a few records, sometimes all there are.
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
