//! The deliveries of facts: which of them count. It never looks at what a fact says.
//!
//! The answer depends on the set of deliveries, not on the order in which they are looked at.

use std::collections::BTreeMap;

use super::claims::{BROWSER_FACTS_MAX, Reports};
use super::fact::OrderFact;
use super::place::place;
use super::placing::placed_at;
use super::said::Said;
use crate::id::FactId;
use crate::time::Timestamp;

/// Removes repeated deliveries. Of those with one id the first stays, and each one that takes back
/// what another fact said in between: that is, another fact stands between it and the delivery
/// before it. Of facts from browsers at most [`BROWSER_FACTS_MAX`] count: those that prove that they
/// know the order, then those that came nearest to it in time.
pub fn distinct<'f>(facts: impl IntoIterator<Item = &'f OrderFact>) -> Vec<&'f OrderFact> {
    let mut distinct = deliveries(facts);
    distinct.sort_unstable_by_key(|fact| place(fact));
    distinct.dedup_by_key(|fact| fact.id);
    // What the shop says comes first, as it always did where people and programs read facts.
    distinct.sort_unstable_by_key(|fact| (!fact.source.confirms(), fact.id, fact.received_at));
    distinct
}

/// Returns the deliveries that may count: the first of each id, and those that say it anew, each
/// once. Facts from browsers are bounded as in [`distinct`].
pub fn deliveries<'f>(facts: impl IntoIterator<Item = &'f OrderFact>) -> Vec<&'f OrderFact> {
    let mut by_arrival: BTreeMap<(FactId, Timestamp), &OrderFact> = BTreeMap::new();
    for fact in facts {
        by_arrival.entry((fact.id, fact.received_at)).or_insert(fact);
    }
    let mut first: Option<&OrderFact> = None;
    by_arrival.retain(|_, fact| match first {
        Some(first) if first.id == fact.id => says_anew(first, fact),
        _ => {
            first = Some(fact);
            true
        }
    });
    bounded(by_arrival.into_values().collect())
}

/// Returns whether a later delivery of the same content says it anew: of the same moment, or of its
/// own arrival where neither delivery names a moment.
///
/// SECURITY: who can send an old delivery again must not make it newer than it is. A moment that
/// depends on the arrival, because the shop's clock is ahead of ours, would.
fn says_anew(first: &OrderFact, again: &OrderFact) -> bool {
    let is_undated = |fact: &OrderFact| fact.occurred_at == fact.received_at;
    let is_same_moment = first.occurred_at == again.occurred_at;
    let restate = first.restates && again.restates;
    restate && (is_same_moment || (is_undated(first) && is_undated(again)))
}

/// Removes the facts from browsers that are above the bound.
fn bounded(facts: Vec<&OrderFact>) -> Vec<&OrderFact> {
    let (mut kept, mut browsers): (Vec<_>, Vec<_>) =
        facts.into_iter().partition(|fact| fact.source.confirms());
    if browsers.len() > BROWSER_FACTS_MAX {
        let mut shop = Said::default();
        kept.iter().for_each(|fact| shop.add(fact));
        let placed_at = shop.first_at.map(|at| placed_at(shop.stated_at(), at, []));
        Reports::of(&kept).keep_best(placed_at.unwrap_or_default(), &mut browsers);
    }
    kept.extend(browsers);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MerchantId;
    use crate::order::{Source, fold};
    use crate::platform::Platform;

    /// A shop's delivery of the content with this letter. `occurred_at` is `None` where the content
    /// names no moment.
    fn delivery(content: &str, occurred_at: Option<i64>, received_at: i64) -> OrderFact {
        let id = FactId::of_content(&[content.as_bytes()]);
        let received_at = Timestamp::from_ms(received_at);
        let name = (Platform::Woocommerce, "20".to_owned());
        let blank =
            OrderFact::blank(id, MerchantId::from_bits(1), name, Source::Webhook, received_at);
        OrderFact {
            occurred_at: occurred_at.map_or(received_at, Timestamp::from_ms),
            currency: "EUR".parse().ok(),
            goods_minor: Some(i64::from(content.as_bytes()[0])),
            restates: true,
            ..blank
        }
    }

    /// Checks which deliveries count, and whose content the order then has, in whatever order they
    /// are looked at.
    fn check(facts: &[OrderFact], counted: &[(&str, i64)], content: &str) {
        let id_of = |content: &str| FactId::of_content(&[content.as_bytes()]);
        for turn in 0..facts.len() {
            let mut facts = [facts, facts].concat();
            facts.rotate_left(turn);
            let mut found: Vec<_> =
                distinct(&facts).iter().map(|f| (f.received_at.as_ms(), f.id)).collect();
            found.sort_unstable();
            let mut expected: Vec<_> =
                counted.iter().map(|(content, at)| (*at, id_of(content))).collect();
            expected.sort_unstable();
            assert_eq!(found, expected);
            let goods = fold(&facts).unwrap().goods_minor;
            assert_eq!(goods, Some(i64::from(content.as_bytes()[0])));
        }
    }

    #[test]
    fn what_is_taken_back_stands_as_it_was_last_delivered() {
        for at in [Some(1), None] {
            let a = |received_at| delivery("A", at, received_at);
            let b = |received_at| delivery("B", at, received_at);
            check(&[a(10), b(20)], &[("A", 10), ("B", 20)], "B");
            check(&[a(10), b(20), a(30)], &[("A", 10), ("B", 20), ("A", 30)], "A");
            check(&[a(10), a(15), b(20), a(30), a(40)], &[("A", 10), ("B", 20), ("A", 30)], "A");
            let flips = [("A", 10), ("B", 20), ("A", 30), ("B", 40)];
            check(&[a(10), b(20), a(30), b(40), b(50)], &flips, "B");
        }
    }

    #[test]
    fn a_delivery_sent_again_is_no_newer_than_the_moment_that_it_names() {
        let a = |received_at| delivery("A", Some(1), received_at);
        let later = delivery("B", Some(2), 20);
        check(&[a(10), later.clone(), a(30)], &[("A", 10), ("B", 20)], "B");
        // It came late, and says what was before.
        check(&[later, a(30), a(40)], &[("B", 20), ("A", 30)], "B");
    }

    #[test]
    fn a_shops_clock_that_is_ahead_makes_no_old_delivery_newer() {
        // Stated for 100, so the first delivery counts by its arrival, and so do repetitions until
        // the clocks meet.
        let clamped = |at| OrderFact { restates: false, ..delivery("A", None, at) };
        let later = OrderFact { restates: false, ..delivery("B", None, 20) };
        let met = delivery("A", Some(100), 110);
        check(&[clamped(10), later, clamped(30), met], &[("A", 10), ("B", 20)], "B");
    }

    #[test]
    fn where_the_first_delivery_counts_alone_no_repetition_does() {
        let once = |fact: OrderFact| OrderFact { restates: false, ..fact };
        for at in [Some(1), None] {
            let a = |received_at| once(delivery("A", at, received_at));
            let b = once(delivery("B", at, 20));
            check(&[a(10), b, a(30)], &[("A", 10), ("B", 20)], "B");
        }
    }
}
