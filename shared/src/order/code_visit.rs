//! Visits that a discount code opened, and what opens a session at all. Only browsers tell of such a
//! visit, so by itself it is a claim. Credits nobody: `attribution` does.

use serde::{Deserialize, Serialize};

use super::touch::Touch;
use crate::id::{ClickId, CouponId};
use crate::time::{Span, Timestamp};

/// A visit to the shop that began with a discount code: the visitor typed it into the shop's
/// address, or handed it to the page. There is no click.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CodeVisit {
    /// When the code opened the visit. It is the first field, so that visits sort by time.
    ///
    /// SECURITY: nobody signs it. The browser says how long ago it was.
    pub opened_at: Timestamp,
    /// The coupon that the code meant when the collector was told of it.
    pub coupon: CouponId,
}

impl CodeVisit {
    /// Returns whether `time` lies in the half-open window `[opened_at, opened_at + window)`.
    pub fn covers(&self, window: Span, time: Timestamp) -> bool {
        self.opened_at <= time && time < self.opened_at.plus(window)
    }
}

/// What opened a visit to the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A click on a link.
    Click(Touch),
    /// A discount code.
    Code(CodeVisit),
}

impl Opening {
    /// Returns the later of a click and a code. Of the same moment, the click.
    pub fn latest(click: Option<Touch>, code: Option<CodeVisit>) -> Option<Self> {
        match (click, code) {
            (Some(touch), Some(visit)) if touch.clicked_at < visit.opened_at => {
                Some(Self::Code(visit))
            }
            (Some(touch), _) => Some(Self::Click(touch)),
            (None, visit) => visit.map(Self::Code),
        }
    }

    /// Returns what is the same for all that happened in the visit.
    pub const fn id(&self) -> OpeningId {
        match self {
            Self::Click(touch) => OpeningId::Click(touch.click),
            Self::Code(visit) => OpeningId::Code(*visit),
        }
    }

    /// Returns when it was.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Click(touch) => touch.clicked_at,
            Self::Code(visit) => visit.opened_at,
        }
    }
}

/// What tells visits apart: the click, or the code and its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpeningId {
    /// A click on a link.
    Click(ClickId),
    /// A discount code.
    Code(CodeVisit),
}
