//! Records in memory: each decoded fact with its place in the journal. It judges no fact.

use journal::StreamName;
use shared::agent::{Device, InApp};
use shared::class::Class;
use shared::consent::Consent;
use shared::id::{ClickId, LinkId};
use shared::order::{Touch, Visit};
use shared::record::Click;
use shared::time::Timestamp;

/// A fact and its identity, which is its stream and its sequence.
#[derive(Debug, Clone)]
pub struct Recorded<T> {
    /// The stream that holds it.
    pub stream: StreamName,
    /// Its sequence in the stream.
    pub seq: u64,
    /// The decoded record.
    pub fact: T,
}

/// A request to a link, with owned texts.
#[derive(Debug, Clone)]
pub struct ClickRecord {
    /// The click's id.
    pub id: ClickId,
    /// The time of the request.
    pub at: Timestamp,
    /// The link that was requested.
    pub link: LinkId,
    /// `billable`, or the reason why the click is not.
    pub class: Class,
    /// The attribution window that the click's token carries.
    pub window_minutes: u32,
    /// The earlier click whose token the visitor's request carried.
    pub previous: Option<ClickId>,
    /// The influencer's own label for the link's place.
    pub sub_id: Option<Box<str>>,
    /// Country, two letters as recorded.
    pub country: Option<[u8; 2]>,
    /// The kind of device.
    pub device: Device,
    /// The app whose browser it was.
    pub in_app: InApp,
    /// The host of the page that the visitor came from; empty when unknown.
    pub referrer_host: Box<str>,
    /// What the visitor's browser said of tracking.
    pub consent: Consent,
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
            consent: click.consent,
        }
    }
}

impl ClickRecord {
    /// Returns the click as attribution needs it; `None` for a class that does not earn.
    pub fn visit(&self) -> Option<Visit> {
        let Self { id, at, link, window_minutes, previous, .. } = *self;
        let touch = Touch { clicked_at: at, click: id, link, window_minutes, key: None };
        self.class.earns().then_some(Visit { touch, previous })
    }

    /// Returns the country in upper case; `None` unless two letters were recorded.
    pub fn country(&self) -> Option<String> {
        let letters = self.country?;
        let known = letters.iter().all(u8::is_ascii_alphabetic);
        known
            .then(|| letters.iter().map(|letter| char::from(letter.to_ascii_uppercase())).collect())
    }
}
