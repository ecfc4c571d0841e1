//! Keys and values of the hot state: layouts that every store shares.

use shared::id::{CampaignId, ClickId, InfluencerId, LinkId, MerchantId};
use shared::class::Class;
use shared::money::Currency;
use shared::order::Touch;

/// Touches a window keeps: the path that led to a click, and the click.
pub(crate) const TOUCHES_MAX: usize = 8;

/// The touches of a window, by time; the last one is the click itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Touches(pub(crate) Vec<Touch>);

impl Touches {
    /// A click's window: the path before it as far as it still counts, and the click.
    ///
    /// A touch still counts when its own window covers the new click's time.
    pub(crate) fn extended(previous: Option<&Self>, click: Touch) -> Self {
        let before = previous.map_or(&[][..], |touches| &touches.0);
        let mut path: Vec<_> =
            before.iter().copied().filter(|t| t.covers(click.clicked_at) && t.click != click.click).collect();
        let excess = (path.len() + 1).saturating_sub(TOUCHES_MAX);
        path.drain(..excess);
        path.push(click);
        Self(path)
    }

    /// The stored form.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(&self.0).unwrap_or_default()
    }

    /// Reads the stored form; a damaged one is no window.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok().map(Self)
    }
}

/// Key of a click's window.
pub(crate) fn window_key(click: &ClickId) -> Vec<u8> {
    click.as_bytes().to_vec()
}

/// Key of an order: its merchant, then its id.
pub(crate) fn order_key(merchant: MerchantId, order_id: &str) -> Vec<u8> {
    let mut key = merchant.bits().to_be_bytes().to_vec();
    key.extend(order_id.as_bytes());
    key
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Metric {
    /// Clicks of one class.
    Clicks(Class),
    /// Sessions.
    Sessions,
    /// Leads.
    Leads,
    /// Credited orders that are not void.
    Orders,
    /// Their net goods, in minor units.
    Revenue(Currency),
    /// Commission booked, in minor units.
    Commission(Currency),
}

/// What a count is of: one day, one link or none, one influencer in one campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CounterKey {
    /// Days since 1970, UTC.
    pub(crate) day: u32,
    pub(crate) campaign: CampaignId,
    pub(crate) influencer: InfluencerId,
    /// None for an order that a coupon brought.
    pub(crate) link: Option<LinkId>,
    pub(crate) metric: Metric,
}

const KEY_BYTES: usize = 4 + 8 + 8 + 9 + 4;

impl CounterKey {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(KEY_BYTES);
        key.extend(self.day.to_be_bytes());
        key.extend(self.campaign.bits().to_be_bytes());
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
        };
        key.push(kind);
        key.extend(detail);
        key
    }

    /// Reads a key; one of another shape is none.
    pub(crate) fn from_bytes(key: &[u8]) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| Some(u64::from_be_bytes(key.get(range)?.try_into().ok()?));
        let detail = key.get(30..33)?;
        let currency = || str::from_utf8(detail).ok()?.parse().ok();
        Some(Self {
            day: u32::from_be_bytes(key.get(..4)?.try_into().ok()?),
            campaign: CampaignId::from_bits(number(4..12)?),
            influencer: InfluencerId::from_bits(number(12..20)?),
            link: (*key.get(20)? == 1).then_some(LinkId::from_bits(number(21..29)?)),
            metric: match key.get(29)? {
                0 => Metric::Clicks(*Class::ALL.get(usize::from(detail[0]))?),
                1 => Metric::Sessions,
                2 => Metric::Leads,
                3 => Metric::Orders,
                4 => Metric::Revenue(currency()?),
                5 => Metric::Commission(currency()?),
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

#[cfg(test)]
mod tests {
    use super::*;
    use shared::time::{Span, Timestamp};

    #[test]
    fn counter_keys_read_back() {
        let eur = "EUR".parse().unwrap();
        let mut metrics = vec![Metric::Sessions, Metric::Leads, Metric::Orders, Metric::Revenue(eur), Metric::Commission(eur)];
        metrics.extend(Class::ALL.map(Metric::Clicks));
        for metric in metrics {
            for link in [None, Some(LinkId::from_bits(9))] {
                let (campaign, influencer) = (CampaignId::from_bits(1), InfluencerId::from_bits(2));
                let key = CounterKey { day: 20_000, campaign, influencer, link, metric };
                assert_eq!(key.to_bytes().len(), KEY_BYTES);
                assert_eq!(CounterKey::from_bytes(&key.to_bytes()), Some(key));
            }
        }
    }

    #[test]
    fn a_window_keeps_the_last_eight_touches_that_still_count() {
        let touch = |n: u8, minutes: i64| Touch {
            clicked_at: Timestamp::from_ms(1_763_800_000_000).plus(Span::minutes(minutes)),
            click: ClickId::from_bytes([n; 16]),
            link: LinkId::from_bits(1),
            window_minutes: 100,
        };
        let path = Touches((0..8).map(|n| touch(n, i64::from(n))).collect());
        let window = Touches::extended(Some(&path), touch(8, 8));
        assert_eq!(window.0.first().map(|t| t.click), Some(ClickId::from_bytes([1; 16])));
        assert_eq!(window.0.len(), TOUCHES_MAX);
        assert_eq!(Touches::extended(Some(&path), touch(9, 104)).0.len(), 4, "those within 100 minutes, and itself");
        assert_eq!(Touches::from_bytes(&window.to_bytes()), Some(window));
    }
}
