//! Balances: what an account has at a moment. The same function serves every screen and every
//! export.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::account::{Account, TooLarge};
use crate::books::{Books, LineBook, LineState, Payout};
use crate::entry::{AsOf, Entry, Standing};

/// What an account has at a moment. All amounts are in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Balance {
    /// What is booked and may not be paid yet.
    pub pending_minor: i64,
    /// What somebody holds, and no payout contains.
    pub held_minor: i64,
    /// What may be paid, or is paid: over all time.
    pub approved_minor: i64,
    /// What stands in a batch that is not paid.
    pub in_payout_minor: i64,
    /// What is paid: over all time.
    pub paid_minor: i64,
}

impl Balance {
    /// Returns what is approved and neither paid nor in a batch. It is negative when more was taken
    /// back than is left to pay.
    ///
    /// # Errors
    /// [`TooLarge`] when it is beyond what an amount can be.
    pub fn open_minor(&self, account: Account) -> Result<i64, TooLarge> {
        let open = i128::from(self.approved_minor)
            - i128::from(self.paid_minor)
            - i128::from(self.in_payout_minor);
        i64::try_from(open).map_err(|_| TooLarge(account))
    }

    /// Returns approved − paid, with what stands in batches: what the merchant owes.
    ///
    /// # Errors
    /// [`TooLarge`] when it is beyond what an amount can be.
    pub fn owed_minor(&self, account: Account) -> Result<i64, TooLarge> {
        self.approved_minor.checked_sub(self.paid_minor).ok_or(TooLarge(account))
    }

    /// Returns what is open, told apart by what a close would do with it.
    ///
    /// # Errors
    /// [`TooLarge`] when an amount is beyond what an amount can be.
    pub fn open(&self, account: Account, minimum_minor: i64) -> Result<Open, TooLarge> {
        Ok(match self.open_minor(account)? {
            minor if minor < 0 => Open { below_zero_minor: minor, ..Open::default() },
            minor if minor < minimum_minor => {
                Open { below_minimum_minor: minor, ..Open::default() }
            }
            minor => Open { payable_minor: minor, ..Open::default() },
        })
    }
}

/// What is open, told apart by what a close would do with it. At most one of the amounts is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Open {
    /// What a close would pay.
    pub payable_minor: i64,
    /// What is less than the minimum payout, and is carried forward.
    pub below_minimum_minor: i64,
    /// What the influencer owes, as a negative amount. It is carried forward.
    pub below_zero_minor: i64,
}

/// All entries, by account, with the books of payouts. A clone costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    entries: Arc<BTreeMap<Account, Vec<Entry>>>,
    books: Arc<Books>,
}

impl Ledger {
    /// Gathers entries and books.
    pub fn of(entries: impl IntoIterator<Item = Entry>, books: Books) -> Self {
        let mut by_account: BTreeMap<Account, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            by_account.entry(entry.account).or_default().push(entry);
        }
        Self { entries: Arc::new(by_account), books: Arc::new(books) }
    }

    /// Returns the same entries with the books as they are now.
    #[must_use]
    pub fn with(&self, books: Books) -> Self {
        Self { entries: Arc::clone(&self.entries), books: Arc::new(books) }
    }

    /// Returns the books of payouts.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Returns every account, in order. Somebody may have been paid whose entries are not known.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        let all: BTreeSet<Account> =
            self.entries.keys().copied().chain(self.books.accounts()).collect();
        all.into_iter()
    }

    /// Returns the entries of an account, as they were given.
    pub fn entries(&self, account: Account) -> &[Entry] {
        self.entries.get(&account).map_or(&[], Vec::as_slice)
    }

    /// Returns what an account has at a moment.
    ///
    /// # Errors
    /// [`TooLarge`] when a sum is beyond what an amount can be.
    pub fn balance(&self, account: Account, as_of: AsOf) -> Result<Balance, TooLarge> {
        let lines = self.lines_before(account, as_of);
        let mut balance = Balance::default();
        for (_, line, state) in &lines {
            let sum = match state {
                LineState::Paid => &mut balance.paid_minor,
                LineState::Open => &mut balance.in_payout_minor,
                LineState::Cancelled | LineState::Superseded => continue,
            };
            account.add(sum, line.amount_minor)?;
        }
        for entry in self.entries(account) {
            let sum = match standing(entry, as_of, &lines) {
                Standing::Unknown => continue,
                Standing::Pending => &mut balance.pending_minor,
                Standing::Held => &mut balance.held_minor,
                Standing::Approved => &mut balance.approved_minor,
            };
            account.add(sum, entry.amount_minor)?;
        }
        Ok(balance)
    }

    /// Returns what an entry of the ledger is at a moment.
    pub fn standing(&self, entry: &Entry, as_of: AsOf) -> Standing {
        standing(entry, as_of, &self.lines_before(entry.account, as_of))
    }

    /// Returns the entries of an account, each with what it is at a moment.
    pub fn standings(
        &self,
        account: Account,
        as_of: AsOf,
    ) -> impl Iterator<Item = (&Entry, Standing)> {
        let lines = self.lines_before(account, as_of);
        self.entries(account).iter().map(move |entry| (entry, standing(entry, as_of, &lines)))
    }

    fn lines_before(&self, account: Account, as_of: AsOf) -> Vec<Line<'_>> {
        let lines = self.books.lines_of(account);
        let known =
            |(payout, line): (_, &LineBook)| line.state_before(as_of.until).map(|s| (payout, s));
        lines
            .filter_map(|(payout, line)| known((payout, line)).map(|(p, s)| (p, line, s)))
            .collect()
    }
}

type Line<'b> = (&'b Payout, &'b LineBook, LineState);

/// Returns what an entry is at a moment. What a payout contains stays approved: a hold comes too late
/// for it.
fn standing(entry: &Entry, as_of: AsOf, lines: &[Line<'_>]) -> Standing {
    match entry.standing(as_of) {
        Standing::Held if lines.iter().any(|line| contains(line, entry)) => Standing::Approved,
        standing => standing,
    }
}

/// Returns whether the amount of a line has an entry in it: it pays everything that was approved when
/// the close was made.
fn contains((payout, _, state): &Line<'_>, entry: &Entry) -> bool {
    let made_at = payout.made.at;
    state.counts()
        && entry.booked_at <= made_at
        && entry.is_due(payout.batch.closed_on)
        && !entry.is_held_at(made_at)
}
