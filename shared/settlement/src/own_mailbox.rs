//! Orders that an influencer may have placed with another address of their own mailbox. An address
//! can be shared, so it takes nothing away; a person has to look.

use crate::attribution::Method;
use crate::ledger::Settled;
use shared::catalog::Catalog;
use shared::id::CustomerId;

/// The label of an order whose customer has the mailbox of the influencer who is credited.
pub const OWN_MAILBOX: &str = "own_mailbox";

/// Returns whether the mailbox of the order's customer is that of the influencer who is credited, by
/// an address that was known when the order was placed. The influencer's own address itself is
/// refused by the decision.
pub fn is_own_mailbox(settled: &Settled, catalog: &Catalog) -> bool {
    let (order, decision) = (&settled.order, &settled.decision);
    let credited = decision.subject().filter(|_| decision.method != Method::None);
    let influencer = credited
        .and_then(|candidate| candidate.influencer)
        .and_then(|id| catalog.influencers.get(&id));
    let Some(influencer) = influencer else { return false };
    let known_since = influencer.email_since.unwrap_or(influencer.created_at);
    let own =
        influencer.email.as_deref().and_then(|email| CustomerId::of_mailbox(order.merchant, email));
    own.is_some() && own == order.mailbox && known_since <= order.placed_at
}
