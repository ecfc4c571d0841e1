//! Reports over accounts: balances, statements of account and payouts. They only show what `accounts`
//! says, for one day or between two.

pub(crate) mod balances;
mod days;
mod lines;
mod parties;
pub(crate) mod payouts;
pub(crate) mod statement;

use std::collections::BTreeMap;

use accounts::{Account, AsOf, Ledger};
use bookings::{Conversions, Dataset, LedgerEntry, Owed, ledger_entries};
use jiff::civil::Date;
use shared::catalog::Merchant;
use shared::day::Day;
use shared::id::{InfluencerId, MerchantId};
use shared::money::Money;
use shared::time::Timestamp;
use shared::zone::Zone;

use crate::error::Error;
use crate::write::print::Cell;

/// Whose accounts a report is about. What is not named is not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Whose {
    /// The merchant who pays.
    pub merchant: Option<MerchantId>,
    /// The influencer who is paid.
    pub influencer: Option<InfluencerId>,
}

/// The day of which a report tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDay {
    /// The end of this day.
    Day(Day),
    /// The day on which this moment lies in each merchant's calendar.
    Of(Timestamp),
}

impl Whose {
    /// Checks that the catalog knows who is named.
    fn check(self, dataset: &Dataset) -> Result<(), Error> {
        let catalog = &dataset.catalog;
        if let Some(id) = self.merchant.filter(|id| !catalog.merchants.contains_key(id)) {
            return Err(bookings::Error::UnknownMerchant(id).into());
        }
        match self.influencer.filter(|id| !catalog.influencers.contains_key(id)) {
            Some(id) => Err(Error::UnknownInfluencer(id)),
            None => Ok(()),
        }
    }

    fn has(self, account: Account) -> bool {
        self.merchant.is_none_or(|merchant| merchant == account.merchant)
            && self.influencer.is_none_or(|influencer| influencer == account.influencer)
    }
}

/// The accounts that somebody asked for, with what is needed to show them.
struct Accounts<'d> {
    dataset: &'d Dataset,
    ledger: Ledger,
    minimums: BTreeMap<Account, i64>,
    whose: Whose,
    on: OnDay,
}

impl<'d> Accounts<'d> {
    fn of(
        dataset: &'d Dataset,
        entries: &[LedgerEntry<'_>],
        whose: Whose,
        on: OnDay,
    ) -> Result<Self, Error> {
        whose.check(dataset)?;
        let mut owed = Owed::of_entries(entries, &dataset.catalog);
        owed.entries.retain(|entry| whose.has(entry.account));
        let minimums = owed.minimums(&dataset.catalog);
        let ledger = owed.into_ledger(&dataset.catalog);
        Ok(Self { dataset, ledger, minimums, whose, on })
    }

    /// Returns the accounts, by the names of merchant and influencer.
    fn list(&self) -> Vec<Account> {
        let mut accounts: Vec<_> =
            self.ledger.accounts().filter(|account| self.whose.has(*account)).collect();
        accounts.sort_by_cached_key(|account| {
            let names = (self.merchant_name(*account), self.influencer_name(*account));
            (names, *account)
        });
        accounts
    }

    fn merchant(&self, account: Account) -> Option<&'d Merchant> {
        self.dataset.catalog.merchants.get(&account.merchant).map(AsRef::as_ref)
    }

    fn merchant_name(&self, account: Account) -> String {
        self.merchant(account).map_or_else(String::new, |merchant| merchant.name.clone())
    }

    fn influencer_name(&self, account: Account) -> String {
        self.dataset.influencer_name(account.influencer)
    }

    fn zone(&self, account: Account) -> Zone {
        self.merchant(account).map_or(Zone::UTC, |merchant| Zone::named(&merchant.timezone))
    }

    /// Returns the day of which the report tells, in the calendar of the account's merchant.
    fn day(&self, account: Account) -> Day {
        match self.on {
            OnDay::Day(day) => day,
            OnDay::Of(at) => self.zone(account).date(at),
        }
    }

    fn end_of(&self, account: Account, day: Day) -> AsOf {
        AsOf::end_of(day, &self.zone(account))
    }

    fn minimum_minor(&self, account: Account) -> i64 {
        self.minimums.get(&account).copied().unwrap_or(0)
    }

    /// Returns the cells that name an account.
    fn names(&self, account: Account) -> [Cell; 5] {
        [
            Cell::Id(account.merchant.to_string()),
            Cell::Text(self.merchant_name(account)),
            Cell::Id(account.influencer.to_string()),
            Cell::Text(self.influencer_name(account)),
            Cell::Id(account.currency.to_string()),
        ]
    }
}

/// Returns an amount of an account as a cell.
fn money(account: Account, minor: i64) -> Cell {
    Cell::Number(Money { minor, currency: account.currency }.to_string())
}

/// Computes what was booked, for `show`. Its entries refer to the conversions, which live as long.
fn with_entries<T>(
    dataset: &Dataset,
    show: impl FnOnce(&[LedgerEntry<'_>]) -> Result<T, Error>,
) -> Result<T, Error> {
    let conversions = Conversions::of(dataset)?;
    show(&ledger_entries(dataset, &conversions, Date::MAX)?)
}
