//! Keys and values of the hot state: layouts that every store shares.

use shared::class::Class;
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use shared::money::Currency;

/// How far a stream is projected: its last record's number, and the checksum that tells it from another record which
/// got the same number after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    pub(crate) seq: u64,
    pub(crate) checksum: u32,
}

impl Position {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.seq.to_be_bytes()[..], &self.checksum.to_be_bytes()].concat()
    }

    /// Reads a stored position; anything else is the beginning.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let seq = bytes.get(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let checksum = bytes.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        seq.zip(checksum).map_or_else(Self::default, |(seq, checksum)| Self { seq, checksum })
    }
}

/// Key of an order's name, and of the dossier that it began: the merchant, then the folded name.
pub(crate) fn name_key(merchant: MerchantId, name: &str) -> Vec<u8> {
    let mut key = merchant.bits().to_be_bytes().to_vec();
    key.extend(name.as_bytes());
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
        let number =
            |range: std::ops::Range<usize>| Some(u64::from_be_bytes(key.get(range)?.try_into().ok()?));
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

    #[test]
    fn counter_keys_read_back() {
        let eur = "EUR".parse().unwrap();
        let mut metrics = vec![
            Metric::Sessions,
            Metric::Leads,
            Metric::Orders,
            Metric::Revenue(eur),
            Metric::Commission(eur),
        ];
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
}
