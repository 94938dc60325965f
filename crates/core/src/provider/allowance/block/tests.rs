use std::collections::HashMap;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::provider::profile::{Carrier, ProviderProfile};

const NOON: u64 = 1_796_040_000_000;
const DAY_MS: u64 = 86_400_000;

fn allowance(limit: u64, per_second: Option<f64>) -> Allowance {
    let profile =
        format!(r#"{{"name": "us", "carriers": [{{"name": "A", "share": 1, "daily_parts": {limit}}}]}}"#);
    let mut profile: ProviderProfile = serde_json::from_str(&profile).unwrap();
    profile.limits.parts_per_second = per_second;
    let carrier: &Carrier = &profile.carriers[0];
    Allowance::daily_cap(&profile, carrier).unwrap()
}

/// The counters in the table, with DynamoDB's conditions.
#[derive(Debug, Default)]
struct Table {
    counters: HashMap<String, Counted>,
    writes: u64,
    /// Whether a refusal contains the counter.
    hides_refused: bool,
}

impl Table {
    fn reserve(&mut self, request: &Reservation) -> ReserveResult {
        self.writes += 1;
        let counted =
            self.counters.entry(request.counter.key.clone()).or_insert(Counted { used: 0, blocks: 0 });
        if counted.used + request.units > request.counter.limit {
            return ReserveResult::Refused((!self.hides_refused).then_some(*counted));
        }
        counted.used += request.units;
        counted.blocks += 1;
        ReserveResult::Reserved(*counted)
    }

    fn return_units(&mut self, unused: Vec<Reservation>) {
        for Reservation { counter, units } in unused {
            let counted = self.counters.get_mut(&counter.key).unwrap();
            counted.used = counted.used.checked_sub(units).unwrap();
        }
    }

    fn used(&self) -> u64 {
        self.counters.values().map(|counted| counted.used).sum()
    }

    /// Takes the units of a message; `None` where they are refused.
    fn take(&mut self, sender: &mut LocalAllowance, units: u64, now_ms: u64) -> Option<Arc<Counter>> {
        loop {
            match sender.take(units, now_ms) {
                TakeResult::Taken(counter) => return Some(counter),
                TakeResult::Refused => return None,
                TakeResult::Reserve(request) => {
                    let result = self.reserve(&request);
                    sender.record(request, units, result, now_ms);
                }
            }
        }
    }
}

#[test]
fn the_first_blocks_are_for_one_message_and_later_ones_double_up_to_a_percent() {
    let (mut table, mut sender) = (Table::default(), LocalAllowance::new(allowance(100_000, None), NOON));
    let mut blocks = Vec::new();
    for _ in 0..20_000 {
        let before = table.used();
        table.take(&mut sender, 1, NOON).unwrap();
        blocks.extend((table.used() > before).then(|| table.used() - before));
    }
    assert_eq!(blocks[..8], [1, 1, 2, 4, 8, 16, 32, 64]);
    assert!(blocks.iter().all(|units| *units <= 1_000), "{blocks:?}");
    assert!(table.writes < 40, "{}", table.writes);
}

#[test]
fn a_block_lasts_at_most_ten_seconds_of_the_senders_share() {
    let mut table = Table::default();
    let mut senders: Vec<_> =
        (0..4).map(|_| LocalAllowance::new(allowance(1_000_000, Some(8.0)), NOON)).collect();
    for place in 0..2_000 {
        let before = table.used();
        table.take(&mut senders[place % 4], 1, NOON).unwrap();
        assert!(table.used() - before <= 80);
    }
    // Ten seconds of a quarter of the rate each.
    assert!(senders.iter().map(|sender| sender.reserved).sum::<u64>() <= 80);
}

#[test]
fn once_the_cap_is_reached_it_is_asked_every_ten_seconds() {
    let (mut table, mut sender) = (Table::default(), LocalAllowance::new(allowance(3, None), NOON));
    assert_eq!((0..5).filter(|_| table.take(&mut sender, 1, NOON).is_some()).count(), 3);
    let writes = table.writes;
    for ms in 0..10_000 {
        assert!(table.take(&mut sender, 1, NOON + ms).is_none());
    }
    assert_eq!(table.writes, writes);
    assert!(table.take(&mut sender, 1, NOON + 10_000).is_none());
    assert_eq!(table.writes, writes + 1);
    // Another sender has returned a block.
    table.counters.values_mut().for_each(|counted| counted.used -= 1);
    assert!(table.take(&mut sender, 1, NOON + 19_999).is_none());
    assert!(table.take(&mut sender, 1, NOON + 20_000).is_some());
    assert!(table.take(&mut sender, 1, NOON + 20_000).is_none());
}

#[test]
fn a_shorter_message_can_still_use_what_a_longer_one_cannot() {
    for hides_refused in [false, true] {
        let mut table = Table { hides_refused, ..Table::default() };
        let mut sender = LocalAllowance::new(allowance(10, None), NOON);
        let taken = [3, 3, 3, 3, 3, 1, 1].map(|units| table.take(&mut sender, units, NOON).is_some());
        assert_eq!(taken, [true, true, true, false, false, true, false]);
        assert_eq!(table.used(), 10);
    }
}

#[test]
fn a_cap_below_the_parts_of_a_message_refuses_it_without_a_request() {
    let (mut table, mut sender) = (Table::default(), LocalAllowance::new(allowance(2, None), NOON));
    assert!(table.take(&mut sender, 3, NOON).is_none());
    assert_eq!(table.writes, 0);
    assert!(table.take(&mut sender, 2, NOON).is_some());
    let mut none = LocalAllowance::new(allowance(0, None), NOON);
    assert!(table.take(&mut none, 1, NOON).is_none());
}

#[test]
fn a_block_of_yesterday_is_returned_and_not_used_today() {
    let (mut table, mut sender) = (Table::default(), LocalAllowance::new(allowance(100_000, None), NOON));
    let taken: Vec<_> = (0..1_000).filter_map(|_| table.take(&mut sender, 1, NOON)).collect();
    let rest = sender.reserved;
    assert!(rest > 0 && sender.take_unused().is_empty());
    let midnight = sender.counter.ends_at * 1_000;
    assert_eq!(table.take(&mut sender, 1, midnight - 1).unwrap(), taken[0]);
    let today = table.take(&mut sender, 1, midnight).unwrap();
    assert_eq!((today.key.as_str(), taken[0].key.as_str()), ("us#A#2026-12-01", "us#A#2026-11-30"));
    // A message that was taken yesterday is given up after midnight.
    sender.give_up(&taken[0], 1);
    table.return_units(sender.take_unused());
    assert_eq!(table.counters["us#A#2026-11-30"].used, 1_000);
    assert_eq!(table.counters["us#A#2026-12-01"].used, 1 + sender.reserved);
    // An answer that comes after midnight is of yesterday's counter.
    let TakeResult::Reserve(request) = sender.take(sender.reserved + 1, midnight) else { panic!() };
    let result = table.reserve(&request);
    assert!(matches!(sender.take(1, midnight + DAY_MS), TakeResult::Reserve(_)));
    sender.record(request, 1, result, midnight + DAY_MS);
    assert_eq!(sender.reserved, 0);
    table.return_units(sender.close());
    assert_eq!(table.counters["us#A#2026-12-01"].used, 1);
}

#[test]
fn a_cap_is_used_to_99_percent_by_any_number_of_senders() {
    let mut random = ChaCha8Rng::seed_from_u64(19);
    for (limit, number, per_second, parts) in [
        (400_u64, 1_usize, None, 1),
        (400, 4, Some(100.0), 1),
        (2_000, 16, Some(100.0), 1),
        (2_000, 16, None, 3),
        (100_000, 16, None, 7),
        (200_000, 100, Some(75.0), 1),
        (200_000, 1_000, None, 1),
    ] {
        let mut table = Table::default();
        let mut senders: Vec<_> =
            (0..number).map(|_| LocalAllowance::new(allowance(limit, per_second), NOON)).collect();
        // One half of the senders is four times as fast as the other. At the first refusal they all fail their messages
        // at once: what is reserved then is not used.
        let mut begun = 0;
        loop {
            let place = random.random_range(0..number * 5);
            let place = if place < number * 4 { place % number.div_ceil(2) } else { place % number };
            if table.take(&mut senders[place], parts, NOON).is_none() {
                break;
            }
            begun += parts;
        }
        let share = begun as f64 / limit as f64;
        assert!(begun <= limit && share >= 0.99, "{limit} parts, {number} senders: {share}");
        assert!(table.writes <= limit.min(3_000 * number as u64), "{} writes", table.writes);
    }
}

/// What a sender does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Take(u64),
    /// The answer to the oldest reservation arrives.
    Answer,
    /// The answer to the oldest reservation is lost, with the sender's block.
    Kill,
    GiveUp,
    Return,
    Close,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..8_u64).prop_map(Step::Take),
        6 => Just(Step::Answer),
        1 => Just(Step::Kill),
        2 => Just(Step::GiveUp),
        2 => Just(Step::Return),
        1 => Just(Step::Close),
        1 => (0..DAY_MS / 3).prop_map(Step::Wait),
    ]
}

/// A sender with the messages that it has taken units for, and its open reservations with their answers.
struct Sender {
    local: LocalAllowance,
    taken: Vec<(Arc<Counter>, u64)>,
    open: Vec<(Reservation, u64, ReserveResult)>,
}

proptest! {
    #[test]
    fn no_interleaving_exceeds_a_cap(
        limit in 0..300_u64,
        hides_refused: bool,
        per_second in proptest::option::of(0.1..100.0),
        steps in prop::collection::vec((0..4_usize, step()), 1..400),
    ) {
        let mut table = Table { hides_refused, ..Table::default() };
        let new = |now| Sender {
            local: LocalAllowance::new(allowance(limit, per_second), now), taken: vec![], open: vec![],
        };
        let mut now = NOON;
        let mut senders: Vec<_> = (0..4).map(|_| new(now)).collect();
        // Units that only killed senders had.
        let mut lost = 0;
        for (place, step) in steps {
            let sender = &mut senders[place];
            match step {
                Step::Take(units) => match sender.local.take(units, now) {
                    TakeResult::Taken(counter) => {
                        prop_assert!(now / 1_000 < counter.ends_at, "taken from a past day");
                        sender.taken.push((counter, units));
                    }
                    TakeResult::Refused => {}
                    TakeResult::Reserve(request) => {
                        let result = table.reserve(&request);
                        sender.open.push((request, units, result));
                    }
                },
                Step::Answer if !sender.open.is_empty() => {
                    let (request, units, result) = sender.open.remove(0);
                    sender.local.record(request, units, result, now);
                }
                Step::Kill => {
                    let killed = std::mem::replace(sender, new(now));
                    lost += reserved_by(killed);
                }
                Step::GiveUp => if let Some((counter, units)) = sender.taken.pop() {
                    sender.local.give_up(&counter, units);
                },
                Step::Return => table.return_units(sender.local.take_unused()),
                Step::Close => table.return_units(sender.local.close()),
                Step::Wait(ms) => now += ms,
                Step::Answer => {}
            }
            prop_assert!(table.counters.values().all(|counted| counted.used <= limit));
        }
        let reserved: u64 = senders.into_iter().map(reserved_by).sum();
        prop_assert_eq!(table.used(), reserved + lost);
    }
}

/// Returns all units that a sender has in the counters: of messages, of its blocks, and of answers on their way.
fn reserved_by(mut sender: Sender) -> u64 {
    let open = sender.open.iter().filter(|(_, _, result)| matches!(result, ReserveResult::Reserved(_)));
    open.map(|(request, ..)| request.units).sum::<u64>()
        + sender.taken.iter().map(|(_, units)| units).sum::<u64>()
        + sender.local.close().iter().map(|unused| unused.units).sum::<u64>()
}
