//! Table `sessions`: one row for every visit to a shop that began with a click or with a discount
//! code: of either, `click_id` or `coupon_id` is empty. It never counts any other visit, and of one
//! click, or of one visit by a code, no more than one in a half hour.

use std::collections::HashMap;

use bookings::{Dataset, LinkOwner, Recorded, opening_owner};
use shared::event::EventName;
use shared::order::{Opening, OpeningId};
use shared::record::EventFact;
use shared::time::Timestamp;

use crate::tables::columns::{Column, required};
use crate::tables::part::{RecordedRow, seq_column};

pub(super) const NAME: &str = "sessions";

pub(super) struct Row<'a> {
    event: &'a Recorded<EventFact>,
    opening: Opening,
    owner: LinkOwner,
    pages: usize,
}

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id("event_id", |row| Some(row.event.fact.id.to_string()))),
        Column::id("click_id", |row| match row.opening {
            Opening::Click(touch) => Some(touch.click.to_string()),
            Opening::Code(_) => None,
        }),
        required(Column::time("started_at", |row| Some(row.event.fact.happened_at()))),
        required(Column::id("merchant_id", |row| Some(row.event.fact.merchant.to_string()))),
        Column::id("campaign_id", |row| row.owner.campaign.map(|id| id.to_string())),
        Column::id("influencer_id", |row| row.owner.influencer.map(|id| id.to_string())),
        Column::id("link_id", |row| match row.opening {
            Opening::Click(touch) => Some(touch.link.to_string()),
            Opening::Code(_) => None,
        }),
        required(Column::integer("pages", |row| i64::try_from(row.pages).ok())),
        required(Column::id("consent", |row| Some(row.event.fact.consent.as_str().into()))),
        required(Column::id("node", |row| Some(row.event.stream.to_string()))),
        required(Column::integer("seq", |row| seq_column(row.event.seq))),
        Column::id("coupon_id", |row| match row.opening {
            Opening::Click(_) => None,
            Opening::Code(visit) => Some(visit.coupon.to_string()),
        }),
    ]
}

pub(super) fn rows(dataset: &Dataset) -> Vec<Row<'_>> {
    let mut sessions = sessions(dataset);
    let pages = pages(dataset, &sessions);
    for (row, pages) in sessions.iter_mut().zip(pages) {
        row.pages = pages;
    }
    sessions
}

/// Returns every session once, by stream and sequence, with one page each.
fn sessions(dataset: &Dataset) -> Vec<Row<'_>> {
    let row = |(event, opening): (_, Opening)| Row {
        event,
        opening,
        owner: opening_owner(&dataset.catalog, &opening),
        pages: 1,
    };
    dataset.distinct_events(EventName::Session).into_iter().map(row).collect()
}

/// Returns the number of pages of each session: its first page, and the pages of the same click or
/// visit by a code up to its next session.
fn pages(dataset: &Dataset, sessions: &[Row<'_>]) -> Vec<usize> {
    let mut by_opening: HashMap<OpeningId, Vec<(Timestamp, usize)>> = HashMap::new();
    for (index, row) in sessions.iter().enumerate() {
        by_opening.entry(row.opening.id()).or_default().push((row.event.fact.happened_at(), index));
    }
    by_opening.values_mut().for_each(|starts| starts.sort_unstable());
    let mut pages = vec![1; sessions.len()];
    for (event, opening) in dataset.distinct_events(EventName::Page) {
        let starts = by_opening.get(&opening.id()).map_or(&[][..], Vec::as_slice);
        let at = event.fact.happened_at();
        let begun = starts.partition_point(|&(started_at, _)| started_at <= at);
        if let Some(&(_, session)) = begun.checked_sub(1).and_then(|latest| starts.get(latest)) {
            pages[session] += 1;
        }
    }
    pages
}

impl RecordedRow for Row<'_> {
    fn day_of(&self) -> Timestamp {
        self.event.fact.happened_at()
    }

    fn place(&self) -> (&str, u64) {
        (self.event.stream.as_str(), self.event.seq)
    }
}
