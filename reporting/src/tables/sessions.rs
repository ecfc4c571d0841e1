//! Table `sessions`: one row for every visit to a shop that began with a click. It never counts a
//! visit without a click, and of one click no more than one visit in a half hour.

use std::collections::HashMap;

use shared::event::EventName;
use shared::id::ClickId;
use shared::order::Touch;
use shared::record::EventFact;
use shared::time::Timestamp;

use crate::read::dataset::Dataset;
use crate::read::dataset::{LinkOwner, link_owner};
use crate::read::facts::Recorded;
use crate::tables::columns::{Column, required};
use crate::tables::part::{RecordedRow, seq_column};

pub(super) const NAME: &str = "sessions";

pub(super) struct Row<'a> {
    event: &'a Recorded<EventFact>,
    touch: Touch,
    owner: LinkOwner,
    pages: usize,
}

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id("event_id", |row| Some(row.event.fact.id.to_string()))),
        required(Column::id("click_id", |row| Some(row.touch.click.to_string()))),
        required(Column::time("started_at", |row| Some(row.event.fact.happened_at()))),
        required(Column::id("merchant_id", |row| Some(row.event.fact.merchant.to_string()))),
        Column::id("campaign_id", |row| row.owner.campaign.map(|id| id.to_string())),
        Column::id("influencer_id", |row| row.owner.influencer.map(|id| id.to_string())),
        required(Column::id("link_id", |row| Some(row.touch.link.to_string()))),
        required(Column::integer("pages", |row| i64::try_from(row.pages).ok())),
        required(Column::id("consent", |row| Some(row.event.fact.consent.as_str().into()))),
        required(Column::id("node", |row| Some(row.event.stream.to_string()))),
        required(Column::integer("seq", |row| seq_column(row.event.seq))),
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
    let row = |(event, touch): (_, Touch)| Row {
        event,
        touch,
        owner: link_owner(&dataset.catalog, touch.link),
        pages: 1,
    };
    dataset.distinct_events(EventName::Session).into_iter().map(row).collect()
}

/// Returns the number of pages of each session: its first page, and the pages of the same click up
/// to that click's next session.
fn pages(dataset: &Dataset, sessions: &[Row<'_>]) -> Vec<usize> {
    let mut by_click: HashMap<ClickId, Vec<(Timestamp, usize)>> = HashMap::new();
    for (index, row) in sessions.iter().enumerate() {
        by_click.entry(row.touch.click).or_default().push((row.event.fact.happened_at(), index));
    }
    by_click.values_mut().for_each(|starts| starts.sort_unstable());
    let mut pages = vec![1; sessions.len()];
    for (event, touch) in dataset.distinct_events(EventName::Page) {
        let starts = by_click.get(&touch.click).map_or(&[][..], Vec::as_slice);
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
