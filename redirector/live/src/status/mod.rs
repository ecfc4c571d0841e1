//! What parts of a running node tell about themselves, for `/metrics`, `/readyz` and the API.
//!
//! The part that a figure is about writes it; everybody else only reads. Never the truth about
//! money: that is the journal.

mod certificates;
mod counters;
mod lag;
mod reconciliations;

pub use certificates::CertificateStatus;
pub use counters::Counters;
pub use lag::Lag;
pub use reconciliations::{Reconciliation, Reconciliations};
