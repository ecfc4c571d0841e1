//! Periods: the movement of an account between two moments. It is a view: carried in + new − paid =
//! carried out, by itself, and it never changes once it is past.

use serde::Serialize;

use crate::account::{Account, TooLarge};
use crate::balance::{Balance, Ledger};
use crate::entry::AsOf;

/// What happened on an account in a period. All amounts are in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Movement {
    /// What was owed when the period began.
    pub carried_in_minor: i64,
    /// What became payable in it, less what was taken back.
    pub new_minor: i64,
    /// What was paid in it, less what came back.
    pub paid_minor: i64,
    /// What was owed when it ended.
    pub carried_out_minor: i64,
    /// The whole balance when it ended.
    pub at_end: Balance,
}

/// Returns what happened on an account between the ends of two days.
///
/// # Errors
/// [`TooLarge`] when a sum is beyond what an amount can be.
pub fn movement(
    ledger: &Ledger,
    account: Account,
    before: AsOf,
    end: AsOf,
) -> Result<Movement, TooLarge> {
    let (before, at_end) = (ledger.balance(account, before)?, ledger.balance(account, end)?);
    let minus = |end: i64, before: i64| end.checked_sub(before).ok_or(TooLarge(account));
    Ok(Movement {
        carried_in_minor: before.owed_minor(account)?,
        new_minor: minus(at_end.approved_minor, before.approved_minor)?,
        paid_minor: minus(at_end.paid_minor, before.paid_minor)?,
        carried_out_minor: at_end.owed_minor(account)?,
        at_end,
    })
}
