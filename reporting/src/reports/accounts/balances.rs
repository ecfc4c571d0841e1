//! Balances: what every influencer has at every merchant at the end of a day.

use accounts::Account;
use accounts::balance::{Balance, Open};
use bookings::Dataset;

use super::{Accounts, OnDay, Whose, money, with_entries};
use crate::error::Error;
use crate::write::document::{Document, Table};
use crate::write::form::Form;
use crate::write::print::{Block, Cell};

/// The columns, in order.
const HEADER: [&str; 15] = [
    "merchant_id",
    "merchant",
    "influencer_id",
    "influencer",
    "currency",
    "as_of",
    "pending",
    "held",
    "approved",
    "in_payout",
    "paid",
    "payable",
    "below_minimum",
    "below_zero",
    "carried",
];

/// The balances of accounts.
pub struct Balances(Document);

impl Balances {
    /// Computes balances.
    ///
    /// # Errors
    /// When nobody knows whom the report is about, a merchant's settings are invalid, or a sum is
    /// beyond what an amount can be.
    pub fn of(dataset: &Dataset, whose: Whose, on: OnDay) -> Result<Self, Error> {
        with_entries(dataset, |entries| {
            let accounts = Accounts::of(dataset, entries, whose, on)?;
            let rows = accounts.list().into_iter().map(|account| row(&accounts, account));
            let rows = rows.collect::<Result<Vec<_>, Error>>()?;
            let block = Block::of(&HEADER, rows.into_iter());
            let tables = vec![Table { name: "accounts", block }];
            Ok(Self(Document { title: "balances", facts: vec![], tables, lines: None }))
        })
    }

    /// Writes the balances.
    pub fn write(&self, form: Form) -> String {
        form.write(&self.0, false)
    }
}

fn row(accounts: &Accounts<'_>, account: Account) -> Result<Vec<Cell>, Error> {
    let day = accounts.day(account);
    let balance = accounts.ledger.balance(account, accounts.end_of(account, day))?;
    let Balance { pending_minor, held_minor, approved_minor, in_payout_minor, paid_minor } =
        balance;
    let open = balance.open(account, accounts.minimum_minor(account))?;
    let Open { payable_minor, below_minimum_minor, below_zero_minor } = open;
    // One of the two is 0.
    let carried_minor = below_minimum_minor + below_zero_minor;
    let mut cells: Vec<Cell> = accounts.names(account).into();
    cells.push(Cell::Id(day.to_string()));
    let amounts = [
        pending_minor,
        held_minor,
        approved_minor,
        in_payout_minor,
        paid_minor,
        payable_minor,
        below_minimum_minor,
        below_zero_minor,
        carried_minor,
    ];
    cells.extend(amounts.map(|minor| money(account, minor)));
    Ok(cells)
}
