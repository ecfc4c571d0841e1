//! What an agency gets from a merchant beside what influencers get.

use serde::{Deserialize, Serialize};

use crate::money::Decimal;
use crate::time::Timestamp;

/// The agency's share of influencers' amounts from a moment on. Amounts that were booked before keep
/// the share of their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgencyShare {
    /// It counts for amounts that were booked at this moment or later.
    pub from: Timestamp,
    /// Percent of what influencers get, on top of it; 0 to 1,000.
    pub percent: Decimal,
}
