//! The counters of a provider's daily caps and spend limit, which all senders share.

use aws_sdk_dynamodb::types::ReturnValue;
use stentor_core::provider::allowance::{Counted, Counter, Reservation, ReserveResult};

use super::provider::PROVIDER;
use super::{AttemptError, Error, Item, MetricsTable, attempt_error, invalid_data, number};

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
                    .update_provider(&counter.key)
                    .update_expression("SET expires_at = :expires ADD used :units, blocks :one")
                    .condition_expression("attribute_not_exists(used) OR used <= :most")
                    .expression_attribute_values(":expires", number(counter.expires_at))
                    .expression_attribute_values(":units", number(*units))
                    .expression_attribute_values(":one", number(1))
                    .expression_attribute_values(":most", number(most))
                    .return_values(ReturnValue::UpdatedNew);
                Ok(match self.try_update(CALL, request).await? {
                    Ok(item) => ReserveResult::Reserved(counted(counter, &item)?),
                    Err(item) if item.is_empty() => ReserveResult::Refused(None),
                    Err(item) => ReserveResult::Refused(Some(counted(counter, &item)?)),
                })
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
                    .update_provider(&counter.key)
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
