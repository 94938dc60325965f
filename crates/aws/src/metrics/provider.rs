//! The rate limit that all senders with a provider profile share.

use serde::{Deserialize, Serialize};
use stentor_core::provider::profile::ProviderProfile;

use super::{Error, MetricsTable, invalid_data};

/// The partition of the rate limits, and of the counters of caps.
pub(super) const PROVIDER: &str = "provider";

/// The shared rate limit of a provider profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderItem {
    /// The theoretical arrival time of the next part, µs since the epoch.
    pub tat: u64,
    /// Reservations so far.
    pub seq: u64,
    /// The profile of the senders that use it.
    pub profile: ProviderProfile,
}

impl MetricsTable {
    /// Reads the shared rate limit of the profile with this name.
    pub async fn get_provider(&self, name: &str) -> Result<Option<ProviderItem>, Error> {
        let item = self.get(PROVIDER, name).await?;
        item.map(|item| serde_dynamo::from_item(item).map_err(|error| invalid_data(PROVIDER, name, &error)))
            .transpose()
    }
}
