//! The rate limit that all senders with a provider profile share.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use stentor_core::provider::profile::ProviderProfile;
use stentor_core::provider::rate_limit::{LimitState, LimitWrite};

use super::{Error, Item, MetricsTable, NOT_EXISTS, invalid_data, key, number};
use crate::error::{AttemptError, attempt_error};

/// The partition of the rate limits, and of the counters of caps.
pub(super) const PROVIDER: &str = "provider";

const TAT: &str = "tat";
const SEQ: &str = "seq";
const PROFILE: &str = "profile";

/// The item of a provider profile and its shared rate limit, as the table has it; it may be damaged.
#[derive(Debug, Clone, Default)]
pub struct StoredLimit {
    item: Item,
}

/// The result of a conditional write.
#[derive(Debug, Clone)]
pub enum LimitUpdate {
    /// The item after the write.
    Applied(StoredLimit),
    /// The item on which the condition failed.
    Refused(StoredLimit),
}

/// A conditional update of one item.
#[derive(Clone)]
struct Update {
    set: String,
    condition: String,
    values: HashMap<String, AttributeValue>,
}

impl StoredLimit {
    /// Returns the numbers of the limit.
    pub fn state(&self) -> LimitState {
        let whole = |name| self.item.get(name).map(|value| value.as_n().ok()?.parse().ok());
        match (whole(TAT), whole(SEQ)) {
            (None, None) => LimitState::Absent,
            (Some(Some(tat)), Some(Some(seq))) => LimitState::Valid { tat, seq },
            _ => LimitState::Damaged,
        }
    }

    /// Returns the profile; `None` where there is none that this version can read, and why is in the log.
    pub fn profile(&self) -> Option<ProviderProfile> {
        let stored = self.item.get(PROFILE)?.clone();
        let read = serde_dynamo::from_attribute_value(stored);
        read.inspect_err(|error| tracing::debug!(%error, "the stored provider profile is invalid")).ok()
    }

    /// Returns whether there is an item.
    pub fn exists(&self) -> bool {
        !self.item.is_empty()
    }

    /// Returns the condition that an attribute is as in this item.
    fn unchanged(&self, name: &str, values: &mut HashMap<String, AttributeValue>) -> String {
        let Some(value) = self.item.get(name) else { return format!("attribute_not_exists(#{name})") };
        values.insert(format!(":old_{name}"), value.clone());
        format!("#{name} = :old_{name}")
    }
}

impl MetricsTable {
    /// Stores a profile without a rate limit, since no reservation stores it. Returns `false` if one of this name is stored
    /// already, which stays.
    pub async fn create_unlimited_provider(&self, profile: &ProviderProfile) -> Result<bool, Error> {
        const CALL: &str = "PutItem (provider)";
        let mut item = key(PROVIDER, &profile.name);
        let attributes = [(TAT, number(0)), (SEQ, number(0)), (PROFILE, attribute(profile)?)];
        item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
        self.put(CALL, &item, Some(&NOT_EXISTS)).await
    }

    /// Reads the item of the profile with this name, consistently, even if it is damaged.
    pub async fn get_limit(&self, name: &str) -> Result<StoredLimit, Error> {
        Ok(StoredLimit { item: self.get(PROVIDER, name).await?.unwrap_or_default() })
    }

    /// Reserves parts with the write that `next_write` returns for each attempt. The first reservation stores the profile. A
    /// write whose answer is lost is repeated, so that parts may be reserved more than once.
    pub async fn reserve_parts(
        &self,
        profile: &ProviderProfile,
        next_write: impl Fn() -> LimitWrite,
    ) -> Result<LimitUpdate, Error> {
        let stored = attribute(profile)?;
        self.update_limit(&profile.name, || reservation(next_write(), &stored)).await
    }

    /// Sets the TAT of a damaged item, and replaces its other attributes where they are damaged, if `stored` is
    /// unchanged.
    pub async fn repair_limit(
        &self,
        profile: &ProviderProfile,
        stored: &StoredLimit,
        tat: u64,
    ) -> Result<LimitUpdate, Error> {
        let mut values = HashMap::new();
        let conditions = [TAT, SEQ].map(|name| stored.unchanged(name, &mut values));
        let seq = stored.item.get(SEQ).and_then(|seq| seq.as_n().ok()?.parse().ok()).unwrap_or(0);
        let profile_of_item = stored.profile();
        let stored_profile = attribute(profile_of_item.as_ref().unwrap_or(profile))?;
        values.insert(":tat".to_owned(), number(tat));
        values.insert(":seq".to_owned(), number(seq));
        values.insert(":profile".to_owned(), stored_profile);
        let set = format!("#{TAT} = :tat, #{SEQ} = :seq, #{PROFILE} = :profile");
        let update = Update { set, condition: conditions.join(" AND "), values };
        self.update_limit(&profile.name, || update.clone()).await
    }

    /// Replaces the profile, if no parts were reserved since `stored` was read.
    pub async fn replace_profile(
        &self,
        profile: &ProviderProfile,
        stored: &StoredLimit,
    ) -> Result<LimitUpdate, Error> {
        self.set_profile(profile, stored, &[SEQ, PROFILE]).await
    }

    /// Replaces the profile by one with the same limits, if it is that of `stored`.
    pub async fn update_prices(
        &self,
        profile: &ProviderProfile,
        stored: &StoredLimit,
    ) -> Result<LimitUpdate, Error> {
        self.set_profile(profile, stored, &[PROFILE]).await
    }

    /// Sets the profile on the condition that these attributes are as in `stored`.
    async fn set_profile(
        &self,
        profile: &ProviderProfile,
        stored: &StoredLimit,
        attributes: &[&str],
    ) -> Result<LimitUpdate, Error> {
        let mut values = HashMap::from([(":profile".to_owned(), attribute(profile)?)]);
        let conditions: Vec<_> = attributes.iter().map(|name| stored.unchanged(name, &mut values)).collect();
        let (set, condition) = (format!("#{PROFILE} = :profile"), conditions.join(" AND "));
        let update = Update { set, condition, values };
        self.update_limit(&profile.name, || update.clone()).await
    }

    /// Updates the item, with the update that `next` returns for each attempt.
    async fn update_limit(&self, name: &str, next: impl Fn() -> Update) -> Result<LimitUpdate, Error> {
        const CALL: &str = "UpdateItem (provider)";
        self.session.call(CALL, &self.name, async || self.try_update_limit(CALL, name, next()).await).await
    }

    async fn try_update_limit(
        &self,
        call: &'static str,
        name: &str,
        update: Update,
    ) -> Result<LimitUpdate, AttemptError> {
        let Update { set, condition, values } = update;
        let used = [TAT, SEQ, PROFILE].into_iter().filter(|name| {
            let placeholder = format!("#{name}");
            set.contains(&placeholder) || condition.contains(&placeholder)
        });
        let names = used.map(|name| (format!("#{name}"), name.to_owned())).collect();
        let request = self
            .update_provider(name)
            .update_expression(format!("SET {set}"))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllNew);
        Ok(match self.try_update(call, request).await? {
            Ok(item) => LimitUpdate::Applied(StoredLimit { item }),
            Err(item) => LimitUpdate::Refused(StoredLimit { item }),
        })
    }

    /// Begins an update of an item of the providers.
    pub(super) fn update_provider(&self, part: &str) -> UpdateItemFluentBuilder {
        let request = self.client.update_item().table_name(&self.name).set_key(Some(key(PROVIDER, part)));
        request.return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    /// Carries out a conditional update, and returns the attributes that it asks for; `Err` is the item on which its
    /// condition failed, empty where it was not returned.
    pub(super) async fn try_update(
        &self,
        call: &'static str,
        request: UpdateItemFluentBuilder,
    ) -> Result<Result<Item, Item>, AttemptError> {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        match request.return_values_on_condition_check_failure(all_old).send().await {
            Ok(answer) => {
                self.session.meter().add_write_units(&answer.consumed_capacity);
                Ok(Ok(answer.attributes.unwrap_or_default()))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Err(failed.item.clone().unwrap_or_default()))
                }
                _ => Err(attempt_error(call, &error)),
            },
        }
    }
}

/// Returns the update that reserves parts, and stores the profile where there is no item.
fn reservation(write: LimitWrite, profile: &AttributeValue) -> Update {
    let one = (":one".to_owned(), number(1));
    match write {
        LimitWrite::Advance { cost, after, before } => Update {
            set: format!("#{TAT} = #{TAT} + :cost, #{SEQ} = #{SEQ} + :one"),
            // The last one refuses an item whose `seq` is not a number.
            condition: format!("#{TAT} > :after AND #{TAT} < :before AND #{SEQ} >= :zero"),
            values: HashMap::from([
                one,
                (":cost".to_owned(), number(cost)),
                (":after".to_owned(), number(after)),
                (":before".to_owned(), number(before)),
                (":zero".to_owned(), number(0)),
            ]),
        },
        LimitWrite::StartAt { tat, until } => Update {
            set: format!(
                "#{TAT} = :tat, #{SEQ} = if_not_exists(#{SEQ}, :zero) + :one, \
                 #{PROFILE} = if_not_exists(#{PROFILE}, :profile)"
            ),
            condition: format!(
                "(attribute_not_exists(#{TAT}) AND attribute_not_exists(#{SEQ})) OR \
                 (#{TAT} <= :until AND #{SEQ} >= :zero)"
            ),
            values: HashMap::from([
                one,
                (":tat".to_owned(), number(tat)),
                (":until".to_owned(), number(until)),
                (":zero".to_owned(), number(0)),
                (":profile".to_owned(), profile.clone()),
            ]),
        },
    }
}

fn attribute(profile: &ProviderProfile) -> Result<AttributeValue, Error> {
    serde_dynamo::to_attribute_value(profile).map_err(|error| invalid_data(PROVIDER, &profile.name, &error))
}

#[cfg(test)]
mod tests;
