//! Whose amounts add up: one merchant pays one influencer in one currency.

use serde::Serialize;
use shared::id::{InfluencerId, MerchantId};
use shared::money::Currency;

/// An account: the place where amounts of one merchant, influencer and currency add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Account {
    /// The merchant who pays.
    pub merchant: MerchantId,
    /// The influencer who is paid.
    pub influencer: InfluencerId,
    /// The currency of all its amounts.
    pub currency: Currency,
}

/// A sum that is beyond what an amount can be. It would print as another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the amounts of influencer {} at merchant {} in {} add up to more than {} minor units can say",
    .0.influencer, .0.merchant, .0.currency, i64::MAX
)]
pub struct TooLarge(pub Account);

impl Account {
    /// Adds an amount to a sum of this account.
    ///
    /// # Errors
    /// [`TooLarge`] when the sum is beyond what an amount can be.
    pub fn add(self, sum: &mut i64, minor: i64) -> Result<(), TooLarge> {
        *sum = sum.checked_add(minor).ok_or(TooLarge(self))?;
        Ok(())
    }
}
