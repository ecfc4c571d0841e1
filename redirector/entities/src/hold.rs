//! Holds on commissions.

use rand::RngExt;
use serde_json::Value;
use shared::catalog::{Hold, HoldTarget};
use shared::event::is_order_id;
use shared::id::{HoldId, LinkId, MerchantId};

use crate::builder::{EntityBuilder, found};
use crate::fields::{Fields, parsed, text};

/// The most characters of a reason.
pub const REASON_CHARS_MAX: usize = 500;

impl EntityBuilder<'_> {
    /// Reads `{order|link|influencer, reason}`. An order is `mer_…/1001`, or its id beside
    /// `merchant`.
    pub(crate) fn hold(&mut self, fields: &mut Fields) -> Option<Hold> {
        let reason = fields.required("reason", text(REASON_CHARS_MAX));
        let merchant = fields
            .optional("merchant", |value| found(value, &self.catalog.merchants).map(|m| m.id));
        let order = fields.optional("order", order);
        let link = fields.optional("link", |value| {
            let id: LinkId = parsed(value)?;
            let known = self.catalog.links.get(id).map(|link| link.id());
            known.ok_or_else(|| format!("`{id}` does not exist"))
        });
        let influencer = fields
            .optional("influencer", |value| found(value, &self.catalog.influencers).map(|i| i.id));
        let order = order.and_then(|(of, name)| {
            let merchants = &self.catalog.merchants;
            let only = merchants.keys().next().copied().filter(|_| merchants.len() == 1);
            let merchant = of.or(merchant).or(only).filter(|id| merchants.contains_key(id));
            if merchant.is_none() {
                let way_out = "say whose order: `mer_…/1001`, or send `merchant` with it";
                fields.fault("order", way_out);
            }
            merchant.map(|merchant| HoldTarget::Order { merchant, order_id: name })
        });
        let targets = [order, link.map(HoldTarget::Link), influencer.map(HoldTarget::Influencer)];
        let mut targets = targets.into_iter().flatten();
        let (Some(target), None) = (targets.next(), targets.next()) else {
            if !fields.has_faults() {
                fields.fault("hold", "expected one of `order`, `link` and `influencer`");
            }
            return None;
        };
        Some(Hold {
            id: HoldId::from_bits(self.random.random()),
            target,
            reason: reason?,
            since: None,
            created_at: self.now,
            released_at: None,
            release_reason: None,
            updated_at: self.now,
        })
    }
}

/// Reads an order: `1001`, `mer_…/1001`, or `{"merchant": …, "order_id": …}`.
fn order(value: &Value) -> Result<(Option<MerchantId>, String), String> {
    let of_object = |name: &str| value.get(name).and_then(Value::as_str);
    let whole = value.as_str().unwrap_or_default();
    let split = whole.split_once('/').filter(|(merchant, _)| merchant.starts_with("mer_"));
    let (merchant, name) = match (of_object("merchant"), of_object("order_id"), split) {
        (merchant, Some(name), _) => (merchant, name),
        (_, _, Some((merchant, name))) => (Some(merchant), name),
        _ => (None, whole),
    };
    let merchant = merchant.map(str::parse).transpose().map_err(|error| format!("{error}"))?;
    // Of a key only the hash is known, so a hold by it would hold nothing.
    if name.starts_with("wc_order_") || name.starts_with("cs_") {
        let way_out = "name the order by its id, as `GET /api/v1/orders/…` shows it";
        Err(format!("`{name}` is an order's key; {way_out}"))
    } else if is_order_id(name) {
        Ok((merchant, name.to_owned()))
    } else {
        Err(format!("`{name}` is not a valid order id; expected e.g. `mer_…/1001`"))
    }
}
