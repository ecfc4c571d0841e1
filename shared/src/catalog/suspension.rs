//! Suspensions: from a moment on, an influencer, a link or a coupon earns nothing. What was earned
//! before stays. Takes no click away and changes no redirect.

use serde::{Deserialize, Serialize};

use crate::id::{CouponId, InfluencerId, LinkId};
use crate::time::Timestamp;

/// Who or what can be suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspendable {
    /// An influencer, with all their links and coupons.
    Influencer(InfluencerId),
    /// A link.
    Link(LinkId),
    /// A coupon.
    Coupon(CouponId),
}

/// All suspensions of one influencer, link or coupon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Who or what is suspended.
    pub of: Suspendable,
    /// The times for which it is; the last one may have no end yet.
    pub periods: Vec<SuspendedPeriod>,
    /// When it last changed: of two versions the later one wins.
    pub updated_at: Timestamp,
}

/// A time for which somebody is suspended, `[from, until)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspendedPeriod {
    /// The first moment.
    pub from: Timestamp,
    /// The end; `None` until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was decided. What it takes back is booked then.
    pub made_at: Timestamp,
}

impl Suspension {
    /// Returns the suspension that is not lifted.
    pub fn open(&self) -> Option<&SuspendedPeriod> {
        self.periods.last().filter(|period| period.until.is_none())
    }

    /// Returns the period in which `at` lies, as far as it was decided by `known_at`.
    pub fn covers(&self, at: Timestamp, known_at: Timestamp) -> Option<&SuspendedPeriod> {
        let lies_in = |period: &&SuspendedPeriod| {
            period.made_at <= known_at
                && period.from <= at
                && period.until.is_none_or(|until| at < until)
        };
        self.periods.iter().find(lies_in)
    }

    /// Returns the suspensions after a change at `now`: suspended from a time on, or no longer. A
    /// suspension that is lifted stays for the time that it was in force.
    pub fn changed(
        held: Option<&Self>,
        of: Suspendable,
        from: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let mut periods = held.map_or_else(Vec::new, |held| held.periods.clone());
        let open = periods.pop_if(|period| period.until.is_none());
        match (open, from) {
            (Some(open), Some(from)) if open.from == from => periods.push(open),
            (Some(open), None) if open.from < now => {
                periods.push(SuspendedPeriod { until: Some(now), ..open });
            }
            (_, Some(from)) => periods.push(SuspendedPeriod { from, until: None, made_at: now }),
            (_, None) => {}
        }
        Self { of, periods, updated_at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn changed(held: Option<&Suspension>, from: Option<i64>, now: i64) -> Suspension {
        let of = Suspendable::Link(LinkId::from_bits(1));
        Suspension::changed(held, of, from.map(Timestamp::from_ms), at(now))
    }

    #[test]
    fn a_suspension_that_is_lifted_stays_for_its_own_time() {
        let suspended = changed(None, Some(10), 5);
        let lifted = changed(Some(&suspended), None, 20);
        for (time, covered, covered_after) in
            [(9, false, false), (10, true, true), (19, true, true), (20, true, false)]
        {
            assert_eq!(suspended.covers(at(time), at(99)).is_some(), covered, "{time}");
            assert_eq!(lifted.covers(at(time), at(99)).is_some(), covered_after, "{time}");
        }
        assert!(suspended.covers(at(10), at(4)).is_none(), "nobody knew of it then");
        assert!(lifted.open().is_none() && suspended.open().is_some());
        let never = changed(Some(&suspended), None, 7);
        assert_eq!(never.periods, [], "it had not begun");
        let again = changed(Some(&lifted), Some(30), 25);
        assert_eq!((again.periods.len(), again.open().unwrap().from), (2, at(30)));
        assert_eq!(changed(Some(&again), Some(30), 40).periods, again.periods);
    }
}
