//! The books of payouts: what became of every batch and line, as a fold of the recorded steps. The
//! result depends on the set of steps alone: a step that comes twice, or late from another node,
//! changes nothing that it should not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use shared::day::Day;
use shared::id::{InfluencerId, MerchantId, PayoutId};
use shared::money::Currency;
use shared::payout::{Batch, PayoutStep, Step};
use shared::time::Timestamp;

use crate::account::Account;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    /// It is to be paid.
    Open,
    /// It is paid.
    Paid,
    /// Its batch was cancelled before it was paid.
    Cancelled,
    /// Another batch has the number of its batch, made at a node that did not know of this one. The
    /// other one stands.
    Superseded,
}

impl LineState {
    /// Returns the word that exports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    /// Returns whether its amount is part of the balance: it is paid, or will be.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Open | Self::Paid)
    }
}

/// A payment of a line: the money has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The step that told of it.
    pub step: PayoutId,
    /// The day on which it left, by the bank.
    pub on: Day,
    /// The day on which it was recorded. Periods go by it.
    pub recorded_on: Day,
    /// The bank's reference; may be empty.
    pub reference: String,
}

/// A line of a batch and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineBook {
    /// The account that it pays.
    pub account: Account,
    /// The amount in minor units, above zero.
    pub amount_minor: i64,
    /// The hash of the account details to which it goes.
    pub payee: String,
    /// The state after each change, oldest first. The first one is the close.
    changes: Vec<(Timestamp, LineState)>,
    /// The payment that counts; `None` while it is not paid.
    pub payment: Option<Payment>,
}

impl LineBook {
    /// Returns its state now.
    pub fn state(&self) -> LineState {
        self.changes.last().map_or(LineState::Open, |(_, state)| *state)
    }

    /// Returns its state after everything that was recorded before a moment; `None` before the close.
    pub fn state_before(&self, until: Timestamp) -> Option<LineState> {
        self.changes.iter().rev().find(|(at, _)| *at < until).map(|(_, state)| *state)
    }

    fn change(&mut self, at: Timestamp, state: LineState) {
        self.changes.push((at, state));
    }
}

/// A batch and what became of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// The step that made it.
    pub made: Arc<PayoutStep>,
    /// What the close froze.
    pub batch: Batch,
    /// The batch that stands in its place; `None` when it stands itself.
    pub superseded_by: Option<PayoutId>,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// Its lines, by influencer.
    pub lines: BTreeMap<InfluencerId, LineBook>,
}

impl Payout {
    /// Returns the id of the batch.
    pub fn id(&self) -> PayoutId {
        self.made.id
    }

    /// Returns what lines are that are not paid.
    fn unpaid_state(&self) -> LineState {
        if self.superseded_by.is_some() {
            LineState::Superseded
        } else if self.cancelled_at.is_some() {
            LineState::Cancelled
        } else {
            LineState::Open
        }
    }

    /// Returns the sum of the lines in a state.
    pub fn sum_minor(&self, state: LineState) -> i128 {
        let lines = self.lines.values().filter(|line| line.state() == state);
        lines.map(|line| i128::from(line.amount_minor)).sum()
    }
}

/// All payouts with their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    payouts: BTreeMap<PayoutId, Payout>,
    of_account: HashMap<Account, Vec<PayoutId>>,
    /// Steps about batches that are not known here: the node that made them has not told of them.
    pub unexplained: Vec<PayoutId>,
}

impl Books {
    /// Folds the recorded steps.
    pub fn of<'s>(steps: impl IntoIterator<Item = &'s Arc<PayoutStep>>) -> Self {
        let mut steps: Vec<&Arc<PayoutStep>> = steps.into_iter().collect();
        steps.sort_unstable_by_key(|step| (step.at, step.id));
        steps.dedup_by_key(|step| step.id);
        let mut books = Self::default();
        let mut standing = HashMap::new();
        // Batches first: another node's clock may date a payment before its close.
        for step in &steps {
            if let Step::Made(batch) = &step.step {
                books.open(step, batch, &mut standing);
            }
        }
        steps.into_iter().for_each(|step| books.apply(step));
        books
    }

    fn open(
        &mut self,
        made: &Arc<PayoutStep>,
        batch: &Batch,
        standing: &mut HashMap<(MerchantId, Currency, u32), PayoutId>,
    ) {
        let first =
            *standing.entry((made.merchant, batch.currency, batch.number)).or_insert(made.id);
        let superseded_by = Some(first).filter(|first| *first != made.id);
        let state = if superseded_by.is_some() { LineState::Superseded } else { LineState::Open };
        let line = |line: &shared::payout::Line| {
            let (merchant, currency) = (made.merchant, batch.currency);
            let book = LineBook {
                account: Account { merchant, influencer: line.influencer, currency },
                amount_minor: line.amount_minor,
                payee: line.payee.clone(),
                changes: vec![(made.at, state)],
                payment: None,
            };
            (line.influencer, book)
        };
        let lines: BTreeMap<_, _> = batch.lines.iter().map(line).collect();
        for line in lines.values() {
            self.of_account.entry(line.account).or_default().push(made.id);
        }
        let made = Arc::clone(made);
        let (batch, cancelled_at) = (batch.clone(), None);
        let payout = Payout { made, batch, superseded_by, cancelled_at, lines };
        self.payouts.insert(payout.id(), payout);
    }

    fn apply(&mut self, step: &PayoutStep) {
        let (Step::Cancelled { batch } | Step::Paid { batch, .. } | Step::Undone { batch, .. }) =
            &step.step
        else {
            return;
        };
        let Some(payout) = self.payouts.get_mut(batch) else {
            self.unexplained.push(step.id);
            return;
        };
        match &step.step {
            Step::Made(_) => {}
            Step::Cancelled { .. } => {
                payout.cancelled_at = payout.cancelled_at.or(Some(step.at));
                for line in payout.lines.values_mut().filter(|l| l.state() == LineState::Open) {
                    line.change(step.at, LineState::Cancelled);
                }
            }
            Step::Paid { influencers, on, reference, .. } => {
                let lines = influencers.iter().filter_map(|of| payout.lines.get(of).map(|_| of));
                for influencer in lines.copied().collect::<Vec<_>>() {
                    let Some(line) = payout.lines.get_mut(&influencer) else { continue };
                    // Who tells twice that a line is paid has paid it once.
                    if line.state() == LineState::Paid {
                        continue;
                    }
                    line.change(step.at, LineState::Paid);
                    line.payment = Some(Payment {
                        step: step.id,
                        on: *on,
                        recorded_on: step.day,
                        reference: reference.clone(),
                    });
                }
            }
            Step::Undone { influencers, .. } => {
                let unpaid = payout.unpaid_state();
                for influencer in influencers {
                    let Some(line) = payout.lines.get_mut(influencer) else { continue };
                    if line.state() == LineState::Paid {
                        line.change(step.at, unpaid);
                        line.payment = None;
                    }
                }
            }
        }
    }

    /// Returns a payout.
    pub fn get(&self, id: PayoutId) -> Option<&Payout> {
        self.payouts.get(&id)
    }

    /// Returns all payouts, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Payout> {
        self.payouts.values()
    }

    /// Returns the lines of an account, in no order that means anything.
    pub fn lines_of(&self, account: Account) -> impl Iterator<Item = (&Payout, &LineBook)> {
        let ids = self.of_account.get(&account).into_iter().flatten();
        let payouts = ids.filter_map(|id| self.payouts.get(id));
        payouts.filter_map(move |payout| Some((payout, payout.lines.get(&account.influencer)?)))
    }

    /// Returns every account that has a line.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        self.of_account.keys().copied()
    }

    /// Returns the number that the next batch of a merchant in a currency gets.
    pub fn next_number(&self, merchant: MerchantId, currency: Currency) -> u32 {
        let of_both = self
            .payouts
            .values()
            .filter(|payout| payout.made.merchant == merchant && payout.batch.currency == currency);
        of_both.map(|payout| payout.batch.number).max().unwrap_or(0).saturating_add(1)
    }
}
