//! Groups facts by order, although each channel may use another name for it.
//!
//! A shop's own webhooks anchor an order: platform and id identify it, and aliases add more names.
//! A fact from any other channel (payment provider, postback, import, browser) has one name, and
//! belongs to the anchored order with that name. A name that several orders have identifies none of
//! them: such a fact stands alone until the name is unambiguous. Amounts are never compared.

use std::collections::{BTreeMap, BTreeSet};

use super::fact::{OrderFact, Source};
use crate::id::MerchantId;
use crate::platform::Platform;

/// Returns an order id in its plain spelling: without outer blanks, without a leading `#`, and
/// without the path of a global id (`gid://shopify/Order/1001`).
pub fn normal_order_id(id: &str) -> String {
    let id = id.trim_start_matches(|c: char| c.is_whitespace() || c == '#').trim_end();
    let global = id.strip_prefix("gid://").and_then(|path| path.rsplit_once('/'));
    global.map_or(id, |(_, last)| last).to_owned()
}

/// Returns the form in which names of orders are compared.
pub fn fold_name(name: &str) -> String {
    normal_order_id(name).to_lowercase()
}

/// The identity of an order. It never changes while the same facts are known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The merchant in whose shop it was placed.
    pub merchant: MerchantId,
    /// The platform that anchors it; `None` while no webhook does.
    pub anchor: Option<Anchor>,
    /// Its id on that platform, or else the name that its facts share; folded.
    pub name: String,
}

/// A platform whose webhooks anchor an order, the best informed first: a shop knows the goods, a
/// payment provider only the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anchor {
    /// Shopify.
    Shopify,
    /// WooCommerce.
    Woocommerce,
    /// Magento.
    Magento,
    /// Any other platform that signs webhooks.
    Other,
    /// Stripe, whose payment may belong to a shop's order.
    Stripe,
}

impl Anchor {
    const fn of(platform: Platform) -> Self {
        match platform {
            Platform::Shopify => Self::Shopify,
            Platform::Woocommerce => Self::Woocommerce,
            Platform::Magento => Self::Magento,
            Platform::Other => Self::Other,
            Platform::Stripe => Self::Stripe,
        }
    }

    /// Returns the word that order keys use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Woocommerce => "woocommerce",
            Self::Magento => "magento",
            Self::Other => "other",
            Self::Stripe => "stripe",
        }
    }
}

impl OrderKey {
    /// Returns the key as one text, from which ids of conversions are made. It must stay the same
    /// for ever.
    pub fn to_text(&self) -> String {
        let anchor = self.anchor.map_or("", Anchor::as_str);
        format!("{}/{anchor}/{}", self.merchant, self.name)
    }
}

impl OrderFact {
    /// Returns all names of the order in this fact, folded, the id first.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![fold_name(&self.order_id)];
        for alias in &self.aliases {
            let name = fold_name(&alias.value);
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Returns the order that the fact anchors; `None` if it is not a signed webhook.
    fn anchor(&self) -> Option<OrderKey> {
        (self.source == Source::Webhook).then(|| OrderKey {
            merchant: self.merchant,
            anchor: Some(Anchor::of(self.platform)),
            name: fold_name(&self.order_id),
        })
    }
}

/// Groups facts by order. The result depends only on the set of facts.
pub fn by_order<'f>(
    facts: impl IntoIterator<Item = &'f OrderFact>,
) -> BTreeMap<OrderKey, Vec<&'f OrderFact>> {
    let (anchoring, following): (Vec<_>, Vec<_>) =
        facts.into_iter().partition(|fact| fact.source == Source::Webhook);
    let mut anchored: BTreeMap<OrderKey, Vec<&OrderFact>> = BTreeMap::new();
    let mut by_name = Anchored::default();
    for fact in anchoring {
        let Some(key) = fact.anchor() else { continue };
        by_name.add(&key, fact);
        anchored.entry(key).or_default().push(fact);
    }
    let mut orders: BTreeMap<OrderKey, Vec<&OrderFact>> = BTreeMap::new();
    for (key, facts) in anchored {
        let whole = by_name.shop_order_of(&key).cloned().unwrap_or(key);
        orders.entry(whole).or_default().extend(facts);
    }
    let mut named: BTreeMap<(MerchantId, String), Vec<&OrderFact>> = BTreeMap::new();
    for fact in following {
        named.entry((fact.merchant, fold_name(&fact.order_id))).or_default().push(fact);
    }
    for ((merchant, name), facts) in named {
        let key = by_name.order_named(merchant, &name).cloned();
        orders
            .entry(key.unwrap_or(OrderKey { merchant, anchor: None, name }))
            .or_default()
            .extend(facts);
    }
    orders
}

/// The anchored orders by name.
#[derive(Default)]
struct Anchored {
    by_name: BTreeMap<(MerchantId, String), BTreeSet<OrderKey>>,
    /// The same without payments, of which any number may bear one name.
    shops_by_name: BTreeMap<(MerchantId, String), BTreeSet<OrderKey>>,
    names: BTreeMap<OrderKey, BTreeSet<String>>,
}

impl Anchored {
    fn add(&mut self, key: &OrderKey, fact: &OrderFact) {
        for name in fact.names() {
            let named = (fact.merchant, name.clone());
            if key.anchor != Some(Anchor::Stripe) {
                self.shops_by_name.entry(named.clone()).or_default().insert(key.clone());
            }
            self.by_name.entry(named).or_default().insert(key.clone());
            self.names.entry(key.clone()).or_default().insert(name);
        }
    }

    /// Returns the shop's order to which a payment belongs, if there is exactly one.
    fn shop_order_of(&self, key: &OrderKey) -> Option<&OrderKey> {
        if key.anchor != Some(Anchor::Stripe) {
            return None;
        }
        let names = self.names.get(key).into_iter().flatten();
        let bearers =
            names.filter_map(|name| self.shops_by_name.get(&(key.merchant, name.clone())));
        the_only(bearers.flatten())
    }

    /// Returns the order with this name, if there is exactly one.
    fn order_named(&self, merchant: MerchantId, name: &str) -> Option<&OrderKey> {
        let bearers = self.by_name.get(&(merchant, name.to_owned()))?;
        the_only(bearers.iter().map(|bearer| self.shop_order_of(bearer).unwrap_or(bearer)))
    }
}

fn the_only<'k>(mut keys: impl Iterator<Item = &'k OrderKey>) -> Option<&'k OrderKey> {
    let first = keys.next()?;
    // A name that many bear is looked through no further than to the second of them.
    keys.all(|key| key == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FactId;
    use crate::order::{Alias, AliasKind};
    use crate::time::Timestamp;

    fn fact(source: Source, platform: Platform, id: &str, aliases: &[&str]) -> OrderFact {
        let content = format!("{source:?} {platform:?} {id} {aliases:?}");
        let blank = OrderFact::blank(
            FactId::of_content(&[content.as_bytes()]),
            MerchantId::from_bits(1),
            (platform, normal_order_id(id)),
            source,
            Timestamp::from_ms(0),
        );
        let alias =
            |value: &&str| Alias { kind: AliasKind::OrderNumber, value: normal_order_id(value) };
        OrderFact { aliases: aliases.iter().map(alias).collect(), ..blank }
    }

    /// Each order as `anchor/name: how many facts`.
    fn orders(facts: &[OrderFact]) -> Vec<String> {
        let show = |(key, facts): (OrderKey, Vec<&OrderFact>)| {
            format!("{}/{}: {}", key.anchor.map_or("", Anchor::as_str), key.name, facts.len())
        };
        by_order(facts).into_iter().map(show).collect()
    }

    #[test]
    fn a_browser_may_call_an_order_by_any_of_its_names() {
        let webhook =
            fact(Source::Webhook, Platform::Shopify, "5001", &["#1001", "CheckOut-Token"]);
        for name in ["5001", " #1001 ", "checkout-token", "gid://shopify/OrderIdentity/5001"] {
            let claim = fact(Source::Pixel, Platform::Other, name, &[]);
            assert_eq!(orders(&[claim, webhook.clone()]), ["shopify/5001: 2"], "{name}");
        }
        let other = fact(Source::Pixel, Platform::Shopify, "1002", &[]);
        assert_eq!(orders(&[other, webhook]), ["/1002: 1", "shopify/5001: 1"]);
    }

    #[test]
    fn a_name_that_two_orders_bear_names_neither() {
        let one = fact(Source::Webhook, Platform::Woocommerce, "727", &["1001"]);
        let two = fact(Source::Webhook, Platform::Woocommerce, "1001", &["1276"]);
        let claim = fact(Source::Pixel, Platform::Woocommerce, "1001", &[]);
        let found = orders(&[claim, one, two]);
        assert_eq!(found, ["/1001: 1", "woocommerce/1001: 1", "woocommerce/727: 1"]);
    }

    #[test]
    fn shops_of_one_merchant_with_equal_numbers_stay_apart() {
        let one = fact(Source::Webhook, Platform::Woocommerce, "1001", &[]);
        let two = fact(Source::Webhook, Platform::Shopify, "1001", &[]);
        assert_eq!(orders(&[one, two]), ["shopify/1001: 1", "woocommerce/1001: 1"]);
    }

    #[test]
    fn a_payment_joins_the_one_order_that_names_it_and_brings_its_own_names() {
        let payment = fact(Source::Webhook, Platform::Stripe, "pi_3", &["cs_9"]);
        let refund = fact(Source::Webhook, Platform::Stripe, "pi_3", &[]);
        let order = fact(Source::Webhook, Platform::Woocommerce, "727", &["pi_3"]);
        let claim = fact(Source::Pixel, Platform::Other, "cs_9", &[]);
        let all = [claim.clone(), payment.clone(), refund, order.clone()];
        assert_eq!(orders(&all), ["woocommerce/727: 4"]);
        assert_eq!(
            orders(&[payment.clone(), claim]),
            ["stripe/pi_3: 2"],
            "without a shop it is the order"
        );
        let twin = fact(Source::Webhook, Platform::Woocommerce, "728", &["pi_3"]);
        let apart = ["woocommerce/727: 1", "woocommerce/728: 1", "stripe/pi_3: 1"];
        assert_eq!(
            orders(&[payment, order, twin]),
            apart,
            "one payment of two orders is neither's"
        );
    }
}
