//! Entities as answers show them: their fields, and what follows from them. Secrets are never shown.

use std::net::IpAddr;

use live::clock;
use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::booking::ManualBooking;
use shared::catalog::{
    AccessToken, Campaign, Catalog, Entity, Hold, HoldTarget, Merchant, Person, Role,
};
use shared::links::{Link, LinkRef, Scope};
use shared::money::Money;
use shared::rates::ExchangeRate;
use shared::time::Timestamp;

use entities::suspended_from;

type Shown = Map<String, Value>;

/// The fields of a merchant that hold secrets.
const SECRETS: [&str; 4] = ["webhook_secret", "old_webhook_secret", "shop_api", "sealed"];

/// Returns an entity as answers show it. The hosts are the agency's own.
pub(crate) fn show(entity: &Entity, catalog: &Catalog, hosts: &[String]) -> Value {
    let mut shown = match entity {
        Entity::Merchant(merchant) => show_merchant(merchant),
        Entity::Influencer(influencer) => without("sealed", fields_of(influencer)),
        Entity::Campaign(campaign) => show_campaign(campaign),
        Entity::Link(link) => show_link(link, catalog, hosts),
        Entity::Coupon(coupon) => fields_of(coupon),
        Entity::Rate(rate) => show_rate(rate),
        Entity::AccessToken(token) => show_token(token),
        Entity::Hold(hold) => show_hold(hold),
        Entity::Booking(booking) => show_booking(booking),
        Entity::Person(person) => show_person(person),
        Entity::Suspension(_) | Entity::Payout(_) | Entity::Archive(_) => Shown::new(),
    };
    if let Some(of) = entity.archivable() {
        shown.insert("archived".into(), catalog.is_archived(of).into());
    }
    if matches!(entity, Entity::Influencer(_) | Entity::Link(_) | Entity::Coupon(_)) {
        shown.insert("suspended_from".into(), json!(suspended_from(catalog, entity)));
    }
    Value::Object(shown)
}

fn show_merchant(merchant: &Merchant) -> Shown {
    let mut shown = fields_of(merchant);
    shown.retain(|name, _| !SECRETS.contains(&name.as_str()));
    shown.insert("has_webhook_secret".into(), merchant.webhook_secret.is_some().into());
    shown.insert("has_shop_api".into(), merchant.shop_api.is_some().into());
    let share = merchant.agency_shares.last().map(|share| share.percent);
    shown.insert("agency_share".into(), json!(share));
    shown.insert("trust_leads".into(), merchant.trusts_leads().into());
    shown
}

fn show_campaign(campaign: &Campaign) -> Shown {
    let mut shown = fields_of(campaign);
    shown.insert("commission_text".into(), campaign.commission.describe().into());
    shown
}

fn show_link(link: &Link, catalog: &Catalog, hosts: &[String]) -> Shown {
    let mut shown = fields_of(link);
    let merchant = catalog.campaigns.get(&link.campaign).map(|campaign| campaign.merchant);
    shown.insert("merchant".into(), json!(merchant));
    shown.insert("path".into(), format!("/{}", link.slug).into());
    let domains =
        merchant.and_then(|id| catalog.merchants.get(&id)).map(|of| of.domains.as_slice());
    let addresses = addresses(link, catalog, (hosts, domains.unwrap_or_default()));
    shown.insert("addresses".into(), json!(addresses));
    shown
}

/// Returns the addresses at which a link is found: on the agency's hosts, unless an earlier link has
/// its slug there, and on the name `go` below the merchant's domains.
fn addresses(
    link: &Link,
    catalog: &Catalog,
    (hosts, domains): (&[String], &[String]),
) -> Vec<String> {
    let of_agency = hosts.iter().filter(|_| earlier_on_agency_hosts(link, catalog).is_none());
    let own = domains.iter().map(|domain| match domain.parse::<IpAddr>() {
        Ok(_) => domain.clone(),
        Err(_) => format!("go.{domain}"),
    });
    let hosts = of_agency.cloned().chain(own);
    hosts.map(|host| format!("https://{host}/{}", link.slug)).collect()
}

/// Returns the link that has this one's slug on the agency's hosts, if that is another one.
pub(crate) fn earlier_on_agency_hosts<'c>(
    link: &Link,
    catalog: &'c Catalog,
) -> Option<LinkRef<'c>> {
    let first = catalog.links.by_slug(Scope::Agency, &link.slug)?;
    Some(first).filter(|first| first.id() != link.id)
}

fn show_rate(rate: &ExchangeRate) -> Shown {
    let mut shown = without("day", fields_of(rate));
    let date = Timestamp::from_ms(rate.day * 86_400_000).utc_date();
    shown.insert("id".into(), json!(rate.id()));
    shown.insert("date".into(), json!(date));
    shown
}

/// Returns a role as answers name it, and whose it is.
pub(crate) fn role_and_holder(role: Role) -> (&'static str, Value) {
    match role {
        Role::Admin => ("admin", Value::Null),
        Role::Merchant(id) => ("merchant", json!(id)),
        Role::Influencer(id) => ("influencer", json!(id)),
    }
}

fn show_person(person: &Person) -> Shown {
    let (role, of) = role_and_holder(person.role);
    fields_of(&json!({
        "id": person.id, "name": person.name, "email": person.email, "role": role, "for": of,
        "language": person.language, "archived": person.archived,
        "has_password": person.password.is_some(), "signed_in_at": person.signed_in_at,
        "created_at": person.created_at, "updated_at": person.updated_at,
    }))
}

fn show_token(token: &AccessToken) -> Shown {
    let (role, of) = role_and_holder(token.role);
    fields_of(&json!({
        "id": token.id(), "role": role, "for": of, "name": token.name,
        "created_at": token.created_at, "expires_at": token.expires_at,
        "revoked_at": token.revoked_at, "valid": token.is_valid(clock::now()),
    }))
}

fn show_hold(hold: &Hold) -> Shown {
    let (target, value) = match &hold.target {
        HoldTarget::Order { merchant, order_id } => {
            ("order", json!(format!("{merchant}/{order_id}")))
        }
        HoldTarget::Link(id) => ("link", json!(id)),
        HoldTarget::Influencer(id) => ("influencer", json!(id)),
        HoldTarget::Key(key) => ("key", json!(key)),
    };
    let mut shown = without("target", fields_of(hold));
    shown.insert(target.into(), value);
    shown.entry("released_at").or_insert(Value::Null);
    shown
}

fn show_booking(booking: &ManualBooking) -> Shown {
    let mut shown = fields_of(booking);
    let amount = Money { minor: booking.amount_minor, currency: booking.currency };
    shown.insert("amount".into(), amount.to_string().into());
    shown
}

fn fields_of<T: Serialize>(entity: &T) -> Shown {
    match serde_json::to_value(entity) {
        Ok(Value::Object(fields)) => fields,
        _ => Shown::new(),
    }
}

fn without(field: &str, mut shown: Shown) -> Shown {
    shown.remove(field);
    shown
}
