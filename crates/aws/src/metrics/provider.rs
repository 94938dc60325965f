//! The rate limit that all senders with a provider profile share.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use serde::{Deserialize, Serialize};
use stentor_core::provider::profile::ProviderProfile;
use stentor_core::provider::rate_limit::{LimitState, LimitWrite};

use super::{Error, Item, MetricsTable, NOT_EXISTS, invalid_data, item_of, key, number};
use crate::error::{AttemptError, attempt_error};

/// The partition of the rate limits, and of the counters of caps.
pub(super) const PROVIDER: &str = "provider";

const TAT: &str = "tat";
const SEQ: &str = "seq";
const PROFILE: &str = "profile";

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

/// The item of a rate limit as the table has it, which may be damaged.
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

    /// Returns the profile; `None` where there is none that this version can read.
    pub fn profile(&self) -> Option<ProviderProfile> {
        serde_dynamo::from_attribute_value(self.item.get(PROFILE)?.clone()).ok()
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
    /// Reads the shared rate limit of the profile with this name.
    pub async fn get_provider(&self, name: &str) -> Result<Option<ProviderItem>, Error> {
        let item = self.get(PROVIDER, name).await?;
        item.map(|item| serde_dynamo::from_item(item).map_err(|error| invalid_data(PROVIDER, name, &error)))
            .transpose()
    }

    /// Stores a profile without a rate limit, since no reservation stores it. Returns `false`, and changes nothing, if a
    /// profile of this name is stored already.
    pub async fn create_unlimited_provider(&self, profile: &ProviderProfile) -> Result<bool, Error> {
        const CALL: &str = "PutItem (provider)";
        let stored = ProviderItem { tat: 0, seq: 0, profile: profile.clone() };
        self.put(CALL, &item_of(PROVIDER, &profile.name, &stored)?, Some(&NOT_EXISTS)).await
    }

    /// Reads the item of the profile with this name, consistently, even if it is damaged.
    pub async fn get_limit(&self, name: &str) -> Result<StoredLimit, Error> {
        Ok(StoredLimit { item: self.get(PROVIDER, name).await?.unwrap_or_default() })
    }

    /// Reserves parts. The first reservation stores the profile. A write whose answer is lost is repeated, so that parts
    /// may be reserved more than once.
    pub async fn reserve_parts(
        &self,
        profile: &ProviderProfile,
        write: LimitWrite,
    ) -> Result<LimitUpdate, Error> {
        let one = (":one".to_owned(), number(1));
        let update = match write {
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
                    (":profile".to_owned(), attribute(profile)?),
                ]),
            },
        };
        self.update_limit(&profile.name, update).await
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
        self.update_limit(&profile.name, Update { set, condition: conditions.join(" AND "), values }).await
    }

    /// Replaces the profile, if no parts were reserved since `stored` was read.
    pub async fn replace_profile(
        &self,
        profile: &ProviderProfile,
        stored: &StoredLimit,
    ) -> Result<LimitUpdate, Error> {
        let mut values = HashMap::from([(":profile".to_owned(), attribute(profile)?)]);
        let condition = [SEQ, PROFILE].map(|name| stored.unchanged(name, &mut values)).join(" AND ");
        let set = format!("#{PROFILE} = :profile");
        self.update_limit(&profile.name, Update { set, condition, values }).await
    }

    /// Replaces the profile by one with the same limits, if it is that of `stored`.
    pub async fn update_prices(
        &self,
        profile: &ProviderProfile,
        stored: &StoredLimit,
    ) -> Result<LimitUpdate, Error> {
        let mut values = HashMap::from([(":profile".to_owned(), attribute(profile)?)]);
        let condition = stored.unchanged(PROFILE, &mut values);
        let set = format!("#{PROFILE} = :profile");
        self.update_limit(&profile.name, Update { set, condition, values }).await
    }

    async fn update_limit(&self, name: &str, update: Update) -> Result<LimitUpdate, Error> {
        const CALL: &str = "UpdateItem (provider)";
        self.session.call(CALL, &self.name, async || self.try_update_limit(CALL, name, &update).await).await
    }

    async fn try_update_limit(
        &self,
        call: &'static str,
        name: &str,
        update: &Update,
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
            .set_expression_attribute_values(Some(values.clone()))
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

fn attribute(profile: &ProviderProfile) -> Result<AttributeValue, Error> {
    serde_dynamo::to_attribute_value(profile).map_err(|error| invalid_data(PROVIDER, &profile.name, &error))
}

#[cfg(test)]
mod tests;
