//! A statement as text: CSV for programs and spreadsheets, aligned columns for people; it never changes a
//! figure.

use shared::money::Money;

use super::{CommissionLine, Line, Statement};
use crate::write::guard;

/// How a statement is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// For programs and spreadsheets.
    Csv,
    /// For people.
    Table,
}

impl Statement {
    /// Prints the statement, and with `with_lines` every commission below it, after an empty line.
    pub fn render(&self, rendering: Rendering, with_lines: bool) -> String {
        let mut blocks = vec![Block::of(&HEADER, self.lines.iter().map(Line::cells))];
        if with_lines {
            blocks.push(Block::of(&COMMISSION_HEADER, self.commissions.iter().map(CommissionLine::cells)));
        }
        let print = match rendering {
            Rendering::Csv => Block::to_csv,
            Rendering::Table => Block::to_table,
        };
        blocks.iter().map(print).collect::<Vec<_>>().join("\n")
    }
}

/// The columns of a statement, in order.
const HEADER: [&str; 12] = [
    "influencer_id",
    "influencer",
    "clicks_billable",
    "sessions",
    "orders",
    "orders_cancelled",
    "goods",
    "commission_pending",
    "commission_approved",
    "commission_reversed",
    "payable",
    "currency",
];

impl Line {
    fn cells(&self) -> Vec<Cell> {
        let money = |minor| Cell::Number(Money { minor, currency: self.currency }.to_string());
        vec![
            Cell::Text(self.influencer.to_string()),
            Cell::Foreign(self.name.clone()),
            Cell::Number(self.clicks_billable.to_string()),
            Cell::Number(self.sessions.to_string()),
            Cell::Number(self.orders.to_string()),
            Cell::Number(self.orders_cancelled.to_string()),
            money(self.goods_minor),
            money(self.pending_minor),
            money(self.approved_minor),
            money(self.reversed_minor),
            money(self.payable_minor),
            Cell::Text(self.currency.to_string()),
        ]
    }
}

/// The columns of the commissions below it, in order.
const COMMISSION_HEADER: [&str; 13] = [
    "commission_id",
    "influencer_id",
    "order_id",
    "order_status",
    "booked_at",
    "reason",
    "base",
    "base_currency",
    "rate",
    "amount",
    "currency",
    "status",
    "payable_on",
];

impl CommissionLine {
    fn cells(&self) -> Vec<Cell> {
        let currency = self.booking.account.currency;
        let base = Money { minor: self.booking.base_minor, currency: self.booking.base_currency };
        // A count of leads or clicks is no money.
        let (base, base_currency) = if self.counts {
            (self.booking.base_minor.to_string(), String::new())
        } else {
            (base.to_string(), base.currency.to_string())
        };
        vec![
            Cell::Text(self.commission_id.clone()),
            Cell::Text(self.influencer.to_string()),
            Cell::Foreign(self.order_id.clone()),
            Cell::Text(self.order_status.to_owned()),
            Cell::Text(self.booking.booked_at.to_string()),
            Cell::Text(self.booking.reason.as_str().to_owned()),
            Cell::Number(base),
            Cell::Text(base_currency),
            Cell::Number(self.booking.rate.clone()),
            Cell::Number(self.booking.amount().to_string()),
            Cell::Text(currency.to_string()),
            Cell::Text(self.status.to_owned()),
            Cell::Text(self.payable_on.map_or_else(String::new, |day| day.to_string())),
        ]
    }
}

/// One printed value.
enum Cell {
    /// An id or word of ours.
    Text(String),
    /// A text that somebody else chose.
    Foreign(String),
    /// A count or an amount.
    Number(String),
}

impl Cell {
    fn as_str(&self) -> &str {
        let (Self::Text(text) | Self::Foreign(text) | Self::Number(text)) = self;
        text
    }
}

/// Rows under a header.
struct Block {
    header: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Block {
    fn of(header: &'static [&'static str], rows: impl Iterator<Item = Vec<Cell>>) -> Self {
        Self { header, rows: rows.collect() }
    }

    fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let written = writer.write_record(self.header).and_then(|()| {
            self.rows.iter().try_for_each(|row| {
                writer.write_record(row.iter().map(|cell| match cell {
                    Cell::Foreign(text) => guard(text).into_owned(),
                    Cell::Text(text) | Cell::Number(text) => text.clone(),
                }))
            })
        });
        debug_assert!(written.is_ok(), "rows are as long as their header, and memory takes every byte");
        String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    fn to_table(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].as_str().chars().count());
            cells.chain([self.header[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let numeric: Vec<bool> = (0..self.header.len())
            .map(|column| self.rows.first().is_some_and(|row| matches!(row[column], Cell::Number(_))))
            .collect();
        let print = |cells: Vec<String>| {
            let padded = cells.iter().zip(&widths).zip(&numeric).map(|((cell, &width), &numeric)| {
                if numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let header = self.header.iter().map(|name| (*name).to_owned()).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(|cell| printable(cell.as_str())).collect());
        std::iter::once(header).chain(rows).map(print).collect()
    }
}

// SECURITY: names come from outside and must not move a terminal's cursor.
/// A text without control characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
