//! A statement as text: CSV for programs and spreadsheets, aligned columns for people. It never
//! changes a figure.

use shared::money::Money;

use super::{About, CommissionLine, Line, Statement};
use crate::write::document::{Document, Table};
use crate::write::form::Form;
use crate::write::print::{Block, Cell, Rendering, print};

impl Statement {
    /// Renders the statement. With `with_lines`, every commission follows after an empty line.
    pub fn render(&self, rendering: Rendering, with_lines: bool) -> String {
        let mut blocks = vec![Block::of(&HEADER, self.lines.iter().map(Line::cells))];
        if with_lines {
            blocks.push(self.commissions_block());
        }
        print(rendering, &blocks)
    }
}

impl Statement {
    /// Writes the statement as a document: for JSON and for print.
    pub fn write(&self, form: Form, with_lines: bool) -> String {
        let lines = self.lines.iter().map(Line::cells);
        let tables = vec![Table { name: "influencers", block: Block::of(&HEADER, lines) }];
        let lines = Some(Table { name: "commissions", block: self.commissions_block() });
        let About { campaign, campaign_id, merchant, period, as_of, timezone } = &self.about;
        let facts = vec![
            ("campaign", Cell::Text(campaign.clone())),
            ("campaign_id", Cell::Id(campaign_id.to_string())),
            ("merchant", Cell::Text(merchant.clone())),
            ("period", Cell::Id(period.to_string())),
            ("as_of", Cell::Id(as_of.to_string())),
            ("timezone", Cell::Text(timezone.clone())),
        ];
        let document = Document { title: "campaign_statement", facts, tables, lines };
        form.write(&document, with_lines)
    }

    /// Returns the commissions as CSV.
    pub fn lines_csv(&self) -> String {
        self.commissions_block().to_csv()
    }

    fn commissions_block(&self) -> Block {
        Block::of(&COMMISSION_HEADER, self.commissions.iter().map(CommissionLine::cells))
    }
}

/// The columns of a statement, in order.
const HEADER: [&str; 14] = [
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
    "orders_held",
    "commission_held",
];

impl Line {
    fn cells(&self) -> Vec<Cell> {
        let money = |minor| Cell::Number(Money { minor, currency: self.currency }.to_string());
        vec![
            Cell::Id(self.influencer.to_string()),
            Cell::Text(self.name.clone()),
            Cell::Number(self.clicks_billable.to_string()),
            Cell::Number(self.sessions.to_string()),
            Cell::Number(self.orders.to_string()),
            Cell::Number(self.orders_cancelled.to_string()),
            money(self.goods_minor),
            money(self.pending_minor),
            money(self.approved_minor),
            money(self.reversed_minor),
            money(self.payable_minor),
            Cell::Id(self.currency.to_string()),
            Cell::Number(self.orders_held.to_string()),
            money(self.held_minor),
        ]
    }
}

/// The columns of the commissions below a statement, in order.
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
        // A count of leads or clicks is not an amount of money.
        let (base, base_currency) = if self.base_is_count {
            (self.booking.base_minor.to_string(), String::new())
        } else {
            (base.to_string(), base.currency.to_string())
        };
        vec![
            Cell::Id(self.commission_id.clone()),
            Cell::Id(self.influencer.to_string()),
            Cell::Text(self.order_id.clone()),
            Cell::Id(self.order_status.to_owned()),
            Cell::Id(self.booking.booked_at.to_string()),
            Cell::Id(self.booking.reason.as_str().to_owned()),
            Cell::Number(base),
            Cell::Id(base_currency),
            Cell::Number(self.booking.rate.clone()),
            Cell::Number(self.booking.amount().to_string()),
            Cell::Id(currency.to_string()),
            Cell::Id(self.status.to_owned()),
            Cell::Id(self.payable_on.map_or_else(String::new, |day| day.to_string())),
        ]
    }
}
