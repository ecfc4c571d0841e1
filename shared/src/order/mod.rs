//! Orders: all facts about an order, folded into its present state.
//!
//! Facts arrive late, twice and in any order; the fold is a function of their set alone. Sources
//! are trusted in this order: signed webhook, authenticated postback or import, pixel, data
//! layer. What a browser said never changes what the shop's server said.

mod claims;
mod code_visit;
mod deliveries;
mod fact;
mod names;
mod new_customer;
mod place;
mod placing;
mod refunds;
mod said;
mod touch;

pub use claims::{BROWSER_FACTS_MAX, Backing, Claim, CodeClaim};
pub use code_visit::{CodeVisit, Opening, OpeningId};
pub use deliveries::{deliveries, distinct};
pub use fact::{
    Alias, AliasKind, AmountPart, FactKind, FailedRefund, Line, OrderFact, Refund, RefundList,
    RefundedLine, Source, Status, Unreadable,
};
pub use names::{
    Anchor, OrderKey, by_order, fold_name, folded_of_key, normal_order_id, proof_name, twin_name,
};
pub use new_customer::{NewCustomer, Witness};
pub use touch::{PATH_TOUCHES_MAX, Touch, Visit, path_before};

use std::collections::BTreeMap;

use claims::Reports;
use place::place;
use placing::{not_before_clicks, placed_at};
use refunds::Valid;
use said::Said;

use crate::id::{CustomerId, FactId, MerchantId};
use crate::money::{Currency, round_half_away};
use crate::time::Timestamp;

/// An order, folded from its facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The merchant in whose shop it was placed.
    pub merchant: MerchantId,
    /// The shop's own order id.
    pub order_id: String,
    /// Its state.
    pub status: Status,
    /// True once the shop's server has confirmed it.
    pub confirmed: bool,
    /// True for a test order, which never earns.
    pub test: bool,
    /// The time at which it was placed, by the shop's clock unless that is impossible.
    pub placed_at: Timestamp,
    /// The time at which the customer went to the checkout, if it is known.
    pub checkout_at: Option<Timestamp>,
    /// The time at which it was first said to be paid, by the most trusted source that said so.
    /// The hold begins here.
    pub paid_at: Option<Timestamp>,
    /// Currency of every amount here.
    pub currency: Option<Currency>,
    /// Goods after discounts, without tax and shipping.
    pub goods_minor: Option<i64>,
    /// The lines of the goods; empty when no fact has them.
    pub lines: Vec<Line>,
    /// The amount that the customer pays.
    pub total_minor: Option<i64>,
    /// The sum of all refunds, tax and shipping included.
    pub refunded_minor: i64,
    /// The goods in refunds that name the lines.
    pub refunded_goods_minor: i64,
    /// The same goods as far as they belong to one of [`Order::lines`], by the line's id.
    pub refunded_lines: BTreeMap<String, i64>,
    /// The total of refunds that do not name the lines.
    pub refunded_pro_rata_minor: i64,
    /// The discount codes that were used, as the most trusted source lists them.
    pub coupons: Vec<String>,
    /// The customer, if they are known.
    pub customer: Option<CustomerId>,
    /// The customer's mailbox, if it is known.
    pub mailbox: Option<CustomerId>,
    /// Whether it is the customer's first order, if it is known. The fold has what was said;
    /// settling adds what recorded orders show where the shop does not say.
    pub new_customer: Option<NewCustomer>,
    /// True for an order that a subscription made without the customer.
    pub renewal: bool,
    /// The clicks in the shop's facts, by time.
    pub touches: Vec<Touch>,
    /// The clicks that browsers claim, by time. They matter only where the shop's facts have none.
    pub claims: Vec<Claim>,
    /// The visits by a code in the shop's facts, by time: a page that the shop signed has them.
    pub code_visits: Vec<CodeVisit>,
    /// The visits by a code that browsers claim, by time. As [`Order::claims`].
    pub code_claims: Vec<CodeClaim>,
    /// True when so many browsers claimed it that not all of their claims are kept.
    pub has_many_claims: bool,
    /// The amounts that were stated and could not be read, and that no later fact states readably.
    /// While there are any, nobody knows what the order is worth.
    pub unreadable: Vec<Unreadable>,
    /// The time up to which decisions of people about it are known: [`Timestamp::MAX`] unless the
    /// order is looked at as it was earlier.
    pub known_at: Timestamp,
}

impl Order {
    /// Returns the goods that were kept, as an exact fraction of minor units: numerator and
    /// denominator. Refunds that name lines reduce the goods by these lines; refunds without lines
    /// then reduce the rest pro rata, by their share of the total. `None` when the goods are not
    /// known.
    pub fn kept_goods(&self) -> Option<(i128, i128)> {
        let goods = (self.goods_minor? - self.refunded_goods_minor).max(0);
        let (kept, whole) = match self.total_minor {
            Some(total) if total > 0 => {
                ((total - self.refunded_pro_rata_minor).clamp(0, total), total)
            }
            _ if self.refunded_pro_rata_minor > 0 => (0, 1),
            _ => (1, 1),
        };
        debug_assert!(0 <= kept && kept <= whole, "nobody keeps more than the order had");
        Some((i128::from(goods) * i128::from(kept), i128::from(whole)))
    }

    /// Returns whether the whole order was given back.
    pub fn is_given_back(&self) -> bool {
        let nothing_kept =
            self.kept_goods().is_some_and(|(kept, _)| kept == 0) && self.goods_minor > Some(0);
        nothing_kept
            || self.total_minor.is_some_and(|total| total > 0 && self.refunded_minor >= total)
    }

    /// Returns the goods that were kept, rounded to minor units; `None` when an amount that was
    /// stated could not be read. Zero when no amount was ever stated.
    pub fn net_goods_minor(&self) -> Option<i64> {
        if !self.unreadable.is_empty() {
            return None;
        }
        let net = self.kept_goods().map_or(0, |(kept, whole)| round_half_away(kept, whole));
        Some(i64::try_from(net).unwrap_or(i64::MAX))
    }

    /// Returns whether it could earn, if it is credited: it is neither void, nor a draft, nor a
    /// test.
    pub fn is_earning(&self) -> bool {
        self.status != Status::Void && self.status != Status::Draft && !self.test
    }

    /// Returns whether it shows that its customer has bought here: the shop's server confirmed it,
    /// and it is neither a test nor a draft. One that became void shows it if the customer had paid
    /// it: giving the money back does not make somebody new.
    pub fn is_purchase(&self) -> bool {
        let was_paid = self.paid_at.is_some() || self.refunded_minor > 0;
        let is_placed = match self.status {
            Status::Draft => false,
            Status::Unpaid | Status::Paid => true,
            Status::Void => was_paid,
        };
        self.confirmed && !self.test && is_placed
    }

    /// Returns whether nobody knows what it is worth, although it could earn.
    pub fn is_unknown(&self) -> bool {
        !self.unreadable.is_empty() && self.is_earning()
    }
}

/// Folds an order's facts. The result depends on their set alone, not on order or repetition.
///
/// `None` when there are no facts.
pub fn fold(facts: &[OrderFact]) -> Option<Order> {
    let mut folding = Folding::default();
    distinct(facts).into_iter().for_each(|fact| folding.add(fact));
    folding.order()
}

/// An order while its facts are added one by one. A fact costs the same however many came before
/// it, so that an order that is reported a hundred thousand times can still be settled.
///
/// Once the shop's server has said anything of the order, only its facts decide the state, the
/// amounts, the codes and the time of the order. Browsers then only claim clicks, for an order whose
/// facts from the shop have none.
#[derive(Debug, Default)]
pub struct Folding<'f> {
    shop: Said<'f>,
    /// What the shop's facts say to claims.
    reports: Reports,
    /// What only browsers said: at most [`BROWSER_FACTS_MAX`] facts.
    claims: Vec<&'f OrderFact>,
}

impl<'f> Folding<'f> {
    /// Adds a fact, which must not have been added before.
    pub fn add(&mut self, fact: &'f OrderFact) {
        if fact.source.confirms() {
            self.shop.add(fact);
            self.reports.add(fact);
        } else {
            self.claims.push(fact);
        }
    }

    /// Returns the order as the facts until now have it; `None` without facts.
    pub fn order(&self) -> Option<Order> {
        let claims = (self.reports.claims(&self.claims), self.reports.code_claims(&self.claims));
        let order = if self.shop.last.fact().is_some() {
            order_of(&self.shop, claims, true)?
        } else {
            let mut claimants = Said::default();
            self.claims.iter().for_each(|&claim| claimants.add(claim));
            order_of(&claimants, claims, false)?
        };
        let has_many_claims = Reports::are_many(&self.claims, order.placed_at);
        Some(Order { has_many_claims, ..order })
    }
}

fn order_of(
    base: &Said<'_>,
    (claims, code_claims): (Vec<Claim>, Vec<CodeClaim>),
    confirmed: bool,
) -> Option<Order> {
    let (last, first_at) = (base.last.fact()?, base.first_at?);
    let content = base.content.fact();
    let (in_currency, no_currency) = base.currency.answer(&AmountPart::Currency);
    let currency = in_currency.and_then(|f| f.currency);
    let goods = currency.and_then(|currency| base.goods.get(&currency)).copied();
    let (goods, no_goods) = goods.unwrap_or_default().answer(&AmountPart::Goods);
    let total = currency.and_then(|currency| base.total.get(&currency)).copied();
    let (total, no_total) = total.unwrap_or_default().answer(&AmountPart::Total);
    let lines = goods.map_or_else(Vec::new, |f| f.lines.clone());
    let refunds = base.refunds.valid(currency);
    let no_refunds = refunds.into_iter().flat_map(Valid::unreadable);
    let unreadable = [no_currency, no_goods, no_total].into_iter().flatten().chain(no_refunds);
    let refunded = |line: &Line| Some((line.id.clone(), refunds?.line_minor(&line.id)?));
    let touches = if confirmed { touches(base, first_at) } else { vec![] };
    let code_visits = if confirmed { code_visits(base) } else { vec![] };
    // A click that may not count does not say when the order was placed either.
    let is_backed = |claim: &&Claim| !confirmed || claim.backing >= Backing::Earlier;
    let backed = || claims.iter().filter(|claim| touches.is_empty() && is_backed(claim));
    let clicked = touches.iter().chain(backed().map(|claim| &claim.touch)).map(|t| t.clicked_at);
    let placed_at = placed_at(base.stated_at(), first_at, clicked);
    let claimed = claims.iter().filter(|claim| touches.is_empty() && is_backed(claim));
    let claimed = claimed.filter(|claim| claim.touch.is_ahead_of(claim.received_at));
    let own = touches.iter().filter(|touch| base.ahead.contains(touch));
    let placed_at = not_before_clicks(placed_at, own.chain(claimed.map(|claim| &claim.touch)));
    Some(Order {
        merchant: last.merchant,
        order_id: last.order_id.clone(),
        status: base.status(),
        confirmed,
        test: base.test,
        placed_at,
        checkout_at: base.checkout.fact().and_then(|f| f.checkout_at),
        paid_at: base.paid_at,
        currency,
        goods_minor: goods.and_then(|f| f.goods_minor),
        total_minor: total.and_then(|f| f.total_minor),
        refunded_minor: refunds.map_or(0, Valid::total_minor),
        refunded_goods_minor: refunds.map_or(0, Valid::goods_minor),
        refunded_lines: lines.iter().filter_map(refunded).collect(),
        refunded_pro_rata_minor: refunds.map_or(0, Valid::pro_rata_minor),
        lines,
        coupons: content.map_or_else(Vec::new, |f| f.coupons.clone()),
        customer: base.customer.fact().and_then(|f| f.customer),
        mailbox: base.customer.fact().and_then(|f| f.mailbox),
        new_customer: said_new_customer(base, confirmed),
        renewal: base.renewal,
        touches,
        claims,
        code_visits,
        code_claims,
        has_many_claims: false,
        unreadable: unreadable.cloned().collect(),
        known_at: Timestamp::MAX,
    })
}

/// Returns what was said of the customer. A page is only heard while no server has reported the
/// order; such an order earns where its merchant trusts the page with the amounts, too.
fn said_new_customer(base: &Said<'_>, confirmed: bool) -> Option<NewCustomer> {
    let is_new = base.new_customer.fact().and_then(|f| f.new_customer)?;
    Some(NewCustomer { is_new, by: if confirmed { Witness::Shop } else { Witness::Page } })
}

/// The number of clicks of an order that are weighed. A shop's own facts name one or two.
pub const TOUCHES_MAX: usize = 100;

/// Returns the clicks that were named, by time, each once. Of more than [`TOUCHES_MAX`] the latest
/// stay that were made before the order was first heard of at `first_at`.
fn touches(said: &Said<'_>, first_at: Timestamp) -> Vec<Touch> {
    let before = said.touches.iter().rev().filter(|touch| touch.clicked_at <= first_at);
    let mut touches: Vec<Touch> = before.take(TOUCHES_MAX).copied().collect();
    touches.reverse();
    let after = said.touches.iter().filter(|touch| first_at < touch.clicked_at);
    touches.extend(after.take(TOUCHES_MAX - touches.len()));
    touches.dedup_by(|later, kept| {
        let is_same = later.click == kept.click;
        if is_same {
            kept.key = kept.key.or(later.key);
        }
        is_same
    });
    touches
}

/// Returns the latest visits by a code that were named, by time.
fn code_visits(said: &Said<'_>) -> Vec<CodeVisit> {
    let mut visits: Vec<_> = said.code_visits.iter().rev().take(TOUCHES_MAX).copied().collect();
    visits.reverse();
    visits
}

/// Returns whether a state of an order is known already, so that it need not be recorded: one of
/// the order's facts has the same content, and this one would change nothing.
///
/// A state that was changed and is as before is not known, although its content is: it stands again
/// only when it is recorded again.
pub fn is_known(facts: &[OrderFact], state: &OrderFact) -> bool {
    let content = |fact: &OrderFact| OrderFact {
        id: FactId::from_bytes([0; 16]),
        received_at: Timestamp::default(),
        notes: vec![],
        restates: false,
        reread: None,
        ..fact.clone()
    };
    let said = content(state);
    facts.iter().any(|fact| content(fact) == said) && {
        let with = [facts, std::slice::from_ref(state)].concat();
        fold(&with) == fold(facts)
    }
}

/// Returns the facts that a store need not keep, because they say again what was said just before
/// and changed nothing when they came. Without them the order folds to the same, whatever comes
/// later. `facts` are those of one order. None are named while there are few.
///
/// Of facts with the same content that came one after the other, the first stays, and the one that
/// replaces the others. Of deliveries with one id the first and the last stay, whatever came between
/// them. Claims of browsers stay: few are kept, and which of them count may change with what the
/// shop says later.
///
/// Each is named by its id and its arrival: one id may have several deliveries that count.
pub fn repetitions(facts: &[OrderFact]) -> Vec<(FactId, Timestamp)> {
    let mut by_arrival = deliveries(facts);
    if by_arrival.len() <= FEW_FACTS {
        return vec![];
    }
    by_arrival.sort_unstable_by_key(|fact| (fact.received_at, fact.id));
    let mut ends: BTreeMap<FactId, (Timestamp, Timestamp)> = BTreeMap::new();
    for &OrderFact { id, received_at, .. } in by_arrival.iter().copied() {
        ends.entry(id).or_insert((received_at, received_at)).1 = received_at;
    }
    let is_between = |fact: &OrderFact| {
        let ends = ends.get(&fact.id);
        ends.is_some_and(|(first, last)| *first < fact.received_at && fact.received_at < *last)
    };
    let (mut repetitions, mut folding, mut order) = (vec![], Folding::default(), None);
    for run in by_arrival.chunk_by(|one, next| says_the_same(one, next)) {
        let stays = run.iter().max_by_key(|fact| place(fact)).map(|fact| place(fact));
        for (index, fact) in run.iter().enumerate() {
            folding.add(fact);
            let before = std::mem::replace(&mut order, folding.order());
            let is_said_again = index > 0 && Some(place(fact)) != stays || is_between(fact);
            if is_said_again && fact.source.confirms() && before == order {
                repetitions.push((fact.id, fact.received_at));
            }
        }
    }
    repetitions
}

/// The number of facts of an order that are all kept.
const FEW_FACTS: usize = 20;

/// Returns whether two facts differ only in when they were said.
fn says_the_same(one: &OrderFact, other: &OrderFact) -> bool {
    let OrderFact { id, occurred_at, received_at, reread, .. } = *one;
    *one == OrderFact { id, occurred_at, received_at, reread, ..other.clone() }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::platform::Platform;

    fn state(content: &str, goods_minor: i64, (occurred_at, received_at): (i64, i64)) -> OrderFact {
        let id = FactId::of_content(&[content.as_bytes()]);
        let [occurred_at, received_at] = [occurred_at, received_at].map(Timestamp::from_ms);
        let name = (Platform::Woocommerce, "20".to_owned());
        let blank =
            OrderFact::blank(id, MerchantId::from_bits(1), name, Source::Webhook, received_at);
        OrderFact {
            occurred_at,
            currency: "EUR".parse().ok(),
            goods_minor: Some(goods_minor),
            status: Some(Status::Paid),
            ..blank
        }
    }

    #[test]
    fn a_state_is_known_while_it_stands_and_not_after_it_was_changed() {
        let asked = |goods, occurred_at| state("asked", goods, (occurred_at, 90));
        let placed = state("A", 100, (1, 10));
        let edited = state("B", 60, (1, 20));
        assert!(!is_known(&[], &asked(100, 1)), "nothing is known");
        assert!(is_known(from_ref(&placed), &asked(100, 1)));
        assert!(!is_known(from_ref(&placed), &asked(60, 1)), "it was edited");
        let known = [placed.clone(), edited];
        assert!(is_known(&known, &asked(60, 1)));
        assert!(!is_known(&known, &asked(100, 1)), "the edit was taken back");
        let later = state("B", 60, (2, 20));
        assert!(is_known(&[placed, later], &asked(100, 1)), "an old state changes nothing");
    }
}
