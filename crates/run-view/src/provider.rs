//! The bill of the simulated providers of a run, and the use of their rate limits.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use stentor_cli::format;
use stentor_core::escape::escape_control;
use stentor_core::provider::profile::{OTHER_CARRIER, Price, ProviderProfile};

use crate::bill::{LowerBound, has_just_ended, incomplete_records};
use crate::figures::{
    Figure, PROVIDER_DOLLARS, PROVIDER_FORFEITED, PROVIDER_LIMIT, PROVIDER_LIMIT_USED, PROVIDER_PARTS,
    PROVIDER_PARTS_PER_SECOND,
};
use crate::senders::SenderRecord;
use crate::throughput::MIN_RATE_MS;
use crate::unit::to_count;
use crate::view::{RunView, seconds};

/// Age from which a heartbeat is overdue, seconds: a sender writes one every 5 s, and clocks agree within 1.5 s.
const OVERDUE_SECONDS: f64 = 7.5;

/// A sender with a provider ends, or stores its parts, within this time after the last outcome of its run, ms: it ends after
/// about 12 s, and else stores them after ten.
const LAST_PARTS_MS: u64 = 20_000;

/// The bill of the simulated providers of a run, in US dollars; AWS's bill is separate.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProviderBill {
    /// Each profile that a sender of the run had, by name.
    pub profiles: Vec<ProfileBill>,
    /// Parts of all deliveries begun, further attempts and duplicates included.
    pub parts: LowerBound<u64>,
    /// Parts begun a second: of the run once it has ended, before of all senders alive.
    pub parts_per_second: LowerBound<f64>,
    /// Sum of the rate limits; null where a profile has none.
    pub limit_parts_per_second: Option<f64>,
    /// Parts a second as a share of the limit; a burst can exceed 1.
    pub limit_used: LowerBound<f64>,
    /// Messages whose reserved start passed before they could start.
    pub forfeited: LowerBound<u64>,
    /// Sum over the profiles.
    pub dollars: LowerBound<f64>,
    /// Why the sums are too low, in sentences; empty where they are final.
    pub missing: Vec<String>,
}

/// The bill of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProfileBill {
    /// Name of the profile.
    pub profile: String,
    /// Where its numbers come from; null where it does not say.
    pub source: Option<String>,
    /// Month of the source.
    pub as_of: Option<String>,
    /// Its rate limit, for all senders of the stack together; null without one.
    pub limit_parts_per_second: Option<f64>,
    /// Whether the user replaced its price of a part.
    pub overridden: bool,
    /// One line for each carrier.
    pub carriers: Vec<CarrierLine>,
    /// Parts of all carriers.
    pub parts: LowerBound<u64>,
    /// Messages whose reserved start passed before they could start.
    pub forfeited: LowerBound<u64>,
    /// Sum of the lines.
    pub dollars: LowerBound<f64>,
}

/// A line of a profile's bill.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CarrierLine {
    /// Name of the carrier; `OTHER` for all that have none.
    pub carrier: String,
    /// Parts of the deliveries begun.
    pub parts: LowerBound<u64>,
    /// The provider's price of a part; null where the profile is unknown.
    pub price_per_part: Option<f64>,
    /// The carrier's fee for a part; null where the profile is unknown, or lacks the carrier.
    pub fee_per_part: Option<f64>,
    /// Parts times the sum of price and fee.
    pub dollars: LowerBound<f64>,
}

impl ProviderBill {
    /// The bill as far as the senders have reported their parts; `None` where no sender of the run had a provider.
    pub(crate) fn of(view: &RunView) -> Option<Self> {
        let names: BTreeSet<&str> =
            view.run_senders().filter_map(|sender| sender.provider.as_deref()).collect();
        if names.is_empty() {
            return None;
        }
        // Senders without a provider have no parts to report.
        let senders = view.run_senders().filter(|sender| sender.provider.is_some());
        let mut missing = incomplete_records(view, std::iter::empty(), senders);
        let is_open = !missing.is_empty();
        let profiles: Vec<ProfileBill> =
            names.into_iter().map(|name| ProfileBill::of(view, name, is_open)).collect();
        missing.extend(profiles.iter().filter_map(ProfileBill::unpriced));
        let sum = LowerBound::sum(profiles.iter().map(|bill| bill.dollars.amount));
        let parts = total(is_open, profiles.iter().map(|bill| bill.parts));
        let parts_per_second = parts_per_second(view, &profiles, parts);
        let limit: Option<f64> = profiles.iter().map(|bill| bill.limit_parts_per_second).sum();
        Some(Self {
            parts,
            parts_per_second,
            limit_parts_per_second: limit,
            limit_used: parts_per_second.and_then(|rate| Some(rate / limit?)),
            forfeited: total(is_open, profiles.iter().map(|bill| bill.forfeited)),
            dollars: LowerBound { at_least: !missing.is_empty(), ..sum },
            missing,
            profiles,
        })
    }

    /// Whether every sender has reported all its parts, and all prices are known.
    pub fn is_final(&self) -> bool {
        self.missing.is_empty()
    }
}

impl ProfileBill {
    fn of(view: &RunView, name: &str, is_open: bool) -> Self {
        let (mut parts, mut forfeited) = (BTreeMap::<&str, u64>::new(), 0_u64);
        let reported = view.reading.usage.iter().filter_map(|record| record.provider.as_ref());
        for usage in reported.filter(|usage| usage.profile == name) {
            for (carrier, count) in &usage.parts {
                let sum = parts.entry(carrier).or_default();
                *sum = sum.saturating_add(*count);
            }
            forfeited = forfeited.saturating_add(usage.forfeited);
        }
        let bound = |amount| LowerBound { amount: Some(amount), at_least: is_open };
        let price = view.bills.prices.provider_part();
        // The carriers' fees stay.
        let profile = view.reading.profiles.get(name).map(|profile| match price {
            None => profile.clone(),
            Some(_) => ProviderProfile { price: Price { per_part: price }, ..profile.clone() },
        });
        let line =
            |(carrier, count): (&&str, &u64)| CarrierLine::of(carrier, bound(*count), profile.as_ref());
        let carriers: Vec<CarrierLine> = parts.iter().map(line).collect();
        // Without a part there is nothing to pay, whatever the prices.
        let dollars = match carriers[..] {
            [] => LowerBound::exact(0.0),
            _ => LowerBound::sum(carriers.iter().map(|line| line.dollars.amount)),
        };
        Self {
            profile: name.to_owned(),
            source: profile.as_ref().and_then(|profile| profile.source.clone()),
            as_of: profile.as_ref().and_then(|profile| profile.as_of.clone()),
            limit_parts_per_second: profile.as_ref().and_then(|profile| profile.limits.parts_per_second),
            overridden: price.is_some(),
            parts: bound(parts.values().copied().fold(0, u64::saturating_add)),
            forfeited: bound(forfeited),
            dollars: dollars.or_more_if(is_open),
            carriers,
        }
    }

    /// Explains which prices are unknown; `None` where none is.
    fn unpriced(&self) -> Option<String> {
        let name = escape_control(&self.profile);
        let mut carriers = self.carriers.iter().filter(|line| line.dollars.amount.is_none()).peekable();
        if carriers.peek()?.price_per_part.is_none() {
            return Some(format!("The prices of {name} are unknown: the table has no valid profile."));
        }
        let carriers: Vec<String> = carriers.map(|line| escape_control(&line.carrier)).collect();
        let carriers = carriers.join(", ");
        Some(format!("The fees of {carriers} are unknown: the stored profile {name} has other carriers."))
    }
}

impl CarrierLine {
    fn of(carrier: &str, parts: LowerBound<u64>, profile: Option<&ProviderProfile>) -> Self {
        let price = profile.map(|profile| profile.price.per_part.unwrap_or(0.0));
        let fee = profile.and_then(|profile| match profile.carrier(carrier) {
            Some(carrier) => Some(carrier.fee_per_part.unwrap_or(0.0)),
            // Another sender has replaced the profile since.
            None => (carrier == OTHER_CARRIER).then_some(0.0),
        });
        Self {
            carrier: carrier.to_owned(),
            parts,
            price_per_part: price,
            fee_per_part: fee,
            dollars: parts.and_then(|parts| Some(parts as f64 * (price? + fee?))),
        }
    }
}

/// Adds up sums of which all are known, as far as they go.
fn total(is_open: bool, sums: impl Iterator<Item = LowerBound<u64>>) -> LowerBound<u64> {
    let amount = sums.filter_map(|sum| sum.amount).fold(0, u64::saturating_add);
    LowerBound { amount: Some(amount), at_least: is_open }
}

/// Parts a second: those of the whole run, from the first outcome to the last, once it has ended; before, the sum over
/// the senders alive of the stack, each between its last two heartbeats, which is about the time of the present
/// throughput. That of a sender is unknown after a single heartbeat, and where the next is overdue: others may have taken
/// over its share since. The whole is unknown while senders of an ended run still have to report.
fn parts_per_second(view: &RunView, profiles: &[ProfileBill], parts: LowerBound<u64>) -> LowerBound<f64> {
    let has_provider =
        |sender: &&SenderRecord| profiles.iter().any(|bill| sender.provider.as_ref() == Some(&bill.profile));
    if view.phase.has_ended() {
        let will_report = view.run_senders().filter(has_provider).any(SenderRecord::is_alive);
        let whole = view.outcome_seconds().filter(|time| *time >= seconds(MIN_RATE_MS) && !will_report);
        return parts.and_then(|parts| whole.map(|time| parts as f64 / time));
    }
    let mut alive = view.alive.iter().filter(has_provider).peekable();
    if alive.peek().is_none() {
        return LowerBound::exact(0.0);
    }
    let is_current = |sender: &&SenderRecord| sender.seen_seconds_ago <= OVERDUE_SECONDS;
    LowerBound::sum(alive.map(|sender| Some(sender).filter(is_current)?.parts_per_second))
}

/// Returns whether a sender of the run may report its last parts soon after `now_ms`, ms since the epoch: it has just ended, or
/// is alive shortly after the run's last outcome. One that goes on after that has stored them, though it does not end.
pub fn awaits_parts(view: &RunView, now_ms: u64) -> bool {
    let is_recent = now_ms.saturating_sub(view.reading.last_outcome_at()) < LAST_PARTS_MS;
    let mut senders = view.run_senders().filter(|sender| sender.provider.is_some());
    senders.any(|sender| has_just_ended(sender, now_ms) || (is_recent && sender.is_alive()))
}

/// The names of the profiles, safe to print; `None` where no sender of the run had a provider.
pub fn profile_list(view: &RunView) -> Option<String> {
    let profiles = view.provider_bill()?.profiles.iter();
    Some(profiles.map(|bill| escape_control(&bill.profile)).collect::<Vec<_>>().join(", "))
}

/// The provider's bill and the use of its limit in one line; `None` where no sender of the run had a provider.
pub fn provider_line(view: &RunView) -> Option<String> {
    let names = profile_list(view)?;
    let text = |figure: &Figure| figure.unit.format_or(figure.value(view), "");
    let parts = format::counted(PROVIDER_PARTS.value(view).map_or(0, to_count), "part");
    let is_open = (PROVIDER_PARTS.value)(view).at_least;
    let bill = match PROVIDER_DOLLARS.value(view) {
        Some(_) => format!("{} ({parts})", PROVIDER_DOLLARS.text(view)),
        None if is_open => format!("unknown cost (at least {parts})"),
        None => format!("unknown cost ({parts})"),
    };
    let known = |figure: &Figure| figure.value(view).is_some();
    let rate = match (known(&PROVIDER_PARTS_PER_SECOND), known(&PROVIDER_LIMIT)) {
        (true, true) => format!(
            ", {} of {} ({})",
            PROVIDER_PARTS_PER_SECOND.text(view),
            text(&PROVIDER_LIMIT),
            text(&PROVIDER_LIMIT_USED)
        ),
        (true, false) => format!(", {}", PROVIDER_PARTS_PER_SECOND.text(view)),
        (false, true) => format!(", limit {}", text(&PROVIDER_LIMIT)),
        (false, false) => String::new(),
    };
    let forfeited = PROVIDER_FORFEITED.value(view).filter(|count| *count > 0.0);
    let forfeited = forfeited.map(|_| format!(", {} forfeited", text(&PROVIDER_FORFEITED)));
    Some(format!("provider {names}: {bill}{rate}{}", forfeited.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
