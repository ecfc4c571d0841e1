//! Table `clicks`: one row for every request to a live link. It leaves no class out, so that anyone
//! can check that all clicks are the billable ones plus those of every other class.

use bookings::{ClickRecord, Dataset, LinkOwner, Recorded, link_owner};
use shared::time::Timestamp;

use crate::tables::columns::{Column, required};
use crate::tables::part::{RecordedRow, seq_column};

pub(super) const NAME: &str = "clicks";

pub(super) struct Row<'a> {
    click: &'a Recorded<ClickRecord>,
    owner: LinkOwner,
    slug: Option<&'a str>,
}

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id("click_id", |row| Some(row.click.fact.id.to_string()))),
        required(Column::time("clicked_at", |row| Some(row.click.fact.at))),
        Column::id("merchant_id", |row| row.owner.merchant.map(|id| id.to_string())),
        Column::id("campaign_id", |row| row.owner.campaign.map(|id| id.to_string())),
        Column::id("influencer_id", |row| row.owner.influencer.map(|id| id.to_string())),
        required(Column::id("link_id", |row| Some(row.click.fact.link.to_string()))),
        Column::text("slug", |row| row.slug.map(Into::into)),
        Column::text("sub_id", |row| row.click.fact.sub_id.as_deref().map(Into::into)),
        required(Column::id("class", |row| Some(row.click.fact.class.as_str().into()))),
        Column::id("previous_click_id", |row| row.click.fact.previous.map(|id| id.to_string())),
        Column::id("country", |row| row.click.fact.country()),
        required(Column::id("device", |row| Some(row.click.fact.device.as_str().into()))),
        required(Column::id("in_app", |row| Some(row.click.fact.in_app.as_str().into()))),
        Column::text("referrer_host", |row| known(&row.click.fact.referrer_host).map(Into::into)),
        required(Column::id("node", |row| Some(row.click.stream.to_string()))),
        required(Column::integer("seq", |row| seq_column(row.click.seq))),
    ]
}

pub(super) fn rows(dataset: &Dataset) -> Vec<Row<'_>> {
    let row = |click| Row {
        click,
        owner: link_owner(&dataset.catalog, click.fact.link),
        slug: slug(dataset, click),
    };
    dataset.clicks.iter().map(row).collect()
}

fn slug<'a>(dataset: &'a Dataset, click: &Recorded<ClickRecord>) -> Option<&'a str> {
    dataset.catalog.links.get(click.fact.link).map(|link| link.slug())
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

impl RecordedRow for Row<'_> {
    fn day_of(&self) -> Timestamp {
        self.click.fact.at
    }

    fn place(&self) -> (&str, u64) {
        (self.click.stream.as_str(), self.click.seq)
    }
}
