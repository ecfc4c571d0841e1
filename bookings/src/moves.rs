//! Moves: what an amount or a payment changed in the balance of its account, day by day. The moves up to
//! the end of a day add up to the balance that `accounts` says of that day. It decides nothing itself:
//! it asks `accounts` how things stood at the end of each day on which something may have changed.

use std::collections::{BTreeSet, HashMap};

use accounts::books::{LineBook, Payout};
use accounts::{Account, AsOf, Entry, Ledger, LineState, Standing};
use shared::catalog::Catalog;
use shared::day::Day;
use shared::id::{CampaignId, FactId, PayoutId};
use shared::payout::Step;
use shared::time::Timestamp;
use shared::zone::Zone;

/// One of the sums of a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Figure {
    /// What is booked and may not be paid yet.
    Pending,
    /// What somebody holds.
    Held,
    /// What may be paid, or is paid.
    Approved,
    /// What stands in a batch that is not paid.
    InPayout,
    /// What is paid.
    Paid,
}

impl Figure {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Approved => "approved",
            Self::InPayout => "in_payout",
            Self::Paid => "paid",
        }
    }

    const fn of_standing(standing: Standing) -> Option<Self> {
        match standing {
            Standing::Unknown => None,
            Standing::Pending => Some(Self::Pending),
            Standing::Held => Some(Self::Held),
            Standing::Approved => Some(Self::Approved),
        }
    }

    const fn of_line(state: LineState) -> Option<Self> {
        match state {
            LineState::Open => Some(Self::InPayout),
            LineState::Paid => Some(Self::Paid),
            LineState::Cancelled | LineState::Superseded => None,
        }
    }
}

/// What moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moved {
    /// An amount that was booked.
    Entry(FactId),
    /// The line of a batch.
    Line(PayoutId),
}

/// A change of one sum of a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The day in the merchant's calendar at whose end it counts for the first time.
    pub day: Day,
    /// The account.
    pub account: Account,
    /// The sum that it changes.
    pub figure: Figure,
    /// By how much, in minor units.
    pub amount_minor: i64,
    /// What moved.
    pub moved: Moved,
    /// The campaign that earned it; `None` for payments and for amounts that belong to none.
    pub campaign: Option<CampaignId>,
}

/// Returns every move up to a day, by day and account.
pub fn moves(ledger: &Ledger, catalog: &Catalog, last_day: Day) -> Vec<Move> {
    let steps = steps(catalog);
    let mut moves = Vec::new();
    for account in ledger.accounts() {
        let merchant = catalog.merchants.get(&account.merchant);
        let zone = merchant.map_or(Zone::UTC, |merchant| Zone::named(&merchant.timezone));
        let calendar = Calendar { zone, last_day };
        let lines: Vec<_> = ledger.books().lines_of(account).collect();
        let of_lines: Vec<Timestamp> = lines.iter().flat_map(|line| at(line, &steps)).collect();
        for line in &lines {
            moves.extend(of_line(line, &steps, &calendar));
        }
        for entry in ledger.entries(account) {
            moves.extend(of_entry(ledger, entry, &of_lines, &calendar));
        }
    }
    // The sort is stable: what moved on one day keeps the order of the ledger.
    moves.sort_by_key(|one| (one.day, one.account));
    moves
}

/// A merchant's calendar, up to the last day that is asked for.
struct Calendar {
    zone: Zone,
    last_day: Day,
}

impl Calendar {
    /// Returns the days of moments and others, in order, as far as they are asked for.
    fn days(&self, at: impl Iterator<Item = Timestamp>, other: Option<Day>) -> BTreeSet<Day> {
        let days = at.map(|at| self.zone.date(at)).chain(other);
        days.filter(|day| *day <= self.last_day).collect()
    }

    fn end_of(&self, day: Day) -> AsOf {
        AsOf::end_of(day, &self.zone)
    }
}

type Line<'b> = (&'b Payout, &'b LineBook);

/// Returns when something was recorded about each batch.
fn steps(catalog: &Catalog) -> HashMap<PayoutId, Vec<Timestamp>> {
    let mut steps: HashMap<PayoutId, Vec<Timestamp>> = HashMap::new();
    for step in catalog.payouts.values() {
        let batch = match &step.step {
            Step::Made(_) => step.id,
            Step::Cancelled { batch } | Step::Paid { batch, .. } | Step::Undone { batch, .. } => {
                *batch
            }
        };
        steps.entry(batch).or_default().push(step.at);
    }
    steps
}

fn at((payout, _): &Line<'_>, steps: &HashMap<PayoutId, Vec<Timestamp>>) -> Vec<Timestamp> {
    steps.get(&payout.id()).cloned().unwrap_or_default()
}

fn of_line(
    line: &Line<'_>,
    steps: &HashMap<PayoutId, Vec<Timestamp>>,
    calendar: &Calendar,
) -> Vec<Move> {
    let (payout, book) = line;
    let days = calendar.days(at(line, steps).into_iter(), None);
    let figures = days.into_iter().map(|day| {
        let state = book.state_before(calendar.end_of(day).until);
        (day, state.and_then(Figure::of_line))
    });
    let of = (book.account, Moved::Line(payout.id()), None);
    changes(figures, book.amount_minor, of)
}

fn of_entry(
    ledger: &Ledger,
    entry: &Entry,
    of_lines: &[Timestamp],
    calendar: &Calendar,
) -> Vec<Move> {
    let held = entry.held.iter().flat_map(|held| [Some(held.from), held.until]).flatten();
    // Only of what is held it matters whether a payout contains it.
    let lines = of_lines.iter().copied().filter(|_| !entry.held.is_empty());
    let at = [entry.booked_at].into_iter().chain(held).chain(lines);
    let days = calendar.days(at, entry.due_on);
    let figures = days
        .into_iter()
        .map(|day| (day, Figure::of_standing(ledger.standing(entry, calendar.end_of(day)))));
    changes(figures, entry.amount_minor, (entry.account, Moved::Entry(entry.id), entry.campaign))
}

/// Returns the moves of an amount that stands in one figure after the other.
fn changes(
    figures: impl Iterator<Item = (Day, Option<Figure>)>,
    amount_minor: i64,
    (account, moved, campaign): (Account, Moved, Option<CampaignId>),
) -> Vec<Move> {
    let mut moves = Vec::new();
    let mut before = None;
    for (day, figure) in figures {
        if figure != before {
            let of =
                |figure, amount_minor| Move { day, account, figure, amount_minor, moved, campaign };
            moves.extend(before.map(|before| of(before, amount_minor.saturating_neg())));
            moves.extend(figure.map(|figure| of(figure, amount_minor)));
            before = figure;
        }
    }
    moves
}
