//! Entries: all amounts that were ever booked on an account. An entry is never rewritten: what was
//! taken back is an entry of its own, so a past day comes out the same whatever is booked later.

use shared::day::Day;
use shared::id::{CampaignId, FactId};
use shared::time::Timestamp;
use shared::zone::Zone;

use crate::account::Account;

/// One amount booked on an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The id; the same in every export.
    pub id: FactId,
    /// The account on which it is booked.
    pub account: Account,
    /// The campaign that earned it; `None` for an amount that a person booked for none.
    pub campaign: Option<CampaignId>,
    /// The amount in minor units; negative for what is taken back.
    pub amount_minor: i64,
    /// When it was booked. Nobody knew of it before.
    pub booked_at: Timestamp,
    /// The day from which it may be paid, in the merchant's calendar; `None` when there is no such day
    /// so far. It never lies before the day on which it was booked.
    pub due_on: Option<Day>,
    /// The times in which somebody held it, in any order.
    pub held: Vec<HeldTime>,
}

/// A time in which an amount was held, `[from, until)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeldTime {
    /// When it was held.
    pub from: Timestamp,
    /// When it was released; `None` while it is held.
    pub until: Option<Timestamp>,
}

/// The moment of which a figure tells: the end of a day, or now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// The day in the merchant's calendar: what is due on it or before may be paid.
    pub day: Day,
    /// Everything that was recorded before this moment is known.
    pub until: Timestamp,
}

/// What an amount is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not booked yet.
    Unknown,
    /// It may not be paid yet.
    Pending,
    /// Somebody holds it.
    Held,
    /// It may be paid.
    Approved,
}

impl AsOf {
    /// Returns the end of a day in a merchant's calendar.
    pub fn end_of(day: Day, zone: &Zone) -> Self {
        Self { day, until: zone.start_of(day.later(1)) }
    }

    /// Returns what is due on a day or before, with all that is known now. A close asks so.
    ///
    /// It asks no clock: a node whose clock was ahead has dated its steps to the future, and who did
    /// not count them would pay twice.
    pub const fn known(day: Day) -> Self {
        Self { day, until: Timestamp::MAX }
    }
}

impl HeldTime {
    /// Returns whether it covers a moment.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

impl Entry {
    /// Returns whether somebody holds it at a moment.
    pub fn is_held_at(&self, at: Timestamp) -> bool {
        self.held.iter().any(|held| held.covers(at))
    }

    /// Returns whether it may be paid by the calendar, whoever holds it.
    pub fn is_due(&self, day: Day) -> bool {
        self.due_on.is_some_and(|due_on| due_on <= day)
    }

    /// Returns what it is at a moment, where no payout contains it.
    pub fn standing(&self, as_of: AsOf) -> Standing {
        if self.booked_at >= as_of.until {
            return Standing::Unknown;
        }
        if self.is_held_at(Timestamp::from_ms(as_of.until.as_ms().saturating_sub(1))) {
            Standing::Held
        } else if self.is_due(as_of.day) {
            Standing::Approved
        } else {
            Standing::Pending
        }
    }
}
