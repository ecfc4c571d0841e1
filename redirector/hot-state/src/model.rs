//! Keys and values of the hot state: the layouts that every store shares.

use std::ops::Range;

use anyhow::{Context, Result, bail};
use settlement::history::Heard;
use shared::class::Class;
use shared::id::{CampaignId, ClickId, EventId, FactId, InfluencerId, LinkId, MerchantId};
use shared::money::Currency;
use shared::order::{OrderFact, Touch, Visit};
use shared::time::{Span, Timestamp};

/// What a batch of records adds to the state. Nothing of it ever changes.
#[derive(Default)]
pub struct Stored {
    pub windows: Vec<Window>,
    /// Entries under names of orders.
    pub entries: Vec<(NameKey, Entry)>,
    /// Unparsed deliveries: the key that sorts them, and what the list shows.
    pub unparsed: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What is known of the order under a name, as it was settled last. Where a name is no order's,
/// there are no totals and no rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledOrder {
    pub name: NameKey,
    /// The amounts that it counts for.
    pub totals: Vec<u8>,
    /// As lists show it. There may be several: a claim that fits no order stands beside it.
    pub rows: Option<Vec<u8>>,
}

/// A range of keys of lists, from the first that it may hold up to one that it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    pub from: Vec<u8>,
    pub until: Vec<u8>,
}

/// A click that may earn, and the time until which it must be remembered.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub visit: Visit,
    pub expires_at: Timestamp,
}

/// A record that brings an event. Of several records that bring the same event, the one that is
/// projected first counts; the others are repetitions.
#[derive(Debug, Clone)]
pub struct FirstBringer {
    pub event: EventId,
    /// The name of the stream and the record's number.
    pub origin: Vec<u8>,
    pub seq: u64,
    pub received_at: Timestamp,
}

/// How far a stream is projected: the number of its last record, and that record's checksum. After
/// a power cut another record may get the same number; the checksum tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub seq: u64,
    pub checksum: u32,
}

impl Position {
    pub fn to_bytes(self) -> Vec<u8> {
        [&self.seq.to_be_bytes()[..], &self.checksum.to_be_bytes()].concat()
    }

    /// Reads a stored position. Any other bytes mean the beginning.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let seq = bytes.get(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let checksum =
            bytes.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        // No journal has a record of the last number.
        let seq = seq.filter(|seq| *seq < u64::MAX);
        seq.zip(checksum).map_or_else(Self::default, |(seq, checksum)| Self { seq, checksum })
    }
}

/// How far a stream is projected, in a store whose parts may lose data independently of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Every part has all records up to here.
    pub least: Position,
    /// Some part has all records up to here.
    pub most: Position,
    /// The stream's counters contain all records up to here.
    pub counted: Position,
}

/// The key of an order's name: the merchant, then the folded name.
pub(crate) type NameKey = Vec<u8>;

/// Makes the key of an order's name, which must be folded already.
pub(crate) fn name_key(merchant: MerchantId, name: &str) -> NameKey {
    let mut key = merchant.bits().to_be_bytes().to_vec();
    key.extend(name.as_bytes());
    key
}

/// The key of an entry among those under its name: its kind, then its id.
pub(crate) type EntryKey = [u8; 17];

/// What stands under an order's name. Entries are written once and never change, by whatever number
/// of nodes. So it does not matter which node comes first.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A fact whose own order id is this name.
    Fact(Box<OrderFact>),
    /// Facts that bear this name stand under their own order id: an id made of the key of that
    /// order id, and the key. Earlier releases had one entry for each fact, with the fact's id.
    Elsewhere(FactId, NameKey),
    /// A click that led to the order. It is kept as long as the order.
    Led(Visit),
    /// An order of the customer whose key this is.
    Bought(Heard),
}

/// Returns the key of a fact's entry: its id, and where a later delivery may say it anew, also when
/// it came.
pub(crate) fn fact_entry_key(fact: &OrderFact) -> EntryKey {
    if !fact.restates {
        return entry_key(0, fact.id.as_bytes());
    }
    let received_at = fact.received_at.as_ms().to_be_bytes();
    let delivery = FactId::of_content(&[b"delivery", fact.id.as_bytes(), &received_at]);
    entry_key(0, delivery.as_bytes())
}

fn entry_key(kind: u8, id: &[u8; 16]) -> EntryKey {
    let mut key = [kind; 17];
    key[1..].copy_from_slice(id);
    key
}

impl Entry {
    /// Makes the entry that leads from another name of an order to its order id.
    pub fn elsewhere(home: &NameKey) -> Self {
        Self::Elsewhere(FactId::of_content(&[home]), home.clone())
    }

    pub fn key(&self) -> EntryKey {
        match self {
            Self::Fact(fact) => fact_entry_key(fact),
            Self::Elsewhere(id, _) => entry_key(1, id.as_bytes()),
            Self::Led(visit) => entry_key(2, visit.touch.click.as_bytes()),
            Self::Bought(heard) => {
                entry_key(3, FactId::of_content(&[&heard_to_bytes(heard)]).as_bytes())
            }
        }
    }

    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Fact(fact) => serde_json::to_vec(fact).context("an order could not be stored")?,
            Self::Elsewhere(_, home) => home.clone(),
            Self::Led(visit) => visit_to_bytes(visit),
            Self::Bought(heard) => heard_to_bytes(heard),
        })
    }

    pub fn from_bytes(key: &[u8], bytes: &[u8]) -> Result<Self> {
        let damaged = "an order in the hot state is damaged: run `afterclick replay`";
        let id: [u8; 16] = key.get(1..).and_then(|id| id.try_into().ok()).context(damaged)?;
        Ok(match key[0] {
            0 => {
                let mut fact: Box<OrderFact> = serde_json::from_slice(bytes).context(damaged)?;
                // Nodes of an older version stored keys in plain.
                fact.seal();
                Self::Fact(fact)
            }
            1 => Self::Elsewhere(FactId::from_bytes(id), bytes.to_vec()),
            2 => Self::Led(visit_from_bytes(ClickId::from_bytes(id), bytes).context(damaged)?),
            3 => Self::Bought(heard_from_bytes(bytes).context(damaged)?),
            _ => bail!(damaged),
        })
    }
}

/// When an order of a customer was heard of, as it is stored: two times, then the order's id.
fn heard_to_bytes(heard: &Heard) -> Vec<u8> {
    let times = [heard.received_at, heard.stated_at].map(|at| at.as_ms().to_be_bytes());
    [&times.concat()[..], heard.id.as_bytes()].concat()
}

fn heard_from_bytes(bytes: &[u8]) -> Option<Heard> {
    let time = |range: Range<usize>| {
        Some(Timestamp::from_ms(i64::from_be_bytes(bytes.get(range)?.try_into().ok()?)))
    };
    let id = str::from_utf8(bytes.get(16..)?).ok()?.to_owned();
    Some(Heard { received_at: time(0..8)?, stated_at: time(8..16)?, id })
}

/// Bytes of a window that has no click before it.
const VISIT_BYTES: usize = 20;

/// A window as it is stored under its click id: link, time, length, and the click before it if
/// there was one.
pub(crate) fn visit_to_bytes(visit: &Visit) -> Vec<u8> {
    let Visit { touch: Touch { clicked_at, click: _, link, window_minutes, key: _ }, previous } =
        visit;
    let mut bytes = Vec::with_capacity(VISIT_BYTES + 16);
    bytes.extend(link.bits().to_be_bytes());
    bytes.extend(clicked_at.as_ms().to_be_bytes());
    bytes.extend(window_minutes.to_be_bytes());
    bytes.extend(previous.iter().flat_map(|click| click.as_bytes()));
    bytes
}

/// Reads a stored window; `None` for anything else.
pub(crate) fn visit_from_bytes(click: ClickId, bytes: &[u8]) -> Option<Visit> {
    let number = |range: Range<usize>| bytes.get(range);
    let link = u64::from_be_bytes(number(0..8)?.try_into().ok()?);
    let clicked_at = i64::from_be_bytes(number(8..16)?.try_into().ok()?);
    let window_minutes = u32::from_be_bytes(number(16..VISIT_BYTES)?.try_into().ok()?);
    let previous = match &bytes[VISIT_BYTES..] {
        [] => None,
        id => Some(ClickId::from_bytes(id.try_into().ok()?)),
    };
    let (clicked_at, link) = (Timestamp::from_ms(clicked_at), LinkId::from_bits(link));
    Some(Visit { touch: Touch { clicked_at, click, link, window_minutes, key: None }, previous })
}

/// How long a window is kept after it has closed, since orders may come late.
const WINDOW_GRACE: Span = Span::days(7);
/// How long an event's id is kept. Browsers repeat no event that is older than thirty days.
const EVENT_KEPT: Span = Span::days(60);
/// How long it is kept that a click has a lead. Windows are 365 days at most.
const PLACE_KEPT: Span = Span::days(400);
/// Rebuilt data is kept for at least this long, so that orders of the same rebuild find it.
const REBUILT_KEPT: Span = Span::days(1);

/// Returns when a window may be deleted. This only frees space: whether a click counts is decided
/// by the click's own time.
pub(crate) fn window_expires_at(touch: &Touch, now: Timestamp) -> Timestamp {
    let closes = touch.clicked_at.plus(Span::minutes(i64::from(touch.window_minutes)));
    closes.plus(WINDOW_GRACE).max(now.plus(REBUILT_KEPT))
}

/// Returns when an event's id may be deleted.
pub(crate) fn event_expires_at(received_at: Timestamp, now: Timestamp) -> Timestamp {
    received_at.plus(EVENT_KEPT).max(now.plus(REBUILT_KEPT))
}

/// Returns when a place for a lead of a click may be deleted: not before the longest window.
pub(crate) fn place_expires_at(received_at: Timestamp, now: Timestamp) -> Timestamp {
    received_at.plus(PLACE_KEPT).max(now.plus(REBUILT_KEPT))
}

/// Encodes the amounts that an order counts for, as they are stored under its name.
pub(crate) fn totals_to_bytes(totals: &[(CounterKey, i64)]) -> Vec<u8> {
    totals
        .iter()
        .flat_map(|(key, amount)| [key.to_bytes(), amount.to_be_bytes().to_vec()].concat())
        .collect()
}

/// Reads what [`totals_to_bytes`] wrote. Entries of another shape are left out.
pub(crate) fn totals_from_bytes(bytes: &[u8]) -> impl Iterator<Item = (CounterKey, i64)> {
    bytes.chunks_exact(KEY_BYTES + 8).filter_map(|entry| {
        let (key, amount) = entry.split_at(KEY_BYTES);
        Some((CounterKey::from_bytes(key)?, i64::from_be_bytes(amount.try_into().ok()?)))
    })
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// By class.
    Clicks(Class),
    Sessions,
    Leads,
    /// Credited orders that are not void.
    Orders,
    /// Net goods of these orders, in minor units.
    Revenue(Currency),
    /// Commission booked, in minor units.
    Commission(Currency),
    /// Credited orders whose commission is held.
    Held,
}

/// What a number counts: one metric in one hour, for one influencer in one campaign, and for one
/// link if there is one. Counts of a campaign stand together, by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    pub campaign: CampaignId,
    /// The hour by the clock of the campaign's merchant, as hours since 1970.
    pub hour: u32,
    pub influencer: InfluencerId,
    /// `None` for an order that a coupon or a visit by a code brought, and for a session that a code
    /// opened.
    pub link: Option<LinkId>,
    pub metric: Metric,
}

const KEY_BYTES: usize = 8 + 4 + 8 + 9 + 4;

impl CounterKey {
    /// Returns the calendar day of the campaign's merchant, as days since 1970.
    pub const fn day(&self) -> u32 {
        self.hour / HOURS_OF_A_DAY
    }

    pub fn to_bytes(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(KEY_BYTES);
        key.extend(self.campaign.bits().to_be_bytes());
        key.extend(self.hour.to_be_bytes());
        key.extend(self.influencer.bits().to_be_bytes());
        key.push(u8::from(self.link.is_some()));
        key.extend(self.link.map_or(0, LinkId::bits).to_be_bytes());
        let (kind, detail) = match &self.metric {
            Metric::Clicks(class) => (0, [*class as u8, 0, 0]),
            Metric::Sessions => (1, [0; 3]),
            Metric::Leads => (2, [0; 3]),
            Metric::Orders => (3, [0; 3]),
            Metric::Revenue(currency) => (4, code(currency)),
            Metric::Commission(currency) => (5, code(currency)),
            Metric::Held => (6, [0; 3]),
        };
        key.push(kind);
        key.extend(detail);
        key
    }

    /// Reads a key; `None` for bytes of another shape.
    pub fn from_bytes(key: &[u8]) -> Option<Self> {
        let number =
            |range: Range<usize>| Some(u64::from_be_bytes(key.get(range)?.try_into().ok()?));
        let detail = key.get(30..33)?;
        let currency = || str::from_utf8(detail).ok()?.parse().ok();
        Some(Self {
            campaign: CampaignId::from_bits(number(0..8)?),
            hour: u32::from_be_bytes(key.get(8..12)?.try_into().ok()?),
            influencer: InfluencerId::from_bits(number(12..20)?),
            link: (*key.get(20)? == 1).then_some(LinkId::from_bits(number(21..29)?)),
            metric: match key.get(29)? {
                0 => Metric::Clicks(*Class::ALL.get(usize::from(detail[0]))?),
                1 => Metric::Sessions,
                2 => Metric::Leads,
                3 => Metric::Orders,
                4 => Metric::Revenue(currency()?),
                5 => Metric::Commission(currency()?),
                6 => Metric::Held,
                _ => return None,
            },
        })
    }
}

fn code(currency: &Currency) -> [u8; 3] {
    let mut code = [0; 3];
    code.copy_from_slice(currency.code().as_bytes());
    code
}

/// Hours of a day by the clock. On the day when the clock is set forward one of them is empty; on the
/// day when it is set back one of them is two.
pub const HOURS_OF_A_DAY: u32 = 24;

/// Which counts are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountQuestion {
    /// `None` for those of every campaign.
    pub campaigns: Option<Vec<CampaignId>>,
    pub influencer: Option<InfluencerId>,
    /// From this hour on, and before the other one.
    pub hours: Range<u32>,
}

impl CountQuestion {
    /// Asks for everything.
    pub const ALL: Self = Self { campaigns: None, influencer: None, hours: 0..u32::MAX };

    pub(crate) fn has(&self, key: &CounterKey) -> bool {
        self.hours.contains(&key.hour)
            && self.influencer.is_none_or(|wanted| wanted == key.influencer)
            && self.campaigns.as_ref().is_none_or(|wanted| wanted.contains(&key.campaign))
    }

    /// Returns the range of keys of a campaign.
    pub(crate) fn range(&self, campaign: CampaignId) -> KeyRange {
        let at = |hour: u32| [&campaign.bits().to_be_bytes()[..], &hour.to_be_bytes()].concat();
        KeyRange { from: at(self.hours.start), until: at(self.hours.end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_back_in_few_bytes() {
        let click = ClickId::from_bytes([1; 16]);
        let touch = Touch {
            clicked_at: Timestamp::from_ms(1_763_800_000_000),
            click,
            link: LinkId::from_bits(u64::MAX),
            window_minutes: 43_200,
            key: None,
        };
        for previous in [None, Some(ClickId::from_bytes([2; 16]))] {
            let visit = Visit { touch, previous };
            let bytes = visit_to_bytes(&visit);
            // Redis keeps values of up to 44 bytes in one piece with their header.
            assert!(bytes.len() <= 44, "{}", bytes.len());
            assert_eq!(visit_from_bytes(click, &bytes), Some(visit));
            assert_eq!(visit_from_bytes(click, &bytes[1..]), None);
        }
    }

    #[test]
    fn counter_keys_read_back() {
        let eur = "EUR".parse().unwrap();
        let mut metrics = vec![
            Metric::Sessions,
            Metric::Leads,
            Metric::Orders,
            Metric::Revenue(eur),
            Metric::Commission(eur),
            Metric::Held,
        ];
        metrics.extend(Class::ALL.map(Metric::Clicks));
        for metric in metrics {
            for link in [None, Some(LinkId::from_bits(9))] {
                let (campaign, influencer) = (CampaignId::from_bits(1), InfluencerId::from_bits(2));
                let key = CounterKey { campaign, hour: 480_000, influencer, link, metric };
                assert_eq!(key.to_bytes().len(), KEY_BYTES);
                assert_eq!(CounterKey::from_bytes(&key.to_bytes()), Some(key));
            }
        }
    }
}
