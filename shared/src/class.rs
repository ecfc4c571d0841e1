//! Click classification: every request to a live link gets exactly one class, billable or one
//! reason why not.
//!
//! `raw = billable + Σ reasons` holds for every link and day. A class decides what may earn, never
//! whether the visitor is redirected.

use serde::{Deserialize, Serialize};

#[cfg(feature = "native")]
use crate::agent::Visitor;
#[cfg(feature = "native")]
use crate::time::Span;
use crate::time::Timestamp;

/// The class of a click.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A person followed the link.
    Billable,
    /// A HEAD request: somebody looked, nobody came.
    Head,
    /// Fetched ahead of a click that may never come.
    Prefetch,
    /// A link-preview fetcher.
    Preview,
    /// A robot.
    Bot,
    /// Loaded as an image, a frame or a script: cookie stuffing.
    NotNavigation,
    /// The same visitor again within the campaign's dedupe time.
    Duplicate,
    /// Our own check of a set-up.
    SelfTest,
    /// The link or its campaign is paused.
    Paused,
    /// Before the start or after the end of the link or its campaign.
    OutOfDates,
    /// Over the campaign's cap.
    Capped,
}

impl Class {
    /// Every class, in the order of statistics.
    pub const ALL: [Self; 11] = [
        Self::Billable,
        Self::Head,
        Self::Prefetch,
        Self::Preview,
        Self::Bot,
        Self::NotNavigation,
        Self::Duplicate,
        Self::SelfTest,
        Self::Paused,
        Self::OutOfDates,
        Self::Capped,
    ];

    /// The word in exports and statistics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Billable => "billable",
            Self::Head => "head",
            Self::Prefetch => "prefetch",
            Self::Preview => "preview",
            Self::Bot => "bot",
            Self::NotNavigation => "not_navigation",
            Self::Duplicate => "duplicate",
            Self::SelfTest => "self_test",
            Self::Paused => "paused",
            Self::OutOfDates => "out_of_dates",
            Self::Capped => "capped",
        }
    }

    /// Whether the click gets a token: only what may earn does.
    pub const fn earns(self) -> bool {
        matches!(self, Self::Billable | Self::Duplicate)
    }
}

/// Whether a link may be followed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It may.
    Live,
    /// It, or its campaign, is paused.
    Paused,
    /// It, or its campaign, has not started.
    NotStarted,
    /// It, or its campaign, is over.
    Ended,
}

/// An earlier click of the same visitor, known from a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierClick {
    /// When.
    pub clicked_at: Timestamp,
    /// Whether it was on a link of the same campaign.
    pub same_campaign: bool,
}

/// What the request says of itself.
#[cfg(feature = "native")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// HEAD instead of GET.
    pub head: bool,
    /// `Sec-Purpose`, `Purpose`, `X-Purpose` or `X-Moz` says prefetch, prerender or preview.
    pub prefetch: bool,
    /// `Sec-Fetch-Dest` or `Sec-Fetch-Mode` says that no page is being opened.
    pub not_navigation: bool,
    /// By the user agent.
    pub visitor: Visitor,
}

/// Gives the request its class.
///
/// What the request is comes before what the link allows, and both before who came back: a robot on
/// a paused link is a robot.
#[cfg(feature = "native")]
pub fn classify(
    request: Request,
    availability: Availability,
    earlier: Option<EarlierClick>,
    dedupe: Span,
    now: Timestamp,
) -> Class {
    if request.head {
        return Class::Head;
    }
    if request.prefetch {
        return Class::Prefetch;
    }
    match request.visitor {
        Visitor::SelfTest => return Class::SelfTest,
        Visitor::Preview => return Class::Preview,
        Visitor::Bot => return Class::Bot,
        Visitor::Person => {}
    }
    if request.not_navigation {
        return Class::NotNavigation;
    }
    match availability {
        Availability::Paused => return Class::Paused,
        Availability::NotStarted | Availability::Ended => return Class::OutOfDates,
        Availability::Live => {}
    }
    let duplicate = earlier.is_some_and(|e| e.same_campaign && now.since(e.clicked_at) < dedupe);
    if duplicate { Class::Duplicate } else { Class::Billable }
}

#[cfg(all(test, feature = "native"))]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_763_800_000_000);
    const PERSON: Request =
        Request { head: false, prefetch: false, not_navigation: false, visitor: Visitor::Person };

    fn check(
        request: Request,
        availability: Availability,
        earlier: Option<(i64, bool)>,
        expected: Class,
    ) {
        let earlier = earlier.map(|(minutes_ago, same_campaign)| EarlierClick {
            clicked_at: NOW.plus(Span::minutes(-minutes_ago)),
            same_campaign,
        });
        assert_eq!(classify(request, availability, earlier, Span::minutes(30), NOW), expected);
    }

    #[test]
    fn each_reason_has_its_class() {
        use Availability::{Ended, Live, NotStarted, Paused};
        check(PERSON, Live, None, Class::Billable);
        check(Request { head: true, ..PERSON }, Live, None, Class::Head);
        check(Request { prefetch: true, ..PERSON }, Live, None, Class::Prefetch);
        check(Request { visitor: Visitor::Preview, ..PERSON }, Live, None, Class::Preview);
        check(Request { visitor: Visitor::Bot, ..PERSON }, Paused, None, Class::Bot);
        check(Request { visitor: Visitor::SelfTest, ..PERSON }, Live, None, Class::SelfTest);
        check(Request { not_navigation: true, ..PERSON }, Live, None, Class::NotNavigation);
        check(PERSON, Paused, None, Class::Paused);
        check(PERSON, NotStarted, None, Class::OutOfDates);
        check(PERSON, Ended, Some((1, true)), Class::OutOfDates);
    }

    #[test]
    fn a_duplicate_is_the_same_visitor_in_the_same_campaign_within_the_dedupe_time() {
        let live = Availability::Live;
        check(PERSON, live, Some((29, true)), Class::Duplicate);
        check(PERSON, live, Some((30, true)), Class::Billable);
        check(PERSON, live, Some((1, false)), Class::Billable);
        let earlier = Some(EarlierClick { clicked_at: NOW, same_campaign: true });
        assert_eq!(
            classify(PERSON, live, earlier, Span::ZERO, NOW),
            Class::Billable,
            "0 minutes switch the class off"
        );
    }
}
