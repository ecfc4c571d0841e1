//! One decoded record each, with its place in the journal.

use journal::StreamName;
use shared::agent::{Device, InApp};
use shared::class::Class;
use shared::id::{ClickId, LinkId};
use shared::order::{Touch, Visit};
use shared::record::Click;
use shared::time::Timestamp;

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
