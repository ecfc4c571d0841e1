//! Campaigns: a merchant's offer, with its terms and its rules for attribution.

use serde::{Deserialize, Serialize};

use crate::commission::{Caps, Terms};
use crate::id::{CampaignId, MerchantId};
use crate::links::Schedule;
use crate::money::Decimal;
use crate::time::{Span, Timestamp};

/// A merchant's offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Whose offer.
    pub merchant: MerchantId,
    /// What people call it.
    pub name: String,
    /// Attribution window in days.
    pub window_days: u32,
    /// Minutes within which the same visitor is a duplicate; 0 switches the class off.
    pub dedupe_minutes: u32,
    /// Days a commission waits for refunds before it is approved.
    pub hold_days: u32,
    /// When it starts.
    pub starts_at: Option<Timestamp>,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
    /// What is paid.
    pub commission: Terms,
    /// What was paid before, oldest first.
    #[serde(default)]
    pub earlier_commissions: Vec<EarlierTerms>,
    /// The most that is paid.
    #[serde(default)]
    pub caps: Caps,
    /// Less than this is not paid out but carried forward, in the merchant's currency.
    #[serde(default)]
    pub minimum_payout: Option<Decimal>,
    /// What renewals of a subscription earn.
    #[serde(default)]
    pub renewals: Renewals,
    /// Which evidence counts first.
    pub precedence: Vec<Evidence>,
    /// How credit is shared among touches.
    pub model: Model,
    /// Switched off for now.
    #[serde(default)]
    pub paused: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Campaign {
    /// When its links may be followed.
    pub const fn schedule(&self) -> Schedule {
        Schedule { paused: self.paused, starts_at: self.starts_at, ends_at: self.ends_at }
    }

    /// The terms for an order placed at `at`, and their number, counted from 1.
    pub fn terms_at(&self, at: Timestamp) -> (usize, &Terms) {
        let earlier =
            self.earlier_commissions.iter().enumerate().find(|(_, earlier)| at < earlier.until);
        earlier
            .map_or((self.earlier_commissions.len() + 1, &self.commission), |(index, earlier)| {
                (index + 1, &earlier.commission)
            })
    }

    /// The attribution window.
    pub const fn window(&self) -> Span {
        Span::days(self.window_days as i64)
    }

    /// The time within which the same visitor is a duplicate.
    pub const fn dedupe(&self) -> Span {
        Span::minutes(self.dedupe_minutes as i64)
    }
}

/// What credits an order, or keeps it from being credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A touch within its window.
    Click,
    /// A discount code used on the order.
    Coupon,
    /// The customer has bought here before: in a precedence, what stands behind it does not count
    /// for them.
    ExistingCustomer,
}

/// How credit is shared among touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// All to the latest touch.
    LastClick,
    /// All to the first touch.
    FirstClick,
    /// The same to each. For reports only.
    Linear,
    /// 40 % each to the first and the latest, the rest to those between. For reports only.
    Position,
    /// Half as much for every seven days before the order. For reports only.
    TimeDecay,
}

impl Model {
    /// Every model.
    pub const ALL: [Self; 5] =
        [Self::LastClick, Self::FirstClick, Self::Linear, Self::Position, Self::TimeDecay];

    /// The word in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastClick => "last_click",
            Self::FirstClick => "first_click",
            Self::Linear => "linear",
            Self::Position => "position",
            Self::TimeDecay => "time_decay",
        }
    }

    /// Whether it credits one touch whole, so that a commission can be paid by it.
    pub const fn pays(self) -> bool {
        matches!(self, Self::LastClick | Self::FirstClick)
    }
}

/// What an order that a subscription made by itself earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewals {
    /// Nothing: the first order was the sale.
    #[default]
    None,
    /// As any order, while the click's window lasts.
    WithinWindow,
    /// As any order, however late.
    All,
}

/// Terms that were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierTerms {
    /// Orders placed before it are paid by them.
    pub until: Timestamp,
    /// What was paid.
    pub commission: Terms,
}
