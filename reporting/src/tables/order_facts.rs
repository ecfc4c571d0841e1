//! Table `order_facts`: one row for every delivery of an order fact, as it was received. A repeated
//! delivery is not removed: it is a second row with the same `fact_id`.

use bookings::{Dataset, Recorded};
use shared::order::OrderFact;
use shared::time::Timestamp;

use crate::tables::columns::{Column, required};
use crate::tables::part::{RecordedRow, seq_column};

pub(super) const NAME: &str = "order_facts";

pub(super) struct Row<'a>(&'a Recorded<OrderFact>);

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id("fact_id", |row| Some(row.0.fact.id.to_string()))),
        required(Column::id("merchant_id", |row| Some(row.0.fact.merchant.to_string()))),
        required(Column::id("platform", |row| Some(row.0.fact.platform.as_str().into()))),
        required(Column::text("order_id", |row| Some(row.0.fact.order_id.as_str().into()))),
        required(Column::id("source", |row| Some(row.0.fact.source.as_str().into()))),
        required(Column::id("kind", |row| Some(row.0.fact.kind.as_str().into()))),
        required(Column::time("occurred_at", |row| Some(row.0.fact.occurred_at))),
        required(Column::time("received_at", |row| Some(row.0.fact.received_at))),
        Column::id("status", |row| row.0.fact.status.map(|status| status.as_str().into())),
        Column::integer("goods_minor", |row| row.0.fact.goods_minor),
        Column::integer("tax_minor", |row| row.0.fact.tax_minor),
        Column::integer("shipping_minor", |row| row.0.fact.shipping_minor),
        Column::integer("total_minor", |row| row.0.fact.total_minor),
        Column::id("currency", |row| row.0.fact.currency.map(|currency| currency.to_string())),
        Column::text("coupon", |row| coupon(&row.0.fact).map(Into::into)),
        Column::id("click_id", |row| {
            row.0.fact.touches.iter().max().map(|touch| touch.click.to_string())
        }),
        required(Column::flag("test", |row| Some(row.0.fact.test))),
        required(Column::id("node", |row| Some(row.0.stream.to_string()))),
        required(Column::integer("seq", |row| seq_column(row.0.seq))),
    ]
}

pub(super) fn rows(dataset: &Dataset) -> Vec<Row<'_>> {
    dataset.order_facts.iter().map(Row).collect()
}

/// Joins the order's discount codes with commas; `None` when there are none.
fn coupon(fact: &OrderFact) -> Option<String> {
    (!fact.coupons.is_empty()).then(|| fact.coupons.join(","))
}

impl RecordedRow for Row<'_> {
    /// The time of arrival. A shop's clock may be wrong by years, and a late delivery must not
    /// change an old day's folder.
    fn day_of(&self) -> Timestamp {
        self.0.fact.received_at
    }

    fn place(&self) -> (&str, u64) {
        (self.0.stream.as_str(), self.0.seq)
    }
}
