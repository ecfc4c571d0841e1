//! What a merchant or an influencer sees of the catalog, and what they may change in it. Pure. What
//! no line here allows, nobody but the agency has.

use api::{Field, Kind, Want};
use entities::Fields;
use serde_json::{Map, Value};
use shared::catalog::{Catalog, Entity, Role};
use shared::id::{InfluencerId, MerchantId};
use shared::links::LinkRef;

/// Returns whether a role sees an entity. It reads a few entries of the catalog, however many there
/// are.
pub(crate) fn sees(role: Role, entity: &Entity, catalog: &Catalog) -> bool {
    match role {
        Role::Admin => true,
        Role::Merchant(own) => is_of_merchant(own, entity, catalog),
        Role::Influencer(own) => is_of_influencer(own, entity, catalog),
    }
}

fn is_of_merchant(own: MerchantId, entity: &Entity, catalog: &Catalog) -> bool {
    let is_own = |id| catalog.campaigns.get(&id).is_some_and(|campaign| campaign.merchant == own);
    match entity {
        Entity::Merchant(merchant) => merchant.id == own,
        Entity::Campaign(campaign) => campaign.merchant == own,
        Entity::Influencer(influencer) => {
            catalog.campaigns_of(influencer.id).any(|campaign| campaign.merchant == own)
        }
        Entity::Link(link) => is_own(link.campaign),
        Entity::Coupon(coupon) => is_own(coupon.campaign),
        _ => false,
    }
}

fn is_of_influencer(own: InfluencerId, entity: &Entity, catalog: &Catalog) -> bool {
    match entity {
        Entity::Influencer(influencer) => influencer.id == own,
        Entity::Campaign(campaign) => {
            catalog.campaigns_of(own).any(|theirs| theirs.id == campaign.id)
        }
        Entity::Link(link) => link.influencer == own,
        Entity::Coupon(coupon) => coupon.influencer == own,
        _ => false,
    }
}

/// Returns whether a role sees a link.
pub(crate) fn sees_link(role: Role, link: LinkRef<'_>) -> bool {
    match role {
        Role::Admin => true,
        Role::Merchant(own) => link.merchant() == Some(own),
        Role::Influencer(own) => link.influencer() == own,
    }
}

/// Leaves of a shown entity what a role sees.
pub(crate) fn cut(mut shown: Value, kind: Kind, role: Role) -> Value {
    if let (Value::Object(shown), true) = (&mut shown, role != Role::Admin) {
        shown.retain(|name, _| field(kind, name).is_some_and(|field| field.is_shown_to(role)));
    }
    shown
}

/// Notes the fields of a change that the role may not set, and those that `null` does not clear.
/// What nobody reads would look as if it counted.
pub(crate) fn check_change(sent: &Map<String, Value>, fields: &mut Fields, kind: Kind, role: Role) {
    for (name, value) in sent {
        let Some(field) = field(kind, name) else { continue };
        if role != Role::Admin && !field.is_changed_by(role) {
            fields.fault(name, "is not yours to change; the agency may");
        } else if value.is_null() && field.want != Want::Derived && !field.clears {
            fields.fault(name, "cannot be cleared; leave it out to keep it");
        }
    }
}

fn field(kind: Kind, name: &str) -> Option<&'static Field> {
    kind.fields().iter().find(|field| field.name == name)
}
