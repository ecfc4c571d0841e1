//! Dossiers: the facts of all orders that share a name, kept in one place.
//!
//! Which fact is about which order is decided by `shared::order::by_order`, from all facts that could matter to it; a
//! dossier holds just these. It never decides by itself: where two orders share a name, both are in the dossier.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use shared::id::MerchantId;
use shared::order::{OrderFact, OrderKey, by_order, distinct, fold_name};

use crate::state::model::name_key;
use crate::state::{HotState, Space};

/// A name other than an order's own id joins nothing to a dossier of this many facts: a shop that gives many orders one
/// name must not have them all in one place. Such a name names no order anyway.
const JOIN_FACTS_MAX: usize = 500;

/// Facts whose orders share names, and what they count for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Dossier {
    /// One an id; empty once another dossier took them over.
    pub(crate) facts: Vec<OrderFact>,
    /// What its orders count for now: counter key and amount.
    pub(super) counted: Vec<(Vec<u8>, i64)>,
}

impl Dossier {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).context("an order in the hot state is damaged: run `afterclick replay`")
    }

    /// The facts of each order, repeated deliveries and what is too much left out.
    pub(crate) fn orders(&self) -> Vec<(OrderKey, Vec<OrderFact>)> {
        let of_order = |(key, facts): (OrderKey, Vec<&OrderFact>)| {
            let facts: Vec<OrderFact> = facts.into_iter().cloned().collect();
            (key, distinct(&facts).into_iter().cloned().collect())
        };
        by_order(&self.facts).into_iter().map(of_order).collect()
    }

    /// Whether a fact may join by one of its names.
    pub(super) fn takes(&self, is_own_id: bool) -> bool {
        is_own_id || self.facts.len() < JOIN_FACTS_MAX
    }

    /// Takes over another dossier's facts and what they count for.
    pub(super) fn take_over(&mut self, other: &mut Self) {
        self.facts.append(&mut other.facts);
        self.counted.append(&mut other.counted);
    }
}

/// The facts of the order that a merchant's name stands for: the order whose id it is, else one that bears it.
///
/// # Errors
/// When the state cannot be read.
pub(crate) fn facts_of_order(
    state: &HotState,
    merchant: MerchantId,
    name: &str,
) -> Result<Option<(OrderKey, Vec<OrderFact>)>> {
    let name = fold_name(name);
    let Some(key) = state.value(Space::Names, &name_key(merchant, &name))? else { return Ok(None) };
    let Some(bytes) = state.value(Space::Orders, &key)? else { return Ok(None) };
    let mut orders = Dossier::from_bytes(&bytes)?.orders();
    let own = orders.iter().position(|(key, _)| key.name == name);
    let bears = |(_, facts): &(OrderKey, Vec<OrderFact>)| facts.iter().any(|f| f.names().contains(&name));
    let found = own.or_else(|| orders.iter().position(bears));
    Ok(found.map(|index| orders.swap_remove(index)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use shared::catalog::{Catalog, Platform};
    use shared::id::FactId;
    use shared::order::{Alias, AliasKind, Source};
    use shared::record::Record;
    use shared::time::Timestamp;

    use super::*;
    use crate::config::StateUrl;
    use crate::state::Projection;

    const MERCHANT: MerchantId = MerchantId::from_bits(1);

    /// Facts of few orders with few names, so that they meet in every way.
    fn any_fact() -> impl Strategy<Value = OrderFact> {
        let platform = prop::sample::select(vec![Platform::Shopify, Platform::Woocommerce, Platform::Stripe]);
        let source =
            prop::sample::select(vec![Source::Webhook, Source::Webhook, Source::Postback, Source::Pixel]);
        let names = prop::collection::vec(0u8..7, 1..4);
        (platform, source, names, 0u8..3).prop_map(|(platform, source, names, version)| {
            let content = format!("{platform:?} {source:?} {names:?} {version}");
            let id = FactId::of_content(&[content.as_bytes()]);
            let received_at = Timestamp::from_ms(i64::from(version));
            let own = (platform, names[0].to_string());
            let alias = |name: &u8| Alias { kind: AliasKind::OrderNumber, value: name.to_string() };
            let aliases =
                if source == Source::Webhook { names[1..].iter().map(alias).collect() } else { vec![] };
            OrderFact { aliases, ..OrderFact::blank(id, MERCHANT, own, source, received_at) }
        })
    }

    fn sorted(mut orders: Vec<(OrderKey, Vec<OrderFact>)>) -> Vec<(OrderKey, Vec<OrderFact>)> {
        orders.iter_mut().for_each(|(_, facts)| facts.sort_by_key(|fact| fact.id));
        orders.sort_by(|(a, _), (b, _)| a.cmp(b));
        orders
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Whatever order and batches facts arrive in, twice or with restarts between, the dossiers hold the orders that
        /// all facts together make.
        #[test]
        fn dossiers_hold_the_orders_that_all_facts_make(
            (facts, shuffled) in prop::collection::vec(any_fact(), 1..14)
                .prop_flat_map(|facts| {
                    let twice = [facts.clone(), facts.clone()].concat();
                    (Just(facts), Just(twice).prop_shuffle())
                }),
            batch in 1usize..5,
            restart_every in 1usize..9,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let open = || HotState::open(&StateUrl::Embedded, Path::new(folder.path())).unwrap();
            let mut state = open();
            let catalog = Catalog::default();
            for (number, some) in shuffled.chunks(batch).enumerate() {
                if number % restart_every == restart_every - 1 {
                    drop(state);
                    state = open();
                }
                let mut projection = Projection::new(&state);
                for fact in some {
                    projection.take(&Record::Order(Box::new(fact.clone())), &catalog).unwrap();
                }
                state.apply(projection.finish(&catalog).unwrap()).unwrap();
            }
            let mut held = Vec::new();
            state.scan(Space::Orders, &[], &mut |_, bytes| {
                held.extend(Dossier::from_bytes(bytes).unwrap().orders());
            }).unwrap();
            let expected = Dossier { facts, counted: vec![] }.orders();
            prop_assert_eq!(sorted(held), sorted(expected));
            for name in 0u8..7 {
                let found = facts_of_order(&state, MERCHANT, &name.to_string()).unwrap();
                let named = shuffled.iter().any(|fact| fact.names().contains(&name.to_string()));
                prop_assert_eq!(found.is_some(), named);
            }
        }
    }
}
