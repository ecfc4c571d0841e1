//! Makes entities from fields: every rule about what may be created or changed, a file an entity.
//!
//! Pure, except for random bits. The same functions serve creation, change and import. It knows
//! nothing of HTTP.

#![allow(missing_docs, reason = "an internal crate: names say what a reader must know")]

mod archive;
mod booking;
mod branches;
mod builder;
mod campaign;
mod coupon;
mod fault;
mod fields;
mod hold;
mod holder;
mod influencer;
mod link;
mod loops;
mod merchant;
mod person;
mod rate;
mod sheet;
mod suspension;
mod version;
mod workable;

use api::Kind;
use serde_json::{Value, json};
use shared::catalog::Entity;
use shops::postback;

pub use archive::paused;
pub use builder::{EntityBuilder, found};
pub use fault::{Fault, FaultKind};
pub use fields::{Fields, flag, number, parsed, shaped, text, time};
pub use hold::REASON_CHARS_MAX;
pub use holder::holder;
pub use person::language;
pub use sheet::{Did, Row, Sheet, read_sheet};
pub use suspension::suspended_from;
pub use version::{as_version, version_after};
pub use workable::{Remarks, remarks};

impl EntityBuilder<'_> {
    /// Makes an entity, or a new version of `held`. Returns `None` if there are mistakes, which are
    /// then noted in `fields`.
    pub fn make(
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
            (Kind::Person, Some(Entity::Person(held))) => {
                self.changed_person(fields, held).map(Entity::Person)
            }
            (Kind::Person, _) => self.person(fields).map(Entity::Person),
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
pub fn shown_once(entity: &Entity) -> Value {
    match entity {
        Entity::Merchant(merchant) => {
            let secret = merchant.webhook_secret.as_deref();
            json!({ "webhook_secret": secret, "postback_token": secret.and_then(postback::token) })
        }
        _ => json!({}),
    }
}
