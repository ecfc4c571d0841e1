//! Where a fact stands among all facts of its order. It decides which fact replaces which.

use super::fact::{OrderFact, Source};
use crate::id::FactId;
use crate::platform::Platform;
use crate::time::Timestamp;

/// The rank of a fact: first by its source, then what the shop's server sent before what a browser
/// brought with the shop's signature, then the shop before its payment provider, which knows the
/// amount that was paid but not the goods.
///
/// SECURITY: a browser chooses when it hands over a signed order. The order must not change what
/// the shop's server said, such as a cancellation, however late the browser sends it.
pub(super) type Rank = (Source, bool, bool);

/// The place of a fact, the least trusted first: a later fact replaces an earlier one. No two facts
/// have the same place.
pub(super) type Place = (Rank, Timestamp, Timestamp, FactId);

/// Returns the place of a fact.
pub(super) fn place(fact: &OrderFact) -> Place {
    let rank = (fact.source, !fact.is_signed_page(), fact.platform != Platform::Stripe);
    (rank, fact.occurred_at, fact.received_at, fact.id)
}
