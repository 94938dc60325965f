//! The sender's part of the provider's daily caps and spend limit.
//!
//! Each message takes its units from a block that this sender has reserved in the counter of all senders. A message that is
//! not delivered after all returns them to the block, and the sender returns its blocks when it ends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures::future::join_all;
use stentor_aws::Error;
use stentor_core::provider::allowance::{
    Allowance, Counter, LocalAllowance, Reservation, ReserveResult, TakeResult, message_price,
};
use stentor_core::provider::code::FailureCode;
use stentor_core::provider::profile::ProviderProfile;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use crate::Connections;
use crate::provider_profile::check_equal;

/// The shortest time between two checks of the stored profile, ms.
const CHECK_INTERVAL: u64 = 60_000;

/// The counters of all senders, and the clock that their days and months follow.
pub(crate) trait CounterTable: 'static {
    /// Returns the current time, ms since the epoch.
    fn now_ms(&self) -> u64;
    async fn reserve(&self, request: &Reservation) -> Result<ReserveResult, Error>;
    async fn return_unused(&self, unused: &Reservation) -> Result<(), Error>;
    /// Returns an error if the profile that is stored under the name of `own` has other limits or caps.
    async fn check_profile(&self, own: &ProviderProfile) -> Result<(), Error>;
}

impl CounterTable for Connections {
    fn now_ms(&self) -> u64 {
        self.session.clock().now_ms()
    }

    async fn reserve(&self, request: &Reservation) -> Result<ReserveResult, Error> {
        self.metrics.reserve_units(request).await
    }

    async fn return_unused(&self, unused: &Reservation) -> Result<(), Error> {
        self.metrics.return_units(unused).await
    }

    async fn check_profile(&self, own: &ProviderProfile) -> Result<(), Error> {
        let stored = self.metrics.get_limit(&own.name).await?;
        // The first reservation of the rate limit stores the profile.
        if stored.exists() { check_equal(own, &stored) } else { Ok(()) }
    }
}

/// The daily caps and the spend limit of a provider profile.
#[derive(Debug)]
pub(crate) struct Allowances<T = Connections> {
    table: Rc<T>,
    profile: Arc<ProviderProfile>,
    /// The daily caps, in parts, by carrier.
    caps: BTreeMap<String, Rc<SenderAllowance>>,
    /// The spend limit, in micro-dollars.
    spend: Option<Rc<SenderAllowance>>,
    /// When the stored profile was last checked, ms since the epoch.
    checked_at: Cell<Option<u64>>,
    /// The requests that are open. They go on when their message is dropped, so that no block is lost.
    requests: TaskTracker,
}

#[derive(Debug)]
struct SenderAllowance {
    local: RefCell<LocalAllowance>,
    /// Locked during a reservation: one block is for all messages that wait.
    reservation: Arc<Mutex<()>>,
}

/// What a message has taken. It is returned on drop unless the delivery begins.
#[derive(Debug, Default)]
pub(crate) struct TakenUnits(Vec<(Rc<SenderAllowance>, Arc<Counter>, u64)>);

impl<T: CounterTable> Allowances<T> {
    /// Creates the allowances of a profile; `None` if it has neither a cap nor a spend limit.
    pub(crate) fn new(profile: &Arc<ProviderProfile>, table: &Rc<T>) -> Option<Self> {
        let now_ms = table.now_ms();
        let create = |allowance| {
            let local = RefCell::new(LocalAllowance::new(allowance, now_ms));
            Rc::new(SenderAllowance { local, reservation: Arc::default() })
        };
        let caps: BTreeMap<_, _> = profile
            .carriers
            .iter()
            .filter_map(|carrier| {
                let cap = Allowance::daily_cap(profile, carrier)?;
                Some((carrier.name.clone(), create(cap)))
            })
            .collect();
        let spend = Allowance::spend_limit(profile).map(create);
        let (table, profile, requests) = (Rc::clone(table), Arc::clone(profile), TaskTracker::new());
        let checked_at = Cell::default();
        (!caps.is_empty() || spend.is_some()).then_some(Self {
            table,
            profile,
            caps,
            spend,
            checked_at,
            requests,
        })
    }

    /// Takes the parts of a message from its carrier's daily cap, and its price from the spend limit. Returns the failure
    /// code of the first that refuses; then nothing is taken. Other limits or caps that are stored by then are an
    /// [`Error::ProviderConflict`].
    pub(crate) async fn take(
        &self,
        carrier: &str,
        parts: u32,
    ) -> Result<Result<TakenUnits, FailureCode>, Error> {
        let mut taken = TakenUnits::default();
        let price = message_price(&self.profile, carrier, parts);
        let (cap, spend) = (self.caps.get(carrier), self.spend.as_ref());
        let limits =
            [(cap, parts.into(), FailureCode::CARRIER_DAILY_CAP), (spend, price, FailureCode::SPEND_LIMIT)];
        for (allowance, units, code) in limits {
            let Some(allowance) = allowance.filter(|_| units > 0) else { continue };
            let Some(counter) = self.take_units(allowance, units).await? else {
                self.check_profile().await?;
                return Ok(Err(code));
            };
            taken.0.push((Rc::clone(allowance), counter, units));
        }
        Ok(Ok(taken))
    }

    /// Checks the stored profile, at most once a minute. A sender whose messages are all refused reserves no starts, so that
    /// another can replace the profile, and the caps with it.
    async fn check_profile(&self) -> Result<(), Error> {
        let now = self.table.now_ms();
        if self.checked_at.get().is_some_and(|at| now < at.saturating_add(CHECK_INTERVAL)) {
            return Ok(());
        }
        self.checked_at.set(Some(now));
        self.table.check_profile(&self.profile).await
    }

    /// Takes units, reserving a block where necessary. Returns the counter they come from; `None` where it refuses them.
    async fn take_units(
        &self,
        allowance: &Rc<SenderAllowance>,
        units: u64,
    ) -> Result<Option<Arc<Counter>>, Error> {
        let mut lock = None;
        loop {
            let result = allowance.local.borrow_mut().take(units, self.table.now_ms());
            self.return_past(allowance);
            let request = match result {
                TakeResult::Taken(counter) => return Ok(Some(counter)),
                TakeResult::Refused => return Ok(None),
                TakeResult::Reserve(request) => request,
            };
            let Some(locked) = lock.take() else {
                lock = Some(Arc::clone(&allowance.reservation).lock_owned().await);
                // The message before may have reserved enough.
                continue;
            };
            let (table, allowance) = (Rc::clone(&self.table), Rc::clone(allowance));
            let reserving = self.requests.spawn_local(async move {
                let result = table.reserve(&request).await?;
                allowance.local.borrow_mut().record(request, units, result, table.now_ms());
                Ok::<_, Error>(locked)
            });
            lock = Some(reserving.await.expect("the task neither panics nor is aborted")?);
        }
    }

    /// Returns blocks of a past day or month to their counters, in tasks.
    fn return_past(&self, allowance: &SenderAllowance) {
        for unused in allowance.local.borrow_mut().take_unused() {
            let table = Rc::clone(&self.table);
            self.requests.spawn_local(async move { return_block(&*table, &unused).await });
        }
    }

    /// Waits for open requests, and returns all that this sender has reserved and not used.
    pub(crate) async fn close(&self) {
        self.requests.close();
        self.requests.wait().await;
        let allowances = self.caps.values().chain(&self.spend);
        let unused = allowances.flat_map(|allowance| allowance.local.borrow_mut().close());
        let unused: Vec<_> = unused.collect();
        join_all(unused.iter().map(|unused| return_block(&*self.table, unused))).await;
    }
}

/// Returns units to their counter. On an error they count as used: the sender can end without them.
async fn return_block(table: &impl CounterTable, unused: &Reservation) {
    if let Err(error) = table.return_unused(unused).await {
        tracing::warn!(
            "cannot return {} unused units of counter {}: {error}",
            unused.units,
            unused.counter.key
        );
    }
}

impl TakenUnits {
    /// Uses the units: the delivery begins.
    pub(crate) fn spend(mut self) {
        self.0.clear();
    }
}

impl Drop for TakenUnits {
    fn drop(&mut self) {
        for (allowance, counter, units) in self.0.drain(..) {
            allowance.local.borrow_mut().give_up(&counter, units);
        }
    }
}

#[cfg(test)]
mod tests;
