//! Payouts: every batch with its lines, and what a close left out and why.

use accounts::books::{LineBook, Payout};
use accounts::{Account, Books};
use bookings::Dataset;
use shared::payout::LeftOut;

use super::{Whose, money};
use crate::error::Error;
use crate::write::document::{Document, Table};
use crate::write::form::Form;
use crate::write::print::{Block, Cell};

/// The columns, in order.
const HEADER: [&str; 14] = [
    "payout_id",
    "number",
    "closed_on",
    "checksum",
    "merchant_id",
    "merchant",
    "influencer_id",
    "influencer",
    "amount",
    "currency",
    "status",
    "why",
    "paid_on",
    "reference",
];

/// The batches.
pub struct Payouts(Document);

impl Payouts {
    /// Gathers the batches, oldest first.
    ///
    /// # Errors
    /// When nobody knows whom the report is about.
    pub fn of(dataset: &Dataset, whose: Whose) -> Result<Self, Error> {
        whose.check(dataset)?;
        let books = Books::of(dataset.catalog.payouts.values());
        let mut batches: Vec<_> = books.iter().collect();
        batches.sort_by_key(|payout| (payout.made.at, payout.id()));
        let mut rows = Vec::new();
        for payout in batches {
            let batch = Batch { payout, checksum: payout.batch.checksum() };
            let lines = payout.lines.values().filter(|line| whose.has(line.account));
            rows.extend(lines.map(|line| row_of_line(dataset, &batch, line)));
            let left = payout.batch.left_out.iter().map(|left| (account(payout, left), left));
            let left = left.filter(|(account, _)| whose.has(*account));
            rows.extend(
                left.map(|(account, left)| row_of_left_out(dataset, &batch, account, left)),
            );
        }
        let block = Block::of(&HEADER, rows.into_iter());
        let tables = vec![Table { name: "payouts", block }];
        Ok(Self(Document { title: "payouts", facts: vec![], tables, lines: None }))
    }

    /// Writes the batches.
    pub fn write(&self, form: Form) -> String {
        form.write(&self.0, false)
    }
}

/// A batch with its checksum, which takes as long as it has lines.
struct Batch<'b> {
    payout: &'b Payout,
    checksum: String,
}

fn account(payout: &Payout, left: &LeftOut) -> Account {
    let (merchant, currency) = (payout.made.merchant, payout.batch.currency);
    Account { merchant, influencer: left.influencer, currency }
}

/// Returns the cells that rows of a batch begin with: the batch, whose it is, and the amount.
fn begun(dataset: &Dataset, batch: &Batch<'_>, account: Account, amount_minor: i64) -> Vec<Cell> {
    let payout = batch.payout;
    let merchant = dataset.catalog.merchants.get(&account.merchant);
    vec![
        Cell::Id(payout.id().to_string()),
        Cell::Number(payout.batch.number.to_string()),
        Cell::Id(payout.batch.closed_on.to_string()),
        Cell::Id(batch.checksum.clone()),
        Cell::Id(account.merchant.to_string()),
        Cell::Text(merchant.map_or_else(String::new, |merchant| merchant.name.clone())),
        Cell::Id(account.influencer.to_string()),
        Cell::Text(dataset.influencer_name(account.influencer)),
        money(account, amount_minor),
        Cell::Id(account.currency.to_string()),
    ]
}

fn row_of_line(dataset: &Dataset, batch: &Batch<'_>, line: &LineBook) -> Vec<Cell> {
    let payment = line.payment.as_ref();
    let mut cells = begun(dataset, batch, line.account, line.amount_minor);
    cells.extend([
        Cell::Word(line.state().as_str()),
        Cell::Word(""),
        Cell::Id(payment.map_or_else(String::new, |paid| paid.on.to_string())),
        Cell::Text(payment.map_or_else(String::new, |paid| paid.reference.clone())),
    ]);
    cells
}

fn row_of_left_out(
    dataset: &Dataset,
    batch: &Batch<'_>,
    account: Account,
    left: &LeftOut,
) -> Vec<Cell> {
    let mut cells = begun(dataset, batch, account, left.amount_minor);
    let nothing = || Cell::Word("");
    cells.extend([Cell::Word("left_out"), Cell::Word(left.why.as_str()), nothing(), nothing()]);
    cells
}
