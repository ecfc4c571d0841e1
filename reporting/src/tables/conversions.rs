//! Table `conversions`: one row for every order that is credited, was once, or came too late to be; it never
//! shows an order that no click and no coupon led to.

use shared::time::Timestamp;

use super::DerivedRow;
use crate::columns::{Column, required};
use crate::{Conversion, Conversions};

pub(super) const NAME: &str = "conversions";

/// The only model there is.
const MODEL: &str = "last_click";

pub(super) struct Row<'a>(&'a Conversion);

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id("conversion_id", |row| Some(row.0.id.to_string()))),
        required(Column::id("merchant_id", |row| Some(row.0.settled.order.merchant.to_string()))),
        Column::id("campaign_id", |row| row.0.subject()?.campaign.map(|id| id.to_string())),
        Column::id("influencer_id", |row| row.0.subject()?.influencer.map(|id| id.to_string())),
        required(Column::text("order_id", |row| Some(row.0.settled.order.order_id.as_str().into()))),
        required(Column::id("kind", |_| Some("order".into()))),
        required(Column::id("method", |row| Some(row.0.settled.decision.method.as_str().into()))),
        required(Column::id("model", |_| Some(MODEL.into()))),
        Column::id("click_id", |row| row.0.subject()?.click.map(|id| id.to_string())),
        Column::text("coupon", |row| row.0.subject()?.code.as_deref().map(Into::into)),
        Column::time("clicked_at", |row| row.0.subject()?.clicked_at),
        required(Column::time("converted_at", |row| Some(row.0.settled.order.placed_at))),
        required(Column::id("status", |row| Some(row.0.status().into()))),
        required(Column::id("label", |row| Some(row.0.label().into()))),
        required(Column::integer("goods_minor", |row| Some(row.0.settled.order.net_goods_minor()))),
        Column::id("currency", |row| row.0.settled.order.currency.map(|currency| currency.to_string())),
        required(Column::text("decision", |row| Some(row.0.settled.decision.to_json().into()))),
    ]
}

/// Every conversion, by time and then by merchant and order id.
pub(super) fn rows(conversions: &Conversions) -> Vec<Row<'_>> {
    let mut rows: Vec<_> = conversions.iter().map(Row).collect();
    rows.sort_by_key(|row| row.0.settled.order.placed_at);
    rows
}

impl DerivedRow for Row<'_> {
    fn day_of(&self) -> Timestamp {
        self.0.settled.order.placed_at
    }
}
