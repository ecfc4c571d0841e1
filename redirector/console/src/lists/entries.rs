//! What lists are made of: the entities of a kind, each with its id and its name.

use api::Kind;
use shared::catalog::{Catalog, Entity};
use shared::time::Timestamp;

/// Returns every entity of a kind but links, each with the time of its creation.
pub(super) fn all(catalog: &Catalog, kind: Kind) -> Vec<(Timestamp, Entity)> {
    macro_rules! of {
        ($map:expr, $variant:path) => {
            $map.values().map(|e| (e.created_at, $variant(e.as_ref().clone()))).collect()
        };
    }
    match kind {
        Kind::Merchant => of!(catalog.merchants, Entity::Merchant),
        Kind::Influencer => of!(catalog.influencers, Entity::Influencer),
        Kind::Campaign => of!(catalog.campaigns, Entity::Campaign),
        Kind::Coupon => of!(catalog.coupons, Entity::Coupon),
        Kind::Hold => of!(catalog.holds, Entity::Hold),
        Kind::Booking => of!(catalog.bookings, Entity::Booking),
        Kind::Token => of!(catalog.tokens, Entity::AccessToken),
        Kind::Person => of!(catalog.people, Entity::Person),
        Kind::Rate => {
            catalog.rates.iter().map(|r| (r.created_at, Entity::Rate(r.clone()))).collect()
        }
        Kind::Link => vec![],
    }
}

/// Returns the id by which the API knows an entity.
pub(super) fn entity_id(entity: &Entity) -> String {
    match entity {
        Entity::AccessToken(token) => token.id().to_string(),
        other => other.id(),
    }
}

/// Returns the text by which an entity is sorted by name.
pub(super) fn name(entity: &Entity) -> String {
    match entity {
        Entity::Merchant(of) => of.name.to_lowercase(),
        Entity::Influencer(of) => of.name.to_lowercase(),
        Entity::Campaign(of) => of.name.to_lowercase(),
        Entity::Person(of) => of.name.to_lowercase(),
        Entity::Coupon(of) => of.code.to_lowercase(),
        Entity::Booking(of) => of.note.to_lowercase(),
        Entity::Hold(of) => of.reason.to_lowercase(),
        Entity::AccessToken(of) => of.name.clone().unwrap_or_default().to_lowercase(),
        other => other.id(),
    }
}
