//! All that the journals hold, decoded: the catalog, and every click, event and order fact with its
//! place; it never judges what a fact means.

use std::collections::{BTreeMap, HashMap};

use journal::StreamName;
use shared::agent::{Device, InApp};
use shared::catalog::{Campaign, Catalog, Merchant};
use shared::class::Class;
use shared::event::EventName;
use shared::id::{CampaignId, ClickId, EventId, InfluencerId, LinkId, MerchantId};
use shared::order::{OrderFact, Touch, Visit};
use shared::record::{Click, EventFact};
use shared::time::Timestamp;

use crate::Error;

/// A fact and its identity: stream and sequence.
#[derive(Debug, Clone)]
pub struct Recorded<T> {
    /// The stream it stands in.
    pub stream: StreamName,
    /// Its number there.
    pub seq: u64,
    /// What was recorded.
    pub fact: T,
}

/// A recorded request to a link, held for longer than its record.
#[derive(Debug, Clone)]
pub struct ClickRecord {
    /// Its id.
    pub id: ClickId,
    /// When.
    pub at: Timestamp,
    /// Which link.
    pub link: LinkId,
    /// Billable, or why not.
    pub class: Class,
    /// The attribution window its token carries.
    pub window_minutes: u32,
    /// The click whose token the visitor brought along.
    pub previous: Option<ClickId>,
    /// The influencer's own mark.
    pub sub_id: Option<Box<str>>,
    /// Two-letter country.
    pub country: Option<[u8; 2]>,
    /// The kind of device.
    pub device: Device,
    /// The app whose browser it was.
    pub in_app: InApp,
    /// The host the visitor came from; empty when not known.
    pub referrer_host: Box<str>,
}

impl From<Click<'_>> for ClickRecord {
    fn from(click: Click<'_>) -> Self {
        Self {
            id: click.id,
            at: click.at,
            link: click.link,
            class: click.class,
            window_minutes: click.window_minutes,
            previous: click.previous,
            sub_id: click.sub_id.map(Into::into),
            country: click.country,
            device: click.device,
            in_app: click.in_app,
            referrer_host: click.referrer_host.into(),
        }
    }
}

impl ClickRecord {
    /// Returns the click as it is remembered for attribution; `None` for a class that does not
    /// earn.
    pub fn visit(&self) -> Option<Visit> {
        let Self { id, at, link, window_minutes, previous, .. } = *self;
        let touch = Touch { clicked_at: at, click: id, link, window_minutes };
        self.class.earns().then_some(Visit { touch, previous })
    }

    /// Returns the country in upper case, where two letters were recorded.
    pub fn country(&self) -> Option<String> {
        let letters = self.country?;
        let known = letters.iter().all(u8::is_ascii_alphabetic);
        known
            .then(|| letters.iter().map(|letter| char::from(letter.to_ascii_uppercase())).collect())
    }
}

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
