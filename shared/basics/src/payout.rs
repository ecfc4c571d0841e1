//! Payouts as the journal records them: the close that makes a batch of amounts to pay, and what
//! became of its lines. A step is never changed; a mistake is undone by another step. What the steps
//! add up to is computed by `accounts`, never here.

use serde::{Deserialize, Serialize};

use crate::day::Day;
use crate::id::{InfluencerId, MerchantId, PayoutId};
use crate::money::Currency;
use crate::time::Timestamp;

/// One step of a payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutStep {
    /// The id of the step; for [`Step::Made`] the id of the batch, too.
    pub id: PayoutId,
    /// The merchant who pays.
    pub merchant: MerchantId,
    /// When it was recorded.
    pub at: Timestamp,
    /// The day in the merchant's calendar on which it was recorded. Periods go by this day, so that
    /// nothing that is recorded later reaches into an earlier one.
    pub day: Day,
    /// Who recorded it: the name of the access token, or of the person.
    pub author: String,
    /// What happened.
    pub step: Step,
}

/// What happened to a payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A close made a batch.
    Made(Batch),
    /// The batch is not paid any further. Lines that are paid stay paid.
    Cancelled {
        /// The batch.
        batch: PayoutId,
    },
    /// Lines were paid: the money has left.
    Paid {
        /// The batch.
        batch: PayoutId,
        /// Whose lines.
        influencers: Vec<InfluencerId>,
        /// The day on which the money left, by the bank.
        on: Day,
        /// The bank's reference or another one; may be empty.
        reference: String,
    },
    /// Lines were not paid after all: a transfer came back, or the mark was a mistake.
    Undone {
        /// The batch.
        batch: PayoutId,
        /// Whose lines.
        influencers: Vec<InfluencerId>,
        /// The reason, for people.
        reason: String,
    },
}

/// What a close decided to pay: amounts and accounts are frozen in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The currency of every amount.
    pub currency: Currency,
    /// The number among the merchant's batches in this currency, counted from 1. Of two batches with
    /// one number, made at two nodes that did not know of each other, one stands.
    pub number: u32,
    /// The last day that it pays for.
    pub closed_on: Day,
    /// What to pay, by influencer.
    pub lines: Vec<Line>,
    /// What is not paid, and why, by influencer.
    pub left_out: Vec<LeftOut>,
}

/// An amount to pay to one influencer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Who is paid.
    pub influencer: InfluencerId,
    /// The amount in minor units, above zero.
    pub amount_minor: i64,
    /// A hash of the account details that the influencer had. A file is not written to other ones.
    pub payee: String,
}

/// An amount that a close did not pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Whose amount it is.
    pub influencer: InfluencerId,
    /// The amount in minor units; negative when the influencer owes it.
    pub amount_minor: i64,
    /// The reason.
    pub why: WhyNot,
}

/// Why a close did not pay an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// It is less than the minimum payout. It is carried forward.
    BelowMinimum,
    /// More was taken back than earned. It is carried forward.
    BelowZero,
    /// Somebody holds it.
    Held,
    /// It is not known how to pay this influencer.
    NoAccount,
}

impl WhyNot {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BelowMinimum => "below_minimum",
            Self::BelowZero => "below_zero",
            Self::Held => "held",
            Self::NoAccount => "no_account",
        }
    }
}

impl Batch {
    /// Returns a checksum of all that is frozen in the batch: 32 characters of base16. Whoever pays
    /// can compare it with the one that they approved.
    pub fn checksum(&self) -> String {
        // Every type here serialises: keys are texts.
        let content = serde_json::to_vec(self).unwrap_or_default();
        let hash = blake3::hash(&content).to_hex();
        hash.chars().take(32).collect()
    }

    /// Returns the sum of its lines; `None` when it is beyond what an amount can be.
    pub fn sum_minor(&self) -> Option<i64> {
        self.lines.iter().try_fold(0i64, |sum, line| sum.checked_add(line.amount_minor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let influencer = InfluencerId::from_bits(7);
        Batch {
            currency: "EUR".parse().unwrap(),
            number: 1,
            closed_on: "2026-11-30".parse().unwrap(),
            lines: vec![Line { influencer, amount_minor: 25_481, payee: "aa".into() }],
            left_out: vec![LeftOut { influencer, amount_minor: 5, why: WhyNot::Held }],
        }
    }

    #[test]
    fn every_frozen_value_is_in_the_checksum() {
        let whole = batch().checksum();
        assert_eq!(whole.len(), 32);
        let changes: [fn(&mut Batch); 6] = [
            |b| b.number = 2,
            |b| b.closed_on = b.closed_on.later(1),
            |b| b.lines[0].amount_minor += 1,
            |b| b.lines[0].payee = "ab".into(),
            |b| b.left_out[0].why = WhyNot::NoAccount,
            |b| b.currency = "SEK".parse().unwrap(),
        ];
        for change in changes {
            let mut other = batch();
            change(&mut other);
            assert_ne!(other.checksum(), whole, "{other:?}");
        }
    }

    /// The text was written once and never changes: every later version must read it.
    #[test]
    fn a_step_reads_back_as_recorded() {
        let text = r#"{"id":"pay_0000000000001","merchant":"mer_00000001","at":"2026-12-01T09:00:00.000Z","day":"2026-12-01","author":"ops","step":{"made":{"currency":"EUR","number":1,"closed_on":"2026-11-30","lines":[{"influencer":"inf_0000000000007","amount_minor":25481,"payee":"aa"}],"left_out":[{"influencer":"inf_0000000000007","amount_minor":5,"why":"held"}]}}}"#;
        let step: PayoutStep = serde_json::from_str(text).unwrap();
        assert_eq!(step.step, Step::Made(batch()));
        assert_eq!(serde_json::to_string(&step).unwrap(), text);
    }
}
