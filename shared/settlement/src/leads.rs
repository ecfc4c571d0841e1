//! The ledger of a lead of which the shop's own server tells: who is credited, and all bookings, as
//! a pure function of its facts. It knows nothing of leads that only browsers told of.
//!
//! After each fact the commission is computed anew, and the difference is booked. So a lead that is
//! refused after it was qualified is taken back by a booking of its own.

use std::collections::{BTreeMap, BTreeSet};

use shared::catalog::{Campaign, Catalog, Merchant};
use shared::id::{ClickId, FactId, InfluencerId, MerchantId};
use shared::lead::{Lead, LeadFact};
use shared::order::{Touch, Visit};
use shared::time::Timestamp;

use crate::held::{self, Holding};
use crate::ledger::{Booking, CampaignAccount, Reason};

/// A lead with the click that is credited and its ledger.
#[derive(Debug, Clone)]
pub struct SettledLead {
    /// The present state of the lead.
    pub lead: Lead,
    /// The click that led to it, if its facts name one on a link of this merchant.
    pub touch: Option<Touch>,
    /// Why it earns nothing.
    pub label: LeadLabel,
    /// All bookings, oldest first.
    pub bookings: Vec<Booking>,
    /// Why its commission is held.
    pub holding: Holding,
}

/// Why a lead of a shop's server earns nothing, whatever the shop thinks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadLabel {
    /// It may earn.
    None,
    /// No click of this merchant's links led to it, as far as its facts say.
    NoClick,
    /// The click's attribution window does not cover it.
    OutsideWindow,
    /// The link or the influencer was suspended when the link was clicked.
    Suspended,
    /// It is a test.
    Test,
}

impl LeadLabel {
    /// Returns the word that exports use; empty when the lead may earn.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::NoClick => "no_click",
            Self::OutsideWindow => "outside_window",
            Self::Suspended => "suspended",
            Self::Test => "test",
        }
    }

    /// Returns why the lead is credited or not, in one sentence.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::None => "the click that the shop's server named with the lead",
            Self::NoClick => "the shop's server named no click on a link of this merchant",
            Self::OutsideWindow => "the lead came after the window of its click",
            Self::Suspended => "the link or the influencer was suspended",
            Self::Test => "the lead is a test",
        }
    }
}

/// Settles the facts of one lead. `visit` looks up a click that may earn.
///
/// Returns `None` when there are no facts. The result depends only on the set of facts, the clicks
/// that they name, and the catalog.
pub fn settle(
    facts: &[&LeadFact],
    catalog: &Catalog,
    visit: &dyn Fn(&ClickId) -> Option<Visit>,
) -> Option<SettledLead> {
    let mut by_arrival = facts.to_vec();
    by_arrival.sort_by_key(|fact| (fact.received_at, fact.place, fact.id));
    let mut seen = BTreeSet::new();
    by_arrival.retain(|fact| seen.insert(fact.id));
    let last = by_arrival.last()?;
    // Whoever learns the id of another merchant's click must not be paid for it.
    let is_own = |visit: &Visit| owner(&visit.touch, catalog) == Some(last.merchant);
    let visit: &dyn Fn(&ClickId) -> Option<Visit> = &|click| visit(click).filter(is_own);
    let mut whole = Lead::default();
    by_arrival.iter().for_each(|fact| whole.add(fact, visit));

    let (mut lead, mut books) = (Lead::default(), Books::default());
    let mut suspensions = suspensions(&whole, catalog).into_iter().peekable();
    for fact in &by_arrival {
        while let Some(at) = suspensions.next_if(|at| *at < fact.received_at) {
            books.book(due(&lead, catalog, at), (at, Some(Reason::Suspended)));
        }
        lead.add(fact, visit);
        books.fact = Some(fact.id);
        books.book(due(&lead, catalog, fact.received_at), (fact.received_at, None));
    }
    for at in suspensions {
        books.book(due(&lead, catalog, at), (at, Some(Reason::Suspended)));
    }
    let credit = Credit::of(&whole, catalog);
    let label = label(&whole, credit.as_ref(), catalog, Timestamp::MAX);
    let touch = credit.as_ref().map(|credit| credit.touch);
    let holding = credit.map_or_else(Holding::default, |credit| {
        let names = |fact: &&&LeadFact| fact.touches.contains(&credit.touch);
        let first_at = by_arrival.iter().find(names).unwrap_or(last).received_at;
        held::of_lead(&credit.touch, first_at, credit.influencer, catalog)
    });
    Some(SettledLead { lead: whole, touch, label, bookings: books.bookings, holding })
}

/// The click that led to a lead, and who is paid by whom for it.
struct Credit<'c> {
    touch: Touch,
    influencer: InfluencerId,
    campaign: &'c Campaign,
    merchant: &'c Merchant,
}

impl<'c> Credit<'c> {
    fn of(lead: &Lead, catalog: &'c Catalog) -> Option<Self> {
        let touch = lead.touch()?;
        let link = catalog.links.get(touch.link)?;
        let (campaign, merchant) = catalog.campaign_and_merchant(link.campaign())?;
        Some(Self { touch, influencer: link.influencer(), campaign, merchant })
    }
}

/// Returns the merchant whose link was clicked.
fn owner(touch: &Touch, catalog: &Catalog) -> Option<MerchantId> {
    let link = catalog.links.get(touch.link)?;
    Some(catalog.campaign_and_merchant(link.campaign())?.1.id)
}

/// Returns why the lead earns nothing, as far as it was known at a time.
fn label(
    lead: &Lead,
    credit: Option<&Credit<'_>>,
    catalog: &Catalog,
    known_at: Timestamp,
) -> LeadLabel {
    let Some(Credit { touch, influencer, .. }) = credit else { return LeadLabel::NoClick };
    let of = (touch.link, *influencer);
    if lead.is_test() {
        LeadLabel::Test
    } else if !touch.covers(lead.happened_at(touch)) {
        LeadLabel::OutsideWindow
    } else if catalog.suspended_click(of, touch.clicked_at, known_at).is_some() {
        LeadLabel::Suspended
    } else {
        LeadLabel::None
    }
}

/// What is due for a lead.
struct Due {
    account: CampaignAccount,
    rate: String,
    amount_minor: i64,
}

/// Returns what is due for a lead by what was known at a time; `None` when it earns nothing.
fn due(lead: &Lead, catalog: &Catalog, known_at: Timestamp) -> Option<Due> {
    let credit = Credit::of(lead, catalog)?;
    if !lead.is_qualified() || label(lead, Some(&credit), catalog, known_at) != LeadLabel::None {
        return None;
    }
    let Credit { touch, influencer, campaign, merchant } = credit;
    let (_, terms) = campaign.terms_at(lead.happened_at(&touch));
    let amount = terms.per_lead()?;
    let account =
        CampaignAccount { campaign: campaign.id, influencer, currency: merchant.currency };
    let amount_minor = amount.to_minor(merchant.currency).ok()?;
    Some(Due { account, rate: amount.to_string(), amount_minor })
}

/// Returns when the suspensions were decided that concern a click of the lead, the earliest first.
fn suspensions(lead: &Lead, catalog: &Catalog) -> BTreeSet<Timestamp> {
    let period = |touch: &Touch| {
        let influencer = catalog.links.get(touch.link)?.influencer();
        catalog.suspended_click((touch.link, influencer), touch.clicked_at, Timestamp::MAX)
    };
    lead.touches().filter_map(period).map(|period| period.made_at).collect()
}

/// The bookings of a lead while they are made.
#[derive(Default)]
struct Books {
    /// The last fact that is known.
    fact: Option<FactId>,
    bookings: Vec<Booking>,
    /// What is booked, on the accounts on which anything is.
    balances: BTreeMap<CampaignAccount, i64>,
}

impl Books {
    /// Books the difference between what is due and what was booked, on every account.
    fn book(&mut self, due: Option<Due>, (at, cause): (Timestamp, Option<Reason>)) {
        let Some(fact) = self.fact else { return };
        let of = |account: &CampaignAccount| due.as_ref().filter(|due| due.account == *account);
        let mut accounts: BTreeSet<CampaignAccount> = self.balances.keys().copied().collect();
        accounts.extend(due.as_ref().map(|due| due.account));
        for account in accounts {
            let booked = self.balances.get(&account).copied();
            let current = of(&account);
            let amount_minor =
                current.map_or(0, |due| due.amount_minor) - booked.unwrap_or_default();
            if amount_minor == 0 {
                continue;
            }
            let reason = match (cause, current) {
                (Some(cause), _) if amount_minor < 0 => cause,
                (_, Some(_)) if booked.is_some() => Reason::Adjusted,
                (_, Some(_)) => Reason::Accrued,
                (_, None) if due.is_some() => Reason::Recredited,
                (_, None) => Reason::Voided,
            };
            self.bookings.push(Booking {
                fact,
                booked_at: at,
                reason,
                account,
                base_minor: i64::from(current.is_some()),
                base_currency: account.currency,
                rate: current.map_or_else(String::new, |due| due.rate.clone()),
                amount_minor,
            });
            *self.balances.entry(account).or_default() += amount_minor;
        }
        self.balances.retain(|_, booked| *booked != 0);
    }
}
