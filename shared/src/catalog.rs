//! The catalog: merchants, influencers, campaigns, links and coupons, as a fold of the changes in
//! the journal.
//!
//! A change carries whole entities; applying it twice, or in another order, ends in the same
//! catalog: for each id the latest version wins. The only exception is who owns a slug, where the
//! earliest claim wins.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::class::Availability;
use crate::commission::{Caps, Terms};
use crate::id::{CampaignId, CouponId, InfluencerId, LinkId, MerchantId};
use crate::links::{LinkRef, Links};
use crate::money::{Currency, Decimal};
use crate::rates::{ExchangeRate, Rates};
use crate::time::{Span, Timestamp};

/// The shop software a merchant runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Shopify.
    Shopify,
    /// WooCommerce.
    Woocommerce,
    /// Magento 2 or Adobe Commerce.
    Magento,
    /// Stripe Checkout.
    Stripe,
    /// Anything else.
    Other,
}

impl Platform {
    /// The word in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Woocommerce => "woocommerce",
            Self::Magento => "magento",
            Self::Stripe => "stripe",
            Self::Other => "other",
        }
    }
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    /// The secret.
    pub secret: String,
    /// Until when it is still believed: platforms go on signing with it for up to an hour.
    pub valid_until: Timestamp,
}

/// How a shop's own API is asked for orders that its webhooks lost, or that it has no webhooks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopApi {
    /// Where: `https://shop.example`, without a path.
    pub url: String,
    /// Magento's integration token, WooCommerce's consumer key, Shopify's Admin API access token,
    /// Stripe's restricted key.
    pub token: String,
    /// WooCommerce's consumer secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Who pays; owns shops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merchant {
    /// Its id.
    pub id: MerchantId,
    /// Its public key: stands in pixels and in addresses of webhooks.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// The domains of its shops, lower case.
    pub domains: Vec<String>,
    /// The currency it pays in.
    pub currency: Currency,
    /// IANA time zone of its days and months.
    pub timezone: String,
    /// The shop software.
    pub platform: Option<Platform>,
    /// The secret its shop signs webhooks with.
    pub webhook_secret: Option<String>,
    /// The secret before, which still signs for a while after a change.
    #[serde(default)]
    pub old_webhook_secret: Option<OldSecret>,
    /// How its shop is asked.
    #[serde(default)]
    pub shop_api: Option<ShopApi>,
    /// Whether an order known from the pixel alone earns.
    #[serde(default)]
    pub trust_pixel: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Merchant {
    /// Whether `host` is one of the merchant's domains or lies under one.
    pub fn owns_host(&self, host: &str) -> bool {
        self.domain_of(host).is_some()
    }

    /// The merchant's domain that `host` is or lies under; compared label by label.
    pub fn domain_of(&self, host: &str) -> Option<&str> {
        let under = |domain: &&String| {
            host.strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.domains.iter().find(under).map(String::as_str)
    }
}

/// Who promotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Influencer {
    /// Their id.
    pub id: InfluencerId,
    /// What people call them.
    pub name: String,
    /// Where statements go; an order by the same address is their own.
    pub email: Option<String>,
    /// Since when the address is known: it says nothing about earlier orders.
    #[serde(default)]
    pub email_since: Option<Timestamp>,
    /// How they are paid; kept as given.
    pub payout: Option<serde_json::Value>,
    /// When they were created.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Timestamp,
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

/// Slug to destination, for one influencer in one campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// The campaign; never changes.
    pub campaign: CampaignId,
    /// The influencer; never changes.
    pub influencer: InfluencerId,
    /// Where it leads.
    pub destination: String,
    /// Its path, as it was given; compared without case.
    pub slug: String,
    /// When it starts.
    pub starts_at: Option<Timestamp>,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
    /// Where it leads when it is over.
    pub fallback: Option<String>,
    /// Switched off for now.
    #[serde(default)]
    pub paused: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A discount code owned by one influencer in one campaign, with dates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    /// Its id.
    pub id: CouponId,
    /// The campaign.
    pub campaign: CampaignId,
    /// Who owns it.
    pub influencer: InfluencerId,
    /// The code as printed; compared without case and outer blanks.
    pub code: String,
    /// From when it is theirs; from ever when empty.
    pub starts_at: Option<Timestamp>,
    /// Until when.
    pub ends_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What the holder of an access token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Read one merchant's figures.
    Merchant(MerchantId),
    /// Read one influencer's figures.
    Influencer(InfluencerId),
}

/// An access token of the admin API; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// BLAKE3 of the token's text, in hex.
    pub hash: String,
    /// What its holder may do.
    pub role: Role,
    /// When it was created.
    pub created_at: Timestamp,
}

/// One entity, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// A merchant.
    Merchant(Merchant),
    /// An influencer.
    Influencer(Influencer),
    /// A campaign.
    Campaign(Campaign),
    /// A link.
    Link(Link),
    /// A coupon.
    Coupon(Coupon),
    /// An access token.
    AccessToken(AccessToken),
    /// An exchange rate.
    Rate(ExchangeRate),
}

impl Entity {
    /// The id's text; for an access token its hash.
    pub fn id(&self) -> String {
        match self {
            Self::Merchant(merchant) => merchant.id.to_string(),
            Self::Influencer(influencer) => influencer.id.to_string(),
            Self::Campaign(campaign) => campaign.id.to_string(),
            Self::Link(link) => link.id.to_string(),
            Self::Coupon(coupon) => coupon.id.to_string(),
            Self::AccessToken(token) => token.hash.clone(),
            Self::Rate(rate) => rate.id(),
        }
    }
}

/// A change of the catalog: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When it was made.
    pub at: Timestamp,
    /// The new versions.
    pub entities: Vec<Entity>,
    /// The request that made it, so that a repeated one is answered and not done again.
    pub request: Option<RequestId>,
}

/// An `Idempotency-Key` and what came with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestId {
    /// The key the client chose.
    pub key: String,
    /// BLAKE3 of method, path and body, in hex.
    pub hash: String,
}

/// What a request with an idempotency key was answered: enough to answer it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The request.
    pub request: RequestId,
    /// The first entity it made.
    pub first: Option<String>,
    /// How many it made.
    pub count: usize,
}

/// Where a slug is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Hosts under one merchant's domains.
    Merchant(MerchantId),
    /// The agency's own hosts, shared by all merchants.
    Agency,
}

/// All entities by id, with the look-ups that decisions need.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Merchants by id.
    pub merchants: HashMap<MerchantId, Arc<Merchant>>,
    /// Influencers by id.
    pub influencers: HashMap<InfluencerId, Arc<Influencer>>,
    /// Campaigns by id.
    pub campaigns: HashMap<CampaignId, Arc<Campaign>>,
    /// Links, packed.
    pub links: Links,
    /// Coupons by id.
    pub coupons: HashMap<CouponId, Arc<Coupon>>,
    /// Access tokens by hash.
    pub tokens: HashMap<String, Arc<AccessToken>>,
    /// Exchange rates.
    pub rates: Rates,
    /// Answered requests by idempotency key.
    pub requests: HashMap<String, Answered>,
    coupons_by_code: HashMap<String, Vec<CouponId>>,
    /// Links that became known before their campaigns, as changes of several nodes may: their
    /// merchant follows.
    early_links: HashMap<CampaignId, Vec<LinkId>>,
}

/// The form in which slugs are compared.
pub fn fold_slug(slug: &str) -> String {
    slug.to_ascii_lowercase()
}

/// The form in which discount codes are compared.
pub fn fold_code(code: &str) -> String {
    code.trim().to_lowercase()
}

impl Catalog {
    /// Applies a change. Idempotent; for each entity the latest version wins.
    pub fn apply(&mut self, change: &Change) {
        for entity in &change.entities {
            self.put(entity);
        }
        if let Some(request) = &change.request {
            self.requests.entry(request.key.clone()).or_insert_with(|| Answered {
                request: request.clone(),
                first: change.entities.first().map(Entity::id),
                count: change.entities.len(),
            });
        }
    }

    fn put(&mut self, entity: &Entity) {
        match entity {
            Entity::Merchant(new) => put_latest(&mut self.merchants, new.id, new, |e| e.updated_at),
            Entity::Influencer(new) => {
                put_latest(&mut self.influencers, new.id, new, |e| e.updated_at)
            }
            Entity::Campaign(new) => {
                put_latest(&mut self.campaigns, new.id, new, |e| e.updated_at);
                for id in self.early_links.remove(&new.id).unwrap_or_default() {
                    let early = self.links.get(id).map(|link| link.to_link());
                    early.iter().for_each(|link| self.links.put(link, Some(new.merchant)));
                }
            }
            Entity::Link(new) => self.put_link(new),
            Entity::Coupon(new) => {
                put_latest(&mut self.coupons, new.id, new, |e| e.updated_at);
                let ids = self.coupons_by_code.entry(fold_code(&new.code)).or_default();
                if !ids.contains(&new.id) {
                    ids.push(new.id);
                    ids.sort_unstable();
                }
            }
            Entity::AccessToken(new) => {
                self.tokens.entry(new.hash.clone()).or_insert_with(|| Arc::new(new.clone()));
            }
            Entity::Rate(new) => self.rates.insert(new),
        }
    }

    fn put_link(&mut self, new: &Link) {
        let held = self.links.get(new.id);
        let is_first = held.is_none();
        let is_later = |held: LinkRef<'_>| match held.updated_at().cmp(&new.updated_at) {
            Ordering::Equal => is_later_twin(&held.to_link(), new),
            order => order == Ordering::Less,
        };
        if held.is_none_or(is_later) {
            let merchant = self.campaigns.get(&new.campaign).map(|campaign| campaign.merchant);
            self.links.put(new, merchant);
            if is_first && merchant.is_none() {
                self.early_links.entry(new.campaign).or_default().push(new.id);
            }
        }
    }

    /// A campaign and its merchant.
    pub fn campaign_and_merchant(
        &self,
        id: CampaignId,
    ) -> Option<(&Arc<Campaign>, &Arc<Merchant>)> {
        let campaign = self.campaigns.get(&id)?;
        Some((campaign, self.merchants.get(&campaign.merchant)?))
    }

    /// The merchant with a public key.
    pub fn merchant_by_key(&self, key: &str) -> Option<&Arc<Merchant>> {
        self.merchants.values().find(|merchant| merchant.key == key)
    }

    /// Every coupon of a merchant with this code, by id.
    pub fn coupons_with_code(&self, merchant: MerchantId, code: &str) -> Vec<&Arc<Coupon>> {
        let ids = self.coupons_by_code.get(&fold_code(code)).map_or(&[][..], Vec::as_slice);
        let of_merchant = |coupon: &&Arc<Coupon>| {
            self.campaigns
                .get(&coupon.campaign)
                .is_some_and(|campaign| campaign.merchant == merchant)
        };
        ids.iter().filter_map(|id| self.coupons.get(id)).filter(of_merchant).collect()
    }
}

/// Of two versions that were made in the same millisecond, at two nodes, always the same one stays.
fn is_later_twin<V: PartialEq + Serialize>(held: &V, new: &V) -> bool {
    let spelled = |value: &V| serde_json::to_string(value).unwrap_or_default();
    held != new && spelled(held) < spelled(new)
}

/// Keeps the later of two versions.
fn put_latest<K: std::hash::Hash + Eq, V: Clone + PartialEq + Serialize>(
    map: &mut HashMap<K, Arc<V>>,
    key: K,
    new: &V,
    version: impl Fn(&V) -> Timestamp,
) {
    let is_later = |held: &Arc<V>| match version(held).cmp(&version(new)) {
        Ordering::Equal => is_later_twin(held.as_ref(), new),
        order => order == Ordering::Less,
    };
    if map.get(&key).is_none_or(is_later) {
        map.insert(key, Arc::new(new.clone()));
    }
}

impl Link {
    /// When it may be followed.
    pub const fn schedule(&self) -> Schedule {
        Schedule { paused: self.paused, starts_at: self.starts_at, ends_at: self.ends_at }
    }
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

/// When a link or a campaign may be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// Switched off for now.
    pub paused: bool,
    /// From when.
    pub starts_at: Option<Timestamp>,
    /// Until when.
    pub ends_at: Option<Timestamp>,
}

impl Schedule {
    /// Whether a link on this schedule, in a campaign on that one, may be followed at `now`.
    pub fn availability(self, campaign: Self, now: Timestamp) -> Availability {
        let both = [self, campaign];
        if both.iter().any(|s| s.paused) {
            Availability::Paused
        } else if both.iter().any(|s| s.ends_at.is_some_and(|ends| ends <= now)) {
            Availability::Ended
        } else if both.iter().any(|s| s.starts_at.is_some_and(|starts| starts > now)) {
            Availability::NotStarted
        } else {
            Availability::Live
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_half_open_and_pausing_comes_first() {
        let at = |ms| Some(Timestamp::from_ms(ms));
        let link = Schedule { paused: false, starts_at: at(10), ends_at: at(20) };
        let always = Schedule::default();
        for (ms, expected) in [
            (9, Availability::NotStarted),
            (10, Availability::Live),
            (19, Availability::Live),
            (20, Availability::Ended),
        ] {
            assert_eq!(link.availability(always, Timestamp::from_ms(ms)), expected);
            assert_eq!(always.availability(link, Timestamp::from_ms(ms)), expected);
        }
        let paused = Schedule { paused: true, ..link };
        assert_eq!(paused.availability(always, Timestamp::from_ms(99)), Availability::Paused);
    }
}
