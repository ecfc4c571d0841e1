//! Changes of the catalog, as the journal records them and as nodes exchange them. A recorded
//! change is never altered; a correction is another change.

use serde::{Deserialize, Serialize};

use super::access::AccessToken;
use super::archive::{Archivable, Archive};
use super::campaign::Campaign;
use super::coupon::Coupon;
use super::hold::Hold;
use super::influencer::Influencer;
use super::merchant::Merchant;
use super::person::{By, Person};
use super::suspension::{Suspendable, Suspension};
use crate::booking::ManualBooking;
use crate::id::FactId;
use crate::links::Link;
use crate::payout::PayoutStep;
use crate::rates::ExchangeRate;
use crate::time::Timestamp;

/// A change of the catalog. It applies as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The time of the change.
    pub at: Timestamp,
    /// The new versions of the entities that changed.
    pub entities: Vec<Entity>,
    /// The request that made it, when it had an idempotency key: a repetition is answered and not
    /// applied again.
    pub request: Option<RequestId>,
    /// Who made it; `None` where an earlier version did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

impl Change {
    /// Returns whether every reader of the first version understands it.
    pub fn is_of_the_first_version(&self) -> bool {
        !self.has_sealed() && self.entities.iter().all(Entity::is_of_the_first_version)
    }

    /// Returns whether a merchant of it trusts browsers' leads and browsers' orders unalike.
    pub fn parts_leads(&self) -> bool {
        let parts = |merchant: &Merchant| merchant.trust_leads.is_some();
        self.entities.iter().any(|entity| matches!(entity, Entity::Merchant(m) if parts(m)))
    }

    /// Returns whether it books or pays something by hand: a reader that leaves it out would pay
    /// twice, or too little.
    pub fn books(&self) -> bool {
        let books = |entity: &Entity| matches!(entity, Entity::Payout(_) | Entity::Booking(_));
        self.entities.iter().any(books)
    }

    /// Returns whether it tells of people who work with the console, or of what is archived.
    pub fn is_of_the_console(&self) -> bool {
        let is = |entity: &Entity| matches!(entity, Entity::Person(_) | Entity::Archive(_));
        self.entities.iter().any(is)
    }

    /// Returns whether any of its entities has secrets that are sealed.
    pub fn has_sealed(&self) -> bool {
        self.entities.iter().any(|entity| match entity {
            Entity::Merchant(merchant) => merchant.sealed.is_some(),
            Entity::Influencer(influencer) => influencer.sealed.is_some(),
            _ => false,
        })
    }
}

/// One entity with all its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// A merchant.
    Merchant(Merchant),
    /// An influencer.
    Influencer(Influencer),
    /// A campaign.
    Campaign(Campaign),
    /// A link.
    Link(Link),
    /// A coupon.
    Coupon(Coupon),
    /// An access token.
    AccessToken(AccessToken),
    /// An exchange rate.
    Rate(ExchangeRate),
    /// A hold on commissions.
    Hold(Hold),
    /// The suspensions of an influencer, a link or a coupon.
    Suspension(Suspension),
    /// A step of a payout.
    Payout(PayoutStep),
    /// An amount that a person booked.
    Booking(ManualBooking),
    /// Somebody who works with the console.
    Person(Person),
    /// Whether something is archived.
    Archive(Archive),
}

impl Entity {
    /// Returns the id as text; for an access token the hash.
    pub fn id(&self) -> String {
        match self {
            Self::Merchant(merchant) => merchant.id.to_string(),
            Self::Influencer(influencer) => influencer.id.to_string(),
            Self::Campaign(campaign) => campaign.id.to_string(),
            Self::Link(link) => link.id.to_string(),
            Self::Coupon(coupon) => coupon.id.to_string(),
            Self::AccessToken(token) => token.hash.clone(),
            Self::Rate(rate) => rate.id(),
            Self::Hold(hold) => hold.id.to_string(),
            Self::Suspension(suspension) => match suspension.of {
                Suspendable::Influencer(id) => id.to_string(),
                Suspendable::Link(id) => id.to_string(),
                Suspendable::Coupon(id) => id.to_string(),
            },
            Self::Payout(step) => step.id.to_string(),
            Self::Booking(booking) => booking.id.to_string(),
            Self::Person(person) => person.id.to_string(),
            Self::Archive(archive) => archive.of.id(),
        }
    }

    /// Returns what it is archived as; `None` for what cannot be.
    pub const fn archivable(&self) -> Option<Archivable> {
        match self {
            Self::Merchant(merchant) => Some(Archivable::Merchant(merchant.id)),
            Self::Influencer(influencer) => Some(Archivable::Influencer(influencer.id)),
            Self::Campaign(campaign) => Some(Archivable::Campaign(campaign.id)),
            Self::Link(link) => Some(Archivable::Link(link.id)),
            Self::Coupon(coupon) => Some(Archivable::Coupon(coupon.id)),
            _ => None,
        }
    }

    /// Returns whether the first version of changes had this: a reader of that version would pay
    /// what is held, or let somebody in who is locked out.
    const fn is_of_the_first_version(&self) -> bool {
        match self {
            Self::Hold(_)
            | Self::Suspension(_)
            | Self::Payout(_)
            | Self::Booking(_)
            | Self::Person(_)
            | Self::Archive(_) => false,
            Self::AccessToken(token) => token.expires_at.is_none() && token.revoked_at.is_none(),
            _ => true,
        }
    }
}

/// A request to the admin API with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestId {
    /// The key the client chose.
    pub key: String,
    /// BLAKE3 of resource and body, in hex: the same key with another hash is an error.
    pub hash: String,
}

/// The answer to a request with an idempotency key: enough to give it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The request.
    pub request: RequestId,
    /// The id of the first entity that the request made.
    pub first: Option<String>,
    /// The number of entities that it made.
    pub count: usize,
}

/// Identifies a change among nodes: a hash of its record in the journal.
pub type ChangeId = [u8; 16];

/// Returns the id of the change that this record holds.
pub fn change_id(record: &[u8]) -> ChangeId {
    *FactId::of_content(&[b"change", record]).as_bytes()
}
