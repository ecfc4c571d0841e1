//! A link as bytes, and what reads it there without copying: everything once, nothing that is not there.

use crate::catalog::{Link, Schedule};
use crate::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use crate::time::Timestamp;

// Format: head | slug and destination length as varints | updated, starts, ends where present, 6 bytes each |
// fallback length as varint where present | slug | destination | fallback. Numbers are little-endian. Never leaves
// the process: it may change with any version.
const HEAD: usize = 37;
/// Years up to 9999 in milliseconds need 48 bits.
const TIME: usize = 6;
/// Merchant ids have 40 bits.
const MERCHANT: usize = 5;

// What the flags say.
const PAUSED: u16 = 1;
const MERCHANT_KNOWN: u16 = 2;
const UPDATED: u16 = 4;
const STARTS: u16 = 8;
const ENDS: u16 = 16;
const FALLBACK: u16 = 32;
const FRAGMENT: u16 = 64;
const UNFIT: u16 = 128;
/// Two bits: what joins a parameter to the destination, by its place in [`JOINTS`].
const JOINT_SHIFT: u32 = 8;
const JOINTS: [&str; 4] = ["?", "&", "", ""];

/// A link where it lies.
#[derive(Debug, Clone, Copy)]
pub struct LinkRef<'a> {
    head: &'a [u8; HEAD],
    flags: u16,
    times: &'a [u8],
    slug: &'a [u8],
    destination: &'a [u8],
    fallback: &'a [u8],
}

/// Appends a link's record to `out`, with its campaign's merchant where that is known.
pub(super) fn pack(link: &Link, merchant: Option<MerchantId>, out: &mut Vec<u8>) {
    let updated_at = Some(link.updated_at).filter(|updated_at| *updated_at != link.created_at);
    let times = [(UPDATED, updated_at), (STARTS, link.starts_at), (ENDS, link.ends_at)];
    let mut flags = hints(link.destination.as_bytes());
    for (flag, is_set) in [
        (PAUSED, link.paused),
        (MERCHANT_KNOWN, merchant.is_some()),
        (FALLBACK, link.fallback.is_some()),
    ] {
        flags |= if is_set { flag } else { 0 };
    }
    times.iter().for_each(|(flag, time)| flags |= if time.is_some() { *flag } else { 0 });

    out.extend(link.id.bits().to_le_bytes());
    out.extend(link.campaign.bits().to_le_bytes());
    out.extend(link.influencer.bits().to_le_bytes());
    out.extend(&merchant.map_or(0, MerchantId::bits).to_le_bytes()[..MERCHANT]);
    put_time(link.created_at, out);
    out.extend(flags.to_le_bytes());
    put_varint(link.slug.len(), out);
    put_varint(link.destination.len(), out);
    times.iter().filter_map(|(_, time)| *time).for_each(|time| put_time(time, out));
    let fallback = link.fallback.as_deref();
    fallback.iter().for_each(|fallback| put_varint(fallback.len(), out));
    for text in [link.slug.as_str(), &link.destination, fallback.unwrap_or_default()] {
        out.extend_from_slice(text.as_bytes());
    }
}

/// What a redirect wants to know of a destination, found once.
fn hints(destination: &[u8]) -> u16 {
    let fragment_at = destination.iter().position(|&byte| byte == b'#');
    let before = &destination[..fragment_at.unwrap_or(destination.len())];
    let query = before.iter().position(|&byte| byte == b'?').map(|at| &before[at + 1..]);
    let joint: u16 = match query {
        None => 0,
        Some(query) if query.is_empty() || query.ends_with(b"&") => 2,
        Some(_) => 1,
    };
    let unfit = destination.iter().any(|&byte| byte < b' ' || byte == 127);
    joint << JOINT_SHIFT
        | if fragment_at.is_some() { FRAGMENT } else { 0 }
        | if unfit { UNFIT } else { 0 }
}

fn put_time(time: Timestamp, out: &mut Vec<u8>) {
    out.extend(&time.as_ms().to_le_bytes()[..TIME]);
}

fn put_varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 128 {
        out.push(low_bits(number) | 128);
        number /= 128;
    }
    out.push(low_bits(number));
}

fn low_bits(number: usize) -> u8 {
    number.to_le_bytes()[0] & 127
}

#[inline]
fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(first & 127) << shift;
        if first < 128 {
            return Some(number);
        }
    }
    None
}

/// The id of the record that begins here.
#[inline]
pub(super) fn id_at(record: &[u8]) -> Option<LinkId> {
    record.first_chunk().map(|bytes| LinkId::from_bits(u64::from_le_bytes(*bytes)))
}

/// How many bytes the record has that begins here.
pub(super) fn bytes_at(record: &[u8]) -> Option<usize> {
    LinkRef::at(record).map(|(_, length)| length)
}

impl<'a> LinkRef<'a> {
    /// The link whose record begins here.
    #[inline]
    pub(super) fn read(record: &'a [u8]) -> Option<Self> {
        Self::at(record).map(|(link, _)| link)
    }

    #[inline]
    fn at(record: &'a [u8]) -> Option<(Self, usize)> {
        let (head, mut rest) = record.split_first_chunk::<HEAD>()?;
        let flags = u16::from_le_bytes([head[35], head[36]]);
        let slug_bytes = take_varint(&mut rest)?;
        let destination_bytes = take_varint(&mut rest)?;
        let times_count = (flags & (UPDATED | STARTS | ENDS)).count_ones() as usize;
        let (times, mut rest) = rest.split_at_checked(times_count * TIME)?;
        let fallback_bytes = if flags & FALLBACK == 0 { 0 } else { take_varint(&mut rest)? };
        let (slug, rest) = rest.split_at_checked(slug_bytes)?;
        let (destination, rest) = rest.split_at_checked(destination_bytes)?;
        let (fallback, rest) = rest.split_at_checked(fallback_bytes)?;
        Some((Self { head, flags, times, slug, destination, fallback }, record.len() - rest.len()))
    }

    const fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    fn number<const BYTES: usize>(&self, offset: usize) -> u64 {
        let mut number = [0; 8];
        number[..BYTES].copy_from_slice(&self.head[offset..offset + BYTES]);
        u64::from_le_bytes(number)
    }

    /// The id.
    #[inline]
    pub fn id(&self) -> LinkId {
        LinkId::from_bits(self.number::<8>(0))
    }

    /// The campaign.
    #[inline]
    pub fn campaign(&self) -> CampaignId {
        CampaignId::from_bits(self.number::<8>(8))
    }

    /// The influencer.
    #[inline]
    pub fn influencer(&self) -> InfluencerId {
        InfluencerId::from_bits(self.number::<8>(16))
    }

    /// The campaign's merchant, once the campaign is known.
    #[inline]
    pub fn merchant(&self) -> Option<MerchantId> {
        self.is(MERCHANT_KNOWN).then(|| MerchantId::from_bits(self.number::<MERCHANT>(24)))
    }

    /// When it was created.
    pub fn created_at(&self) -> Timestamp {
        time(&self.head[29..])
    }

    /// When it was last changed.
    pub fn updated_at(&self) -> Timestamp {
        self.time(UPDATED).unwrap_or_else(|| self.created_at())
    }

    /// One of the times that need not be there; they stand in the order of their flags.
    fn time(&self, flag: u16) -> Option<Timestamp> {
        let before = (self.flags & (UPDATED | STARTS | ENDS) & (flag - 1)).count_ones() as usize;
        self.is(flag).then(|| time(self.times.get(before * TIME..).unwrap_or_default()))
    }

    /// When it may be followed.
    #[inline]
    pub fn schedule(&self) -> Schedule {
        if self.flags & (PAUSED | STARTS | ENDS) == 0 {
            return Schedule::default();
        }
        Schedule { paused: self.is(PAUSED), starts_at: self.time(STARTS), ends_at: self.time(ENDS) }
    }

    /// Its path, as it was given.
    pub fn slug(&self) -> &'a str {
        text(self.slug)
    }

    pub(super) const fn slug_bytes(&self) -> &'a [u8] {
        self.slug
    }

    /// Whether this is its path, compared without case.
    #[inline]
    pub(super) fn has_slug(&self, slug: &str) -> bool {
        self.slug.eq_ignore_ascii_case(slug.as_bytes())
    }

    /// Where it leads.
    pub fn destination(&self) -> &'a str {
        text(self.destination)
    }

    /// Where it leads, up to its `#`, and from there on.
    #[inline]
    pub fn destination_around_fragment(&self) -> (&'a [u8], &'a [u8]) {
        let end = self.destination.len();
        let fragment_at = if self.is(FRAGMENT) {
            self.destination.iter().position(|&byte| byte == b'#').unwrap_or(end)
        } else {
            end
        };
        self.destination.split_at(fragment_at)
    }

    /// What joins a parameter to the destination: `?` or `&`, or nothing after a bare `?`.
    #[inline]
    pub fn joint(&self) -> &'static str {
        JOINTS[usize::from(self.flags >> JOINT_SHIFT) % JOINTS.len()]
    }

    /// Whether the destination may stand in a header: looked at once, because headers are written as bytes.
    #[inline]
    pub const fn fits_a_header(&self) -> bool {
        !self.is(UNFIT)
    }

    /// Where it leads when it is over.
    pub fn fallback(&self) -> Option<&'a str> {
        self.is(FALLBACK).then(|| text(self.fallback))
    }

    /// A copy of it all.
    pub fn to_link(&self) -> Link {
        let Schedule { paused, starts_at, ends_at } = self.schedule();
        Link {
            id: self.id(),
            campaign: self.campaign(),
            influencer: self.influencer(),
            destination: self.destination().to_owned(),
            slug: self.slug().to_owned(),
            starts_at,
            ends_at,
            fallback: self.fallback().map(str::to_owned),
            paused,
            created_at: self.created_at(),
            updated_at: self.updated_at(),
        }
    }
}

fn time(bytes: &[u8]) -> Timestamp {
    let mut ms = [0; 8];
    ms.iter_mut().zip(bytes.iter().take(TIME)).for_each(|(to, from)| *to = *from);
    Timestamp::from_ms(i64::from_le_bytes(ms))
}

/// What was packed from a text is one.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_joins_a_parameter_and_what_fits_a_header_is_known_beforehand() {
        for (destination, before, fragment, joint, fits) in [
            ("https://shop.test/", "https://shop.test/", "", "?", true),
            ("https://shop.test/?", "https://shop.test/?", "", "", true),
            ("https://shop.test/?a=1&", "https://shop.test/?a=1&", "", "", true),
            ("https://shop.test/?a=1#top?", "https://shop.test/?a=1", "#top?", "&", true),
            ("https://shop.test/#?a=1", "https://shop.test/", "#?a=1", "?", true),
            ("https://shop.test/\r\nX: y", "https://shop.test/\r\nX: y", "", "?", false),
            ("https://shop.test/\u{7f}", "https://shop.test/\u{7f}", "", "?", false),
        ] {
            let at = Timestamp::from_ms(1);
            let link = Link {
                id: LinkId::from_bits(1),
                campaign: CampaignId::from_bits(2),
                influencer: InfluencerId::from_bits(3),
                destination: destination.into(),
                slug: "anna".into(),
                starts_at: None,
                ends_at: None,
                fallback: None,
                paused: false,
                created_at: at,
                updated_at: at,
            };
            let mut record = Vec::new();
            pack(&link, None, &mut record);
            let read = LinkRef::read(&record).unwrap();
            let around = (before.as_bytes(), fragment.as_bytes());
            assert_eq!(read.destination_around_fragment(), around, "{destination:?}");
            assert_eq!((read.joint(), read.fits_a_header()), (joint, fits), "{destination:?}");
            assert_eq!(record.len(), HEAD + 2 + 4 + destination.len(), "nothing stands there that need not");
        }
    }
}
