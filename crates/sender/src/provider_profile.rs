//! Compares the provider profile of this sender with the one that the senders of the stack share.

use stentor_aws::Error;
use stentor_aws::metrics::{LimitUpdate, StoredLimit};
use stentor_core::provider::profile::{ProviderProfile, SharedLimits};
use stentor_core::provider::rate_limit::{LimitsCheck, check_limits};

use crate::Connections;

/// Reads the profile that is stored under the name of `own`, and replaces it where that is possible: where it has the same
/// limits and caps, or no part was reserved for a minute. Returns what has changed. Other limits that are in use are an
/// [`Error::ProviderConflict`]. The first reservation stores a profile that is not stored; one without a rate limit is
/// stored here, so that monitors can read its prices.
pub(crate) async fn check_stored_profile(
    connections: &Connections,
    own: &ProviderProfile,
) -> Result<Option<String>, Error> {
    loop {
        let stored = connections.metrics.get_limit(&own.name).await?;
        if !stored.exists() {
            let is_limited = own.limits.parts_per_second.is_some();
            if is_limited || connections.metrics.create_unlimited_provider(own).await? {
                return Ok(None);
            }
            continue;
        }
        let profile = stored.profile();
        if profile.as_ref() == Some(own) {
            return Ok(None);
        }
        let [earliest, _] = connections.session.clock().bounds_us();
        let (update, change) = match check_limits(profile.as_ref(), own, stored.state(), earliest) {
            LimitsCheck::Conflict => return Err(conflict(own, profile.as_ref())),
            LimitsCheck::Equal => (connections.metrics.update_prices(own, &stored).await?, ""),
            LimitsCheck::Replace => {
                (connections.metrics.replace_profile(own, &stored).await?, ", and its limits")
            }
        };
        if let LimitUpdate::Applied(_) = update {
            let name = &own.name;
            return Ok(Some(format!("replaced the stored provider profile '{name}'{change}")));
        }
    }
}

/// Returns an error if another sender has stored other limits or caps: at the same time as this one, or after this one made
/// no reservation for a minute.
pub(crate) fn check_equal(own: &ProviderProfile, stored: &StoredLimit) -> Result<(), Error> {
    let stored = stored.profile();
    let is_equal = stored.as_ref().is_some_and(|stored| stored.shared_limits() == own.shared_limits());
    if is_equal { Ok(()) } else { Err(conflict(own, stored.as_ref())) }
}

/// Returns the error of a sender whose limits or caps differ from those in use. `stored` is `None` if the profile cannot be
/// read.
fn conflict(own: &ProviderProfile, stored: Option<&ProviderProfile>) -> Error {
    let difference = match stored {
        Some(stored) => SharedLimits::difference(&stored.shared_limits(), &own.shared_limits()),
        None => "the stored ones cannot be read".to_owned(),
    };
    Error::ProviderConflict { name: own.name.clone(), difference }
}
