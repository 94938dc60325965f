//! The provider profiles of a run, which its bill and its use of the limit are computed from.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stentor_aws::Error;
use stentor_core::provider::profile::ProviderProfile;
use stentor_core::usage::UsageRecord;
use tokio::time::Instant;

/// Time between two reads of a profile.
const READ_INTERVAL: Duration = Duration::from_secs(30);

/// The profiles that were read, by name.
#[derive(Debug, Default)]
pub(crate) struct ProfileCache {
    entries: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// `None` where the table has none, or an invalid one.
    profile: Option<ProviderProfile>,
    read_at: Instant,
}

impl ProfileCache {
    /// Returns the profiles that parts were begun with, as far as there are any; each is read with `read` at most once
    /// every [`READ_INTERVAL`], and nothing is read where no sender has a provider. A profile is stored before its first
    /// part begins, so that one which is missing is damaged or was deleted.
    pub(crate) async fn profiles(
        &self,
        usage: &[UsageRecord],
        read: impl AsyncFn(&str) -> Result<Option<ProviderProfile>, Error>,
    ) -> Result<BTreeMap<String, ProviderProfile>, Error> {
        let mut profiles = BTreeMap::new();
        for provider in usage.iter().filter_map(|record| record.provider.as_ref()) {
            let name = &provider.profile;
            if provider.parts.is_empty() || profiles.contains_key(name) {
                continue;
            }
            let entry = match self.fresh(name) {
                Some(entry) => entry,
                None => self.insert(name, read(name).await?),
            };
            profiles.insert(name.clone(), entry.profile);
        }
        Ok(profiles.into_iter().filter_map(|(name, profile)| Some((name, profile?))).collect())
    }

    /// Returns the entry of that name, if it need not be read again.
    fn fresh(&self, name: &str) -> Option<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(name).filter(|entry| entry.read_at.elapsed() < READ_INTERVAL).cloned()
    }

    fn insert(&self, name: &str, profile: Option<ProviderProfile>) -> Entry {
        let entry = Entry { profile, read_at: Instant::now() };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(name.to_owned(), entry.clone());
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{parts_of_sender, profile};
    use std::cell::RefCell;

    #[tokio::test(start_paused = true)]
    async fn a_profile_is_read_every_thirty_seconds_and_only_where_a_sender_began_parts_with_it() {
        let (cache, reads) = (ProfileCache::default(), RefCell::new(Vec::new()));
        let read = async |name: &str| {
            reads.borrow_mut().push(name.to_owned());
            Ok((name == "known").then(|| profile("known")))
        };
        let of = |names: &[&str]| -> Vec<UsageRecord> {
            names.iter().map(|name| parts_of_sender("a", name, &[("OTHER", 1)])).collect()
        };
        let idle = vec![parts_of_sender("a", "known", &[])];
        assert!(cache.profiles(&[], &read).await.unwrap().is_empty());
        assert!(cache.profiles(&idle, &read).await.unwrap().is_empty());
        assert!(reads.borrow().is_empty(), "no sender has begun a part");
        for _ in 0..12 {
            let profiles = cache.profiles(&of(&["known", "known", "deleted"]), &read).await.unwrap();
            assert_eq!(profiles.keys().collect::<Vec<_>>(), ["known"]);
            tokio::time::advance(Duration::from_secs(5)).await;
        }
        assert_eq!(*reads.borrow(), ["known", "deleted", "known", "deleted"], "in a minute");
    }
}
