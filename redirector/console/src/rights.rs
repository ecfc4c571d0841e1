//! What a merchant or an influencer sees of the catalog, and what they may change in it. Pure. What
//! no line here allows, nobody but the agency has.

use std::collections::HashSet;

use api::{Field, Kind, Want};
use serde_json::{Map, Value};
use shared::catalog::{Catalog, Entity, Role};
use shared::id::{CampaignId, InfluencerId, MerchantId};
use shared::links::LinkRef;

use entities::Fields;

/// The entities of one kind that a role reaches.
pub(crate) enum Reach {
    All,
    Merchant {
        own: MerchantId,
        /// The influencers of the merchant's campaigns, where these are asked for.
        influencers: HashSet<InfluencerId>,
    },
    Influencer {
        own: InfluencerId,
        /// The campaigns in which the influencer has a link or a coupon, where these are asked for.
        campaigns: HashSet<CampaignId>,
    },
}

impl Reach {
    /// Returns which entities of a kind a role reaches. To find whom a merchant works with it goes
    /// through all links.
    pub(crate) fn of(role: Role, kind: Kind, catalog: &Catalog) -> Self {
        match role {
            Role::Admin => Self::All,
            Role::Merchant(own) => {
                let influencers = match kind {
                    Kind::Influencer => influencers_of(own, catalog),
                    _ => HashSet::new(),
                };
                Self::Merchant { own, influencers }
            }
            Role::Influencer(own) => {
                let campaigns = match kind {
                    Kind::Campaign => campaigns_of(own, catalog),
                    _ => HashSet::new(),
                };
                Self::Influencer { own, campaigns }
            }
        }
    }

    /// Returns whether it has an entity.
    pub(crate) fn has(&self, entity: &Entity, catalog: &Catalog) -> bool {
        let merchant_of = |campaign| catalog.campaigns.get(&campaign).map(|c| c.merchant);
        match self {
            Self::All => true,
            Self::Merchant { own, influencers } => match entity {
                Entity::Merchant(merchant) => merchant.id == *own,
                Entity::Campaign(campaign) => campaign.merchant == *own,
                Entity::Influencer(influencer) => influencers.contains(&influencer.id),
                Entity::Link(link) => merchant_of(link.campaign) == Some(*own),
                Entity::Coupon(coupon) => merchant_of(coupon.campaign) == Some(*own),
                _ => false,
            },
            Self::Influencer { own, campaigns } => match entity {
                Entity::Influencer(influencer) => influencer.id == *own,
                Entity::Campaign(campaign) => campaigns.contains(&campaign.id),
                Entity::Link(link) => link.influencer == *own,
                Entity::Coupon(coupon) => coupon.influencer == *own,
                _ => false,
            },
        }
    }

    /// Returns whether it has a link.
    pub(crate) fn has_link(&self, link: LinkRef<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Merchant { own, .. } => link.merchant() == Some(*own),
            Self::Influencer { own, .. } => link.influencer() == *own,
        }
    }
}

/// Returns the influencers who have a link or a coupon in a merchant's campaigns.
fn influencers_of(merchant: MerchantId, catalog: &Catalog) -> HashSet<InfluencerId> {
    let of_merchant = |campaign| {
        catalog.campaigns.get(campaign).is_some_and(|campaign| campaign.merchant == merchant)
    };
    let links = catalog.links.iter().filter(|link| link.merchant() == Some(merchant));
    let coupons = catalog.coupons.values().filter(|coupon| of_merchant(&coupon.campaign));
    links.map(|link| link.influencer()).chain(coupons.map(|coupon| coupon.influencer)).collect()
}

/// Returns the campaigns in which an influencer has a link or a coupon.
fn campaigns_of(influencer: InfluencerId, catalog: &Catalog) -> HashSet<CampaignId> {
    let links = catalog.links.iter().filter(|link| link.influencer() == influencer);
    let coupons = catalog.coupons.values().filter(|coupon| coupon.influencer == influencer);
    links.map(|link| link.campaign()).chain(coupons.map(|coupon| coupon.campaign)).collect()
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
