//! A link as bytes, and a view that reads its fields from them without copying. Absent fields take
//! no bytes. The bytes never leave the process.

use basics::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use basics::time::Timestamp;
use rules::Rules;

use super::link::Link;
use super::ruled::Ruled;
use super::schedule::Schedule;

// Format: head | slug | destination | updated, starts, ends if present, 6 bytes each | fallback if
// present. Numbers are little-endian; each text begins with its length as a varint. The fields that
// a redirect reads come first. Any version may change the format.
const HEAD: usize = 37;
/// The bytes of a time: milliseconds up to the year 9999 need 48 bits.
const TIME: usize = 6;
/// The bytes of a merchant id, which has 40 bits.
const MERCHANT: usize = 5;

// The flags: bits of a number in the head.
const PAUSED: u16 = 1;
const MERCHANT_KNOWN: u16 = 2;
const UPDATED: u16 = 4;
const STARTS: u16 = 8;
const ENDS: u16 = 16;
const TIMES: u16 = UPDATED | STARTS | ENDS;
const FALLBACK: u16 = 32;
const FRAGMENT: u16 = 64;
const UNFIT: u16 = 128;
const QUERY: u16 = 256;
const CLICK_IDS: u16 = 512;
const RULES: u16 = 1024;
const DEEP: u16 = 2048;

/// A view of a link in its record.
#[derive(Debug, Clone, Copy)]
pub struct LinkRef<'a> {
    head: &'a [u8; HEAD],
    /// The bytes after the head. They go on after the end of the record.
    rest: &'a [u8],
    /// The rules of all links that have some; `None` where nobody asks for them.
    ruled: Option<&'a Ruled>,
}

/// Appends a link's record to `out`, with its campaign's merchant if that is known.
pub(super) fn pack(link: &Link, merchant: Option<MerchantId>, out: &mut Vec<u8>) {
    let begin = out.len();
    let updated_at = Some(link.updated_at).filter(|updated_at| *updated_at != link.created_at);
    let times = [(UPDATED, updated_at), (STARTS, link.starts_at), (ENDS, link.ends_at)];
    let mut flags = hints(link.destination.as_bytes());
    flags |= link.rules().map_or(0, |rules| hints_of_rules(&rules));
    for (flag, is_set) in [
        (PAUSED, link.paused),
        (CLICK_IDS, link.pass_click_ids),
        (DEEP, link.deep_links),
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
    put_text(&link.slug, out);
    put_text(&link.destination, out);
    times.iter().filter_map(|(_, time)| *time).for_each(|time| put_time(time, out));
    link.fallback.iter().for_each(|fallback| put_text(fallback, out));
    debug_assert_eq!(bytes_at(&out[begin..]), Some(out.len() - begin), "a record holds its length");
}

/// Returns the flags that spare a redirect from reading the destination.
fn hints(destination: &[u8]) -> u16 {
    let fragment_at = destination.iter().position(|&byte| byte == b'#');
    let before = &destination[..fragment_at.unwrap_or(destination.len())];
    let unfit = destination.iter().any(|&byte| byte < b' ' || byte == 127);
    let query = if before.contains(&b'?') { QUERY } else { 0 };
    query | if fragment_at.is_some() { FRAGMENT } else { 0 } | if unfit { UNFIT } else { 0 }
}

/// Returns the flags of a link with rules. It must fit a header wherever it leads.
fn hints_of_rules(rules: &Rules) -> u16 {
    let of_each = rules.destinations().map(|destination| hints(destination.as_bytes()));
    of_each.fold(RULES, |flags, hints| flags | hints & UNFIT)
}

fn put_time(time: Timestamp, out: &mut Vec<u8>) {
    out.extend(&time.as_ms().to_le_bytes()[..TIME]);
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    let low_bits = |number: usize| number.to_le_bytes()[0] & 127;
    let mut length = text.len();
    while length >= 128 {
        out.push(low_bits(length) | 128);
        length /= 128;
    }
    out.push(low_bits(length));
    out.extend_from_slice(text.as_bytes());
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|byte| *byte == wanted)
}

/// Takes a text from the front of `bytes`.
#[inline]
fn take_text<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let (length, rest) = match *bytes {
        [length @ 0..128, rest @ ..] => (usize::from(*length), rest),
        long => long_length(long),
    };
    let (text, rest) = rest.split_at_checked(length).unwrap_or_default();
    *bytes = rest;
    text
}

/// Reads a length that takes two bytes or more. Returns it and the bytes after it.
fn long_length(mut bytes: &[u8]) -> (usize, &[u8]) {
    let (mut length, mut shift) = (0, 0);
    while let Some((&byte, rest)) = bytes.split_first() {
        bytes = rest;
        length |= usize::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            break;
        }
    }
    (length, bytes)
}

/// Returns the id of the link whose record begins here.
#[inline]
pub(super) fn id_at(record: &[u8]) -> Option<LinkId> {
    record.first_chunk().map(|bytes| LinkId::from_bits(u64::from_le_bytes(*bytes)))
}

/// Returns the number of bytes of the record that begins here.
pub(super) fn bytes_at(record: &[u8]) -> Option<usize> {
    LinkRef::read(record).map(|link| record.len() - link.fallback_and_end().1.len())
}

impl<'a> LinkRef<'a> {
    /// Makes a view of the link whose record begins here.
    #[inline]
    pub(super) fn read(record: &'a [u8]) -> Option<Self> {
        let (head, rest) = record.split_first_chunk()?;
        Some(Self { head, rest, ruled: None })
    }

    /// Returns the view with the place where its rules are found.
    #[inline]
    pub(super) const fn with_rules(self, ruled: &'a Ruled) -> Self {
        Self { ruled: Some(ruled), ..self }
    }

    /// Returns its rules, where it has some. A link without any costs a look at one bit.
    #[inline]
    pub fn rules(&self) -> Option<&'a Rules> {
        if self.is(RULES) { self.ruled?.get(self.id()) } else { None }
    }

    #[inline]
    const fn flags(&self) -> u16 {
        u16::from_le_bytes([self.head[35], self.head[36]])
    }

    #[inline]
    const fn is(&self, flag: u16) -> bool {
        self.flags() & flag != 0
    }

    fn number<const BYTES: usize>(&self, offset: usize) -> u64 {
        let mut number = [0; 8];
        number[..BYTES].copy_from_slice(&self.head[offset..offset + BYTES]);
        u64::from_le_bytes(number)
    }

    /// Returns the link's id.
    #[inline]
    pub fn id(&self) -> LinkId {
        LinkId::from_bits(self.number::<8>(0))
    }

    /// Returns the campaign's id.
    #[inline]
    pub fn campaign(&self) -> CampaignId {
        CampaignId::from_bits(self.number::<8>(8))
    }

    /// Returns the influencer's id.
    #[inline]
    pub fn influencer(&self) -> InfluencerId {
        InfluencerId::from_bits(self.number::<8>(16))
    }

    /// Returns the merchant of the campaign; `None` until the campaign is known.
    #[inline]
    pub fn merchant(&self) -> Option<MerchantId> {
        self.is(MERCHANT_KNOWN).then(|| MerchantId::from_bits(self.number::<MERCHANT>(24)))
    }

    /// Returns the time at which the API created it.
    pub fn created_at(&self) -> Timestamp {
        time(&self.head[29..])
    }

    /// Returns the time at which the API last changed it.
    pub fn updated_at(&self) -> Timestamp {
        self.time(UPDATED).unwrap_or_else(|| self.created_at())
    }

    /// Returns one of the optional times, which are in the order of their flags.
    fn time(&self, flag: u16) -> Option<Timestamp> {
        let before = self.flags() & TIMES & (flag - 1);
        self.is(flag).then(|| time(self.behind_texts().get(room_of(before)..).unwrap_or_default()))
    }

    /// Returns the bytes after slug and destination.
    fn behind_texts(&self) -> &'a [u8] {
        let mut rest = self.rest;
        take_text(&mut rest);
        take_text(&mut rest);
        rest
    }

    /// Returns the fallback, and the bytes after the record.
    fn fallback_and_end(&self) -> (Option<&'a [u8]>, &'a [u8]) {
        let mut rest = self.behind_texts().get(room_of(self.flags() & TIMES)..).unwrap_or_default();
        let fallback = self.is(FALLBACK).then(|| take_text(&mut rest));
        (fallback, rest)
    }

    /// Returns when it may be followed.
    #[inline]
    pub fn schedule(&self) -> Schedule {
        if self.flags() & (PAUSED | STARTS | ENDS) == 0 {
            return Schedule::default();
        }
        Schedule { paused: self.is(PAUSED), starts_at: self.time(STARTS), ends_at: self.time(ENDS) }
    }

    /// Returns whether the click ids of advertising platforms are passed on.
    #[inline]
    pub const fn passes_click_ids(&self) -> bool {
        self.is(CLICK_IDS)
    }

    /// Returns whether what stands behind its slug goes on with the destination's path.
    #[inline]
    pub const fn has_deep_links(&self) -> bool {
        self.is(DEEP)
    }

    /// Returns its path, as the API received it.
    pub fn slug(&self) -> &'a str {
        text(self.slug_bytes())
    }

    #[inline]
    pub(super) fn slug_bytes(&self) -> &'a [u8] {
        take_text(&mut { self.rest })
    }

    /// Returns whether this is its path, compared without case.
    #[inline]
    pub(super) fn has_slug(&self, slug: &str) -> bool {
        let own = self.slug_bytes();
        // Visitors nearly always use the spelling that the API received.
        own == slug.as_bytes() || own.eq_ignore_ascii_case(slug.as_bytes())
    }

    /// Returns the address to which it leads.
    pub fn destination(&self) -> &'a str {
        text(self.destination_bytes())
    }

    #[inline]
    fn destination_bytes(&self) -> &'a [u8] {
        let mut rest = self.rest;
        take_text(&mut rest);
        take_text(&mut rest)
    }

    /// Returns the address to which it leads in three parts: before its `?`, its query without the
    /// `?`, and from its `#` on.
    #[inline]
    pub fn destination_parts(&self) -> (&'a [u8], &'a [u8], &'a [u8]) {
        parts(self.destination_bytes(), self.is(QUERY), self.is(FRAGMENT))
    }

    /// Returns the address to which it leads as bytes.
    #[inline]
    pub fn destination_as_bytes(&self) -> &'a [u8] {
        self.destination_bytes()
    }

    /// Returns whether the destination may be part of a header. It is checked when the link is
    /// packed, because a redirect writes headers as bytes.
    #[inline]
    pub const fn fits_a_header(&self) -> bool {
        !self.is(UNFIT)
    }

    /// Returns the address to which it leads after its own end or its campaign's.
    pub fn fallback(&self) -> Option<&'a str> {
        self.fallback_and_end().0.map(text)
    }

    /// Returns a copy as an entity.
    pub fn to_link(&self) -> Link {
        let Schedule { paused, starts_at, ends_at } = self.schedule();
        let Rules { rules, split } = self.rules().cloned().unwrap_or_default();
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
            pass_click_ids: self.passes_click_ids(),
            deep_links: self.has_deep_links(),
            rules,
            split,
            created_at: self.created_at(),
            updated_at: self.updated_at(),
        }
    }
}

/// Returns the parts of any address of a link, as [`LinkRef::destination_parts`] does of its own.
pub fn parts_of(destination: &[u8]) -> (&[u8], &[u8], &[u8]) {
    parts(destination, true, true)
}

#[inline]
fn parts(destination: &[u8], has_query: bool, has_fragment: bool) -> (&[u8], &[u8], &[u8]) {
    let fragment_at = if has_fragment { position(destination, b'#') } else { None };
    let (before, fragment) = destination.split_at(fragment_at.unwrap_or(destination.len()));
    let query_at = if has_query { position(before, b'?') } else { None };
    match query_at {
        Some(at) => (&before[..at], &before[at + 1..], fragment),
        None => (before, &[], fragment),
    }
}

/// Returns the number of bytes of the times with these flags.
const fn room_of(times: u16) -> usize {
    times.count_ones() as usize * TIME
}

fn time(bytes: &[u8]) -> Timestamp {
    let mut ms = [0; 8];
    ms.iter_mut().zip(bytes.iter().take(TIME)).for_each(|(to, from)| *to = *from);
    Timestamp::from_ms(i64::from_le_bytes(ms))
}

/// Reads a text. It is always valid UTF-8, because it was packed from a text.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_query_goes_and_what_fits_a_header_is_known_beforehand() {
        for (destination, page, query, fragment, fits) in [
            ("https://shop.test/", "https://shop.test/", "", "", true),
            ("https://shop.test/?", "https://shop.test/", "", "", true),
            ("https://shop.test/?a=1&", "https://shop.test/", "a=1&", "", true),
            ("https://shop.test/?a=1?b#top?", "https://shop.test/", "a=1?b", "#top?", true),
            ("https://shop.test/#?a=1", "https://shop.test/", "", "#?a=1", true),
            ("https://shop.test/\r\nX: y", "https://shop.test/\r\nX: y", "", "", false),
            ("https://shop.test/\u{7f}", "https://shop.test/\u{7f}", "", "", false),
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
                pass_click_ids: false,
                deep_links: false,
                rules: vec![],
                split: vec![],
                created_at: at,
                updated_at: at,
            };
            let mut record = Vec::new();
            pack(&link, None, &mut record);
            let read = LinkRef::read(&record).unwrap();
            let parts = (page.as_bytes(), query.as_bytes(), fragment.as_bytes());
            assert_eq!(read.destination_parts(), parts, "{destination:?}");
            assert_eq!(read.fits_a_header(), fits, "{destination:?}");
            assert_eq!(
                record.len(),
                HEAD + 2 + 4 + destination.len(),
                "nothing stands there that need not"
            );
        }
    }
}
