//! The refunds of an order that are valid, gathered fact by fact. It only adds: what refunds do to
//! a commission is decided elsewhere.

use std::collections::BTreeMap;

use super::fact::{AmountPart, FailedRefund, OrderFact, Refund, RefundList, Unreadable};
use super::place::{Place, Rank};
use crate::money::Currency;

/// All refunds that facts named.
///
/// Only the source of the highest rank counts: when shop and payment provider both name refunds,
/// they mean the same money.
#[derive(Debug, Default)]
pub(super) struct Refunds<'f> {
    by_rank: BTreeMap<Rank, OfRank<'f>>,
}

/// The refunds of one rank. A fact without a currency counts in every currency.
#[derive(Debug, Default)]
struct OfRank<'f> {
    without_currency: Valid<'f>,
    in_currency: BTreeMap<Currency, Valid<'f>>,
}

/// What a fact says of a refund.
#[derive(Debug, Clone, Copy)]
enum Version<'f> {
    Read(&'f Refund),
    /// Its amounts could not be read.
    Unread(&'f Unreadable),
}

/// Returns what a fact says of each refund that it names, by id. What could not be read comes last:
/// it replaces what could.
fn versions_of(fact: &OrderFact) -> impl Iterator<Item = (&str, Version<'_>)> {
    let read = fact.refunds.iter().map(|refund| (refund.id.as_str(), Version::Read(refund)));
    let unread = fact.unreadable.iter().filter_map(|unreadable| match &unreadable.part {
        AmountPart::Refund(id) => Some((id.as_str(), Version::Unread(unreadable))),
        AmountPart::Currency | AmountPart::Goods | AmountPart::Total => None,
    });
    read.chain(unread)
}

/// The valid refunds, and their sums.
#[derive(Debug, Default, Clone)]
pub(super) struct Valid<'f> {
    /// The last fact that named all refunds. What facts before it named is no longer valid.
    since: Option<Place>,
    facts: BTreeMap<Place, &'f OrderFact>,
    /// By id: every version of a refund by place in the facts. The last one is valid.
    versions: BTreeMap<&'f str, BTreeMap<(Place, usize), Version<'f>>>,
    total: i128,
    goods: i128,
    pro_rata: i128,
    lines: BTreeMap<&'f str, i128>,
    /// By id: the valid refunds whose amounts could not be read. They are in no sum.
    unread: BTreeMap<&'f str, &'f Unreadable>,
    /// By the refund that has them in, then by their own id: refunds that failed, and when that was
    /// last said.
    failed: BTreeMap<&'f str, BTreeMap<&'f str, (Place, i64)>>,
}

/// Failed refunds that count within one sum of refunds: those with the lowest ids.
const FAILED_MAX: usize = 100;

impl<'f> Refunds<'f> {
    /// Takes in a fact.
    pub(super) fn add(&mut self, place: Place, fact: &'f OrderFact) {
        let is_silent = versions_of(fact).next().is_none() && fact.failed_refunds.is_empty();
        if is_silent && !names_all(fact) {
            return;
        }
        let of_rank = self.by_rank.entry(place.0).or_default();
        let Some(currency) = fact.currency else {
            of_rank.without_currency.add(place, fact);
            of_rank.in_currency.values_mut().for_each(|valid| valid.add(place, fact));
            return;
        };
        let OfRank { without_currency, in_currency } = of_rank;
        in_currency.entry(currency).or_insert_with(|| without_currency.clone()).add(place, fact);
    }

    /// Returns the refunds that are valid for an order in this currency; `None` when nobody named
    /// any.
    pub(super) fn valid(&self, currency: Option<Currency>) -> Option<&Valid<'f>> {
        let (_, highest) = self.by_rank.last_key_value()?;
        let in_currency = currency.and_then(|currency| highest.in_currency.get(&currency));
        Some(in_currency.unwrap_or(&highest.without_currency))
    }
}

fn names_all(fact: &OrderFact) -> bool {
    fact.refund_list == RefundList::Whole && !fact.partial
}

impl<'f> Valid<'f> {
    fn add(&mut self, place: Place, fact: &'f OrderFact) {
        if self.since.is_some_and(|since| place < since) {
            return;
        }
        if names_all(fact) {
            self.since = Some(place);
            let later = self.facts.split_off(&place);
            for (place, earlier) in std::mem::replace(&mut self.facts, later) {
                self.change(place, earlier, false);
            }
        }
        self.facts.insert(place, fact);
        self.change(place, fact, true);
        for FailedRefund { id, of, total_minor } in &fact.failed_refunds {
            let failed = self.failed.entry(of).or_default();
            let said = failed.entry(id).or_insert((place, *total_minor));
            *said = (*said).max((place, *total_minor));
            if failed.len() > FAILED_MAX {
                failed.pop_last();
            }
        }
    }

    /// Returns how much of the sums failed after they were reported: of all, and of those that do
    /// not name the lines.
    fn failed(&self) -> (i128, i128) {
        let (mut all, mut pro_rata) = (0, 0);
        for (of, failed) in &self.failed {
            let Some((&(reported, _), Version::Read(refund))) =
                self.versions.get(of).and_then(|versions| versions.last_key_value())
            else {
                continue;
            };
            let since = failed.values().filter(|(place, _)| *place >= reported);
            let failed: i128 = since.map(|(_, total)| i128::from(*total)).sum();
            let failed = failed.clamp(0, i128::from(refund.total_minor));
            all += failed;
            pro_rata += if refund.goods_minor.is_none() { failed } else { 0 };
        }
        (all, pro_rata)
    }

    /// Adds a fact's refunds, or removes them.
    fn change(&mut self, place: Place, fact: &'f OrderFact, adds: bool) {
        for (index, (id, version)) in versions_of(fact).enumerate() {
            let versions = self.versions.entry(id).or_default();
            let before = versions.last_key_value().map(|(_, version)| *version);
            if adds {
                versions.insert((place, index), version);
            } else {
                versions.remove(&(place, index));
            }
            let after = versions.last_key_value().map(|(_, version)| *version);
            if after.is_none() {
                self.versions.remove(id);
            }
            match before {
                Some(Version::Read(refund)) => self.count(refund, -1),
                Some(Version::Unread(_)) => _ = self.unread.remove(id),
                None => {}
            }
            match after {
                Some(Version::Read(refund)) => self.count(refund, 1),
                Some(Version::Unread(unreadable)) => _ = self.unread.insert(id, unreadable),
                None => {}
            }
        }
    }

    fn count(&mut self, refund: &'f Refund, times: i128) {
        let total = times * i128::from(refund.total_minor);
        self.total += total;
        let Some(goods) = refund.goods_minor else {
            self.pro_rata += total;
            return;
        };
        self.goods += times * i128::from(goods);
        for line in &refund.lines {
            *self.lines.entry(&line.line).or_default() += times * i128::from(line.goods_minor);
        }
    }

    /// Returns why refunds are unknown.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = &'f Unreadable> {
        self.unread.values().copied()
    }

    /// Returns the sum of all refunds that did not fail.
    pub(super) fn total_minor(&self) -> i64 {
        minor(self.total - self.failed().0)
    }

    /// Returns the goods in refunds that name the lines.
    pub(super) fn goods_minor(&self) -> i64 {
        minor(self.goods)
    }

    /// Returns the sum of the refunds that do not name the lines.
    pub(super) fn pro_rata_minor(&self) -> i64 {
        minor(self.pro_rata - self.failed().1)
    }

    /// Returns the goods of one line that were given back; `None` when no refund names it.
    pub(super) fn line_minor(&self, line: &str) -> Option<i64> {
        self.lines.get(line).copied().filter(|goods| *goods != 0).map(minor)
    }
}

fn minor(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
}
