//! The rate limit that all senders with a provider profile share.

use serde::{Deserialize, Serialize};
use stentor_core::provider::profile::ProviderProfile;

use super::{Condition, Error, MetricsTable, invalid_data, item_of};

/// The partition of the rate limits, and of the counters of caps.
const PROVIDER: &str = "provider";

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

    /// Stores a profile without a rate limit, since no reservation stores it, so that monitors can read its prices.
    /// Returns `false` where a profile of the same name with a rate limit is stored, which stays.
    pub async fn put_unlimited_provider(&self, profile: &ProviderProfile) -> Result<bool, Error> {
        const CALL: &str = "PutItem (provider)";
        let stored = ProviderItem { tat: 0, seq: 0, profile: profile.clone() };
        let unlimited = Condition {
            expression: "attribute_not_exists(#run) OR attribute_not_exists(#profile.#limits.#parts_per_second)",
            names: &["run", "profile", "limits", "parts_per_second"],
            value: None,
        };
        self.put(CALL, &item_of(PROVIDER, &profile.name, &stored)?, Some(&unlimited)).await
    }
}
