//! Click classification: every request to a live link gets exactly one class, billable or one
//! reason why not.
//!
//! `raw = billable + Σ reasons` holds for every link and day. A class decides whether a click may
//! earn, never whether the visitor is redirected.

pub use links::Availability;
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
    /// A HEAD request, which opens no page.
    Head,
    /// Fetched by a browser in advance, before a click that may never come.
    Prefetch,
    /// A fetcher of link previews.
    Preview,
    /// A robot.
    Bot,
    /// Loaded as an image, a frame or a script, which is how cookie stuffing works.
    NotNavigation,
    /// The same visitor again on the same link, within the campaign's dedupe time.
    Duplicate,
    /// A check by `afterclick doctor`.
    SelfTest,
    /// The link or its campaign is paused.
    Paused,
    /// The click came before the start or after the end of the link or its campaign.
    OutOfDates,
    /// The click exceeded the campaign's cap.
    Capped,
    /// More clicks on the link came from one block of addresses than people make.
    Flood,
}

impl Class {
    /// All classes, in the order of statistics.
    pub const ALL: [Self; 12] = [
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
        Self::Flood,
    ];

    /// Returns the word that exports and statistics use.
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
            Self::Flood => "flood",
        }
    }

    /// Returns whether the click may bring a sale that earns. Only such a click gets a token.
    ///
    /// A flood may: many people can share a carrier's addresses, and a purchase proves a person.
    /// What nobody proves is not paid: not the click itself (only a billable one is), and no lead.
    pub const fn earns(self) -> bool {
        matches!(self, Self::Billable | Self::Duplicate | Self::Flood)
    }

    /// Returns whether a lead that the click brings may be paid. A lead is a browser's word, so it
    /// proves no person behind a flood.
    pub const fn earns_leads(self) -> bool {
        matches!(self, Self::Billable | Self::Duplicate)
    }
}

/// An earlier click of the same visitor, known from a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierClick {
    /// The time of that click.
    pub clicked_at: Timestamp,
    /// True when it was on the same link. Whoever follows two influencers has clicked both.
    pub same_link: bool,
}

/// The properties of a request that decide its class.
#[cfg(feature = "native")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// True for HEAD, false for GET.
    pub head: bool,
    /// True when `Sec-Purpose`, `Purpose`, `X-Purpose` or `X-Moz` is prefetch, prerender or
    /// preview.
    pub prefetch: bool,
    /// True when `Sec-Fetch-Dest` or `Sec-Fetch-Mode` shows that no page is being opened.
    pub not_navigation: bool,
    /// The kind of visitor, by the user agent.
    pub visitor: Visitor,
}

/// Gives the request its class.
///
/// The kind of request comes first, then the state of the link, then an earlier click: a robot on a
/// paused link is a robot.
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
    // Where the clock was set back, the earlier click has a later time. Its age is not known then.
    let is_recent = |clicked_at: Timestamp| now.since(clicked_at).abs() < dedupe;
    let duplicate = earlier.is_some_and(|e| e.same_link && is_recent(e.clicked_at));
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
        let earlier = earlier.map(|(minutes_ago, same_link)| EarlierClick {
            clicked_at: NOW.plus(Span::minutes(-minutes_ago)),
            same_link,
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

    /// Numbers stand in journals and in counter keys, so they never change.
    #[test]
    fn the_number_of_each_class_is_its_place() {
        for (number, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number, "{}", class.as_str());
        }
        assert_eq!(Class::Flood as usize, 11);
    }

    #[test]
    fn a_flood_may_bring_a_sale_but_no_lead() {
        let earning = |by: fn(Class) -> bool| Class::ALL.into_iter().filter(move |c| by(*c));
        let of = |by| earning(by).collect::<Vec<_>>();
        assert_eq!(of(Class::earns), [Class::Billable, Class::Duplicate, Class::Flood]);
        assert_eq!(of(Class::earns_leads), [Class::Billable, Class::Duplicate]);
    }

    #[test]
    fn a_duplicate_is_the_same_visitor_on_the_same_link_within_the_dedupe_time() {
        let live = Availability::Live;
        check(PERSON, live, Some((29, true)), Class::Duplicate);
        check(PERSON, live, Some((30, true)), Class::Billable);
        check(PERSON, live, Some((1, false)), Class::Billable);
        check(PERSON, live, Some((-1, true)), Class::Duplicate);
        check(PERSON, live, Some((-60, true)), Class::Billable);
        let earlier = Some(EarlierClick { clicked_at: NOW, same_link: true });
        assert_eq!(
            classify(PERSON, live, earlier, Span::ZERO, NOW),
            Class::Billable,
            "0 minutes switch the class off"
        );
    }
}
