//! The statement of account: what was owed when a period began, what became payable in it, what was
//! paid, and what is owed when it ends. By person over all campaigns, or by merchant. A period is a
//! view: once it is past, it never changes.

use std::collections::BTreeMap;

use accounts::period::Movement;
use accounts::share::agency_minor;
use accounts::{Account, TooLarge};
use bookings::{Dataset, Period};
use shared::day::Day;
use shared::money::Currency;

use super::days::Days;
use super::lines::{HEADER as LINES, Lines};
use super::parties::parties;
use super::{Accounts, OnDay, Whose, money, with_entries};
use crate::error::Error;
use crate::write::document::{Document, Table};
use crate::write::form::Form;
use crate::write::print::{Block, Cell};

/// The columns of accounts, in order.
const HEADER: [&str; 12] = [
    "merchant_id",
    "merchant",
    "influencer_id",
    "influencer",
    "currency",
    "carried_in",
    "new",
    "paid",
    "carried_out",
    "pending",
    "held",
    "in_payout",
];

/// The columns of totals, in order.
const TOTALS: [&str; 8] =
    ["currency", "carried_in", "new", "paid", "carried_out", "pending", "held", "in_payout"];

/// The columns of the agency's share, in order.
const SHARE: [&str; 3] = ["currency", "new", "total"];

/// A statement of account.
pub struct AccountStatement(Document);

impl AccountStatement {
    /// Computes the statement of an influencer or a merchant over the days of a period, as far as they
    /// have come by `on`.
    ///
    /// # Errors
    /// When nobody knows whom it is about, a merchant's settings are invalid, or a sum is beyond what
    /// an amount can be.
    pub fn of(dataset: &Dataset, whose: Whose, period: Period, on: OnDay) -> Result<Self, Error> {
        with_entries(dataset, |entries| {
            let accounts = Accounts::of(dataset, entries, whose, on)?;
            let days =
                Days { first: Day::of(period.first_day()), last: Day::of(period.last_day()) };
            let list = accounts.list();
            let mut moved = Vec::new();
            for account in &list {
                moved.push((*account, days.movement(&accounts, *account)?));
            }
            let rows = moved.iter().map(|(account, moved)| row(&accounts, *account, moved));
            let lines = Lines::of(&accounts, entries, &days);
            let shares = agency_shares(&accounts, &list, &days)?;
            let tables = vec![
                Table { name: "accounts", block: Block::of(&HEADER, rows) },
                Table { name: "totals", block: Block::of(&TOTALS, totals(&moved)?.into_iter()) },
                Table { name: "agency_share", block: Block::of(&SHARE, shares.into_iter()) },
            ];
            let lines = Block::of(&LINES, lines.rows.into_iter());
            let lines = Some(Table { name: "lines", block: lines });
            let facts = facts(&accounts, &list, &days);
            Ok(Self(Document { title: "account_statement", facts, tables, lines }))
        })
    }

    /// Writes the statement, with its lines below it if that is asked for.
    pub fn write(&self, form: Form, with_lines: bool) -> String {
        form.write(&self.0, with_lines)
    }

    /// Returns the lines as CSV.
    pub fn lines_csv(&self) -> String {
        self.0.lines_csv()
    }
}

/// Returns the amounts of a statement, in the order of the columns.
const fn amounts(moved: &Movement) -> [i64; 7] {
    [
        moved.carried_in_minor,
        moved.new_minor,
        moved.paid_minor,
        moved.carried_out_minor,
        moved.at_end.pending_minor,
        moved.at_end.held_minor,
        moved.at_end.in_payout_minor,
    ]
}

fn row(accounts: &Accounts<'_>, account: Account, moved: &Movement) -> Vec<Cell> {
    let names = accounts.names(account).into_iter();
    names.chain(amounts(moved).map(|minor| money(account, minor))).collect()
}

/// Adds up the accounts of each currency.
fn totals(moved: &[(Account, Movement)]) -> Result<Vec<Vec<Cell>>, Error> {
    let mut totals: BTreeMap<Currency, (Account, [i64; 7])> = BTreeMap::new();
    for (account, moved) in moved {
        let (_, sums) = totals.entry(account.currency).or_insert((*account, [0; 7]));
        for (sum, minor) in sums.iter_mut().zip(amounts(moved)) {
            account.add(sum, minor)?;
        }
    }
    let row = |(currency, (account, sums)): (Currency, (Account, [i64; 7]))| {
        let currency = [Cell::Id(currency.to_string())].into_iter();
        currency.chain(sums.map(|minor| money(account, minor))).collect()
    };
    Ok(totals.into_iter().map(row).collect())
}

/// Returns what the agency gets of a merchant on top of what all influencers get: in these days, and over
/// all time. Only a merchant's statement has it.
fn agency_shares(
    accounts: &Accounts<'_>,
    list: &[Account],
    days: &Days,
) -> Result<Vec<Vec<Cell>>, Error> {
    let is_asked = accounts.whose.merchant.is_some() && accounts.whose.influencer.is_none();
    let mut of_currency = BTreeMap::new();
    for account in list.iter().filter(|_| is_asked) {
        of_currency.entry(account.currency).or_insert(*account);
    }
    let mut rows = Vec::new();
    for (currency, account) in of_currency {
        let shares = accounts.merchant(account).map_or(&[][..], |known| &known.agency_shares);
        let (before, end) = days.ends(accounts, account);
        let of = (account.merchant, currency);
        let total = agency_minor(&accounts.ledger, of, shares, end)?;
        let earlier = agency_minor(&accounts.ledger, of, shares, before)?;
        let new = total.checked_sub(earlier).ok_or(TooLarge(account))?;
        if !shares.is_empty() {
            let currency = Cell::Id(currency.to_string());
            rows.push(vec![currency, money(account, new), money(account, total)]);
        }
    }
    Ok(rows)
}

/// Says what the statement is about.
fn facts(accounts: &Accounts<'_>, list: &[Account], days: &Days) -> Vec<(&'static str, Cell)> {
    let catalog = &accounts.dataset.catalog;
    let mut facts = Vec::new();
    if let Some(known) = accounts.whose.influencer.and_then(|id| catalog.influencers.get(&id)) {
        facts.push(("influencer", Cell::Text(known.name.clone())));
        facts.push(("influencer_id", Cell::Id(known.id.to_string())));
    }
    let merchant = accounts.whose.merchant.and_then(|id| catalog.merchants.get(&id));
    if let Some(known) = merchant {
        facts.push(("merchant", Cell::Text(known.name.clone())));
        facts.push(("merchant_id", Cell::Id(known.id.to_string())));
    }
    let day = |day: Day| Cell::Id(day.to_string());
    facts.extend([("from", day(days.first)), ("to", day(days.last))]);
    // Merchants may have different calendars: the days are those of each.
    let mut as_of: Vec<_> = list.iter().map(|of| days.last_come(accounts, *of)).collect();
    as_of.sort_unstable();
    facts.extend(as_of.last().map(|last| ("as_of", day(*last))));
    let mut zones: Vec<_> = list.iter().filter_map(|of| accounts.merchant(*of)).collect();
    zones.extend(merchant.map(AsRef::as_ref));
    let mut zones: Vec<&str> = zones.into_iter().map(|known| known.timezone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    facts.push(("timezone", Cell::Text(zones.join(", "))));
    facts.extend(parties(accounts));
    facts
}
