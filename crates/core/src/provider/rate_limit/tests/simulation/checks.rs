//! The promises of the limit, checked on simulations; and limiters that are broken on purpose.

use super::*;

impl Results {
    /// Most parts that started within ten seconds, and the most that may.
    fn most_in_ten_seconds(&self) -> (u64, u64) {
        let Setting { rate, parts, .. } = self.setting;
        let bound = 11.0 * rate + f64::from(parts) - 1.0;
        (most_within(&self.starts, 10 * SECOND), micros(bound.ceil()))
    }

    /// Share of the limit that was used, from five seconds after the first start to the last second.
    fn use_of_limit(&self) -> f64 {
        let Some((first, _)) = self.starts.first() else { return 0.0 };
        let (from, to) = (first + 5 * SECOND, START + (self.setting.seconds - 1) * SECOND);
        let parts: u64 =
            self.starts.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, n)| u64::from(*n)).sum();
        parts as f64 / (self.setting.rate * (to - from) as f64 / SECOND as f64)
    }

    /// The smallest and the largest share of a sender, 1 for equal shares.
    fn shares(&self) -> (f64, f64) {
        let mean = self.by_sender.iter().sum::<u64>() as f64 / self.by_sender.len() as f64;
        let share = |count: Option<&u64>| count.map_or(1.0, |count| *count as f64 / mean);
        (share(self.by_sender.iter().min()), share(self.by_sender.iter().max()))
    }

    /// Prints the figures of the documents.
    fn print(&self) -> &Self {
        let Setting { rate, senders, parts, seconds, .. } = self.setting;
        let (used, (least, most_of_share)) = (100.0 * self.use_of_limit(), self.shares());
        let (most, bound) = self.most_in_ten_seconds();
        let [reservations, writes] =
            [self.reservations, self.writes].map(|count| count as f64 / seconds as f64);
        println!(
            "{rate} parts/s, {senders} senders, {parts} parts, {seconds} s: {used:.1} % used, {most} of {bound} parts in \
             10 s, shares {least:.2} to {most_of_share:.2}, {reservations:.0} reservations/s, {writes:.0} writes/s"
        );
        self
    }

    #[track_caller]
    fn assert_bound(&self) -> &Self {
        let (most, bound) = self.most_in_ten_seconds();
        assert!(most <= bound, "{most} parts in 10 s, at most {bound}: {:?}", self.setting);
        self
    }

    #[track_caller]
    fn assert_use(&self, least: f64) -> &Self {
        let used = self.use_of_limit();
        assert!(used >= least, "{used} of the limit used: {:?}", self.setting);
        self
    }

    #[track_caller]
    fn assert_fair(&self) -> &Self {
        let (least, most) = self.shares();
        assert!(least >= 0.8 && most <= 1.25, "shares of {least} to {most}: {:?}", self.setting);
        self
    }

    #[track_caller]
    fn assert_load(&self) -> &Self {
        let rate = |count: u64| count as f64 / self.setting.seconds as f64;
        let (reservations, writes) = (rate(self.reservations), rate(self.writes));
        assert!(reservations <= 500.0 && writes <= 800.0, "{reservations} {writes}: {:?}", self.setting);
        if self.setting.cycle() < 600.0 {
            assert!(self.writes <= 2 * self.reservations + 1, "{writes} writes/s: {:?}", self.setting);
        }
        self
    }
}

fn is_full() -> bool {
    std::env::var_os("STENTOR_TESTS").is_some_and(|value| value == "full")
}

/// Limits and numbers of senders: those of a short simulation, or all.
fn settings() -> Vec<Setting> {
    let mut settings = Vec::new();
    for rate in [3.0, 100.0, 2_000.0] {
        for senders in [1, 4, 16, 100, 1_000] {
            for parts in [1, 3] {
                let setting = Setting::new(rate, senders, parts);
                // At least 400 messages, so that one of them makes no difference.
                let seconds = 66.max(micros((400.0 * f64::from(parts) / rate).max(3.0 * setting.cycle())));
                let is_short = seconds as f64 * rate / f64::from(parts) < 15_000.0;
                if is_short || is_full() {
                    settings.push(Setting { seconds, ..setting });
                }
            }
        }
    }
    // The most reservations.
    settings.push(Setting::new(2_000.0, 1_000, 1));
    settings
}

#[test]
fn the_limit_is_kept_and_used() {
    for setting in settings() {
        let results = simulate(setting);
        results.print().assert_bound().assert_use(0.99).assert_load();
        assert_eq!(results.forfeited, 0, "{setting:?}");
    }
}

#[test]
fn wrong_clocks_slow_answers_and_lost_ones_exceed_no_limit() {
    for setting in settings() {
        let setting = Setting { skew: 2_000_000, latency: (100_000, 300_000), lost: 0.02, ..setting };
        simulate(setting).assert_bound().assert_load();
        simulate(Setting { lost: 0.0, ..setting }).assert_bound().assert_use(0.99);
    }
}

#[test]
fn killed_senders_cost_little_of_the_limit_and_paused_ones_do_not_exceed_it() {
    for setting in settings().into_iter().filter(|setting| setting.senders > 1) {
        simulate(Setting { killed: 0.5, ..setting }).assert_bound().assert_load();
        simulate(Setting { paused: 1.0, ..setting }).assert_bound();
        // Long enough for what the killed senders had reserved: at most what each sender reserves at once.
        let seconds = setting.seconds.max(micros(10.0 * setting.cycle()));
        if seconds as f64 * setting.rate < 40_000.0 || is_full() {
            simulate(Setting { killed: 0.25, seconds, ..setting }).assert_bound().assert_use(0.97);
        }
    }
}

#[test]
fn senders_have_equal_shares_and_joiners_start_soon() {
    for setting in settings() {
        let cycle = setting.cycle();
        let joining = 5.0_f64.max(2.0 * cycle);
        let seconds = micros((20.0 * joining).ceil());
        if cycle > 300.0 || (seconds as f64 * setting.rate > 50_000.0 && !is_full()) {
            continue;
        }
        simulate(Setting { seconds, ..setting }).print().assert_bound().assert_fair();
        let joined = simulate(Setting { seconds: micros(4.0 * joining), joiners: 0.5, ..setting });
        let slowest = joined.assert_bound().slowest_joiner;
        assert!(slowest <= joining, "{slowest} s to the first start, at most {joining} s: {setting:?}");
    }
}

#[test]
fn a_horizon_of_reservations_spreads_the_retries() {
    // A thousand seconds of messages, of which the senders can reserve ten minutes.
    let setting = Setting { seconds: if is_full() { 5_000 } else { 1_500 }, ..Setting::new(3.0, 1_000, 3) };
    let results = simulate(setting);
    results.assert_bound().assert_use(0.99).assert_load();
    assert!(results.writes <= 4 * results.reservations, "{} {}", results.writes, results.reservations);
}

#[test]
fn without_the_lead_the_limit_is_not_used() {
    let setting = Setting { slots: Some(1), ..Setting::new(3.0, 4, 1) };
    simulate(setting).assert_use(0.99);
    let broken = simulate(Setting { fault: Some(Fault::NoLead), ..setting });
    assert!(broken.use_of_limit() < 0.99 && broken.forfeited > 0, "{}", broken.use_of_limit());
}

#[test]
fn starting_late_messages_exceeds_the_limit() {
    let paused = Setting { paused: 1.0, ..Setting::new(3.0, 100, 1) };
    let broken = simulate(Setting { fault: Some(Fault::StartsLate), ..paused });
    let (most, bound) = broken.most_in_ten_seconds();
    assert!(most > bound, "{most} of {bound}");
}

#[test]
fn writing_without_a_condition_exceeds_the_limit() {
    let broken = simulate(Setting { fault: Some(Fault::Unconditional), ..Setting::new(100.0, 16, 1) });
    let (most, bound) = broken.most_in_ten_seconds();
    assert!(most > bound, "{most} of {bound}");
}
