//! An order as lists show it, and under which keys lists find it.
//!
//! Rows are made each time that their order is settled, and written as a whole: all that stand under
//! a name. Around a row stand keys without a value: one in each list that the order is in. A key
//! counts only while the row says the same, so a key that was left behind is never shown. A row holds
//! nothing that tells who a customer is.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use settlement::attribution::Method;
use settlement::ledger::{CampaignAccount, Settled};
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use shared::money::Currency;
use shared::order::{AliasKind, Anchor, OrderFact, OrderKey, Status};
use shared::time::Timestamp;

use crate::model::NameKey;

/// Names of an order that are kept beside its id, at most.
const NAMES_MAX: usize = 8;

/// An order as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Tells apart orders that stand under one name: a claim may be about none of those that bear
    /// its name.
    pub(crate) anchor: u8,
    pub placed_at: Timestamp,
    /// The shop's own order id.
    pub order_id: String,
    /// The numbers that its customer sees, such as `1007`, without a leading `#`.
    pub names: Vec<String>,
    pub status: Status,
    /// Whether the shop's server confirmed it.
    pub confirmed: bool,
    pub test: bool,
    pub method: Method,
    pub label: String,
    /// The decision's reason in one sentence.
    pub reason: String,
    pub credited: Option<Credited>,
    pub currency: Option<Currency>,
    pub goods_minor: Option<i64>,
    pub net_goods_minor: Option<i64>,
    /// What is booked for whoever is credited, by currency. Sums of several orders are not in it.
    pub commission: Vec<(Currency, i64)>,
    pub held: bool,
}

/// Whom an order is credited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credited {
    pub campaign: CampaignId,
    pub influencer: InfluencerId,
    pub link: Option<LinkId>,
}

impl Credited {
    /// Returns whom a settled order is credited to.
    pub(crate) fn of(settled: &Settled) -> Option<Self> {
        let subject = settled.decision.subject();
        let subject = subject.filter(|_| settled.decision.method != Method::None)?;
        let (campaign, influencer) = (subject.campaign?, subject.influencer?);
        Some(Self { campaign, influencer, link: subject.link })
    }
}

impl Listed {
    /// Returns what lists show of an order that was settled from these facts.
    pub(crate) fn of(key: &OrderKey, settled: &Settled, facts: &[OrderFact]) -> Self {
        let (order, decision) = (&settled.order, &settled.decision);
        let credited = Credited::of(settled);
        Self {
            anchor: anchor_of(key),
            placed_at: order.placed_at,
            order_id: order.order_id.clone(),
            names: names_of(facts),
            status: order.status,
            confirmed: order.confirmed,
            test: order.test,
            method: decision.method,
            label: decision.label.clone(),
            reason: decision.reason.clone(),
            credited,
            currency: order.currency,
            goods_minor: order.goods_minor,
            net_goods_minor: order.net_goods_minor(),
            commission: credited.map_or_else(Vec::new, |credited| booked_for(settled, &credited)),
            held: !settled.holding.held.is_empty(),
        }
    }

    /// Returns the key by which the order that stands under `name` is sorted.
    pub(crate) fn sort_key(&self, name: &[u8]) -> SortKey {
        SortKey([&newest_first(self.placed_at)[..], name, &[self.anchor]].concat())
    }

    /// Returns the keys under which lists find the order that stands under `name`.
    fn keys(&self, name: &[u8]) -> BTreeSet<Vec<u8>> {
        let rest = [&[self.facet().0][..], &self.sort_key(name).0].concat();
        let scopes = self.scopes(name).into_iter();
        scopes.map(|scope| [&scope.to_bytes()[..], &rest].concat()).collect()
    }

    /// Returns every list that the order is in.
    fn scopes(&self, name: &[u8]) -> Vec<Scope> {
        let mut scopes = vec![Scope::All];
        let Some(merchant) = merchant_of(name) else { return scopes };
        scopes.push(Scope::Merchant(merchant));
        if let Some(Credited { campaign, influencer, link: _ }) = self.credited {
            scopes.extend([
                Scope::Campaign(campaign),
                Scope::Influencer(influencer),
                Scope::OfMerchant(merchant, influencer),
                Scope::OfCampaign(campaign, influencer),
            ]);
        }
        scopes
    }

    pub(crate) fn facet(&self) -> Facet {
        Facet::of(self.method, self.status, self.confirmed)
    }

    /// Returns whether the row says what a key says of the order under `name`.
    pub(crate) fn is_at(&self, scope: Scope, facet: Facet, key: &SortKey, name: &[u8]) -> bool {
        self.facet() == facet && *key == self.sort_key(name) && self.scopes(name).contains(&scope)
    }
}

/// Encodes the rows of the orders under a name.
pub(crate) fn rows_to_bytes(rows: &[Listed]) -> Result<Vec<u8>> {
    postcard::to_allocvec(rows).context("an order could not be listed")
}

/// Reads what [`rows_to_bytes`] wrote; `None` for any other bytes.
pub(crate) fn rows_from_bytes(bytes: &[u8]) -> Option<Vec<Listed>> {
    postcard::from_bytes(bytes).ok()
}

/// Returns the keys under which lists find the orders whose rows have these bytes.
pub(crate) fn keys_of_rows(name: &[u8], rows: Option<&[u8]>) -> BTreeSet<Vec<u8>> {
    let rows = rows.and_then(rows_from_bytes).unwrap_or_default();
    rows.iter().flat_map(|row| row.keys(name)).collect()
}

/// Returns the number in rows for what anchors an order.
pub(crate) fn anchor_of(key: &OrderKey) -> u8 {
    match key.anchor {
        None => 0,
        Some(Anchor::Shopify) => 1,
        Some(Anchor::Woocommerce) => 2,
        Some(Anchor::Magento) => 3,
        Some(Anchor::Other) => 4,
        Some(Anchor::Stripe) => 5,
    }
}

/// Returns the names that customers see, as the shop's servers said them; as browsers said them
/// where no server did.
fn names_of(facts: &[OrderFact]) -> Vec<String> {
    let is_shown = |kind: AliasKind| match kind {
        AliasKind::OrderNumber | AliasKind::OrderName | AliasKind::IncrementId => true,
        AliasKind::OrderKey
        | AliasKind::CheckoutToken
        | AliasKind::CartToken
        | AliasKind::PaymentIntent => false,
    };
    let named = |by_server: bool| {
        let facts = facts.iter().filter(move |fact| fact.source.confirms() == by_server);
        let aliases = facts.flat_map(|fact| &fact.aliases).filter(|alias| is_shown(alias.kind));
        aliases.map(|alias| alias.value.clone()).collect::<BTreeSet<String>>()
    };
    let by_server = named(true);
    let names = if by_server.is_empty() { named(false) } else { by_server };
    names.into_iter().take(NAMES_MAX).collect()
}

fn booked_for(settled: &Settled, credited: &Credited) -> Vec<(Currency, i64)> {
    let is_theirs = |account: &CampaignAccount| {
        account.campaign == credited.campaign && account.influencer == credited.influencer
    };
    let accounts = settled.bookings.iter().map(|booking| booking.account).filter(is_theirs);
    let accounts: BTreeSet<CampaignAccount> = accounts.collect();
    accounts.iter().map(|account| (account.currency, settled.balance(account))).collect()
}

/// Which orders a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    All,
    Merchant(MerchantId),
    Campaign(CampaignId),
    Influencer(InfluencerId),
    /// Those of a merchant that are credited to an influencer.
    OfMerchant(MerchantId, InfluencerId),
    /// Those of a campaign that are credited to an influencer.
    OfCampaign(CampaignId, InfluencerId),
}

impl Scope {
    /// Returns how the keys of the list begin. Lists of one kind have equally long beginnings.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let (kind, ids) = match self {
            Self::All => (0, vec![]),
            Self::Merchant(merchant) => (1, vec![merchant.bits()]),
            Self::Campaign(campaign) => (2, vec![campaign.bits()]),
            Self::Influencer(influencer) => (3, vec![influencer.bits()]),
            Self::OfMerchant(merchant, influencer) => (4, vec![merchant.bits(), influencer.bits()]),
            Self::OfCampaign(campaign, influencer) => (5, vec![campaign.bits(), influencer.bits()]),
        };
        let ids = ids.into_iter().flat_map(u64::to_be_bytes);
        [kind].into_iter().chain(ids).collect()
    }
}

/// Returns the list that a key belongs to, as the key spells it.
pub(crate) fn scope_of_key(key: &[u8]) -> &[u8] {
    let ids = match key.first() {
        None | Some(0) => 0,
        Some(1..=3) => 8,
        Some(_) => 16,
    };
    key.get(..=ids).unwrap_or(key)
}

/// What orders of a list can be told apart by: method, status, and whether the shop confirmed them.
/// Each list has a part for each, so a filter reads the parts it wants and no order beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Facet(pub u8);

const METHODS: [Method; 4] = [Method::Click, Method::Coupon, Method::CodeVisit, Method::None];
const STATUSES: [Status; 4] = [Status::Draft, Status::Unpaid, Status::Paid, Status::Void];

impl Facet {
    fn of(method: Method, status: Status, confirmed: bool) -> Self {
        let method = match method {
            Method::Click => 0,
            Method::Coupon => 1,
            Method::CodeVisit => 2,
            Method::None => 3,
        };
        let status = match status {
            Status::Draft => 0,
            Status::Unpaid => 1,
            Status::Paid => 2,
            Status::Void => 3,
        };
        Self(method << 3 | status << 1 | u8::from(confirmed))
    }

    /// Returns every facet for which `is_wanted` holds.
    pub(crate) fn all_of(is_wanted: &dyn Fn(Method, Status, bool) -> bool) -> Vec<Self> {
        let mut facets = Vec::new();
        for method in METHODS {
            for status in STATUSES {
                let confirmed = [false, true].into_iter();
                let confirmed = confirmed.filter(|confirmed| is_wanted(method, status, *confirmed));
                facets.extend(confirmed.map(|confirmed| Self::of(method, status, confirmed)));
            }
        }
        facets
    }
}

/// By what the orders of a list are sorted: the newest first, then by merchant and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey(pub(crate) Vec<u8>);

const TIME_BYTES: usize = 8;
const MERCHANT_BYTES: usize = 8;

impl SortKey {
    /// Returns the key as bytes, for a cursor. They name the order.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads a key; `None` for bytes that are none.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() > TIME_BYTES + MERCHANT_BYTES).then_some(Self(bytes))
    }

    /// Returns the name of the order.
    pub(crate) fn name(&self) -> NameKey {
        let end = self.0.len().saturating_sub(1);
        self.0.get(TIME_BYTES..end).unwrap_or_default().to_vec()
    }
}

/// Returns a time as bytes that sort the newest first.
pub(crate) fn newest_first(at: Timestamp) -> [u8; TIME_BYTES] {
    (u64::MAX - at.as_ms().unsigned_abs()).to_be_bytes()
}

/// Returns the merchant in the key of a name.
pub(crate) fn merchant_of(name: &[u8]) -> Option<MerchantId> {
    let bits = name.get(..MERCHANT_BYTES)?.try_into().ok()?;
    Some(MerchantId::from_bits(u64::from_be_bytes(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_the_newest_first_and_say_which_list_they_are_of() {
        let name = |merchant: u64, name: &str| {
            crate::model::name_key(MerchantId::from_bits(merchant), name)
        };
        let at = |ms, name: &[u8]| {
            SortKey([&newest_first(Timestamp::from_ms(ms))[..], name, &[0]].concat())
        };
        let sorted = [
            at(3000, &name(2, "a")),
            at(2000, &name(1, "b")),
            at(2000, &name(2, "a")),
            at(2000, &name(2, "b")),
            at(0, &name(1, "z")),
        ];
        assert!(sorted.is_sorted());
        assert_eq!(sorted[1].name(), name(1, "b"));
        let (campaign, influencer) = (CampaignId::from_bits(7), InfluencerId::from_bits(9));
        let merchant = MerchantId::from_bits(5);
        for scope in [
            Scope::All,
            Scope::Merchant(merchant),
            Scope::Campaign(campaign),
            Scope::Influencer(influencer),
            Scope::OfMerchant(merchant, influencer),
            Scope::OfCampaign(campaign, influencer),
        ] {
            let key = [&scope.to_bytes()[..], &[0], &sorted[0].0].concat();
            assert_eq!(scope_of_key(&key), scope.to_bytes(), "{scope:?}");
        }
    }

    #[test]
    fn every_method_status_and_confirmation_has_a_facet_of_its_own() {
        let all = Facet::all_of(&|_, _, _| true);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 32);
        let paid =
            Facet::all_of(&|method, status, _| method == Method::Click && status == Status::Paid);
        assert_eq!(
            paid,
            [
                Facet::of(Method::Click, Status::Paid, false),
                Facet::of(Method::Click, Status::Paid, true)
            ]
        );
    }
}
