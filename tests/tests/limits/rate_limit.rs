//! Senders share the rate limit of a provider profile: it is never exceeded, it is used, and nothing is lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stentor_fake_aws::FakeAws;
use stentor_tests::starts::{most_parts_in_ten_seconds, parts_allowed_in_ten_seconds, share_used};
use stentor_tests::{
    Process, ProfileFile, Program, Stack, is_full, now_ms, number, on_fake, wait_at_most, wait_until,
};

use crate::load::Load;
use crate::stored::limiter;

/// Every sender: its slots suffice for the whole limit.
const SENDER: &str = "-w 0.5 --distribution constant -f 0 -c 120 --forever";

/// Parts a second of a high limit; by default all tests with it run at once.
fn high_limit() -> u32 {
    if is_full() { 100 } else { 30 }
}

/// Returns the load of senders on the fake that share the high limit: no emulator needs CPU time beside them.
fn load_on_fake() -> u32 {
    high_limit() * 3 / 5
}

/// Returns for how many seconds work is queued where the use of the limit is measured.
fn queued_seconds() -> f64 {
    if is_full() { 70.0 } else { 20.0 }
}

const LONGEST_RUN: Duration = Duration::from_secs(300);

/// The provider profile `test` in a file.
pub struct Profile(pub ProfileFile);

impl Profile {
    pub fn new(parts_per_second: f64) -> Self {
        Self(ProfileFile::new(limited(parts_per_second, "")))
    }

    pub fn write(&self, parts_per_second: f64, more: &str) {
        self.0.write(limited(parts_per_second, more));
    }

    pub fn sender(&self, stack: &Stack) -> Program {
        stack.sender(&format!("{SENDER} --json {}", self.0.flag()))
    }

    fn senders(&self, stack: &Stack, count: usize) -> Vec<Process> {
        (0..count).map(|_| self.sender(stack).start()).collect()
    }

    /// Enqueues messages, and returns a sender that has sent all of them and goes on.
    pub fn deliver(&self, stack: &Stack, messages: u64) -> Process {
        let run = stack.produce(&format!("-m {messages}"));
        let sender = self.sender(stack).start();
        wait_until("the messages are sent", || stack.count(&run).sent == messages);
        sender
    }
}

/// The text of a profile with this rate limit.
fn limited(parts_per_second: f64, more: &str) -> String {
    format!("name = \"test\"\n[limits]\nparts_per_second = {parts_per_second:?}\n{more}")
}

/// Returns the producer's arguments for as many messages of this number of parts as the limit allows in this number of seconds.
fn producer_args(rate: f64, parts: u32, seconds: f64) -> String {
    let count = (rate * seconds / f64::from(parts)).ceil();
    let text = "x".repeat(if parts == 1 { 100 } else { 153 * parts as usize });
    format!("-m {count} --text {text}")
}

/// A run on the fake, which uses less CPU time than an emulator, with the profile that its senders share.
struct LimitedRun {
    fake: FakeAws,
    profile: Profile,
    rate: f64,
    parts: u32,
}

impl LimitedRun {
    /// Enqueues messages for this time at the limit, each with this number of parts.
    fn enqueue(rate: f64, parts: u32, seconds: f64) -> Self {
        let fake = on_fake::start(Duration::from_millis(5));
        on_fake::producer(&fake, &producer_args(rate, parts, seconds)).run().exits(0);
        Self { fake, profile: Profile::new(rate), rate, parts }
    }

    fn sender(&self) -> Program {
        on_fake::sender(&self.fake, &format!("{SENDER} {}", self.profile.0.flag()))
    }

    fn senders(&self, count: usize) -> Vec<Process> {
        (0..count).map(|_| self.sender().start()).collect()
    }

    fn sent(&self) -> usize {
        self.fake.statuses().get("SENT").copied().unwrap_or(0)
    }

    /// Waits until every message has an outcome and the queue is empty, ends the senders, and asserts that they sent every
    /// message, stayed within the limit and used at least this share of it.
    #[track_caller]
    fn finish(&self, senders: Vec<Process>, least: f64) {
        let is_complete = || self.fake.backlog() == (0, 0) && !self.fake.statuses().contains_key("PENDING");
        wait_at_most(LONGEST_RUN, "every message has an outcome", is_complete);
        end(senders);
        let starts = self.fake.delivery_starts();
        assert_eq!(self.fake.statuses(), BTreeMap::from([("SENT".to_owned(), starts.len())]));
        assert_kept_and_used(&starts, self.rate, self.parts, least);
    }
}

/// Returns the start of the delivery of every item, ms since the epoch, in order.
#[track_caller]
fn starts_of(items: &[Value]) -> Vec<u64> {
    let starts = items.iter().map(|item| {
        let start = number(item, "concluded_at").zip(number(item, "delivery_ms")).map(|(at, ms)| at - ms);
        start.unwrap_or_else(|| panic!("no start in {item}"))
    });
    let mut starts: Vec<u64> = starts.collect();
    starts.sort_unstable();
    starts
}

/// Asserts that the starts stay within the limit: see [`parts_allowed_in_ten_seconds`].
#[track_caller]
fn assert_bound(starts: &[u64], rate: f64, parts: u32) {
    let most = most_parts_in_ten_seconds(starts, parts) as f64;
    let allowed = parts_allowed_in_ten_seconds(rate, parts);
    println!("{most} parts in 10 s, at most {allowed}");
    assert!(most <= allowed, "{most} parts in 10 s, at most {allowed}");
}

/// Asserts that the starts stay within the limit, and that at least this share of it was used while work was queued: see
/// [`share_used`].
#[track_caller]
fn assert_kept_and_used(starts: &[u64], rate: f64, parts: u32, least: f64) {
    assert_bound(starts, rate, parts);
    let used = 100.0 * share_used(starts, rate, parts);
    println!("{used:.1} % of {rate} parts/s used");
    assert!(used >= 100.0 * least, "{used:.1} % of {rate} parts/s used, at least {:.0} %", 100.0 * least);
}

#[track_caller]
pub fn end(senders: Vec<Process>) -> Vec<Value> {
    for sender in &senders {
        sender.signal("TERM");
    }
    senders.into_iter().map(|sender| sender.finish().exits(143).json()).collect()
}

/// Waits until every message has an outcome, ends the senders, and returns their summaries.
#[track_caller]
fn finish(stack: &Stack, run: &str, senders: Vec<Process>) -> Vec<Value> {
    wait_at_most(LONGEST_RUN, "every message has an outcome", || {
        std::thread::sleep(Duration::from_secs(1));
        stack.backlog("queue") == (0, 0) && stack.count(run).pending == 0
    });
    end(senders)
}

/// Runs this number of senders, and asserts that they keep the limit and use 95 % of it: on the emulator in full, otherwise
/// on the fake.
#[track_caller]
fn rehearse(rate: f64, senders: usize, parts: u32) {
    if is_full() {
        let (stack, profile) = (Stack::deploy(), Profile::new(rate));
        let run = stack.produce(&producer_args(rate, parts, queued_seconds()));
        finish(&stack, &run, profile.senders(&stack, senders));
        assert_kept_and_used(&starts_of(&stack.items(&run)), rate, parts, 0.95);
    } else {
        let run = LimitedRun::enqueue(rate, parts, queued_seconds());
        run.finish(run.senders(senders), 0.95);
    }
}

#[test]
fn one_and_four_senders_keep_and_use_a_limit() {
    let high = high_limit();
    let senders = high + high / 3 + 4;
    // In full they are on the emulator, which needs CPU time too.
    let _load = Load::take(if is_full() { senders + senders / 3 } else { senders });
    // Most of the time is spent waiting.
    std::thread::scope(|scope| {
        for (rate, senders, parts) in [(3, 1, 1), (3, 4, 3), (high, 1, 3), (high, 4, 1)] {
            scope.spawn(move || rehearse(rate.into(), senders, parts));
        }
    });
}

#[test]
fn sixteen_senders_keep_and_use_a_limit() {
    let _load = Load::take(if is_full() { 200 } else { high_limit() });
    std::thread::scope(|scope| {
        if is_full() {
            scope.spawn(|| rehearse(3.0, 16, 3));
        }
        rehearse(high_limit().into(), 16, 1);
    });
}

#[test]
fn killed_and_paused_senders_exceed_no_limit_and_lose_nothing() {
    let _load = Load::take(high_limit());
    let stack = Stack::deploy_with(&[("VisibilityTimeout", "10")]);
    let rate = f64::from(high_limit());
    let profile = Profile::new(rate);
    let run = stack.produce(&producer_args(rate, 1, 25.0));
    let mut senders = profile.senders(&stack, 4);
    wait_until("deliveries have begun", || stack.count(&run).sent as f64 > 3.0 * rate);
    for mut killed in senders.drain(..2) {
        killed.kill();
    }
    senders[0].signal("STOP");
    std::thread::sleep(Duration::from_secs(10));
    senders[0].signal("CONT");
    finish(&stack, &run, senders);
    assert_eq!(stack.counted_once(&run).sent, u64::from(25 * high_limit()));
    assert_bound(&starts_of(&stack.items(&run)), rate, 1);
}

#[test]
fn a_killed_sender_leaves_the_limit_used() {
    let _load = Load::take(load_on_fake());
    let rate = f64::from(high_limit());
    let run = LimitedRun::enqueue(rate, 1, queued_seconds() + 10.0);
    run.fake.set_visibility_timeout(Duration::from_secs(10));
    let mut senders = run.senders(4);
    wait_until("the limit is used", || run.sent() as f64 > 8.0 * rate);
    senders.remove(0).kill();
    run.finish(senders, 0.9);
}

#[test]
fn a_sender_that_joins_starts_soon_and_all_have_their_share() {
    // More than its messages need: the shares are equal only while every sender gets enough CPU time.
    let _load = Load::take(if is_full() { 60 } else { 40 });
    // By default the shares are measured for less than the 100 s for which they are promised, but with 80 messages each, so
    // that the first seconds, in which the others use what they had reserved, are a small part.
    let (rate, window) = if is_full() { (4.0, 100_000) } else { (12.0, 20_000) };
    let run = LimitedRun::enqueue(rate, 1, 20.0 + window as f64 / 1_000.0);
    let mut all = run.senders(2);
    wait_until("both use the limit", || run.fake.delivery_starts_by_sender().len() == 2 && run.sent() > 10);
    let (joined_at, earlier) = (now_ms(), run.fake.delivery_starts_by_sender());
    all.push(run.sender().start());
    let joined =
        || run.fake.delivery_starts_by_sender().into_iter().find(|(id, _)| !earlier.contains_key(id));
    wait_until("the sender that joined has delivered", || joined().is_some());
    let first = *joined().expect("it has delivered").1.iter().min().expect("it is in no empty list");
    let joined_within = first - joined_at;
    assert!(joined_within <= 5_000, "joined within {joined_within} ms");
    let until = first + window;
    // Deliveries take 0.5 s.
    std::thread::sleep(Duration::from_millis((until + 1_500).saturating_sub(now_ms())));
    let counts: Vec<usize> = run
        .fake
        .delivery_starts_by_sender()
        .values()
        .map(|starts| starts.iter().filter(|at| (first..until).contains(at)).count())
        .collect();
    let share = rate * window as f64 / 3_000.0;
    println!("joined within {joined_within} ms; {counts:?} messages, {share} each by the limit");
    let is_fair = |count: &usize| (0.8..=1.25).contains(&(*count as f64 / share));
    assert!(counts.len() == 3 && counts.iter().all(is_fair), "{counts:?}, the share is {share}");
    end(all);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn senders_with_wrong_clocks_keep_and_use_a_limit() {
    let _load = Load::take(load_on_fake());
    let rate = f64::from(high_limit());
    let run = LimitedRun::enqueue(rate, 1, queued_seconds());
    let start = |ahead| run.sender().with_clock_ahead(ahead).start();
    run.finish([-2, 2, -2, 2].into_iter().map(start).collect(), 0.95);
}

#[test]
fn a_sender_that_waits_for_its_reserved_starts_holds_few_messages_and_ends_at_once() {
    let _load = Load::idle();
    let (stack, profile) = (Stack::deploy(), Profile::new(0.2));
    let run = stack.produce("-m 40");
    let sender = profile.sender(&stack).start();
    wait_until("a message was delivered", || stack.count(&run).sent > 0);
    let (_, held) = stack.backlog("queue");
    assert!(held <= 5, "{held} messages are held");
    let start = Instant::now();
    let summary = end(vec![sender]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(summary[0]["released"].as_u64().unwrap() > 0, "{}", summary[0]);
    assert_eq!(stack.backlog("queue").1, 0, "all are released");
}

#[test]
fn a_message_whose_time_to_live_ends_before_its_reserved_start_fails_at_once() {
    let _load = Load::idle();
    let (stack, profile) = (Stack::deploy(), Profile::new(2.0));
    profile.write(2.0, "ttl_seconds = 5\n");
    let first = stack.produce("-m 1");
    let sender = profile.sender(&stack).start();
    wait_until("the sender has synchronised its clock", || stack.count(&first).pending == 0);
    // Each message takes 5 s of the limit; the first can start after 2 s, the others after 7 s and 12 s.
    let run = stack.produce(&format!("-m 3 --text {}", "x".repeat(1_530)));
    wait_until("every message has an outcome", || stack.count(&run).pending == 0);
    end(vec![sender]);
    let count = stack.count(&run);
    assert_eq!((count.sent, count.failed), (1, 2));
    for item in stack.items(&run).iter().filter(|item| item["status"]["S"] == "FAILED") {
        assert_eq!((&item["reason"]["S"], &item["delivery_ms"]), (&json!("TTL_EXPIRED"), &Value::Null));
        let age = number(item, "concluded_at").unwrap() - number(item, "created_at").unwrap();
        assert!((5_000..10_000).contains(&age), "{age} ms: {item}");
    }
}

#[test]
fn messages_that_become_too_old_do_not_reserve_the_limit_up_to_the_horizon() {
    let _load = Load::idle();
    let (stack, profile) = (Stack::deploy(), Profile::new(2.0));
    profile.write(2.0, "ttl_seconds = 5\n");
    let sender = profile.sender(&stack).start();
    // Four messages a second, each of which takes 5 s of the limit.
    let run = stack.produce(&format!("-m 60 --rate 4 --text {}", "x".repeat(1_530)));
    wait_until("every message has an outcome", || stack.count(&run).pending == 0);
    let tat: u64 = limiter(&stack)["tat"]["N"].as_str().and_then(|digits| digits.parse().ok()).unwrap();
    let ahead = (tat / 1_000).saturating_sub(now_ms());
    assert!(ahead < 20_000, "reserved for {ahead} ms");
    end(vec![sender]);
}

#[test]
fn a_cap_is_used_and_never_exceeded_while_the_rate_limit_is_used() {
    let _load = Load::take(high_limit());
    let rate = f64::from(high_limit());
    let (messages, cap) = (28 * high_limit(), u64::from(7 * high_limit()));
    let (stack, profile) = (Stack::deploy(), Profile::new(rate));
    let capped = format!("[[carriers]]\nname = \"A\"\nshare = 0.5\ndaily_parts = {cap}\n");
    profile.write(rate, &format!("{capped}[[carriers]]\nname = \"B\"\nshare = 0.5\n"));
    // About half the messages go to A.
    let run = stack.produce(&format!("-m {messages} --seed 3"));
    let ended = finish(&stack, &run, profile.senders(&stack, 3));
    let (sent, refused): (Vec<_>, Vec<_>) =
        stack.items(&run).into_iter().partition(|item| item["status"]["S"] == "SENT");
    assert_eq!(sent.len() + refused.len(), messages as usize);
    let is_capped = |item: &Value| item["carrier"]["S"] == "A" && item["reason"]["S"] == "CARRIER_DAILY_CAP";
    assert!(refused.iter().all(is_capped));
    let sent_to_a = sent.iter().filter(|item| item["carrier"]["S"] == "A").count() as u64;
    assert!(sent_to_a <= cap && sent_to_a * 100 >= cap * 99, "{sent_to_a} of {cap}");
    let parts = |carrier: &str| -> u64 {
        ended.iter().map(|ended| ended["provider"]["parts_by_carrier"][carrier].as_u64().unwrap_or(0)).sum()
    };
    assert_eq!((parts("A"), parts("B")), (sent_to_a, sent.len() as u64 - sent_to_a));
    assert_kept_and_used(&starts_of(&sent), rate, 1, 0.95);
}
