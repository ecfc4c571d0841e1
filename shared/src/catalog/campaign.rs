//! Campaigns: a merchant's offer, with its terms and its rules for attribution. Computes no
//! commission: `commission` does.

use serde::{Deserialize, Serialize};

use crate::commission::{Caps, Terms};
use crate::id::{CampaignId, MerchantId};
use crate::links::Schedule;
use crate::money::Decimal;
use crate::target::Target;
use crate::time::{Span, Timestamp};

/// A campaign: a merchant's offer to influencers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// The id that API and exports use.
    pub id: CampaignId,
    /// The merchant who pays.
    pub merchant: MerchantId,
    /// The name for people.
    pub name: String,
    /// Attribution window in days.
    pub window_days: u32,
    /// Minutes within which another click of the same visitor is a duplicate; 0 switches this class
    /// off.
    pub dedupe_minutes: u32,
    /// Days that a commission waits for refunds before it is approved.
    pub hold_days: u32,
    /// The start; `None` for a campaign without one.
    pub starts_at: Option<Timestamp>,
    /// The end, exclusive; `None` for a campaign without one.
    pub ends_at: Option<Timestamp>,
    /// The terms by which commissions are paid.
    pub commission: Terms,
    /// The terms that were valid before, oldest first.
    #[serde(default)]
    pub earlier_commissions: Vec<EarlierTerms>,
    /// Upper bounds of what is paid.
    #[serde(default)]
    pub caps: Caps,
    /// The minimum payout, in the merchant's currency; a smaller amount is carried forward.
    #[serde(default)]
    pub minimum_payout: Option<Decimal>,
    /// What it is meant to reach; `None` where nobody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The rule for renewals of a subscription.
    #[serde(default)]
    pub renewals: Renewals,
    /// The order in which evidence counts; evidence that is not listed does not count. Empty: the
    /// click counts before the coupon.
    pub precedence: Vec<Evidence>,
    /// The rule for sharing credit among touches.
    pub model: Model,
    /// Hosts beside the merchant's domains to which its links may lead; also hosts below them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<String>,
    /// True while the campaign is switched off.
    #[serde(default)]
    pub paused: bool,
    /// When the API created it.
    pub created_at: Timestamp,
    /// When the API last changed it: of two versions the later one wins.
    pub updated_at: Timestamp,
}

impl Campaign {
    /// Returns when its links may be followed.
    pub const fn schedule(&self) -> Schedule {
        Schedule { paused: self.paused, starts_at: self.starts_at, ends_at: self.ends_at }
    }

    /// Returns the terms for an order placed at `at`, with their number, counted from 1.
    pub fn terms_at(&self, at: Timestamp) -> (usize, &Terms) {
        let earlier =
            self.earlier_commissions.iter().enumerate().find(|(_, earlier)| at < earlier.until);
        earlier
            .map_or((self.earlier_commissions.len() + 1, &self.commission), |(index, earlier)| {
                (index + 1, &earlier.commission)
            })
    }

    /// Returns the attribution window.
    pub const fn window(&self) -> Span {
        Span::days(self.window_days as i64)
    }

    /// Returns the time within which another click of the same visitor is a duplicate.
    pub const fn dedupe(&self) -> Span {
        Span::minutes(self.dedupe_minutes as i64)
    }
}

/// Evidence that credits an order, or keeps it from being credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A touch within its window.
    Click,
    /// A discount code used on the order.
    Coupon,
    /// A visit that a discount code opened. A precedence need not list it: then it shares the place
    /// of the click where coupons count too, and the later of the two wins.
    CodeVisit,
    /// The customer has bought from this shop before. In a precedence, the evidence listed after
    /// this entry does not count for such a customer.
    ExistingCustomer,
}

/// A rule for sharing credit among touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// The latest touch gets everything.
    LastClick,
    /// The first touch gets everything.
    FirstClick,
    /// Each touch gets the same. For reports only.
    Linear,
    /// The first and the latest touch get 40 % each, those between share the rest. For reports
    /// only.
    Position,
    /// A touch gets half as much for every seven days that it lies before the order. For reports
    /// only.
    TimeDecay,
}

impl Model {
    /// All models.
    pub const ALL: [Self; 5] =
        [Self::LastClick, Self::FirstClick, Self::Linear, Self::Position, Self::TimeDecay];

    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastClick => "last_click",
            Self::FirstClick => "first_click",
            Self::Linear => "linear",
            Self::Position => "position",
            Self::TimeDecay => "time_decay",
        }
    }

    /// Returns whether the model credits a single touch, so that commissions can be paid by it.
    pub const fn pays(self) -> bool {
        matches!(self, Self::LastClick | Self::FirstClick)
    }
}

/// A rule for renewals: orders that a subscription made without the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewals {
    /// They earn nothing: the first order was the sale.
    #[default]
    None,
    /// They earn as any order does, within the click's attribution window.
    WithinWindow,
    /// They earn as any order does, even after the window.
    All,
}

/// Terms of a campaign that were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierTerms {
    /// The end of these terms: they pay orders placed before it.
    pub until: Timestamp,
    /// The terms.
    pub commission: Terms,
}
