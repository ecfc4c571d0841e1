//! Which commissions are held, and why. What is held stays booked, but is in nothing that may be
//! paid; once it is released it goes on as if it had never been held. Books nothing itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::attribution::{Candidate, Decision, Method, Verdict};
use shared::catalog::{Catalog, Evidence, Hold, HoldTarget};
use shared::id::{HoldId, InfluencerId, LinkId};
use shared::order::{Order, OrderFact, Touch};
use shared::time::Timestamp;

/// A reason why a commission is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Held {
    /// An amount of the order could not be read, so nobody knows what is due.
    UnreadableAmount {
        /// The field as the channel names it.
        field: String,
        /// The shape of its value.
        shape: String,
    },
    /// Somebody holds it.
    ByHand {
        /// The hold.
        hold: HoldId,
        /// Its reason.
        note: String,
    },
    /// A click token of a revoked key brought it.
    RevokedKey {
        /// The hold on the key.
        hold: HoldId,
        /// The id of the key.
        key: u8,
        /// The reason for which the key was revoked.
        note: String,
    },
}

impl Held {
    /// Returns the word that exports use.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::UnreadableAmount { .. } => "unreadable_amount",
            Self::ByHand { .. } => "by_hand",
            Self::RevokedKey { .. } => "revoked_key",
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.as_str();
        match self {
            Self::UnreadableAmount { field, shape } => write!(f, "{word}: {field} is `{shape}`"),
            Self::ByHand { hold, note } => write!(f, "{word}: {hold}: {note}"),
            Self::RevokedKey { hold, key, note } => {
                write!(f, "{word}: key {key}, {hold}: {note}")
            }
        }
    }
}

/// What is held of a commission, and what was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holding {
    /// The reasons why it is held now; empty when it is not.
    pub held: Vec<Held>,
    /// The latest release of a hold on it. It cannot be paid before that day.
    pub released_at: Option<Timestamp>,
    /// Every time in which it was held, or would have been if it earned, in no order. A view of a past
    /// day asks here, so that it stays what it was on that day.
    pub periods: Vec<HeldPeriod>,
}

/// A time in which a commission was held, `[from, until)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeldPeriod {
    /// When it was held.
    pub from: Timestamp,
    /// When it was released; `None` while it is held.
    pub until: Option<Timestamp>,
}

impl HeldPeriod {
    /// Returns whether it covers a moment.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

impl Holding {
    /// Returns the reasons in one line; `None` when nothing is held.
    pub fn to_text(&self) -> Option<String> {
        let texts: Vec<_> = self.held.iter().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// Adds a hold: a reason while it is in force, and the time of its release afterwards.
    fn add(&mut self, hold: &Hold, reason: impl FnOnce(HoldId, String) -> Held) {
        let period = HeldPeriod { from: hold.created_at, until: hold.released_at };
        if !self.periods.contains(&period) {
            self.periods.push(period);
        }
        match hold.released_at {
            None => self.held.push(reason(hold.id, hold.reason.clone())),
            released_at => self.released_at = self.released_at.max(released_at),
        }
    }

    fn add_by_hand(&mut self, target: &HoldTarget, catalog: &Catalog) {
        for hold in catalog.holds_on(target) {
            self.add(hold, |hold, note| Held::ByHand { hold, note });
        }
    }

    /// Adds the holds on the key that signed a touch's token, if it reached us while they counted.
    fn add_key(&mut self, touch: &Touch, received_at: Timestamp, catalog: &Catalog) {
        let Some(key) = touch.key else { return };
        for hold in catalog.holds_on(&HoldTarget::Key(key)) {
            let is_new = !self.held.iter().any(
                |held| matches!(held, Held::RevokedKey { hold: known, .. } if *known == hold.id),
            );
            if is_new && hold.since.is_none_or(|since| since <= received_at) {
                self.add(hold, |hold, note| Held::RevokedKey { hold, key, note });
            }
        }
    }
}

/// Returns what is held of an order's commission. `facts` are the order's, folded into `order`.
/// Nothing is held of an order that nobody is credited for, or that cannot earn; but the times in
/// which it was held stay known.
pub fn of_order(
    facts: &[OrderFact],
    order: &Order,
    decision: &Decision,
    catalog: &Catalog,
) -> Holding {
    let mut holding = Holding::default();
    add_order(&mut holding, facts, order, catalog);
    if let Some(credited) = decision.subject() {
        add_credited(&mut holding, facts, (decision, credited), catalog);
    }
    if decision.method == Method::None || decision.subject().is_none() || !order.is_earning() {
        return Holding { periods: holding.periods, ..Holding::default() };
    }
    holding
}

/// Adds what is held of an order whoever is credited.
fn add_order(holding: &mut Holding, facts: &[OrderFact], order: &Order, catalog: &Catalog) {
    holding.held.extend(order.unreadable.iter().map(|unreadable| Held::UnreadableAmount {
        field: unreadable.field.clone(),
        shape: unreadable.shape.clone(),
    }));
    let confirming = facts.iter().filter(|fact| fact.source.confirms() || !order.confirmed);
    let mut names: Vec<String> = confirming.flat_map(OrderFact::names).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        holding.add_by_hand(&HoldTarget::order(order.merchant, &name), catalog);
    }
}

/// Adds what is held because of whoever is credited, and of the click that brought the order.
fn add_credited(
    holding: &mut Holding,
    facts: &[OrderFact],
    (decision, credited): (&Decision, &Candidate),
    catalog: &Catalog,
) {
    add_owner(holding, credited.link, credited.influencer, catalog);
    if credited.evidence == Evidence::Click {
        for (touch, first_at) in first_seen(facts) {
            let is_it = |c: &Candidate| c.click == Some(touch.click) && !is_in_vain(c.verdict);
            if decision.candidates.iter().any(is_it) {
                holding.add_key(&touch, first_at, catalog);
            }
        }
    }
}

/// Returns the touches that facts brought by tokens, and when each reached us first. An order that
/// is reported again after a key was revoked is as honest as it was.
fn first_seen(facts: &[OrderFact]) -> BTreeMap<Touch, Timestamp> {
    let mut first: BTreeMap<Touch, Timestamp> = BTreeMap::new();
    for fact in facts {
        for touch in fact.touches.iter().filter(|touch| touch.key.is_some()) {
            let seen = first.entry(*touch).or_insert(fact.received_at);
            *seen = fact.received_at.min(*seen);
        }
    }
    first
}

/// Returns whether a browser named the click in vain. It must not hold what others earn.
const fn is_in_vain(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::LessTrusted | Verdict::Unproven | Verdict::Contested)
}

/// Returns what is held of the commission for a lead.
pub fn of_lead(
    touch: &Touch,
    received_at: Timestamp,
    influencer: InfluencerId,
    catalog: &Catalog,
) -> Holding {
    let mut holding = of_clicks(touch.link, influencer, catalog);
    holding.add_key(touch, received_at, catalog);
    holding
}

/// Returns what is held of the commission for clicks on a link.
pub fn of_clicks(link: LinkId, influencer: InfluencerId, catalog: &Catalog) -> Holding {
    let mut holding = Holding::default();
    add_owner(&mut holding, Some(link), Some(influencer), catalog);
    holding
}

/// Returns every time in which an influencer was held as a whole.
pub fn periods_of(influencer: InfluencerId, catalog: &Catalog) -> Vec<HeldPeriod> {
    let mut holding = Holding::default();
    add_owner(&mut holding, None, Some(influencer), catalog);
    holding.periods
}

fn add_owner(
    holding: &mut Holding,
    link: Option<LinkId>,
    influencer: Option<InfluencerId>,
    catalog: &Catalog,
) {
    let targets = [link.map(HoldTarget::Link), influencer.map(HoldTarget::Influencer)];
    for target in targets.into_iter().flatten() {
        holding.add_by_hand(&target, catalog);
    }
}
