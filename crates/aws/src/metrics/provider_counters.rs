//! The counters of a provider's daily caps and spend limit, which all senders share.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure as OnConditionFailure,
};
use stentor_core::provider::allowance::{Counted, Counter, Reservation, ReserveResult};

use super::provider::PROVIDER;
use super::{AttemptError, Error, Item, MetricsTable, attempt_error, invalid_data, key, number};

impl MetricsTable {
    /// Adds the units to a counter on the condition that it stays within its limit. A lost answer is repeated, so that units
    /// may be reserved twice; the limit is never exceeded.
    pub async fn reserve_units(&self, request: &Reservation) -> Result<ReserveResult, Error> {
        const CALL: &str = "UpdateItem (reserve)";
        let Reservation { counter, units } = request;
        let Some(most) = counter.limit.checked_sub(*units) else { return Ok(ReserveResult::Refused(None)) };
        self.session
            .call(CALL, &self.name, async || {
                let request = self
                    .update_counter(counter)
                    .update_expression("SET expires_at = :expires ADD used :units, blocks :one")
                    .condition_expression("attribute_not_exists(used) OR used <= :most")
                    .expression_attribute_values(":expires", number(counter.expires_at))
                    .expression_attribute_values(":units", number(*units))
                    .expression_attribute_values(":one", number(1))
                    .expression_attribute_values(":most", number(most))
                    .return_values(ReturnValue::UpdatedNew)
                    .return_values_on_condition_check_failure(OnConditionFailure::AllOld);
                match request.send().await {
                    Ok(answer) => {
                        self.session.meter().add_write_units(&answer.consumed_capacity);
                        let counted = counted(counter, &answer.attributes.unwrap_or_default())?;
                        Ok(ReserveResult::Reserved(counted))
                    }
                    Err(error) => match error.as_service_error() {
                        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                            let item = failed.item().filter(|item| !item.is_empty());
                            let counted = item.map(|item| counted(counter, item)).transpose()?;
                            Ok(ReserveResult::Refused(counted))
                        }
                        _ => Err(attempt_error(CALL, &error)),
                    },
                }
            })
            .await
    }

    /// Subtracts units that were reserved and not used. Where the answer is lost, the call is not repeated: it could count
    /// twice, and others then exceed the limit.
    pub async fn return_units(&self, unused: &Reservation) -> Result<(), Error> {
        const CALL: &str = "UpdateItem (return)";
        let Reservation { counter, units } = unused;
        self.session
            .call(CALL, &self.name, async || {
                let request = self
                    .update_counter(counter)
                    .update_expression("SET used = used - :units")
                    // The item of a past day may have expired.
                    .condition_expression("used >= :units")
                    .expression_attribute_values(":units", number(*units));
                let written = request.send().await.map(|answer| answer.consumed_capacity);
                match self.is_written(written.map_err(|error| attempt_error(CALL, &error))) {
                    Err(error) if error.may_be_carried_out() => Ok(()),
                    result => result.map(drop),
                }
            })
            .await
    }

    fn update_counter(&self, counter: &Counter) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(PROVIDER, &counter.key)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }
}

/// Reads a counter. A damaged one is an error, since neither its units nor those left can be determined.
fn counted(counter: &Counter, item: &Item) -> Result<Counted, AttemptError> {
    let whole = |name: &str| {
        let value = item.get(name).and_then(|value| value.as_n().ok()?.parse().ok());
        let why = || invalid_data(PROVIDER, &counter.key, &format!("its `{name}` is not a whole number"));
        value.ok_or_else(|| AttemptError::Permanent(why()))
    };
    Ok(Counted { used: whole("used")?, blocks: whole("blocks")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::text;
    use aws_sdk_dynamodb::types::AttributeValue;

    #[test]
    fn a_damaged_counter_is_an_error_that_names_it() {
        let counter = Counter { key: "us#A#2026-11-30".into(), limit: 10, ends_at: 1, expires_at: 2 };
        let item = |used| Item::from([("used".to_owned(), used), ("blocks".to_owned(), number(2))]);
        assert_eq!(counted(&counter, &item(number(7))).unwrap(), Counted { used: 7, blocks: 2 });
        let n = |digits: &str| AttributeValue::N(digits.to_owned());
        for damaged in [text("7"), n("-7"), n("7.5"), n("1e40"), AttributeValue::Null(true)] {
            let Err(AttemptError::Permanent(error)) = counted(&counter, &item(damaged)) else { panic!() };
            let expected = "cannot read item 'us#A#2026-11-30' of 'provider' in the metrics table: its `used` is not a \
                whole number";
            assert_eq!(error.to_string(), expected);
        }
        assert!(counted(&counter, &Item::new()).is_err());
    }
}
