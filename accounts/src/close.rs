//! The close: what a batch pays, and what it leaves out. It decides; somebody else records it.

use shared::day::Day;
use shared::id::InfluencerId;
use shared::money::Currency;
use shared::payout::{Batch, LeftOut, Line, WhyNot};

use crate::account::{Account, TooLarge};
use crate::balance::Balance;

/// An account that a close looks at.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The account.
    pub account: Account,
    /// What it has, of what is due on the last day of the close or before.
    pub balance: Balance,
    /// Less than this is carried forward; 0 for no minimum.
    pub minimum_minor: i64,
    /// A hash of the details of the bank account or wallet; `None` when they are not known.
    pub payee: Option<String>,
}

/// Makes a batch of accounts of one merchant and currency.
///
/// # Errors
/// [`TooLarge`] when a sum is beyond what an amount can be.
pub fn close(
    mut candidates: Vec<Candidate>,
    (currency, number, closed_on): (Currency, u32, Day),
) -> Result<Batch, TooLarge> {
    candidates.sort_unstable_by_key(|candidate| candidate.account);
    candidates.dedup_by_key(|candidate| candidate.account);
    let mut batch = Batch { currency, number, closed_on, lines: vec![], left_out: vec![] };
    for candidate in candidates {
        let influencer = candidate.account.influencer;
        let amount_minor = candidate.balance.open_minor(candidate.account)?;
        match judge(amount_minor, &candidate) {
            Ok(Some(payee)) => batch.lines.push(Line { influencer, amount_minor, payee }),
            Ok(None) => {}
            Err(why) => batch.left_out.push(LeftOut { influencer, amount_minor, why }),
        }
        leave_out_held(&mut batch, influencer, candidate.balance.held_minor);
    }
    Ok(batch)
}

/// Returns to whom an amount goes; `None` for no amount.
fn judge(amount_minor: i64, candidate: &Candidate) -> Result<Option<String>, WhyNot> {
    match amount_minor {
        0 => Ok(None),
        ..0 => Err(WhyNot::BelowZero),
        _ if amount_minor < candidate.minimum_minor => Err(WhyNot::BelowMinimum),
        _ => candidate.payee.clone().map(Some).ok_or(WhyNot::NoAccount),
    }
}

fn leave_out_held(batch: &mut Batch, influencer: InfluencerId, amount_minor: i64) {
    if amount_minor != 0 {
        batch.left_out.push(LeftOut { influencer, amount_minor, why: WhyNot::Held });
    }
}
