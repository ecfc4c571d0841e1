//! What an address asks the list of orders for: parameters that are known, with values that can be
//! meant.

use hot_state::SortKey;
use serde::Deserialize;
use shared::catalog::{Catalog, Role};

use crate::orders::asked::PAGE_MAX;
use crate::orders::question::{METHODS, Question, STATUSES};
use crate::orders::reader::Reader;
use crate::wrong::Wrong;

/// How many orders a page has by default.
const PAGE: usize = 100;

/// The parameters, as an address has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrdersQuery {
    merchant: Option<String>,
    campaign: Option<String>,
    influencer: Option<String>,
    status: Option<String>,
    method: Option<String>,
    credited: Option<String>,
    from: Option<String>,
    to: Option<String>,
    q: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
    format: Option<String>,
    separator: Option<String>,
}

/// What the answer is to be.
pub enum Form {
    Page { after: Option<SortKey>, limit: usize },
    Table { separator: u8 },
}

impl OrdersQuery {
    /// Reads the address, or tells every mistake in it.
    ///
    /// `open` opens a cursor.
    ///
    /// # Errors
    /// Every mistake.
    pub fn read(
        &self,
        role: Role,
        catalog: &Catalog,
        open: &dyn Fn(&str) -> Option<SortKey>,
    ) -> Result<(Question, Form), Vec<Wrong>> {
        let mut reader = Reader { catalog, role, faults: vec![] };
        let yes_no = [("true", true), ("false", false)];
        let question = Question {
            merchant: reader.id("merchant", self.merchant.as_deref(), |catalog, id| {
                catalog.merchants.contains_key(id)
            }),
            campaign: reader.id("campaign", self.campaign.as_deref(), |catalog, id| {
                catalog.campaigns.contains_key(id)
            }),
            influencer: reader.id("influencer", self.influencer.as_deref(), |catalog, id| {
                catalog.influencers.contains_key(id)
            }),
            status: reader.word("status", self.status.as_deref(), &STATUSES),
            method: reader.word("method", self.method.as_deref(), &METHODS),
            credited: reader.word("credited", self.credited.as_deref(), &yes_no),
            from: reader.day("from", self.from.as_deref()),
            to: reader.day("to", self.to.as_deref()),
            name: reader.name("q", self.q.as_deref()),
        };
        if question.from.zip(question.to).is_some_and(|(from, to)| from > to) {
            let reason = "is after `to`; expected the first day and then the last one";
            reader.wrong::<()>("from", reason);
        }
        let form = self.form(&mut reader, open);
        let faults = reader.faults;
        if faults.is_empty() { Ok((question, form)) } else { Err(faults) }
    }

    fn form(&self, reader: &mut Reader<'_>, open: &dyn Fn(&str) -> Option<SortKey>) -> Form {
        let formats = [("json", false), ("csv", true)];
        let is_table = reader.word("format", self.format.as_deref(), &formats);
        let separators = [(",", b','), (";", b';')];
        let separator = reader.word("separator", self.separator.as_deref(), &separators);
        if is_table == Some(true) {
            for (field, is_there) in
                [("cursor", self.cursor.is_some()), ("limit", self.limit.is_some())]
            {
                if is_there {
                    reader.wrong::<()>(field, "a CSV has all orders: leave it out");
                }
            }
            return Form::Table { separator: separator.unwrap_or(b',') };
        }
        if self.separator.is_some() {
            reader.wrong::<()>("separator", "only a CSV has one: add format=csv");
        }
        let limit = self.limit.unwrap_or(PAGE);
        if limit == 0 || limit > PAGE_MAX {
            let reason = format!("`{limit}`: expected a number from 1 to {PAGE_MAX}");
            reader.wrong::<()>("limit", reason);
        }
        let after = self.cursor.as_deref().and_then(|text| {
            let cursor = open(text);
            cursor.or_else(|| {
                let reason = format!("`{text}`: expected the `next_cursor` of an earlier page");
                reader.wrong("cursor", reason)
            })
        });
        Form::Page { after, limit }
    }
}
