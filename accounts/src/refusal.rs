//! What may be recorded of a payout. Every rule that keeps somebody from being paid twice stands
//! here; whoever records a step asks first.

use shared::id::{InfluencerId, PayoutId};

use crate::books::{Books, LineState, Payout};

/// Why a step is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such batch.
    #[error("payout {0} does not exist")]
    Unknown(PayoutId),
    /// Another batch stands in its place.
    #[error(
        "payout {0} does not stand: payout {1} has its number; pay that one, and close again for \
         what it leaves"
    )]
    Superseded(PayoutId, PayoutId),
    /// It was cancelled.
    #[error("payout {0} was cancelled; close again")]
    Cancelled(PayoutId),
    /// The influencer has no line in it.
    #[error("payout {0} has no line of influencer {1}")]
    NoLine(PayoutId, InfluencerId),
    /// The line is not paid, so there is nothing to undo.
    #[error("the line of influencer {1} in payout {0} is not paid")]
    NotPaid(PayoutId, InfluencerId),
    /// Lines are paid; they have to be undone first.
    #[error("payout {0} has lines that are paid, such as that of influencer {1}; undo them first")]
    IsPaid(PayoutId, InfluencerId),
}

/// Returns the influencers whose lines a payment would pay: of those asked for, or of all when
/// nobody is named, the ones that are not paid yet. An empty list says that all is done already.
///
/// # Errors
/// When the batch is unknown, does not stand, or has no line of somebody who is named.
pub fn payable(
    books: &Books,
    batch: PayoutId,
    asked: &[InfluencerId],
) -> Result<Vec<InfluencerId>, Refusal> {
    let payout = standing(books, batch)?;
    let lines = lines(payout, asked)?;
    let is_open =
        |of: &InfluencerId| payout.lines.get(of).is_some_and(|l| l.state() == LineState::Open);
    Ok(lines.into_iter().filter(is_open).collect())
}

/// Returns the influencers whose lines an undoing would open again.
///
/// # Errors
/// When the batch is unknown, or somebody who is named has no line in it that is paid.
pub fn undoable(
    books: &Books,
    batch: PayoutId,
    asked: &[InfluencerId],
) -> Result<Vec<InfluencerId>, Refusal> {
    let payout = books.get(batch).ok_or(Refusal::Unknown(batch))?;
    let is_paid =
        |of: &InfluencerId| payout.lines.get(of).is_some_and(|l| l.state() == LineState::Paid);
    let lines = lines(payout, asked)?;
    if let Some(open) = asked.iter().find(|of| !is_paid(of)) {
        return Err(Refusal::NotPaid(batch, *open));
    }
    Ok(lines.into_iter().filter(is_paid).collect())
}

/// Returns the batch when it may be cancelled: none of its lines is paid.
///
/// # Errors
/// When it is unknown, superseded, or has lines that are paid.
pub fn cancellable(books: &Books, batch: PayoutId) -> Result<&Payout, Refusal> {
    let payout = books.get(batch).ok_or(Refusal::Unknown(batch))?;
    if let Some(by) = payout.superseded_by {
        return Err(Refusal::Superseded(batch, by));
    }
    let paid = payout.lines.iter().find(|(_, line)| line.state() == LineState::Paid);
    match paid {
        Some((influencer, _)) => Err(Refusal::IsPaid(batch, *influencer)),
        None => Ok(payout),
    }
}

/// Returns the batch when it stands: it may be paid, and a file may be written of it.
///
/// # Errors
/// When it is unknown, superseded or cancelled.
pub fn standing(books: &Books, batch: PayoutId) -> Result<&Payout, Refusal> {
    let payout = books.get(batch).ok_or(Refusal::Unknown(batch))?;
    match (payout.superseded_by, payout.cancelled_at) {
        (Some(by), _) => Err(Refusal::Superseded(batch, by)),
        (None, Some(_)) => Err(Refusal::Cancelled(batch)),
        (None, None) => Ok(payout),
    }
}

/// Returns who is asked for: those named, or everybody with a line.
fn lines(payout: &Payout, asked: &[InfluencerId]) -> Result<Vec<InfluencerId>, Refusal> {
    if let Some(stranger) = asked.iter().find(|of| !payout.lines.contains_key(of)) {
        return Err(Refusal::NoLine(payout.id(), *stranger));
    }
    let all = payout.lines.keys().copied();
    Ok(if asked.is_empty() { all.collect() } else { asked.to_vec() })
}
