//! Table `leads`: one row for every lead with what became of it, whether the shop's server told of it
//! or only a browser. It never shows who the person is.

use bookings::{AnyLead, Dataset, all_leads};
use shared::time::Timestamp;

use crate::tables::columns::{Column, required};
use crate::tables::part::DerivedRow;

pub(super) const NAME: &str = "leads";

pub(super) fn columns() -> Vec<Column<AnyLead>> {
    vec![
        required(Column::id("conversion_id", |lead| Some(lead.id.to_string()))),
        Column::text("lead_id", |lead| lead.lead_id.as_deref().map(Into::into)),
        required(Column::id("merchant_id", |lead| Some(lead.merchant.to_string()))),
        Column::id("campaign_id", |lead| lead.campaign.map(|id| id.to_string())),
        Column::id("influencer_id", |lead| lead.influencer.map(|id| id.to_string())),
        Column::id("link_id", |lead| lead.link.map(|id| id.to_string())),
        Column::id("click_id", |lead| lead.touch.map(|touch| touch.click.to_string())),
        required(Column::id("source", |lead| Some(lead.source.into()))),
        required(Column::time("made_at", |lead| Some(lead.happened_at))),
        required(Column::id("status", |lead| Some(lead.became.0.as_str().into()))),
        required(Column::time("status_at", |lead| Some(lead.became.1))),
        Column::text("order_id", |lead| lead.order_id.as_deref().map(Into::into)),
        required(Column::id("label", |lead| Some(lead.label.into()))),
        required(Column::integer("amount_minor", |lead| Some(lead.amount_minor))),
        Column::id("currency", |lead| lead.currency.map(|currency| currency.to_string())),
        Column::text("held", |lead| lead.held.as_deref().map(Into::into)),
    ]
}

/// Returns every lead, by time.
pub(super) fn rows(dataset: &Dataset) -> Vec<AnyLead> {
    all_leads(dataset)
}

impl DerivedRow for AnyLead {
    fn day_of(&self) -> Timestamp {
        self.happened_at
    }
}
