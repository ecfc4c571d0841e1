//! Versions of entities: of two, the later one wins.

use shared::catalog::Entity;
use shared::time::{Span, Timestamp};

/// Returns the time of the version that follows an entity, whatever the clock says.
pub fn version_after(held: &Entity, now: Timestamp) -> Timestamp {
    now.max(updated_at(held).plus(Span::ms(1)))
}

fn updated_at(entity: &Entity) -> Timestamp {
    match entity {
        Entity::Merchant(e) => e.updated_at,
        Entity::Influencer(e) => e.updated_at,
        Entity::Campaign(e) => e.updated_at,
        Entity::Link(e) => e.updated_at,
        Entity::Coupon(e) => e.updated_at,
        Entity::AccessToken(e) => e.created_at,
        Entity::Rate(e) => e.created_at,
        Entity::Booking(e) => e.created_at,
        Entity::Payout(e) => e.at,
        Entity::Hold(e) => e.updated_at,
        Entity::Suspension(e) => e.updated_at,
        Entity::Person(e) => e.updated_at,
        Entity::Archive(e) => e.updated_at,
    }
}

/// Returns an entity with the time by which the latest of its versions is found.
pub fn as_version(mut entity: Entity, version: Timestamp) -> Entity {
    match &mut entity {
        Entity::Merchant(e) => e.updated_at = version,
        Entity::Influencer(e) => e.updated_at = version,
        Entity::Campaign(e) => e.updated_at = version,
        Entity::Link(e) => e.updated_at = version,
        Entity::Coupon(e) => e.updated_at = version,
        Entity::Hold(e) => e.updated_at = version,
        Entity::Suspension(e) => e.updated_at = version,
        Entity::Person(e) => e.updated_at = version,
        Entity::Archive(e) => e.updated_at = version,
        Entity::AccessToken(_) | Entity::Rate(_) | Entity::Payout(_) | Entity::Booking(_) => {}
    }
    entity
}
