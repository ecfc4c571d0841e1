//! Merchants: they pay commissions and own shops.

use serde::{Deserialize, Serialize};

use crate::agency::AgencyShare;
use crate::id::MerchantId;
use crate::money::Currency;
use crate::payee::Payer;
use crate::platform::Platform;
use crate::time::Timestamp;

/// A webhook secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    /// The secret as text.
    pub secret: String,
    /// The end of its use: platforms go on signing with a replaced secret for up to an hour.
    pub valid_until: Timestamp,
}

/// Access to a shop's own API, which is asked for orders that no webhook brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopApi {
    /// The address, without a path: `https://shop.example`.
    pub url: String,
    /// The credential: Magento's integration token, WooCommerce's consumer key, Shopify's
    /// Admin API access token, Stripe's restricted key.
    pub token: String,
    /// WooCommerce's consumer secret; the other platforms have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// What a browser's claim must bring so that its click counts for an order that the shop reported
/// without a click.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimRule {
    /// A key that the shop's report bears too, and that nobody can guess.
    #[default]
    Proof,
    /// The order's number may do: soon after the order, when no other influencer's click claims it,
    /// and behind a coupon. Numbers can be guessed.
    Number,
}

/// A rule for claims that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierClaimRule {
    /// The end of this rule: it judges orders placed before it.
    pub until: Timestamp,
    /// The rule.
    pub rule: ClaimRule,
}

/// A merchant, who pays commissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merchant {
    /// The id that API and exports use.
    pub id: MerchantId,
    /// The public key, which is part of pixels and of webhook addresses.
    pub key: String,
    /// The name for people.
    pub name: String,
    /// The domains of its shops, in lower case.
    pub domains: Vec<String>,
    /// The currency in which it pays.
    pub currency: Currency,
    /// The IANA time zone in which its days and months begin.
    pub timezone: String,
    /// The shop software, if it is known.
    pub platform: Option<Platform>,
    /// The secret with which its shop signs webhooks.
    pub webhook_secret: Option<String>,
    /// The secret before the last change, which is still accepted for a while.
    #[serde(default)]
    pub old_webhook_secret: Option<OldSecret>,
    /// Access to its shop's own API.
    #[serde(default)]
    pub shop_api: Option<ShopApi>,
    /// True when an order that only the pixel told of earns commission.
    #[serde(default)]
    pub trust_pixel: bool,
    /// True when a lead that only the pixel told of earns commission. `None` says the same as
    /// `trust_pixel`, as merchants did before the two were told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_leads: Option<bool>,
    /// Who pays its influencers, with the account that the money leaves; `None` where files name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<Payer>,
    /// The agency's shares, oldest first; the last one counts now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agency_shares: Vec<AgencyShare>,
    /// The secrets above, sealed; only the journal holds them so. What it says is for those who have
    /// the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// What a browser's claim must bring.
    #[serde(default)]
    pub claims: ClaimRule,
    /// The rules before it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_claims: Vec<EarlierClaimRule>,
    /// When the API created it.
    pub created_at: Timestamp,
    /// When the API last changed it: of two versions the later one wins.
    pub updated_at: Timestamp,
}

impl Merchant {
    /// Returns whether a lead that only the pixel told of earns commission.
    pub fn trusts_leads(&self) -> bool {
        self.trust_leads.unwrap_or(self.trust_pixel)
    }

    /// Returns the rule for claims of an order that was placed at a time.
    pub fn claims_at(&self, placed_at: Timestamp) -> ClaimRule {
        let earlier = self.earlier_claims.iter().find(|earlier| placed_at < earlier.until);
        earlier.map_or(self.claims, |earlier| earlier.rule)
    }

    /// Returns the merchant's domain that `host` is or lies under, compared label by label.
    pub fn domain_of(&self, host: &str) -> Option<&str> {
        let under = |domain: &&String| {
            host.strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.domains.iter().find(under).map(String::as_str)
    }
}
