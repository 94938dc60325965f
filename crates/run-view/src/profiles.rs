//! The provider profiles of a run, which its bill and its use of the limit are computed from.

use std::collections::BTreeMap;
use std::time::Duration;

use stentor_aws::Error;
use stentor_core::provider::profile::ProviderProfile;
use stentor_core::usage::UsageRecord;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Time between two reads of a profile.
const READ_INTERVAL: Duration = Duration::from_secs(30);

/// Time until a missing profile is read again. The first reservation stores it.
const MISSING_INTERVAL: Duration = Duration::from_secs(5);

/// The profiles that were read, by name.
#[derive(Debug, Default)]
pub(crate) struct ProfileCache {
    entries: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    /// `None` where the table has none, or an invalid one.
    profile: Option<ProviderProfile>,
    read_at: Instant,
}

impl Entry {
    fn is_fresh(&self) -> bool {
        let interval = if self.profile.is_some() { READ_INTERVAL } else { MISSING_INTERVAL };
        self.read_at.elapsed() < interval
    }
}

impl ProfileCache {
    /// Returns the profiles of the run's senders, as far as they are stored. Each is read with `read` at most once every
    /// [`READ_INTERVAL`], one that is missing every [`MISSING_INTERVAL`].
    pub(crate) async fn profiles(
        &self,
        usage: &[UsageRecord],
        read: impl AsyncFn(&str) -> Result<Option<ProviderProfile>, Error>,
    ) -> Result<BTreeMap<String, ProviderProfile>, Error> {
        let mut profiles = BTreeMap::new();
        let mut entries = self.entries.lock().await;
        for provider in usage.iter().filter_map(|record| record.provider.as_ref()) {
            let name = &provider.profile;
            if !entries.get(name).is_some_and(Entry::is_fresh) {
                let profile = read(name).await?;
                entries.insert(name.clone(), Entry { profile, read_at: Instant::now() });
            }
            let profile = entries.get(name).and_then(|entry| entry.profile.clone());
            profiles.extend(profile.map(|profile| (name.clone(), profile)));
        }
        Ok(profiles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{parts_of_sender, profile};
    use std::cell::RefCell;

    #[tokio::test(start_paused = true)]
    async fn a_profile_is_read_every_thirty_seconds_and_a_missing_one_every_five() {
        let (cache, reads) = (ProfileCache::default(), RefCell::new(Vec::new()));
        let read = async |name: &str| {
            reads.borrow_mut().push(name.to_owned());
            Ok((name == "known").then(|| profile("known")))
        };
        assert!(cache.profiles(&[], &read).await.unwrap().is_empty());
        assert!(reads.borrow().is_empty(), "no sender has a provider");
        let usage = ["known", "known", "missing"].map(|name| parts_of_sender("a", name, &[]));
        for _ in 0..24 {
            let profiles = cache.profiles(&usage, &read).await.unwrap();
            assert_eq!(profiles.keys().collect::<Vec<_>>(), ["known"]);
            tokio::time::advance(Duration::from_millis(2_500)).await;
        }
        let count = |name: &str| reads.borrow().iter().filter(|read| *read == name).count();
        assert_eq!((count("known"), count("missing")), (2, 12), "in a minute");
    }
}
