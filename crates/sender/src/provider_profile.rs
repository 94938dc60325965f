//! Compares the provider profile of this sender with the one that the senders of the stack share.

use stentor_aws::Error;
use stentor_aws::metrics::LimitUpdate;
use stentor_core::provider::profile::ProviderProfile;
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

/// Returns the error of a sender whose limits differ from those in use; `None` where these cannot be read.
pub(crate) fn conflict(own: &ProviderProfile, stored: Option<&ProviderProfile>) -> Error {
    Error::ProviderConflict {
        name: own.name.clone(),
        stored: stored.map_or_else(
            || "limits that cannot be read".to_owned(),
            |stored| stored.shared_limits().to_string(),
        ),
        own: own.shared_limits().to_string(),
    }
}
