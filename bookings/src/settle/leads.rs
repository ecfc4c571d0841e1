//! All leads in one form: those of which shops' servers told, settled, and those that only browsers
//! told of. A lead of which both told is the server's.

use std::collections::{BTreeMap, HashSet};

use settlement::leads::{self, SettledLead};
use settlement::ledger::Booking;
use shared::id::{CampaignId, EventId, FactId, InfluencerId, LinkId, MerchantId};
use shared::lead::{LeadFact, LeadStatus};
use shared::money::Currency;
use shared::order::Touch;
use shared::time::Timestamp;

use crate::read::dataset::Dataset;
use crate::settle::click_index::ClickIndex;

/// A lead of which a shop's server told.
#[derive(Debug)]
pub(crate) struct ServerLead {
    /// Its id as a conversion.
    pub(crate) id: FactId,
    pub(crate) merchant: MerchantId,
    /// The shop's own id of it.
    pub(crate) lead_id: String,
    pub(crate) settled: SettledLead,
}

impl ServerLead {
    /// Returns when it happened.
    pub(crate) fn happened_at(&self) -> Timestamp {
        let made_at = self.settled.lead.made_at();
        self.settled.touch.map_or(made_at, |touch| self.settled.lead.happened_at(&touch))
    }

    /// Returns `confirmed` when it is qualified, `cancelled` when it is refused, else `claimed`.
    pub(crate) fn status(&self) -> &'static str {
        match &self.settled.lead {
            lead if lead.is_qualified() => "confirmed",
            lead if lead.is_refused() => "cancelled",
            _ => "claimed",
        }
    }

    /// Returns every booking with its id.
    pub(crate) fn bookings(&self) -> impl Iterator<Item = (FactId, &Booking)> {
        // The index counts only the bookings of the same fact. So the ids stay the same when an
        // earlier fact arrives late.
        let mut of_fact: BTreeMap<FactId, u64> = BTreeMap::new();
        self.settled.bookings.iter().map(move |booking| {
            let index = of_fact.entry(booking.fact).or_default();
            *index += 1;
            let influencer = booking.account.influencer.to_string();
            let parts: [&[u8]; 5] = [
                b"lead commission",
                self.id.as_bytes(),
                booking.fact.as_bytes(),
                influencer.as_bytes(),
                &index.to_be_bytes(),
            ];
            (FactId::of_content(&parts), booking)
        })
    }

    /// Returns what it earned so far, in minor units of the merchant's currency.
    pub(crate) fn balance_minor(&self) -> i64 {
        self.settled.bookings.iter().map(|booking| booking.amount_minor).sum()
    }

    /// Returns why its commission is held, in one line; `None` when it is not, or earns nothing.
    pub(crate) fn held(&self) -> Option<String> {
        self.settled.holding.to_text().filter(|_| self.balance_minor() != 0)
    }
}

/// Settles every lead of which a shop's server told, by merchant and lead id.
pub(crate) fn server_leads(dataset: &Dataset) -> Vec<ServerLead> {
    let mut facts: BTreeMap<(MerchantId, &str), Vec<&LeadFact>> = BTreeMap::new();
    for fact in dataset.lead_facts.iter().map(|recorded| &recorded.fact) {
        facts.entry((fact.merchant, &fact.lead_id)).or_default().push(fact);
    }
    if facts.is_empty() {
        return Vec::new();
    }
    let clicks = ClickIndex::new(&dataset.clicks);
    let settle = |((merchant, lead_id), facts): ((MerchantId, &str), Vec<&LeadFact>)| {
        let settled = leads::settle(&facts, &dataset.catalog, &|click| clicks.visit(click))?;
        let parts: [&[u8]; 3] =
            [b"server lead", &merchant.bits().to_be_bytes(), lead_id.as_bytes()];
        let (id, lead_id) = (FactId::of_content(&parts), lead_id.to_owned());
        Some(ServerLead { id, merchant, lead_id, settled })
    };
    facts.into_iter().filter_map(settle).collect()
}

/// Returns the ids under which browsers told of leads of which the shop's server told, too: such a
/// lead is the server's, and counts once.
pub(crate) fn told_by_servers(leads: &[ServerLead]) -> HashSet<EventId> {
    let ids = |lead: &ServerLead| {
        let (merchant, lead_id) = (lead.merchant, lead.lead_id.clone());
        let of_click = move |touch: &Touch| EventId::of_lead(merchant, touch.click, &lead_id);
        lead.settled.lead.touches().map(of_click).collect::<Vec<_>>()
    };
    leads.iter().flat_map(ids).collect()
}

/// A lead as tables show it, whoever told of it.
#[derive(Debug)]
pub struct AnyLead {
    /// Its id as a conversion.
    pub id: FactId,
    /// The shop's own id of it; `None` for a browser's, of which no such id is kept.
    pub lead_id: Option<String>,
    /// `server` or `pixel`.
    pub source: &'static str,
    /// The shop's merchant.
    pub merchant: MerchantId,
    /// The link's campaign.
    pub campaign: Option<CampaignId>,
    /// Whose link it is.
    pub influencer: Option<InfluencerId>,
    /// The link that was clicked.
    pub link: Option<LinkId>,
    /// The click that led to it.
    pub touch: Option<Touch>,
    /// When it happened.
    pub happened_at: Timestamp,
    /// What became of it, and when.
    pub became: (LeadStatus, Timestamp),
    /// `claimed`, `confirmed` or `cancelled`.
    pub status: &'static str,
    /// Why it earns nothing; empty when it may.
    pub label: &'static str,
    /// Why it is credited or not, in one sentence.
    pub reason: String,
    /// The shop's id of the order that it became.
    pub order_id: Option<String>,
    /// What it earned so far.
    pub amount_minor: i64,
    /// The merchant's currency.
    pub currency: Option<Currency>,
    /// Why its commission is held, in one line; `None` when it is not.
    pub held: Option<String>,
}

impl AnyLead {
    /// Returns a lead of which a shop's server told.
    pub(crate) fn of_server(told: &ServerLead, dataset: &Dataset) -> Self {
        let SettledLead { lead, touch, label, .. } = &told.settled;
        let link = touch.and_then(|touch| dataset.catalog.links.get(touch.link));
        let merchant = dataset.catalog.merchants.get(&told.merchant);
        Self {
            id: told.id,
            lead_id: Some(told.lead_id.clone()),
            source: "server",
            merchant: told.merchant,
            campaign: link.map(|link| link.campaign()),
            influencer: link.map(|link| link.influencer()),
            link: link.map(|link| link.id()),
            touch: *touch,
            happened_at: told.happened_at(),
            became: lead.status(),
            status: told.status(),
            label: label.as_str(),
            reason: label.reason().to_owned(),
            order_id: lead.order_id().map(str::to_owned),
            amount_minor: told.balance_minor(),
            currency: merchant.map(|merchant| merchant.currency),
            held: told.held(),
        }
    }

    /// Returns whether somebody is credited for it, or was too late to be.
    pub const fn is_conversion(&self) -> bool {
        self.touch.is_some()
    }
}
