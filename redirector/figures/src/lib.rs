//! Figures and lists of orders: what is asked for, which part of it somebody may see, and how it is
//! shown.
//!
//! It reads the hot state and decides nothing. It knows neither HTTP nor who somebody is beyond their
//! role, and a role narrows the question itself: no filter shows more.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

mod beyond;
mod earned;
mod orders;
mod stats;
mod wrong;

pub use earned::has_earned;
pub use orders::asked::{Asked, TABLE_MAX};
pub use orders::query::{Form, OrdersQuery};
pub use orders::question::{Question as OrdersQuestion, Sight};
pub use orders::shown::{show as show_order, table as orders_table};
pub use stats::query::StatsQuery;
pub use stats::question::Question as StatsQuestion;
pub use stats::{Counted, answer, counted};
pub use wrong::Wrong;
