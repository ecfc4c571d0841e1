//! From when a campaign's terms count, although clocks may have been wrong. Reads no clock.
//!
//! A change counts from the moment at which it was made, in the order of the journal: a later change
//! wins over an earlier one, whatever their dates say. Orders that were recorded before the change
//! keep their terms, also those with a later date: somebody may have been paid by them.

use std::mem;

use super::campaign::{Campaign, EarlierTerms};
use crate::commission::Terms;
use crate::time::{Span, Timestamp};

/// Terms that begin this soon are no matter of a wrong clock.
const CLOCK_SKEW: Span = Span::minutes(2);

/// The moment of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What the clock says.
    pub now: Timestamp,
    /// The latest time of a recorded click, event or order; `None` while none is recorded. It is
    /// later than `now` when the clock was ahead before, or is behind now.
    pub latest: Option<Timestamp>,
}

impl Campaign {
    /// Replaces the terms.
    ///
    /// The new terms count from now on. If the clock was set back, they do not count for the times
    /// at which something is recorded already: from the campaign's creation, or from now, to the
    /// latest record.
    pub fn replace_terms(&mut self, commission: Terms, moment: Moment) {
        let replaced = mem::replace(&mut self.commission, commission);
        self.earlier_commissions.push(EarlierTerms { until: Timestamp::MAX, commission: replaced });
        self.date_terms(moment);
    }

    /// Lets the latest terms count from now on, if their date lies ahead because the clock that
    /// dated them was. Returns whether anything changed.
    pub fn redate_terms(&mut self, moment: Moment) -> bool {
        let soon = moment.now.plus(CLOCK_SKEW);
        let is_dated_ahead = self.earlier_commissions.iter().any(|terms| soon < terms.until);
        let is_valid_now = self.terms_at(moment.now).1 == &self.commission;
        if !is_dated_ahead || is_valid_now {
            return false;
        }
        let before = self.earlier_commissions.clone();
        self.date_terms(moment);
        self.earlier_commissions != before
    }

    /// Ends all earlier terms, so that the latest ones count.
    fn date_terms(&mut self, Moment { now, latest }: Moment) {
        // What is recorded up to here keeps its terms.
        let recorded_until = latest.filter(|latest| now <= *latest);
        let end = recorded_until.map_or(now, |latest| latest.plus(Span::ms(1)));
        let at_now = self.terms_at(now).1.clone();
        let ahead_from = self.ahead_from(now).filter(|from| recorded_until >= Some(*from));
        for terms in &mut self.earlier_commissions {
            terms.until = terms.until.min(end);
        }
        let Some(from) = ahead_from else { return };
        // Between now and what was recorded with a clock that was ahead, the latest terms count.
        let latest = self.commission.clone();
        let between = [(now, at_now), (from, latest)];
        let between = between.map(|(until, commission)| EarlierTerms { until, commission });
        let all = mem::take(&mut self.earlier_commissions);
        let (before, after): (Vec<_>, Vec<_>) = all
            .into_iter()
            .filter(|t| t.until < now || from < t.until)
            .partition(|t| t.until < now);
        self.earlier_commissions = before.into_iter().chain(between).chain(after).collect();
    }

    /// Returns from when on the campaign was recorded with a clock that was ahead of now; `None` if
    /// that clock did not create it.
    fn ahead_from(&self, now: Timestamp) -> Option<Timestamp> {
        let changes = self.earlier_commissions.iter().map(|terms| terms.until);
        let dates = changes.chain([self.created_at]).filter(|date| now < *date);
        dates.min().filter(|_| now < self.created_at)
    }
}
