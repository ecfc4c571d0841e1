//! What a campaign is meant to reach. It decides about no money.

use serde::{Deserialize, Serialize};

use crate::money::Decimal;

/// The target of a campaign, over all its days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Goods of the credited orders, less refunds, in the merchant's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goods: Option<Decimal>,
    /// Credited orders that are not void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<u32>,
}
