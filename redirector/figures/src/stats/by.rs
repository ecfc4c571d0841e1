//! By what statistics are grouped, and how groups are spelled.

use hot_state::{CounterKey, HOURS_OF_A_DAY};
use shared::time::{Span, Timestamp};

/// The property by which statistics are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Link,
    Influencer,
    Campaign,
    Day,
    Hour,
}

impl By {
    pub(super) fn read(text: &str) -> Option<Self> {
        let all = [Self::Link, Self::Influencer, Self::Campaign, Self::Day, Self::Hour];
        all.into_iter().find(|by| by.as_str() == text)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Influencer => "influencer",
            Self::Campaign => "campaign",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }

    /// Returns the group of a count; empty for what a coupon brought, which has no link.
    pub(super) fn group(self, key: &CounterKey) -> String {
        match self {
            Self::Link => key.link.map_or_else(String::new, |link| link.to_string()),
            Self::Influencer => key.influencer.to_string(),
            Self::Campaign => key.campaign.to_string(),
            Self::Day => date(key.day()),
            Self::Hour => format!("{}T{:02}:00", date(key.day()), key.hour % HOURS_OF_A_DAY),
        }
    }
}

/// Spells a day since 1970.
pub(super) fn date(day: u32) -> String {
    Timestamp::from_ms(0).plus(Span::days(i64::from(day))).utc_date()
}
