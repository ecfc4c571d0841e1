//! The status of the parts of a running node, for `/metrics`, `/readyz` and the API.
//!
//! Each figure is written by the part that it describes; all other parts only read it. Never the
//! truth about money: that is the journal.

mod certificates;
mod counters;
mod exchange;
mod lag;
mod reconciliations;

pub use certificates::CertificateStatus;
pub use counters::{Counters, RefusedDelivery};
pub use exchange::ExchangeStatus;
pub use lag::Lag;
pub use reconciliations::{Reconciliation, Reconciliations};
