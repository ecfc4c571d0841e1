//! Groups facts by order, although each channel may use another name for it.
//!
//! A shop's own webhooks anchor an order: platform and id identify it, and aliases add more names.
//! A fact from any other channel (payment provider, postback, import, browser) has one name, and
//! belongs to the anchored order with that name. A name that several orders have identifies none of
//! them: such a fact stands alone until the name is unambiguous. Amounts are never compared.
//!
//! Servers spell names exactly: two ids that differ only in case are two orders. Pages do not: a
//! browser's claim that fits no spelling finds the only order whose name differs in case alone.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use super::fact::{OrderFact, Source};
use crate::id::{MerchantId, ProofId};
use crate::platform::Platform;

/// Returns an order id in its plain spelling: without outer blanks, without a leading `#`, and
/// without the path of a global id (`gid://shopify/Order/1001`).
pub fn normal_order_id(id: &str) -> String {
    let id = id.trim_start_matches(|c: char| c.is_whitespace() || c == '#').trim_end();
    let global = id.strip_prefix("gid://").and_then(|path| path.rsplit_once('/'));
    global.map_or(id, |(_, last)| last).to_owned()
}

/// Returns the form under which facts that may be about one order are found. Two orders may share
/// it: [`by_order`] tells them apart.
pub fn fold_name(name: &str) -> String {
    normal_order_id(name).to_lowercase()
}

/// Returns the name that a proof gives to an order. No channel can send it as an id: order ids hold
/// no control characters.
pub fn proof_name(proof: &ProofId) -> String {
    format!("\u{1}{proof}")
}

/// The identity of an order. It never changes while the same facts are known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The merchant in whose shop it was placed.
    pub merchant: MerchantId,
    /// The platform that anchors it; `None` while no webhook does.
    pub anchor: Option<Anchor>,
    /// Its id on that platform, or else the name that its facts share; folded. Where ids differ
    /// only in case, the order that was heard of first has this name. The others have their own
    /// spelling behind it and a control character, which no name contains.
    pub name: String,
}

/// What stands between a folded name and the spelling of an order that is not the first with it.
const TWIN: char = '\u{1}';

/// Returns the name in the key of an order that is not the first with its folded name.
pub fn twin_name(order_id: &str) -> String {
    with_spelling(&fold_name(order_id), &normal_order_id(order_id))
}

/// Returns the folded name in the name of a key.
pub fn folded_of_key(name: &str) -> &str {
    name.split_once(TWIN).map_or(name, |(folded, _)| folded)
}

fn with_spelling(folded: &str, spelling: &str) -> String {
    format!("{folded}{TWIN}{spelling}")
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
    /// Returns all names of the order in this fact, folded, the id first. Proofs are names too: an
    /// order is found by its key, and only by those who have the key.
    pub fn names(&self) -> Vec<String> {
        self.names_as(fold_name)
    }

    /// Returns the same names as the channel spelled them.
    pub fn spelled_names(&self) -> Vec<String> {
        self.names_as(normal_order_id)
    }

    fn names_as(&self, spell: fn(&str) -> String) -> Vec<String> {
        let aliases = self.aliases.iter().map(|alias| spell(&alias.value));
        let proofs = self.proofs.iter().copied().chain(self.id_as_proof());
        let mut names = vec![spell(&self.order_id)];
        for name in aliases.chain(proofs.map(|proof| proof_name(&proof))) {
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Returns the proof that the order id would be. Channels other than the shop's own webhooks
    /// may call an order by its key.
    pub fn id_as_proof(&self) -> Option<ProofId> {
        ProofId::of_key(self.merchant, &self.order_id).filter(|_| self.source != Source::Webhook)
    }

    /// Returns the order that the fact is of as far as it says itself, with its exact spelling. A
    /// signed webhook anchors it.
    fn own_key(&self) -> OrderKey {
        let is_anchor = self.source == Source::Webhook;
        OrderKey {
            merchant: self.merchant,
            anchor: is_anchor.then(|| Anchor::of(self.platform)),
            name: normal_order_id(&self.order_id),
        }
    }
}

/// Groups facts by order. The result depends only on the set of facts.
pub fn by_order<'f>(
    facts: impl IntoIterator<Item = &'f OrderFact>,
) -> BTreeMap<OrderKey, Vec<&'f OrderFact>> {
    let (anchoring, following): (Vec<_>, Vec<_>) =
        facts.into_iter().partition(|fact| fact.source == Source::Webhook);
    let (confirming, claims): (Vec<_>, Vec<_>) =
        following.into_iter().partition(|fact| fact.source.confirms());
    let mut known = Known::default();
    let mut anchored: BTreeMap<OrderKey, Vec<&OrderFact>> = BTreeMap::new();
    for fact in anchoring {
        let key = fact.own_key();
        known.add(&key, fact);
        anchored.entry(key).or_default().push(fact);
    }
    let mut orders: BTreeMap<OrderKey, Vec<&OrderFact>> = BTreeMap::new();
    for (key, facts) in anchored {
        let whole = known.shop_order_of(&key).cloned().unwrap_or(key);
        orders.entry(whole).or_default().extend(facts);
    }
    let mut looked_up = LookedUp::new();
    for fact in confirming {
        let key = known.order_of(fact, &mut looked_up).unwrap_or_else(|| fact.own_key());
        if key.anchor.is_none() {
            known.add_unanchored(&key);
        }
        orders.entry(key).or_default().push(fact);
    }
    for fact in claims {
        let key = known.order_of(fact, &mut looked_up).unwrap_or_else(|| fact.own_key());
        orders.entry(key).or_default().push(fact);
    }
    folded(orders)
}

/// Gives orders the names that their keys keep for ever. They were grouped by their exact spelling.
fn folded(orders: BTreeMap<OrderKey, Vec<&OrderFact>>) -> BTreeMap<OrderKey, Vec<&OrderFact>> {
    let mut alike: BTreeMap<OrderKey, Vec<(String, Vec<&OrderFact>)>> = BTreeMap::new();
    for (mut key, facts) in orders {
        let folded = key.name.to_lowercase();
        let spelling = mem::replace(&mut key.name, folded);
        alike.entry(key).or_default().push((spelling, facts));
    }
    let mut named = BTreeMap::new();
    for (key, mut twins) in alike {
        // What servers know comes first: browsers must not choose among the names of orders.
        let heard_of = |facts: &[&OrderFact]| {
            facts.iter().map(|fact| (!fact.source.confirms(), fact.received_at, fact.id)).min()
        };
        twins.sort_by_cached_key(|(_, facts)| heard_of(facts));
        for (index, (spelling, facts)) in twins.into_iter().enumerate() {
            let name =
                if index == 0 { key.name.clone() } else { with_spelling(&key.name, &spelling) };
            named.insert(OrderKey { name, ..key.clone() }, facts);
        }
    }
    named
}

/// How exactly a name must be spelled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spelling {
    Exact,
    Folded,
}

/// What names stand for. It is kept because many facts have the same names.
type LookedUp = BTreeMap<(MerchantId, Spelling, String), Option<OrderKey>>;

/// The orders that servers know, by name.
#[derive(Default)]
struct Known {
    by_name: BTreeMap<(MerchantId, String), BTreeSet<OrderKey>>,
    /// The same without payments, of which any number may bear one name.
    shops_by_name: BTreeMap<(MerchantId, String), BTreeSet<OrderKey>>,
    /// Those of `by_name` and those that no webhook anchors, by folded name.
    by_folded: BTreeMap<(MerchantId, String), BTreeSet<OrderKey>>,
    names: BTreeMap<OrderKey, BTreeSet<String>>,
}

impl Known {
    /// Adds the names that a webhook gives to the order that it anchors.
    fn add(&mut self, key: &OrderKey, fact: &OrderFact) {
        for name in fact.spelled_names() {
            let named = (fact.merchant, name.clone());
            if key.anchor != Some(Anchor::Stripe) {
                self.shops_by_name.entry(named.clone()).or_default().insert(key.clone());
            }
            self.by_name.entry(named).or_default().insert(key.clone());
            self.names.entry(key.clone()).or_default().insert(name);
        }
        for name in fact.names() {
            self.by_folded.entry((fact.merchant, name)).or_default().insert(key.clone());
        }
    }

    /// Adds an order that other servers than the shop's know. It bears its own id only.
    fn add_unanchored(&mut self, key: &OrderKey) {
        let folded = (key.merchant, key.name.to_lowercase());
        self.by_folded.entry(folded).or_default().insert(key.clone());
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

    /// Returns the order of a fact that anchors none: the one whose key it has, or else the one that
    /// bears its id as a name. A browser's claim may spell the name in another case, where no server
    /// spells it like the claim.
    fn order_of(&self, fact: &OrderFact, looked_up: &mut LookedUp) -> Option<OrderKey> {
        let mut named = |spelling: Spelling, name: String| {
            let place = looked_up.entry((fact.merchant, spelling, name.clone()));
            let find = || self.order_named(fact.merchant, spelling, &name).cloned();
            place.or_insert_with(find).clone()
        };
        let by_key = fact.proofs.iter().find_map(|proof| named(Spelling::Exact, proof_name(proof)));
        let own = fact.own_key();
        by_key
            .or_else(|| named(Spelling::Exact, own.name.clone()))
            .or_else(|| {
                // An order that is not known yet must not be looked up: the answer is kept.
                let may_fold = !fact.source.confirms() && !self.is_spelled(&own);
                may_fold.then(|| named(Spelling::Folded, own.name.to_lowercase())).flatten()
            })
            .or_else(|| named(Spelling::Exact, proof_name(&fact.id_as_proof()?)))
    }

    /// Returns whether a server spells the name of an order without an anchor like this.
    fn is_spelled(&self, own: &OrderKey) -> bool {
        let named = (own.merchant, own.name.clone());
        let folded = (own.merchant, own.name.to_lowercase());
        self.by_name.contains_key(&named)
            || self.by_folded.get(&folded).is_some_and(|bearers| bearers.contains(own))
    }

    /// Returns the order with this name, if there is exactly one.
    fn order_named(
        &self,
        merchant: MerchantId,
        spelling: Spelling,
        name: &str,
    ) -> Option<&OrderKey> {
        let names = match spelling {
            Spelling::Exact => &self.by_name,
            Spelling::Folded => &self.by_folded,
        };
        let bearers = names.get(&(merchant, name.to_owned()))?;
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
    fn an_order_is_found_by_its_key_whatever_number_comes_with_it() {
        let proof =
            |key: &str| ProofId::of_key(MerchantId::from_bits(1), key).into_iter().collect();
        let keyed = |key: &str, fact: OrderFact| OrderFact { proofs: proof(key), ..fact };
        let one = keyed("wc_order_A", fact(Source::Webhook, Platform::Woocommerce, "727", &["1"]));
        let two = keyed("wc_order_B", fact(Source::Webhook, Platform::Woocommerce, "1", &[]));
        let by_key = keyed("wc_order_A", fact(Source::Pixel, Platform::Woocommerce, "1", &[]));
        let as_id = fact(Source::Pixel, Platform::Woocommerce, "wc_order_A", &[]);
        let of_other_case = fact(Source::Pixel, Platform::Woocommerce, "WC_ORDER_A", &[]);
        let found = orders(&[one, two, by_key, as_id, of_other_case]);
        assert_eq!(found, ["/wc_order_a: 1", "woocommerce/1: 1", "woocommerce/727: 3"]);
    }

    #[test]
    fn ids_that_servers_spell_in_two_cases_are_two_orders() {
        let postback = |id| fact(Source::Postback, Platform::Other, id, &[]);
        let (first, twin) = (postback("aB3xY9"), postback("Ab3Xy9"));
        let twin = OrderFact { received_at: Timestamp::from_ms(1), ..twin };
        let both = ["/ab3xy9: 1", "/ab3xy9\u{1}Ab3Xy9: 1"];
        assert_eq!(orders(&[first.clone(), twin.clone()]), both);
        assert_eq!(orders(&[twin.clone(), first.clone()]), both, "in any order of arrival");
        assert_eq!(orders(std::slice::from_ref(&twin)), ["/ab3xy9: 1"], "alone it needs no more");
        let webhook = |id| fact(Source::Webhook, Platform::Other, id, &[]);
        assert_eq!(orders(&[webhook("a1"), webhook("A1")]).len(), 2);
        let found = orders(&[webhook("a1"), postback("A1")]);
        assert_eq!(found, ["/a1: 1", "other/a1: 1"], "the shop's server spells it otherwise");
        assert_eq!(twin_name(" #Ab3Xy9"), "ab3xy9\u{1}Ab3Xy9");
    }

    #[test]
    fn a_claim_in_another_case_finds_its_order_where_there_is_one_only() {
        let claim = |id| fact(Source::Pixel, Platform::Other, id, &[]);
        let webhook = |id| fact(Source::Webhook, Platform::Other, id, &[]);
        let postback = |id| fact(Source::Postback, Platform::Other, id, &[]);
        for order in [webhook("Ab1"), postback("Ab1")] {
            let found = orders(&[claim("ab1"), claim("AB1"), claim("Ab1"), order]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].ends_with("ab1: 4"), "{found:?}");
        }
        let twins = [postback("Ab1"), postback("aB1")];
        let of = |id| orders(&[&twins[..], &[claim(id)]].concat());
        let sizes = |id| of(id).iter().filter(|order| order.ends_with(": 2")).count();
        assert_eq!((of("Ab1").len(), sizes("Ab1")), (2, 1), "an exact spelling finds its order");
        assert_eq!((of("ab1").len(), sizes("ab1")), (3, 0), "another one finds neither");
        let named = fact(Source::Webhook, Platform::Shopify, "5001", &["W-Ab"]);
        assert_eq!(orders(&[named, claim("w-ab")]), ["shopify/5001: 2"], "an alias as well");
    }

    #[test]
    fn keys_of_orders_stay_as_they_were() {
        let all = [
            fact(Source::Webhook, Platform::Woocommerce, "WC-7", &["W-7"]),
            fact(Source::Postback, Platform::Other, "Net-9", &[]),
        ];
        let texts: Vec<String> = by_order(&all).keys().map(OrderKey::to_text).collect();
        let merchant = MerchantId::from_bits(1);
        assert_eq!(texts, [format!("{merchant}//net-9"), format!("{merchant}/woocommerce/wc-7")]);
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
