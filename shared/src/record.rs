//! Records of the journal. Each holds one fact, after a byte for its kind and a byte for its
//! version.
//!
//! Clicks are many and must be small: their format is postcard. Other records are rare, and people
//! must be able to read them for years: their format is JSON. The meaning of a record never
//! changes; a new shape is a new version, and every old version stays readable.
//!
//! # Format
//! ```text
//! 0  1  kind: 1 click, 2 event, 3 order fact, 4 catalog change, 5 unparsed, 6 lead fact
//! 1  1  version of that kind's body
//! 2  …  body
//! ```
//!
//! A click of version 2 has a byte before its body: what the visitor's browser said of tracking, as
//! in the token's flags. Behind the body of a click may stand one byte more, the number of the rule or
//! share that chose its destination; readers of before leave it out. A catalog change of version 2 has sealed secrets: `sealed` in its merchants and influencers. One
//! of version 3 has merchants that pay browsers' leads by another rule than browsers' orders. An
//! event of version 3 and an order fact of version 4 have a visit that a discount code opened.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::agent::{Device, InApp};
use crate::catalog::Change;
use crate::class::Class;
use crate::consent::Consent;
use crate::event::EventName;
use crate::id::{ClickId, EventId, LinkId, MerchantId, UnparsedId};
use crate::lead::LeadFact;
use crate::order::{CodeVisit, Opening, OrderFact, Touch, Visit};
use crate::platform::Platform;
use crate::rules::Branch;
use crate::time::Timestamp;
use crate::token::{consent_bits, consent_of};

/// A recorded request to a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Click<'a> {
    /// The id of the click. For a class that earns it is also in the token.
    pub id: ClickId,
    /// The time of the request.
    pub at: Timestamp,
    /// The link, from which campaign, influencer and merchant follow.
    pub link: LinkId,
    /// Billable, or the reason why it is not.
    pub class: Class,
    /// The attribution window in its token, in minutes.
    pub window_minutes: u32,
    /// The earlier click whose valid token the visitor had.
    pub previous: Option<ClickId>,
    /// The influencer's own mark, from the parameter `s`.
    #[serde(borrow)]
    pub sub_id: Option<&'a str>,
    /// The two-letter code of the country, if a proxy in front sent it.
    pub country: Option<[u8; 2]>,
    /// The kind of device.
    pub device: Device,
    /// The app whose built-in browser it was.
    pub in_app: InApp,
    /// The host from which the visitor came; never the path.
    #[serde(borrow)]
    pub referrer_host: &'a str,
    /// What the visitor's browser said of tracking. It stands before the body in version 2, and is
    /// unknown in version 1.
    #[serde(skip)]
    pub consent: Consent,
    /// The rule or share of the link that chose the destination; `None` for the link's own. It
    /// stands behind the body.
    #[serde(skip)]
    pub branch: Option<Branch>,
}

impl Click<'_> {
    /// Returns the click as the hot state keeps it; `None` for a class that does not earn.
    pub const fn visit(&self) -> Option<Visit> {
        if !self.class.earns() {
            return None;
        }
        let Self { id, at, link, window_minutes, previous, .. } = *self;
        Some(Visit {
            touch: Touch { clicked_at: at, click: id, link, window_minutes, key: None },
            previous,
        })
    }
}

/// A pixel event other than a purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFact {
    /// The id of the event, which the page chose and keeps for every retry.
    pub id: EventId,
    /// The kind of event.
    pub name: EventName,
    /// The time of the event, by the visitor's clock if it is plausible.
    pub at: Timestamp,
    /// The time at which it reached us, by our clock.
    pub received_at: Timestamp,
    /// The merchant on whose page it happened.
    pub merchant: MerchantId,
    /// The click whose valid token came with it.
    pub touch: Option<Touch>,
    /// The visit by a discount code in which it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_visit: Option<CodeVisit>,
    /// The visitor's consent.
    pub consent: Consent,
}

/// The time in which a click or a code has one session at most, however many events say so.
const SESSION_SLOT_MS: i64 = 30 * 60 * 1000;

impl EventFact {
    /// Returns what opened the visit in which it happened: the click or the code, whichever was
    /// later.
    pub fn opening(&self) -> Option<Opening> {
        Opening::latest(self.touch, self.code_visit)
    }

    /// Returns when the event happened: never before the click or the code that led to it.
    pub fn happened_at(&self) -> Timestamp {
        self.opening().map_or(self.at, |opening| self.at.max(opening.at()))
    }

    /// Returns the id under which the event counts once.
    ///
    /// Sessions of one click, or of one visit by a code, in one half hour of the clock are one: a
    /// page, or whoever speaks in its name, chooses the events' ids. A half hour never reaches into another day of UTC, nor of
    /// a time zone that is whole or half hours from it, so the day that is counted there does not
    /// depend on which event came first.
    pub fn counted_as(&self) -> EventId {
        let Some(opening) = self.opening().filter(|_| self.name == EventName::Session) else {
            return self.id;
        };
        let half_hour = self.happened_at().as_ms().div_euclid(SESSION_SLOT_MS).to_be_bytes();
        let merchant = self.merchant.bits().to_be_bytes();
        match opening {
            Opening::Click(touch) => {
                EventId::of_content(&[b"session", &merchant, touch.click.as_bytes(), &half_hour])
            }
            Opening::Code(CodeVisit { opened_at, coupon }) => EventId::of_content(&[
                b"session by code",
                &merchant,
                &coupon.bits().to_be_bytes(),
                &opened_at.as_ms().to_be_bytes(),
                &half_hour,
            ]),
        }
    }
}

/// A delivery that could not be read. It is kept whole, so that it can be read
/// again after a fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unparsed {
    /// The merchant whose shop sent it.
    pub merchant: MerchantId,
    /// The platform that sent it.
    pub platform: Platform,
    /// The time at which it reached us, by our clock.
    pub received_at: Timestamp,
    /// The topic in its headers.
    pub topic: Option<String>,
    /// The reason why it could not be read.
    pub reason: String,
    /// The body as sent, in base64.
    pub body: String,
}

impl Unparsed {
    /// Returns its id, a hash of its time of arrival and its body.
    pub fn id(&self) -> UnparsedId {
        UnparsedId::of_content(&[
            b"unparsed",
            &self.received_at.as_ms().to_be_bytes(),
            self.body.as_bytes(),
        ])
    }
}

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// A request to a link.
    Click(Click<'a>),
    /// A session, page or lead.
    Event(EventFact),
    /// A fact about an order.
    Order(Box<OrderFact>),
    /// A change of the catalog.
    Catalog(Change),
    /// A delivery that could not be read.
    Unparsed(Unparsed),
    /// A fact about a lead, from the shop's own server.
    Lead(Box<LeadFact>),
}

/// The reason why a payload is not a record. The journal's checksums were right, so a newer version
/// or another program wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A kind or version that this program does not know.
    #[error("record: kind {0} version {1} is not known to this version of afterclick")]
    Unknown(u8, u8),
    /// Shorter than kind and version.
    #[error("record: empty")]
    Empty,
    /// The body is invalid for its kind.
    #[error("record: {0}")]
    Body(String),
}

impl RecordError {
    fn body(error: impl std::fmt::Display) -> Self {
        Self::Body(error.to_string())
    }
}

const CLICK: u8 = 1;
const EVENT: u8 = 2;
const ORDER: u8 = 3;
const CATALOG: u8 = 4;
const UNPARSED: u8 = 5;
const LEAD: u8 = 6;
const V1: u8 = 1;
/// The same shapes with fields that a reader of version 1 must not leave out, since it would pay
/// what is held: unreadable amounts, the key of a token, holds, suspensions, ends of access tokens.
const V2: u8 = 2;
/// An order fact that a later delivery may say anew, or that has failed refunds: a reader of version
/// 2 would let what was taken back stand. A change that tells trust in leads from trust in orders: a
/// reader that knows one trust only would pay the other, too. An event of a visit that a discount
/// code opened.
const V3: u8 = 3;
/// An order fact with a visit that a discount code opened: a reader of version 3 would credit
/// somebody else. A change with a payout or a booking: a reader that leaves it out would pay twice,
/// or too little.
const V4: u8 = 4;
/// A change that tells of people who work with the console, or of what is archived.
const V5: u8 = 5;

/// Returns the oldest version whose readers understand a body.
const fn version(is_of_the_first: bool) -> u8 {
    if is_of_the_first { V1 } else { V2 }
}

const fn version_of_order(fact: &OrderFact) -> u8 {
    if fact.code_visit.is_some() {
        V4
    } else if fact.restates || !fact.failed_refunds.is_empty() {
        V3
    } else {
        V2
    }
}

impl<'a> Record<'a> {
    /// Appends the record's bytes to `out`.
    ///
    /// # Panics
    /// Never: every type here serialises, and growing a `Vec` does not fail.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Click(click) => encode_click(click, out),
            Self::Event(event) => {
                let has_key = event.touch.is_some_and(|touch| touch.key.is_some());
                let version = if event.code_visit.is_some() { V3 } else { version(!has_key) };
                encode_json([EVENT, version], event, out);
            }
            Self::Order(fact) => encode_json([ORDER, version_of_order(fact)], fact, out),
            Self::Catalog(change) => {
                // A program that cannot open secrets must not take them for missing ones.
                let is_of_the_first = change.is_of_the_first_version() && !change.has_sealed();
                let version = match change {
                    change if change.is_of_the_console() => V5,
                    change if change.books() => V4,
                    change if change.parts_leads() => V3,
                    _ => version(is_of_the_first),
                };
                encode_json([CATALOG, version], change, out);
            }
            Self::Unparsed(unparsed) => encode_json([UNPARSED, V1], unparsed, out),
            Self::Lead(fact) => encode_json([LEAD, V1], fact, out),
        }
    }

    /// Returns the record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// Returns when the click, event, order or lead was recorded, by our clock; `None` for other records.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Click(click) => Some(click.at),
            Self::Event(event) => Some(event.received_at),
            Self::Order(fact) => Some(fact.received_at),
            Self::Lead(fact) => Some(fact.received_at),
            Self::Catalog(_) | Self::Unparsed(_) => None,
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When kind or version is unknown, or the body is invalid for its kind.
    pub fn decode(payload: &'a [u8]) -> Result<Self, RecordError> {
        let [kind, version, body @ ..] = payload else { return Err(RecordError::Empty) };
        match (*kind, *version) {
            (CLICK, V1) => read_click(Consent::Unknown, body).map(Self::Click),
            (CLICK, V2) => click_of_version_2(body),
            (EVENT, V1 | V2 | V3) => {
                serde_json::from_slice(body).map(Self::Event).map_err(RecordError::body)
            }
            (ORDER, V1) => order_of_version_1(body),
            (ORDER, V2 | V3 | V4) => {
                serde_json::from_slice(body).map(Self::Order).map_err(RecordError::body)
            }
            (CATALOG, V1 | V2 | V3 | V4 | V5) => {
                serde_json::from_slice(body).map(Self::Catalog).map_err(RecordError::body)
            }
            (UNPARSED, V1) => {
                serde_json::from_slice(body).map(Self::Unparsed).map_err(RecordError::body)
            }
            (LEAD, V1) => serde_json::from_slice(body).map(Self::Lead).map_err(RecordError::body),
            (kind, version) => Err(RecordError::Unknown(kind, version)),
        }
    }
}

/// Appends a click to `out`. Allocates nothing if `out` has room for it.
pub fn encode_click(click: &Click<'_>, out: &mut Vec<u8>) {
    match click.consent {
        Consent::Unknown => out.extend([CLICK, V1]),
        said => out.extend([CLICK, V2, consent_bits(said)]),
    }
    let appended = postcard::serialize_with_flavor(click, Appender(out));
    debug_assert!(appended.is_ok(), "a click always serialises");
    if let Some(branch) = click.branch {
        out.push(branch.number());
    }
}

/// Reads a click of whose visitor it is known what they said of tracking.
fn click_of_version_2(body: &[u8]) -> Result<Record<'_>, RecordError> {
    let [consent, body @ ..] = body else { return Err(RecordError::body("no consent")) };
    let consent = consent_of(*consent).map_err(RecordError::body)?;
    read_click(consent, body).map(Record::Click)
}

/// Reads a click's body, and the branch behind it.
fn read_click(consent: Consent, body: &[u8]) -> Result<Click<'_>, RecordError> {
    let (click, behind): (Click<'_>, _) =
        postcard::take_from_bytes(body).map_err(RecordError::body)?;
    let branch = behind.first().copied().map(Branch::of_number);
    Ok(Click { consent, branch, ..click })
}

/// Lets postcard append to a borrowed buffer, a whole field at a time.
struct Appender<'a>(&'a mut Vec<u8>);

impl Flavor for Appender<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads an order fact that was recorded before claims needed a proof. The shop's keys stand among
/// its names, in plain; a claim of that time has none.
fn order_of_version_1(body: &[u8]) -> Result<Record<'static>, RecordError> {
    let read: OrderFact = serde_json::from_slice(body).map_err(RecordError::body)?;
    let mut fact = OrderFact { proofs: vec![], asks_proof: false, ..read };
    fact.seal();
    Ok(Record::Order(Box::new(fact)))
}

fn encode_json<T: Serialize>(head: [u8; 2], body: &T, out: &mut Vec<u8>) {
    out.extend(head);
    let written = serde_json::to_writer(out, body);
    debug_assert!(written.is_ok(), "a record always serialises");
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::catalog::{AccessToken, Entity, Hold, HoldTarget, Merchant, Role};
    use crate::id::{CouponId, FactId, HoldId, ProofId};
    use crate::lead::LeadStatus;
    use crate::order::{AmountPart, FailedRefund, Source, Unreadable};
    use crate::time::Span;

    fn click() -> Click<'static> {
        Click {
            id: ClickId::from_bytes([3; 16]),
            at: Timestamp::from_ms(1_763_800_000_000),
            link: LinkId::from_bits(77),
            class: Class::Billable,
            window_minutes: 43_200,
            previous: Some(ClickId::from_bytes([2; 16])),
            sub_id: Some("story-1"),
            country: None,
            device: Device::Mobile,
            in_app: InApp::Instagram,
            referrer_host: "l.instagram.com",
            consent: Consent::Unknown,
            branch: None,
        }
    }

    #[test]
    fn records_read_back_as_written() {
        let event = EventFact {
            id: EventId::from_bytes([1; 16]),
            name: EventName::Session,
            at: Timestamp::from_ms(5),
            received_at: Timestamp::from_ms(6),
            merchant: MerchantId::from_bits(9),
            touch: click().visit().map(|visit| visit.touch),
            code_visit: None,
            consent: Consent::Granted,
        };
        for record in [Record::Click(click()), Record::Event(event)] {
            assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
        }
    }

    /// The file was written once and never changes: every later version must read it.
    #[test]
    fn a_click_whose_visitor_refuses_tracking_says_so_before_the_body_of_version_1() {
        let refused = Click { consent: Consent::Denied, ..click() };
        let (old, new) = (Record::Click(click()).encode(), Record::Click(refused.clone()).encode());
        assert_eq!(new, [&[CLICK, V2, 2], &old[2..]].concat());
        assert_eq!(Record::decode(&new), Ok(Record::Click(refused)));
        let hex: String = new.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("../tests/data/click-v2.hex").trim());
    }

    /// The file was written once and never changes: every later version must read it.
    #[test]
    fn a_chosen_branch_stands_behind_a_click_where_readers_of_before_leave_it_out() {
        let share = Click { branch: Some(Branch::Share(1)), ..click() };
        let (old, new) = (Record::Click(click()).encode(), Record::Click(share.clone()).encode());
        assert_eq!(new, [&old[..], &[129]].concat());
        assert_eq!(postcard::from_bytes(&new[2..]), Ok(click()), "as readers of before read it");
        let hex: String = new.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, include_str!("../tests/data/click-branch.hex").trim());
        let rule = Click { branch: Some(Branch::Rule(0)), consent: Consent::Denied, ..click() };
        for click in [share, rule] {
            assert_eq!(
                Record::decode(&Record::Click(click.clone()).encode()),
                Ok(Record::Click(click))
            );
        }
    }

    fn session(id: u8, minutes_after_click: i64) -> EventFact {
        let touch = click().visit().map(|visit| visit.touch);
        EventFact {
            id: EventId::from_bytes([id; 16]),
            name: EventName::Session,
            at: click().at.plus(Span::minutes(minutes_after_click)),
            received_at: click().at.plus(Span::days(40)),
            merchant: MerchantId::from_bits(9),
            touch,
            code_visit: None,
            consent: Consent::Granted,
        }
    }

    /// A visit that a code opened so many minutes after the click.
    fn code_visit(minutes: i64) -> CodeVisit {
        let opened_at = click().at.plus(Span::minutes(minutes));
        CodeVisit { opened_at, coupon: CouponId::from_bits(6) }
    }

    #[test]
    fn a_session_belongs_to_the_click_or_to_the_code_whichever_was_later() {
        let of = |minutes| EventFact { code_visit: Some(code_visit(minutes)), ..session(1, 60) };
        let by_code = |minutes| matches!(of(minutes).opening(), Some(Opening::Code(_)));
        assert_eq!((by_code(-1), by_code(0), by_code(1)), (false, false, true));
        assert_eq!(of(-1).counted_as(), session(2, 60).counted_as(), "it is the click's");
        assert_ne!(of(1).counted_as(), session(2, 60).counted_as());
        let without_click =
            |id, at| EventFact { touch: None, ..EventFact { at, ..EventFact { id, ..of(1) } } };
        let ids: HashSet<_> = (0..200_u8)
            .map(|n| without_click(EventId::from_bytes([n; 16]), click().at.plus(Span::minutes(5))))
            .map(|event| event.counted_as())
            .collect();
        assert_eq!(ids.len(), 1, "whoever sends it again with other ids has one session");
    }

    /// The file was written once and never changes: every later version must read it.
    #[test]
    fn events_of_a_visit_by_a_code_are_version_3() {
        let event = EventFact { touch: None, code_visit: Some(code_visit(0)), ..session(1, 1) };
        let bytes = Record::Event(event.clone()).encode();
        let body = include_str!("../tests/data/event-v3.json").trim();
        assert_eq!(bytes, [&[EVENT, V3], body.as_bytes()].concat(), "{:?}", str::from_utf8(&bytes));
        assert_eq!(Record::decode(&bytes), Ok(Record::Event(event)));
        assert_eq!(Record::Event(session(1, 1)).encode()[1], V1, "others stay");
    }

    #[test]
    fn two_thousand_sessions_of_a_click_count_as_the_half_hours_that_they_are_in() {
        // The click came at 8:26:40.
        let of = |minutes: fn(u16) -> i64| {
            let sessions = (0..2000_u16).map(|n| session(n.to_le_bytes()[0], minutes(n)));
            sessions.map(|session| session.counted_as()).collect::<HashSet<_>>().len()
        };
        assert_eq!(of(|_| 1), 1);
        assert_eq!(of(|n| i64::from(n % 3)), 1);
        assert_eq!(of(|n| i64::from(n % 120)), 5, "8:00 to 10:30");
        assert_eq!(of(|n| -i64::from(n)), 1, "a session does not begin before its click");
        let other = EventFact { name: EventName::Lead, ..session(1, 1) };
        assert_eq!(other.counted_as(), other.id, "other events count by their own id");
    }

    #[test]
    fn sessions_that_count_as_one_lie_on_one_day() {
        let day = |minutes| (session(1, minutes).counted_as(), session(1, minutes).at.utc_day());
        let days: HashMap<_, HashSet<_>> =
            (0..4000).map(day).fold(HashMap::new(), |mut days, (id, day)| {
                days.entry(id).or_default().insert(day);
                days
            });
        assert!(days.values().all(|days| days.len() == 1));
    }

    #[test]
    fn a_click_is_small() {
        let bytes = Record::Click(click()).encode();
        assert!(bytes.len() <= 96, "{} bytes", bytes.len());
    }

    /// Written by version 1 and never changed: every later version must read it.
    #[test]
    fn a_click_of_version_1_stays_readable() {
        let bytes = Record::Click(click()).encode();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, include_str!("../tests/data/click-v1.hex").trim());
    }

    /// A reader of version 1 would leave the new fields out and pay what is held. So it must refuse
    /// the record; what it can read stays in its version.
    #[test]
    fn what_version_1_would_misread_is_version_2_and_the_rest_stays() {
        let fact = OrderFact::blank(
            FactId::from_bytes([1; 16]),
            MerchantId::from_bits(9),
            (Platform::Other, "1001".into()),
            Source::Webhook,
            Timestamp::from_ms(5),
        );
        let unreadable = Unreadable {
            part: AmountPart::Goods,
            field: "line_items[0].total".into(),
            shape: "9,999.99".into(),
        };
        let touch = click().visit().map(|visit| visit.touch);
        let signed = touch.map(|touch| Touch { key: Some(3), ..touch });
        let with_touch = |touch: Option<Touch>| OrderFact {
            touches: touch.into_iter().collect(),
            ..fact.clone()
        };
        let unread = OrderFact { unreadable: vec![unreadable], ..fact.clone() };
        let anew = OrderFact { restates: true, ..fact.clone() };
        let back = FailedRefund { id: "re_1".into(), of: "ch_1".into(), total_minor: 5 };
        let failed = OrderFact { failed_refunds: vec![back], ..fact.clone() };
        let by_code = OrderFact { code_visit: Some(code_visit(0)), ..anew.clone() };
        let facts = [fact.clone(), with_touch(touch), with_touch(signed), unread];
        let of_version_2 = facts.into_iter().map(|fact| (fact, V2));
        for (fact, version) in of_version_2.chain([(anew, V3), (failed, V3), (by_code, V4)]) {
            let record = Record::Order(Box::new(fact));
            let bytes = record.encode();
            assert_eq!((bytes[0], bytes[1]), (ORDER, version));
            assert_eq!(Record::decode(&bytes), Ok(record));
        }
        let hold = Hold {
            id: HoldId::from_bits(1),
            target: HoldTarget::Link(LinkId::from_bits(77)),
            reason: "looks odd".into(),
            since: None,
            created_at: Timestamp::from_ms(5),
            released_at: None,
            release_reason: None,
            updated_at: Timestamp::from_ms(5),
        };
        let token = AccessToken::new("00".into(), Role::Admin, Timestamp::from_ms(5));
        let revoked = AccessToken { revoked_at: Some(Timestamp::from_ms(6)), ..token.clone() };
        for (entity, version) in [
            (Entity::Hold(hold), V2),
            (Entity::AccessToken(token), V1),
            (Entity::AccessToken(revoked), V2),
        ] {
            let change = Change {
                at: Timestamp::from_ms(5),
                entities: vec![entity],
                request: None,
                by: None,
            };
            let record = Record::Catalog(change);
            assert_eq!(record.encode()[1], version);
            assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
        }
    }

    /// The file was written once and never changes: every later version must read it.
    #[test]
    fn payouts_and_bookings_of_version_4_stay_readable() {
        let body = include_str!("../tests/data/catalog-v4.json").trim();
        let bytes = [&[CATALOG, V4][..], body.as_bytes()].concat();
        let Ok(Record::Catalog(change)) = Record::decode(&bytes) else { panic!("it is one") };
        let kinds = change.entities.iter().map(|entity| match entity {
            Entity::Payout(step) => (true, step.author.as_str()),
            Entity::Booking(booking) => (false, booking.note.as_str()),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            [(true, "ops"), (true, "ops"), (false, "for a post")]
        );
        assert_eq!(Record::Catalog(change).encode(), bytes);
    }

    /// Written by version 2 of a change and never changed: every later version must read it.
    #[test]
    fn a_change_with_sealed_secrets_stays_readable() {
        let body = include_str!("../tests/data/catalog-v2.json").trim();
        let bytes = [&[CATALOG, V2][..], body.as_bytes()].concat();
        let Ok(Record::Catalog(change)) = Record::decode(&bytes) else { panic!("it is one") };
        assert!(change.has_sealed());
        let sealed = change.entities.iter().map(|entity| match entity {
            Entity::Merchant(merchant) => merchant.sealed.as_deref(),
            Entity::Influencer(influencer) => influencer.sealed.as_deref(),
            _ => None,
        });
        for sealed in sealed {
            assert!(sealed.is_some_and(|sealed| body.contains(sealed)));
        }
        assert_eq!(Record::Catalog(change).encode()[..2], [CATALOG, V2]);
    }

    /// The files were written once and never change: every later version must read them.
    #[test]
    fn order_facts_of_every_version_stay_readable() {
        let read = |version: u8, json: &str| {
            let bytes = [&[ORDER, version], json.trim().as_bytes()].concat();
            match Record::decode(&bytes).unwrap() {
                Record::Order(fact) => (*fact, bytes),
                other => panic!("{other:?}"),
            }
        };
        let merchant = MerchantId::from_bits(9);
        let proofs: Vec<_> =
            ProofId::of_key(merchant, "wc_order_58d2d042d1d").into_iter().collect();
        let (old, _) = read(1, include_str!("../tests/data/order-v1.json"));
        assert_eq!((old.merchant, &old.proofs, old.asks_proof), (merchant, &proofs, false));
        assert_eq!(old.aliases.len(), 1, "the number stays a name, the key is one no more");
        let (new, bytes) = read(2, include_str!("../tests/data/order-v2.json"));
        assert_eq!((&new.proofs, new.asks_proof), (&proofs, true));
        let plain = OrderFact { proofs: vec![], asks_proof: true, ..old };
        assert_eq!(OrderFact { proofs, ..plain }, new);
        assert_eq!(Record::Order(Box::new(new.clone())).encode(), bytes);
        let (anew, bytes) = read(3, include_str!("../tests/data/order-v3.json"));
        assert_eq!(anew, OrderFact { restates: true, ..new });
        assert_eq!(Record::Order(Box::new(anew.clone())).encode(), bytes);
        let (by_code, bytes) = read(4, include_str!("../tests/data/order-v4.json"));
        assert_eq!(by_code, OrderFact { code_visit: Some(code_visit(0)), ..anew });
        assert_eq!(Record::Order(Box::new(by_code)).encode(), bytes);
    }

    fn lead() -> LeadFact {
        let at = |ms: i64| Timestamp::from_ms(1_777_700_000_000 + ms);
        LeadFact {
            id: FactId::from_bytes([1; 16]),
            merchant: MerchantId::from_bits(9),
            lead_id: "L-1".into(),
            status: LeadStatus::NotQualified,
            occurred_at: at(1),
            received_at: at(2),
            place: 2,
            made_at: Some(at(0)),
            touches: vec![Touch { key: Some(3), ..click().visit().unwrap().touch }],
            clicks: vec![ClickId::from_bytes([4; 16])],
            order_id: Some("1001".into()),
            test: true,
            reread: None,
        }
    }

    /// The file was written once and never changes: every later version must read it.
    #[test]
    fn leads_of_version_1_stay_readable() {
        let bytes = Record::Lead(Box::new(lead())).encode();
        let body = include_str!("../tests/data/lead-v1.json").trim();
        assert_eq!(bytes, [&[LEAD, V1], body.as_bytes()].concat(), "{:?}", str::from_utf8(&bytes));
        assert_eq!(Record::decode(&bytes), Ok(Record::Lead(Box::new(lead()))));
    }

    /// A reader that knows one trust only would pay for leads where the merchant trusts orders.
    #[test]
    fn a_merchant_who_trusts_leads_and_orders_unalike_needs_a_reader_that_knows_it() {
        let version = |trust_leads: Option<bool>| {
            let at = Timestamp::from_ms(5);
            let merchant = serde_json::json!({
                "id": MerchantId::from_bits(9), "key": "k", "name": "Shop", "domains": [],
                "currency": "EUR", "timezone": "UTC", "platform": null, "webhook_secret": null,
                "trust_pixel": true, "created_at": at, "updated_at": at,
            });
            let merchant: Merchant = serde_json::from_value(merchant).unwrap();
            assert!(merchant.trusts_leads(), "one of before trusts both");
            let merchant = Merchant { trust_leads, ..merchant };
            let change =
                Change { at, entities: vec![Entity::Merchant(merchant)], request: None, by: None };
            let record = Record::Catalog(change);
            assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
            record.encode()[1]
        };
        assert_eq!((version(None), version(Some(false))), (V1, V3));
    }

    #[test]
    fn other_bytes_are_an_error_not_a_panic() {
        assert_eq!(Record::decode(&[]), Err(RecordError::Empty));
        assert_eq!(Record::decode(&[9, 1, 0]), Err(RecordError::Unknown(9, 1)));
        let bytes = Record::Click(click()).encode();
        for length in 2..bytes.len() {
            assert!(Record::decode(&bytes[..length]).is_err());
        }
    }
}
