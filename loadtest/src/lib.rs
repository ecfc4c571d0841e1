//! Puts load on the product and knows the right result: followers remember every click that they
//! were promised, and the journal must have each one.
//!
//! The oracle is this process; for the ledger it is a program in another language. The product is a
//! process of its own and may die at any moment. A click counts as promised when the whole answer
//! with its token has been read. The product's counters are never trusted.

mod calls;
mod follow;
mod followers;
mod full;
mod kill;
mod ledger;
mod outage;
mod rebuild;
mod scene;
mod truth;
mod webhooks;

pub use calls::{FailedCall, failing_calls};
pub use follow::{
    Bursts, Capacity, Check, ClassRow, Disturb, End, FollowPlan, FollowReport, Kind, Limit, Load,
    Mark, News, OfKind, Phase as LoadPhase, Question, Reconciliation, Second, Step, Times, follow,
};
pub use full::{FullReport, full_disk};
pub use kill::{KillReport, Plan, kill_cycles};
pub use ledger::{LedgerPlan, LedgerReport, Plant, compare_ledgers};
pub use outage::{OutagePlan, Phase, outage};
pub use rebuild::{RebuildReport, rebuild, restart};
pub use webhooks::{WebhookPlan, WebhookReport, deliver};
