//! All that the journals hold, in memory: the catalog, and every click, event and order fact. It
//! never judges what a fact means.

use std::collections::{BTreeMap, HashMap};

use journal::StreamName;
use shared::catalog::{Campaign, Catalog, Merchant};
use shared::event::EventName;
use shared::id::{CampaignId, EventId, InfluencerId, LinkId, MerchantId};
use shared::order::{OrderFact, Touch};
use shared::record::EventFact;
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::facts::{ClickRecord, Recorded};

/// Everything the journals hold, streams in order of name and records in order of sequence.
#[derive(Debug, Default)]
pub struct Dataset {
    /// The catalog as it stands at the end.
    pub catalog: Catalog,
    /// Every request to a link.
    pub clicks: Vec<Recorded<ClickRecord>>,
    /// Every session, page and lead, as often as it was recorded.
    pub events: Vec<Recorded<EventFact>>,
    /// Every report about an order, as often as it was recorded.
    pub orders: Vec<Recorded<OrderFact>>,
    /// The last sequence read of each stream.
    pub ends: BTreeMap<StreamName, u64>,
    /// Webhooks and postbacks that were kept although nobody could read them.
    pub unparsed: u64,
    /// Records this program does not understand.
    pub unknown: u64,
    /// Stream, sequence and reason of the first of them.
    pub first_unknown: Option<String>,
}

impl Dataset {
    /// A campaign with its merchant.
    pub(crate) fn campaign(&self, id: CampaignId) -> Result<(&Campaign, &Merchant), Error> {
        let campaign = self.catalog.campaigns.get(&id).ok_or(Error::UnknownCampaign(id))?;
        let merchant = self.catalog.merchants.get(&campaign.merchant);
        Ok((campaign, merchant.ok_or(Error::UnknownMerchant(campaign.merchant))?))
    }

    /// What an influencer is called; empty when the catalog does not know them.
    pub(crate) fn influencer_name(&self, id: InfluencerId) -> String {
        self.catalog.influencers.get(&id).map_or_else(String::new, |known| known.name.clone())
    }

    /// Events of one name that a click led to, by stream and sequence. An event recorded several
    /// times counts as it was first received.
    pub(crate) fn distinct_events(&self, name: EventName) -> Vec<(&Recorded<EventFact>, Touch)> {
        let mut first: HashMap<(MerchantId, EventId), (&Recorded<EventFact>, Touch)> =
            HashMap::new();
        for event in self.events.iter().filter(|event| event.fact.name == name) {
            let Some(touch) = event.fact.touch else { continue };
            let held = first.entry((event.fact.merchant, event.fact.id)).or_insert((event, touch));
            if arrival(event) < arrival(held.0) {
                *held = (event, touch);
            }
        }
        let mut events: Vec<_> = first.into_values().collect();
        events.sort_by_key(|(event, _)| (event.stream.as_str(), event.seq));
        events
    }

    /// Returns every session once: when it started, and the click that led to it.
    pub(crate) fn session_starts(&self) -> impl Iterator<Item = (Timestamp, Touch)> {
        self.distinct_events(EventName::Session)
            .into_iter()
            .map(|(event, touch)| (event.fact.at, touch))
    }
}

fn arrival(event: &Recorded<EventFact>) -> (Timestamp, &str, u64) {
    (event.fact.received_at, event.stream.as_str(), event.seq)
}

/// Whom a link belongs to, as far as the catalog knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) merchant: Option<MerchantId>,
    pub(crate) campaign: Option<CampaignId>,
    pub(crate) influencer: Option<InfluencerId>,
}

/// Returns whom a link belongs to.
pub(crate) fn owner(catalog: &Catalog, link: LinkId) -> Owner {
    let link = catalog.links.get(link);
    let campaign = link.and_then(|link| catalog.campaigns.get(&link.campaign()));
    Owner {
        merchant: campaign.map(|campaign| campaign.merchant),
        campaign: link.map(|link| link.campaign()),
        influencer: link.map(|link| link.influencer()),
    }
}
