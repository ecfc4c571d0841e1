//! The days of a statement of account, in the calendar of each merchant.

use accounts::period::{Movement, movement};
use accounts::{Account, AsOf};
use shared::day::Day;

use super::Accounts;
use crate::error::Error;

/// The days of a statement, both included.
pub(super) struct Days {
    pub(super) first: Day,
    pub(super) last: Day,
}

impl Days {
    /// Returns the last day that has come in the calendar of an account's merchant.
    pub(super) fn last_come(&self, accounts: &Accounts<'_>, account: Account) -> Day {
        self.last.min(accounts.day(account))
    }

    /// Returns what happened on an account in these days, as far as they have come.
    pub(super) fn movement(
        &self,
        accounts: &Accounts<'_>,
        account: Account,
    ) -> Result<Movement, Error> {
        let (before, end) = self.ends(accounts, account);
        Ok(movement(&accounts.ledger, account, before, end)?)
    }

    /// Returns the end of the day before, and of the last day that has come.
    pub(super) fn ends(&self, accounts: &Accounts<'_>, account: Account) -> (AsOf, AsOf) {
        let last = self.last_come(accounts, account);
        let before = self.first.before().min(last);
        (accounts.end_of(account, before), accounts.end_of(account, last))
    }
}
