//! The hot state: attribution windows, orders and live counters, projected from the journal.
//!
//! It is disposable: delete it, and it is rebuilt from the journal. It is never the truth about
//! money; it only answers quickly.
//!
//! Windows and facts are written once and never changed; what an order counts for is always written
//! as a whole. A stream's counters and the position up to which they count change in one step. So
//! no record counts twice after a crash, and several nodes can share a store.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

#[cfg(test)]
mod contract_tests;
mod customers;
mod embedded;
mod events;
#[cfg(feature = "faults")]
mod fault;
mod histories;
mod lazy;
#[cfg(test)]
mod list_tests;
mod listed;
mod lists;
mod model;
mod orders;
mod projection;
mod projector;
mod redis;
mod replay;
mod state;
mod url;

pub use customers::has_many_customers;
#[cfg(feature = "faults")]
pub use fault::StateFault;
pub use histories::newness_of;
pub use lazy::LazyState;
pub use listed::{Credited, Listed, Scope, SortKey};
pub use lists::{ListPage, ListQuestion, ListedOrder, listed_under, page};
pub use model::{CountQuestion, CounterKey, HOURS_OF_A_DAY, Metric};
pub use orders::{FoundOrder, find_order};
pub use projection::{ListedDelivery, UnparsedDelivery};
pub use projector::Projector;
pub use redis::Redis;
pub use replay::replay;
pub use state::{HotState, is_lost, is_wrong_setting};
pub use url::{StateUrl, without_password};
