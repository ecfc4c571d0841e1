//! What of a question is asked of the hot state, and reads it. The catalog is not locked meanwhile.

use std::collections::HashSet;

use anyhow::Result;
use hot_state::{HotState, ListPage, ListQuestion, ListedOrder, SortKey, listed_under, page};
use shared::catalog::{Catalog, Role};
use shared::id::MerchantId;

use crate::orders::days::Days;
use crate::orders::question::{Question, Sight};

/// How many orders a page has at most.
pub(crate) const PAGE_MAX: usize = 1000;
/// The most orders of a table.
pub const TABLE_MAX: usize = 100_000;

/// What is asked of the hot state. The catalog is not locked while it answers.
pub struct Asked {
    question: Question,
    merchants: Vec<MerchantId>,
    days: Days,
}

impl Asked {
    /// Narrows a question to what a role may see. Of nothing, nothing is asked.
    pub fn by(role: Role, question: Question, catalog: &Catalog) -> (Self, Sight) {
        match question.visible_to(role) {
            Some((question, sight)) => {
                let merchants = question.merchants(catalog);
                let days = Days::of((question.from, question.to), &merchants, catalog);
                (Self { question, merchants, days }, sight)
            }
            None => {
                let nothing = Self {
                    question: Question::default(),
                    merchants: vec![],
                    days: Days::default(),
                };
                (nothing, Sight::Sale)
            }
        }
    }

    /// Reads a page.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn page(&self, state: &HotState, after: Option<SortKey>, limit: usize) -> Result<ListPage> {
        if self.merchants.is_empty() {
            return Ok(ListPage::default());
        }
        if let Some(name) = &self.question.name {
            return self.under(name, state, (after, limit));
        }
        let question = ListQuestion {
            scope: self.question.scope(),
            is_wanted: &|method, status, confirmed| self.question.wants(method, status, confirmed),
            from: self.days.from,
            until: self.days.until,
            after,
            limit,
            keep: &|order| self.question.has(order, &self.days),
        };
        page(state, &question)
    }

    /// Finds orders by a name, which few bear.
    fn under(
        &self,
        name: &str,
        state: &HotState,
        (after, limit): (Option<SortKey>, usize),
    ) -> Result<ListPage> {
        let mut orders = listed_under(state, &self.merchants, name)?;
        orders.retain(|order| {
            self.question.has(order, &self.days)
                && after.as_ref().is_none_or(|after| order.key > *after)
        });
        let is_last = orders.len() <= limit;
        orders.truncate(limit);
        let next = orders.last().filter(|_| !is_last).map(|last| last.key.clone());
        Ok(ListPage { orders, next, ..ListPage::default() })
    }

    /// Reads all orders that are asked for, each once; `None` where there are more than
    /// [`TABLE_MAX`].
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn all(&self, state: &HotState) -> Result<Option<Vec<ListedOrder>>> {
        let (mut orders, mut seen, mut after) = (Vec::new(), HashSet::new(), None);
        loop {
            let page = self.page(state, after, PAGE_MAX)?;
            // An order that changed its time meanwhile may come again.
            let new = page.orders.into_iter().filter(|order| seen.insert(order.identity()));
            orders.extend(new);
            if orders.len() > TABLE_MAX {
                return Ok(None);
            }
            after = page.next;
            if after.is_none() {
                return Ok(Some(orders));
            }
        }
    }
}
