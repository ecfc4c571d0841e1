//! Leads of which a shop's own server tells: sign-ups, forms, trials, and what became of them. A
//! lead that only a browser told of is an event, and never here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{ClickId, FactId, MerchantId, UnparsedId};
use crate::order::{PATH_TOUCHES_MAX, Touch, Visit};
use crate::time::Timestamp;

/// What became of a lead, as the shop says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadStatus {
    /// Nobody has judged it yet. Earns nothing.
    Open,
    /// The shop accepts it: it earns what the campaign pays for a lead.
    Qualified,
    /// The shop refuses it: it earns nothing, and what it earned is taken back.
    NotQualified,
    /// It became a sale, so it is qualified.
    Won,
    /// It became no sale. What a qualified lead earned stays.
    Lost,
}

impl LeadStatus {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Qualified => "qualified",
            Self::NotQualified => "not_qualified",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// Returns whether the status says that the lead is qualified, or that it is not; `None` when
    /// it says nothing of that.
    pub const fn judges(self) -> Option<bool> {
        match self {
            Self::Qualified | Self::Won => Some(true),
            Self::NotQualified => Some(false),
            Self::Open | Self::Lost => None,
        }
    }
}

/// What a shop's server said of a lead at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadFact {
    /// A hash of what was sent. Where the shop gives no time of the change, its arrival is part of
    /// it: a status that is taken back by the very same words is another fact.
    pub id: FactId,
    /// The merchant whose lead it is.
    pub merchant: MerchantId,
    /// The shop's own id of the lead, normalised like an order's.
    pub lead_id: String,
    /// What became of it.
    pub status: LeadStatus,
    /// The time of this status, by the shop's clock.
    pub occurred_at: Timestamp,
    /// The time at which it reached us, by our clock.
    pub received_at: Timestamp,
    /// The place in its delivery: of two that came at once the later one stands.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub place: u32,
    /// The time at which the lead was made, if the shop says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Timestamp>,
    /// The clicks whose valid tokens came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touches: Vec<Touch>,
    /// Clicks that it names by id only. They are looked up when the lead is settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clicks: Vec<ClickId>,
    /// The shop's id of the order that the lead became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// True for a test, which is shown and never earns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// The unparsed delivery from which this fact was read after a fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reread: Option<UnparsedId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(place: &u32) -> bool {
    *place == 0
}

/// The order in which facts count: by the shop's clock, and then by arrival.
type Moment = (Timestamp, Timestamp, u32, FactId);

impl LeadFact {
    fn moment(&self) -> Moment {
        (self.occurred_at, self.received_at, self.place, self.id)
    }
}

/// A lead, folded from its facts.
///
/// Each field is a greatest or a least of what the facts say. So it depends on the set of facts,
/// and not on the order in which they are added; a fact costs the same however many came before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lead {
    made_at: Option<Timestamp>,
    first_at: Option<Timestamp>,
    status: Option<(Moment, LeadStatus)>,
    judged: Option<(Moment, bool)>,
    order: Option<(Moment, String)>,
    test: bool,
    /// The latest clicks that facts named.
    touches: BTreeSet<Touch>,
}

impl Lead {
    /// Adds a fact. `visit` looks up a click that is named by its id.
    pub fn add(&mut self, fact: &LeadFact, visit: &dyn Fn(&ClickId) -> Option<Visit>) {
        let moment = fact.moment();
        let is_later = |known: Option<Moment>| known.is_none_or(|known| known < moment);
        let earlier = |known: Option<Timestamp>, said: Timestamp| {
            Some(known.map_or(said, |known| known.min(said)))
        };
        self.first_at = earlier(self.first_at, fact.occurred_at);
        if let Some(made_at) = fact.made_at {
            self.made_at = earlier(self.made_at, made_at);
        }
        if is_later(self.status.map(|(at, _)| at)) {
            self.status = Some((moment, fact.status));
        }
        if let Some(is_qualified) = fact.status.judges()
            && is_later(self.judged.map(|(at, _)| at))
        {
            self.judged = Some((moment, is_qualified));
        }
        if let Some(order) = &fact.order_id
            && is_later(self.order.as_ref().map(|(at, _)| *at))
        {
            self.order = Some((moment, order.clone()));
        }
        self.test |= fact.test;
        let looked_up = fact.clicks.iter().filter_map(visit).map(|visit| visit.touch);
        self.touches.extend(fact.touches.iter().copied().chain(looked_up));
        while self.touches.len() > PATH_TOUCHES_MAX {
            self.touches.pop_first();
        }
    }

    /// Returns when the lead was made: as the shop says, or else the earliest time of a status.
    pub fn made_at(&self) -> Timestamp {
        self.made_at.or(self.first_at).unwrap_or(Timestamp::from_ms(0))
    }

    /// Returns what became of it by the last fact, and when.
    pub fn status(&self) -> (LeadStatus, Timestamp) {
        self.status.map_or((LeadStatus::Open, self.made_at()), |((at, ..), status)| (status, at))
    }

    /// Returns whether the shop accepts it, by the last fact that judges.
    pub fn is_qualified(&self) -> bool {
        self.judged.is_some_and(|(_, is_qualified)| is_qualified)
    }

    /// Returns whether the shop refuses it: it says so, or lost it before it was qualified.
    pub fn is_refused(&self) -> bool {
        match self.judged {
            Some((_, is_qualified)) => !is_qualified,
            None => self.status().0 == LeadStatus::Lost,
        }
    }

    /// Returns the shop's id of the order that it became.
    pub fn order_id(&self) -> Option<&str> {
        self.order.as_ref().map(|(_, order)| order.as_str())
    }

    /// Returns whether it is a test.
    pub const fn is_test(&self) -> bool {
        self.test
    }

    /// Returns the latest clicks that facts named, at most eight, oldest first.
    pub fn touches(&self) -> impl DoubleEndedIterator<Item = &Touch> {
        self.touches.iter()
    }

    /// Returns the click to which it belongs: the latest one whose window covers it, or else the
    /// latest one. A lead never happened before the click that led to it.
    pub fn touch(&self) -> Option<Touch> {
        let covers = |touch: &&Touch| touch.covers(self.happened_at(touch));
        self.touches().rev().find(covers).or_else(|| self.touches.last()).copied()
    }

    /// Returns when the lead happened, for a click that led to it.
    pub fn happened_at(&self, touch: &Touch) -> Timestamp {
        self.made_at().max(touch.clicked_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::LinkId;
    use crate::time::Span;

    const MADE: Timestamp = Timestamp::from_ms(1_763_800_000_000);

    fn touch(number: u8, days: i64) -> Touch {
        Touch {
            clicked_at: MADE.plus(Span::days(days)),
            click: ClickId::from_bytes([number; 16]),
            link: LinkId::from_bits(7),
            window_minutes: 30 * 24 * 60,
            key: None,
        }
    }

    fn fact(status: LeadStatus, occurred: i64, received: i64) -> LeadFact {
        let at = |minutes| MADE.plus(Span::minutes(minutes));
        let content = [occurred.to_be_bytes(), received.to_be_bytes()].concat();
        LeadFact {
            id: FactId::of_content(&[status.as_str().as_bytes(), &content]),
            merchant: MerchantId::from_bits(1),
            lead_id: "L1".into(),
            status,
            occurred_at: at(occurred),
            received_at: at(received),
            place: 0,
            made_at: None,
            touches: vec![],
            clicks: vec![],
            order_id: None,
            test: false,
            reread: None,
        }
    }

    fn folded<'a>(facts: impl IntoIterator<Item = &'a LeadFact>) -> Lead {
        let mut lead = Lead::default();
        facts.into_iter().for_each(|fact| lead.add(fact, &|_| None));
        lead
    }

    #[test]
    fn the_last_word_by_the_shops_clock_stands_in_whatever_order_facts_arrive() {
        use LeadStatus::{Lost, NotQualified, Open, Qualified, Won};
        for (statuses, stands, is_qualified) in [
            (&[Open][..], Open, false),
            (&[Open, Qualified], Qualified, true),
            (&[Qualified, NotQualified], NotQualified, false),
            (&[Qualified, NotQualified, Qualified], Qualified, true),
            (&[Qualified, Lost], Lost, true),
            (&[Lost], Lost, false),
            (&[Open, Won], Won, true),
            (&[NotQualified, Won], Won, true),
        ] {
            let facts: Vec<_> =
                (0..).zip(statuses).map(|(minute, status)| fact(*status, minute, 9)).collect();
            let lead = folded(&facts);
            assert_eq!((lead.status().0, lead.is_qualified()), (stands, is_qualified));
            assert_eq!(folded(facts.iter().rev()), lead, "{statuses:?}");
            assert_eq!(folded(facts.iter().chain(&facts)), lead, "twice is once: {statuses:?}");
        }
    }

    #[test]
    fn of_two_rows_at_once_the_later_one_stands() {
        let qualified = fact(LeadStatus::Qualified, 1, 1);
        let refused = LeadFact { place: 1, ..fact(LeadStatus::NotQualified, 1, 1) };
        assert_eq!(folded([&refused, &qualified]).status().0, LeadStatus::NotQualified);
        let qualified = LeadFact { place: 2, ..qualified };
        assert_eq!(folded([&refused, &qualified]).status().0, LeadStatus::Qualified);
    }

    #[test]
    fn a_lead_belongs_to_the_latest_click_whose_window_covers_it() {
        let with = |touches: Vec<Touch>| {
            let lead = folded([&LeadFact { touches, ..fact(LeadStatus::Open, 0, 5) }]);
            lead.touch().map(|touch| touch.click.as_bytes()[0])
        };
        assert_eq!(with(vec![]), None);
        assert_eq!(with(vec![touch(1, -3), touch(2, -2)]), Some(2));
        assert_eq!(with(vec![touch(1, -31)]), Some(1), "shown, though too old");
        assert_eq!(with(vec![Touch { window_minutes: 1, ..touch(2, -2) }, touch(1, -9)]), Some(1));
        let many = (0..20).map(|number| touch(number, i64::from(number) - 40)).collect();
        assert_eq!(with(many), Some(19), "the latest are kept");
    }

    #[test]
    fn a_lead_is_made_when_the_shop_says_or_else_when_it_is_first_told_of() {
        let (late, early) = (fact(LeadStatus::Won, 9, 9), fact(LeadStatus::Open, 3, 8));
        assert_eq!(folded([&late, &early]).made_at(), early.occurred_at);
        let said = LeadFact { made_at: Some(MADE.plus(Span::minutes(7))), ..late };
        assert_eq!(folded([&said, &early]).made_at(), MADE.plus(Span::minutes(7)));
    }
}
