//! Holds: somebody keeps commissions from being paid until they are released. A hold books nothing
//! and takes nothing away.

use serde::{Deserialize, Serialize};

use crate::id::{HoldId, InfluencerId, LinkId, MerchantId};
use crate::order::fold_name;
use crate::time::Timestamp;

/// A hold on commissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The id that API and exports use.
    pub id: HoldId,
    /// Whose commissions are held; never changes.
    pub target: HoldTarget,
    /// The reason, for people.
    pub reason: String,
    /// For a key: tokens that reached us before this time are not held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was released. That is final; whoever holds again makes another hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// The reason for the release, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_reason: Option<String>,
    /// When it last changed: of two versions the later one wins.
    pub updated_at: Timestamp,
}

/// The commissions that a hold is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldTarget {
    /// Those of one order, under any of its names.
    Order {
        /// The merchant in whose shop it was placed.
        merchant: MerchantId,
        /// One of the order's names.
        order_id: String,
    },
    /// Those that clicks on a link bring.
    Link(LinkId),
    /// Those of an influencer.
    Influencer(InfluencerId),
    /// Those that click tokens of a master key bring. The key was revoked.
    Key(u8),
}

impl HoldTarget {
    /// Returns an order as a target, with its name in the form in which names are compared.
    pub fn order(merchant: MerchantId, name: &str) -> Self {
        Self::Order { merchant, order_id: fold_name(name) }
    }

    /// Returns the target in the form in which targets are compared.
    pub(super) fn folded(&self) -> Self {
        match self {
            Self::Order { merchant, order_id } => Self::order(*merchant, order_id),
            other => other.clone(),
        }
    }
}
