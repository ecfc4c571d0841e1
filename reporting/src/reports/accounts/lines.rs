//! The lines of a statement of account: every amount that became payable in the period, and every
//! payment. Their amounts add up to what was carried out less what was carried in.

use std::collections::HashMap;

use accounts::Account;
use bookings::{Figure, LedgerEntry, Move, Moved, Openings, Owed, moves};
use shared::booking::{BookingKind, ManualBooking};
use shared::day::Day;
use shared::id::{FactId, PayoutId};

use super::days::Days;
use super::{Accounts, money};
use crate::write::print::Cell;

/// The columns, in order.
pub(super) const HEADER: [&str; 16] = [
    "day",
    "kind",
    "merchant_id",
    "merchant",
    "influencer_id",
    "influencer",
    "campaign",
    "order_id",
    "order_number",
    "sub_id",
    "reason",
    "rate",
    "amount",
    "currency",
    "commission_id",
    "note",
];

/// The lines, by day.
pub(super) struct Lines {
    pub(super) rows: Vec<Vec<Cell>>,
}

/// What an amount was for.
#[derive(Default)]
struct About {
    kind: &'static str,
    order_id: String,
    order_number: String,
    sub_id: String,
    reason: &'static str,
    rate: String,
    commission: String,
    note: String,
}

impl Lines {
    pub(super) fn of(accounts: &Accounts<'_>, entries: &[LedgerEntry<'_>], days: &Days) -> Self {
        let catalog = &accounts.dataset.catalog;
        let openings = Openings::of(accounts.dataset);
        let earned: HashMap<FactId, &LedgerEntry<'_>> =
            entries.iter().map(|entry| (entry.id, entry)).collect();
        let by_hand = catalog.bookings.values();
        let by_hand: HashMap<FactId, &ManualBooking> =
            by_hand.map(|booking| (Owed::id_of_booking(booking), booking.as_ref())).collect();
        let about = |moved: &Move| match moved.moved {
            Moved::Line(payout) => about_payment(accounts, payout, moved.account),
            Moved::Entry(id) => match (earned.get(&id), by_hand.get(&id)) {
                (Some(entry), _) => about_entry(entry, &openings),
                (None, Some(booking)) => about_booking(booking),
                (None, None) => About::default(),
            },
        };
        let is_shown = |moved: &&Move| {
            let counts = matches!(moved.figure, Figure::Approved | Figure::Paid);
            let last = days.last_come(accounts, moved.account);
            counts && accounts.whose.has(moved.account) && (days.first..=last).contains(&moved.day)
        };
        let moves = moves(&accounts.ledger, catalog, days.last.min(latest(accounts)));
        let shown = moves.iter().filter(is_shown);
        Self { rows: shown.map(|moved| row(accounts, moved, about(moved))).collect() }
    }
}

/// Returns the latest day that has come anywhere.
fn latest(accounts: &Accounts<'_>) -> Day {
    let days = accounts.ledger.accounts().map(|account| accounts.day(account));
    days.max().unwrap_or(Day::MAX)
}

fn row(accounts: &Accounts<'_>, moved: &Move, about: About) -> Vec<Cell> {
    let account = moved.account;
    let campaign = moved.campaign.and_then(|id| accounts.dataset.catalog.campaigns.get(&id));
    let [merchant_id, merchant, influencer_id, influencer, currency] = accounts.names(account);
    // A payment makes less what is owed.
    let amount_minor = match moved.figure {
        Figure::Paid => moved.amount_minor.saturating_neg(),
        _ => moved.amount_minor,
    };
    vec![
        Cell::Id(moved.day.to_string()),
        Cell::Word(about.kind),
        merchant_id,
        merchant,
        influencer_id,
        influencer,
        Cell::Text(campaign.map_or_else(String::new, |campaign| campaign.name.clone())),
        Cell::Text(about.order_id),
        Cell::Text(about.order_number),
        Cell::Text(about.sub_id),
        Cell::Word(about.reason),
        Cell::Number(about.rate),
        money(account, amount_minor),
        currency,
        Cell::Id(about.commission),
        Cell::Text(about.note),
    ]
}

fn about_entry(entry: &LedgerEntry<'_>, openings: &Openings<'_>) -> About {
    let kind = match (entry.conversion, entry.link) {
        (Some(_), _) => "order",
        (None, Some(_)) => "clicks",
        (None, None) => "lead",
    };
    let number = entry.conversion.map_or("", |conversion| conversion.order_number());
    About {
        kind,
        order_id: entry.order_id().to_owned(),
        order_number: number.to_owned(),
        sub_id: openings.sub_id(openings.of_entry(entry)).unwrap_or_default().to_owned(),
        reason: entry.booking.reason.as_str(),
        rate: entry.booking.rate.clone(),
        commission: entry.id.to_string(),
        note: String::new(),
    }
}

fn about_booking(booking: &ManualBooking) -> About {
    let kind = match booking.kind {
        BookingKind::Bonus => "bonus",
        BookingKind::FixedFee => "fixed_fee",
        BookingKind::Correction => "correction",
    };
    let (commission, note) = (booking.id.to_string(), booking.note.clone());
    About { kind, commission, note, ..About::default() }
}

/// Returns the bank's reference of a payment; the batch where it has none.
fn about_payment(accounts: &Accounts<'_>, payout: PayoutId, account: Account) -> About {
    let batch = accounts.ledger.books().get(payout);
    let line = batch.and_then(|batch| batch.lines.get(&account.influencer));
    let reference = line.and_then(|line| line.payment.as_ref()).map(|paid| paid.reference.clone());
    let note = reference.filter(|reference| !reference.is_empty());
    About {
        kind: "payment",
        commission: payout.to_string(),
        note: note.unwrap_or_else(|| payout.to_string()),
        ..About::default()
    }
}
