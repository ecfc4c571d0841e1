//! Makes entities from fields: every rule about what may be created or changed, a file an entity.
//!
//! Pure, except for random bits. The same functions serve creation, change and import.

mod booking;
mod branches;
mod builder;
mod campaign;
mod coupon;
mod hold;
mod influencer;
mod link;
mod loops;
mod merchant;
mod rate;
mod suspension;
mod workable;

use serde_json::{Value, json};
use shared::catalog::Entity;
use shared::id::{
    AccessTokenId, BookingId, CampaignId, CouponId, HoldId, InfluencerId, LinkId, MerchantId,
};
use shops::postback;

use crate::fields::Fields;

pub(crate) use builder::{EntityBuilder, found};
pub(crate) use hold::REASON_CHARS_MAX;
pub(crate) use suspension::suspended_from;
pub use workable::{Remarks, remarks};

/// The kinds of entities that the API can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Merchant,
    Influencer,
    Campaign,
    Link,
    Coupon,
    Rate,
    Hold,
    Booking,
    /// Made by `tokens`, because its secret is shown once and never kept.
    Token,
}

impl Kind {
    /// Returns whether a text is spelled like the id of an entity of this kind.
    pub(crate) fn names(self, id: &str) -> bool {
        match self {
            Self::Merchant => id.parse::<MerchantId>().is_ok(),
            Self::Influencer => id.parse::<InfluencerId>().is_ok(),
            Self::Campaign => id.parse::<CampaignId>().is_ok(),
            Self::Link => id.parse::<LinkId>().is_ok(),
            Self::Coupon => id.parse::<CouponId>().is_ok(),
            Self::Hold => id.parse::<HoldId>().is_ok(),
            Self::Booking => id.parse::<BookingId>().is_ok(),
            Self::Token => id.parse::<AccessTokenId>().is_ok(),
            // Two currencies and a day.
            Self::Rate => id.split('-').count() == 5,
        }
    }

    /// Returns the kind that a path names.
    pub(crate) fn of_path(name: &str) -> Option<Self> {
        match name {
            "merchants" => Some(Self::Merchant),
            "influencers" => Some(Self::Influencer),
            "campaigns" => Some(Self::Campaign),
            "links" => Some(Self::Link),
            "coupons" => Some(Self::Coupon),
            "rates" => Some(Self::Rate),
            "holds" => Some(Self::Hold),
            "bookings" => Some(Self::Booking),
            _ => None,
        }
    }
}

impl EntityBuilder<'_> {
    /// Makes an entity, or a new version of `held`. Returns `None` if there are mistakes, which are
    /// then noted in `fields`.
    pub(crate) fn make(
        &mut self,
        kind: Kind,
        fields: &mut Fields,
        held: Option<&Entity>,
    ) -> Option<Entity> {
        match (kind, held) {
            (Kind::Merchant, Some(Entity::Merchant(held))) => {
                self.merchant(fields, Some(held)).map(Entity::Merchant)
            }
            (Kind::Merchant, _) => self.merchant(fields, None).map(Entity::Merchant),
            (Kind::Influencer, Some(Entity::Influencer(held))) => {
                self.influencer(fields, Some(held)).map(Entity::Influencer)
            }
            (Kind::Influencer, _) => self.influencer(fields, None).map(Entity::Influencer),
            (Kind::Campaign, Some(Entity::Campaign(held))) => {
                self.changed_campaign(fields, held).map(Entity::Campaign)
            }
            (Kind::Campaign, _) => self.campaign(fields).map(Entity::Campaign),
            (Kind::Link, Some(Entity::Link(held))) => {
                self.changed_link(fields, held).map(Entity::Link)
            }
            (Kind::Link, _) => self.link(fields).map(Entity::Link),
            (Kind::Coupon, Some(Entity::Coupon(held))) => {
                self.changed_coupon(fields, held).map(Entity::Coupon)
            }
            (Kind::Coupon, _) => self.coupon(fields).map(Entity::Coupon),
            (Kind::Hold, None) => self.hold(fields).map(Entity::Hold),
            (Kind::Hold, Some(_)) => {
                let reason = "never changes; release the hold, and make another one";
                fields.fault("hold", reason);
                None
            }
            (Kind::Booking, None) => self.booking(fields).map(Entity::Booking),
            (Kind::Booking, Some(_)) => {
                fields.fault("booking", "never changes; book the difference as a correction");
                None
            }
            (Kind::Token, _) => {
                fields.fault("token", "is made at /api/v1/tokens and never changes; revoke it");
                None
            }
            (Kind::Rate, None) => self.rate(fields).map(Entity::Rate),
            (Kind::Rate, Some(_)) => {
                fields.fault(
                    "rate",
                    "never changes: amounts that were converted with it may have been paid",
                );
                None
            }
        }
    }
}

/// Returns the fields that only the answer to the creation shows.
pub(crate) fn shown_once(entity: &Entity) -> Value {
    match entity {
        Entity::Merchant(merchant) => {
            let secret = merchant.webhook_secret.as_deref();
            json!({ "webhook_secret": secret, "postback_token": secret.and_then(postback::token) })
        }
        _ => json!({}),
    }
}
