//! All that the journals hold, in memory: the catalog, and every click, event and order fact. It
//! never judges what a fact means.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

use journal::StreamName;
use shared::catalog::{Campaign, Catalog, Change, Entity, Merchant};
use shared::event::EventName;
use shared::id::{CampaignId, EventId, InfluencerId, LinkId, MerchantId, UnparsedId};
use shared::lead::LeadFact;
use shared::order::{Opening, OrderFact, Touch};
use shared::record::EventFact;
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::facts::{ClickRecord, Recorded};

/// Everything that the journals hold: streams by name, and the records of each by sequence.
#[derive(Debug, Default)]
pub struct Dataset {
    /// The catalog after the last change that was read.
    pub catalog: Catalog,
    /// Every request to a link.
    pub clicks: Vec<Recorded<ClickRecord>>,
    /// Every session, page and lead, as often as it was recorded.
    pub events: Vec<Recorded<EventFact>>,
    /// Every order fact, as often as it was recorded.
    pub order_facts: Vec<Recorded<OrderFact>>,
    /// Every fact about a lead from a shop's server, as often as it was recorded.
    pub lead_facts: Vec<Recorded<LeadFact>>,
    /// The last sequence read of each stream.
    pub ends: BTreeMap<StreamName, u64>,
    /// The webhooks and postbacks that the server kept although it could not understand them.
    pub unparsed: HashSet<(MerchantId, UnparsedId)>,
    /// How many records this release does not understand.
    pub unknown_records: u64,
    /// Stream, sequence and reason of the first such record.
    pub first_unknown: Option<String>,
    /// The records that cannot be read and that a repair of the journal gave up, by stream.
    pub lost: Vec<(StreamName, RangeInclusive<u64>)>,
    /// Every version of every campaign that was recorded, by the time of its change.
    campaigns: HashMap<CampaignId, BTreeMap<Timestamp, Campaign>>,
}

impl Dataset {
    /// Applies a change of the catalog, and keeps the version of each campaign.
    pub(crate) fn change(&mut self, change: &Change) {
        self.catalog.apply(change);
        for entity in &change.entities {
            if let Entity::Campaign(campaign) = entity {
                let versions = self.campaigns.entry(campaign.id).or_default();
                versions.insert(campaign.updated_at, campaign.clone());
            }
        }
    }

    /// Returns a campaign as its settings were at a moment; before the first version, as in that one.
    pub(crate) fn campaign_at(&self, id: CampaignId, at: Timestamp) -> Option<&Campaign> {
        let versions = self.campaigns.get(&id)?;
        let at = versions.range(..=at).next_back().or_else(|| versions.first_key_value());
        at.map(|(_, campaign)| campaign)
    }

    /// Returns how many webhooks and postbacks nobody has understood so far: of one merchant, or of
    /// all.
    pub fn unread(&self, of: Option<MerchantId>) -> usize {
        let orders = self.order_facts.iter().map(|fact| (fact.fact.merchant, fact.fact.reread));
        let leads = self.lead_facts.iter().map(|fact| (fact.fact.merchant, fact.fact.reread));
        let read = orders.chain(leads).filter_map(|(merchant, read)| Some((merchant, read?)));
        let read: HashSet<_> = read.collect();
        let is_of = |merchant: MerchantId| of.is_none_or(|of| of == merchant);
        self.unparsed.iter().filter(|kept| is_of(kept.0) && !read.contains(kept)).count()
    }

    /// Returns a campaign and its merchant.
    pub fn campaign(&self, id: CampaignId) -> Result<(&Campaign, &Merchant), Error> {
        let campaign = self.catalog.campaigns.get(&id).ok_or(Error::UnknownCampaign(id))?;
        let merchant = self.catalog.merchants.get(&campaign.merchant);
        Ok((campaign, merchant.ok_or(Error::UnknownMerchant(campaign.merchant))?))
    }

    /// Returns an influencer's name; empty when the catalog does not hold them.
    pub fn influencer_name(&self, id: InfluencerId) -> String {
        self.catalog.influencers.get(&id).map_or_else(String::new, |known| known.name.clone())
    }

    /// Returns the events of one name in visits that a click or a code opened, by stream and sequence.
    /// Of events that count as one, the first one received is returned.
    pub fn distinct_events(&self, name: EventName) -> Vec<(&Recorded<EventFact>, Opening)> {
        self.distinct(name, EventFact::opening)
    }

    /// Returns the events of one name that a click led to, whatever code came later. As
    /// [`Self::distinct_events`].
    pub(crate) fn distinct_events_of_clicks(
        &self,
        name: EventName,
    ) -> Vec<(&Recorded<EventFact>, Touch)> {
        self.distinct(name, |event| event.touch)
    }

    /// Returns the events of one name that something led to.
    fn distinct<Led: Copy>(
        &self,
        name: EventName,
        led: impl Fn(&EventFact) -> Option<Led>,
    ) -> Vec<(&Recorded<EventFact>, Led)> {
        let mut first: HashMap<(MerchantId, EventId), (&Recorded<EventFact>, Led)> = HashMap::new();
        for event in self.events.iter().filter(|event| event.fact.name == name) {
            let Some(by) = led(&event.fact) else { continue };
            let held =
                first.entry((event.fact.merchant, event.fact.counted_as())).or_insert((event, by));
            if arrival(event) < arrival(held.0) {
                *held = (event, by);
            }
        }
        let mut events: Vec<_> = first.into_values().collect();
        events.sort_by_key(|(event, _)| (event.stream.as_str(), event.seq));
        events
    }

    /// Returns every session once: when it started, and what opened it.
    pub fn session_starts(&self) -> impl Iterator<Item = (Timestamp, Opening)> {
        self.distinct_events(EventName::Session)
            .into_iter()
            .map(|(event, opening)| (event.fact.happened_at(), opening))
    }
}

/// Returns the place of an event in the order of arrival.
pub(crate) fn arrival(event: &Recorded<EventFact>) -> (Timestamp, &str, u64) {
    (event.fact.received_at, event.stream.as_str(), event.seq)
}

/// The merchant, campaign and influencer of a link or a coupon; `None` where the catalog does not hold
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkOwner {
    /// The campaign's merchant.
    pub merchant: Option<MerchantId>,
    /// The campaign.
    pub campaign: Option<CampaignId>,
    /// Whose link or coupon it is.
    pub influencer: Option<InfluencerId>,
}

/// Looks up whose link it is.
pub fn link_owner(catalog: &Catalog, link: LinkId) -> LinkOwner {
    let link = catalog.links.get(link);
    owner(catalog, link.map(|link| (link.campaign(), link.influencer())))
}

/// Looks up whose link was clicked, or whose code it was.
pub fn opening_owner(catalog: &Catalog, opening: &Opening) -> LinkOwner {
    match opening {
        Opening::Click(touch) => link_owner(catalog, touch.link),
        Opening::Code(visit) => {
            let coupon = catalog.coupons.get(&visit.coupon);
            owner(catalog, coupon.map(|coupon| (coupon.campaign, coupon.influencer)))
        }
    }
}

fn owner(catalog: &Catalog, known: Option<(CampaignId, InfluencerId)>) -> LinkOwner {
    let campaign = known.and_then(|(campaign, _)| catalog.campaigns.get(&campaign));
    LinkOwner {
        merchant: campaign.map(|campaign| campaign.merchant),
        campaign: known.map(|(campaign, _)| campaign),
        influencer: known.map(|(_, influencer)| influencer),
    }
}
