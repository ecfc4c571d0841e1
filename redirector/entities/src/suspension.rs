//! Suspensions, which are a field of the influencer, link or coupon that is suspended.

use shared::catalog::{Catalog, Entity, Suspendable, Suspension};
use shared::time::Timestamp;

use crate::builder::EntityBuilder;
use crate::fields::{Fields, time};

impl EntityBuilder<'_> {
    /// Reads `suspended_from` of a change: from then on clicks and codes earn nothing. `null` lifts
    /// the suspension. Returns `None` where nothing changes.
    pub fn suspension(&self, fields: &mut Fields, held: &Entity) -> Option<Suspension> {
        let of = suspendable(held)?;
        let known = self.catalog.suspensions.get(&of).map(AsRef::as_ref);
        let held_from = suspended_from(self.catalog, held);
        let from = fields.change("suspended_from", time, held_from);
        (from != held_from).then(|| Suspension::changed(known, of, from, self.now))
    }
}

/// Returns the moment from which an entity is suspended, unless the suspension was lifted.
pub fn suspended_from(catalog: &Catalog, entity: &Entity) -> Option<Timestamp> {
    catalog.suspensions.get(&suspendable(entity)?)?.open().map(|period| period.from)
}

const fn suspendable(entity: &Entity) -> Option<Suspendable> {
    match entity {
        Entity::Influencer(influencer) => Some(Suspendable::Influencer(influencer.id)),
        Entity::Link(link) => Some(Suspendable::Link(link.id)),
        Entity::Coupon(coupon) => Some(Suspendable::Coupon(coupon.id)),
        _ => None,
    }
}
