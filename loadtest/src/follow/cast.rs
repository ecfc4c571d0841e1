//! The kinds of requests, the browsers that send them, and how each must be classified.
//!
//! The expected classes are written down here from the documentation. The product's own rules are
//! never used.

use rand::RngExt;
use rand::rngs::StdRng;
use shared::class::Class;
use shared::id::ClickId;
use shared::order::Source;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person follows a link.
    Person,
    /// The same person follows the link again, with the cookie of the first time.
    Again,
    /// A `HEAD` request to a link.
    Head,
    /// A browser prefetches a link.
    Prefetch,
    /// An app makes a preview of a link.
    Preview,
    /// A robot follows a link.
    Bot,
    /// A page loads the link as an image.
    Image,
    /// A person follows a link that is paused.
    Paused,
    /// A person follows a link that has ended.
    Over,
    /// The pixel reports a session.
    Session,
    /// The pixel reports a purchase.
    Claim,
    /// The shop's webhook reports the order.
    Webhook,
    /// The shop's server reports the order in our own format.
    ServerOrder,
}

impl Kind {
    /// Every kind, in the order of the variants.
    pub const ALL: [Self; 13] = [
        Self::Person,
        Self::Again,
        Self::Head,
        Self::Prefetch,
        Self::Preview,
        Self::Bot,
        Self::Image,
        Self::Paused,
        Self::Over,
        Self::Session,
        Self::Claim,
        Self::Webhook,
        Self::ServerOrder,
    ];

    /// Returns the name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Again => "person again",
            Self::Head => "HEAD",
            Self::Prefetch => "prefetch",
            Self::Preview => "link preview",
            Self::Bot => "bot",
            Self::Image => "image",
            Self::Paused => "paused link",
            Self::Over => "link that is over",
            Self::Session => "session (pixel)",
            Self::Claim => "purchase (pixel)",
            Self::Webhook => "order (webhook)",
            Self::ServerOrder => "order (server API)",
        }
    }

    /// Returns the class that a click of this kind must get; `None` if the kind is not a click.
    pub const fn class(self) -> Option<Class> {
        Some(match self {
            Self::Person => Class::Billable,
            Self::Again => Class::Duplicate,
            Self::Head => Class::Head,
            Self::Prefetch => Class::Prefetch,
            Self::Preview => Class::Preview,
            Self::Bot => Class::Bot,
            Self::Image => Class::NotNavigation,
            Self::Paused => Class::Paused,
            Self::Over => Class::OutOfDates,
            Self::Session | Self::Claim | Self::Webhook | Self::ServerOrder => return None,
        })
    }

    /// Returns whether the answer must have a token.
    pub(crate) const fn earns(self) -> bool {
        matches!(self, Self::Person | Self::Again)
    }

    /// Returns the source that the journal gives an order of this kind.
    pub(crate) const fn source(self) -> Option<Source> {
        match self {
            Self::Claim => Some(Source::Pixel),
            Self::Webhook => Some(Source::Webhook),
            Self::ServerOrder => Some(Source::Postback),
            _ => None,
        }
    }

    /// Draws the kind of a request to a link. Repeats, sessions and orders follow from it later.
    pub(crate) fn draw(random: &mut StdRng) -> Self {
        let mut drawn = random.random_range(0..100u8);
        for (kind, share) in SHARES {
            if drawn < share {
                return kind;
            }
            drawn -= share;
        }
        Self::Person
    }

    /// Draws the user agent of the request, and the page that it comes from.
    pub(crate) fn draw_browser(self, random: &mut StdRng) -> Browser {
        let list: &[Browser] = match self {
            Self::Preview => &PREVIEWS,
            Self::Bot => &BOTS,
            _ => &BROWSERS,
        };
        list[random.random_range(0..list.len())]
    }
}

/// The kinds of a hundred requests to links. The rest are persons.
const SHARES: [(Kind, u8); 7] = [
    (Kind::Head, 3),
    (Kind::Prefetch, 4),
    (Kind::Preview, 5),
    (Kind::Bot, 6),
    (Kind::Image, 2),
    (Kind::Paused, 2),
    (Kind::Over, 2),
];

/// A user agent and the page it comes from, if any.
pub(crate) type Browser = (&'static str, &'static str);

const BROWSERS: [Browser; 8] = [
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22B83 \
         Instagram 356.0.0.21.102 (iPhone15,3; iOS 18_1; de_DE; de; scale=3.00; 1290x2796; 661234567; IABMV/1)",
        "https://l.instagram.com/",
    ),
    (
        "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) \
         Version/4.0 Chrome/130.0.6723.107 Mobile Safari/537.36 Instagram 357.1.0.52.100 Android (34/14; 450dpi; \
         1080x2106; samsung; SM-S918B; dm3q; qcom; de_DE; 662345678)",
        "https://l.instagram.com/",
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Mobile/15E148 musical_ly_37.0.0 JsSdk/2.0 NetType/WIFI Channel/App Store ByteLocale/de Region/DE",
        "https://www.tiktok.com/",
    ),
    (
        "Mozilla/5.0 (Linux; Android 13; Pixel 7 Build/TQ3A.230805.001; wv) AppleWebKit/537.36 (KHTML, like Gecko) \
         Version/4.0 Chrome/129.0.6668.100 Mobile Safari/537.36 trill_360504 BytedanceWebview/d8a21c6",
        "",
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22A3354 \
         [FBAN/FBIOS;FBAV/487.0.0.34.109;FBBV/658190742;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/18.0;FBSS/3]",
        "https://m.facebook.com/",
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 \
         Mobile/15E148 Safari/604.1",
        "",
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36",
        "https://www.youtube.com/",
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
        "https://www.youtube.com/",
    ),
];

const PREVIEWS: [Browser; 4] = [
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", ""),
    ("WhatsApp/2.24.21.79 A", ""),
    ("TelegramBot (like TwitterBot)", ""),
    ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", ""),
];

const BOTS: [Browser; 4] = [
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ""),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", ""),
    ("python-requests/2.32.3", ""),
    ("curl/8.10.1", ""),
];

/// A token that the product has made, as a person carries it.
#[derive(Debug)]
pub(crate) struct Carried {
    /// The text of the token.
    pub(crate) token: String,
    /// The cookie that it came in, as `name=value`.
    pub(crate) cookie: String,
    /// The click that it names.
    pub(crate) click: ClickId,
    /// The number of the request whose answer had it.
    pub(crate) first: u32,
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_kind_of_request_comes_in_its_share() {
        let mut random = StdRng::seed_from_u64(1);
        let mut drawn: HashMap<Kind, usize> = HashMap::new();
        (0..10_000).for_each(|_| *drawn.entry(Kind::draw(&mut random)).or_default() += 1);
        for (kind, share) in SHARES {
            let expected = usize::from(share) * 100;
            assert!(drawn[&kind].abs_diff(expected) < 100, "{}: {}", kind.name(), drawn[&kind]);
        }
        assert!(drawn[&Kind::Person] > 7000);
    }

    #[test]
    fn kinds_are_numbered_as_they_are_listed() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
