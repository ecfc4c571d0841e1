//! `GET /api/v1/orders`: orders, the newest first, page by page or as one CSV. A page costs the same
//! however many orders there are. It never shows more than the asker's role may see.

mod question;
mod shown;

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hot_state::{HotState, ListPage, ListQuestion, ListedOrder, SortKey, listed_under, page};
use live::seal::{Purpose, Sealer};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::catalog::{Catalog, Role};
use shared::id::MerchantId;

use self::question::{Days, METHODS, Question, Reader, STATUSES, Sight};
use crate::asked;
use crate::context::Console;
use crate::pool::Reports;
use crate::problem::Problem;

/// How many orders a page has by default.
const PAGE: usize = 100;
/// How many it has at most.
const PAGE_MAX: usize = 1000;
/// The most orders of a CSV.
const TABLE_MAX: usize = 100_000;
/// Under what cursors are sealed.
const CURSOR: &[u8] = b"orders";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrdersQuery {
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
enum Form {
    Page { after: Option<SortKey>, limit: usize },
    Table { separator: u8 },
}

impl OrdersQuery {
    /// Reads the address, or tells every mistake in it.
    fn read(
        &self,
        role: Role,
        (catalog, sealer): (&Catalog, &Sealer),
    ) -> Result<(Question, Form), Problem> {
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
        let form = self.form(&mut reader, sealer);
        let faults = reader.faults;
        if faults.is_empty() { Ok((question, form)) } else { Err(Problem::invalid(faults)) }
    }

    fn form(&self, reader: &mut Reader<'_>, sealer: &Sealer) -> Form {
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
            let cursor = open(text, sealer);
            cursor.or_else(|| {
                let reason = format!("`{text}`: expected the `next_cursor` of an earlier page");
                reader.wrong("cursor", reason)
            })
        });
        Form::Page { after, limit }
    }
}

/// Returns the text of a cursor. It is sealed: it names an order, whose name not everybody may see.
fn close(key: &SortKey, sealer: &Sealer) -> String {
    URL_SAFE_NO_PAD.encode(sealer.seal(CURSOR, key.as_bytes()))
}

fn open(text: &str, sealer: &Sealer) -> Option<SortKey> {
    let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
    SortKey::from_bytes(sealer.open(CURSOR, &sealed)?)
}

/// What is asked of the hot state. The catalog is not locked while it answers.
struct Asked {
    question: Question,
    merchants: Vec<MerchantId>,
    days: Days,
}

/// `GET /api/v1/orders?merchant=&campaign=&influencer=&status=&method=&credited=&from=&to=&q=&cursor=
/// &limit=&format=&separator=`.
pub(crate) async fn orders(
    State(console): State<Arc<Console>>,
    Extension(role): Extension<Role>,
    Extension(reports): Extension<Reports>,
    Query(query): Query<OrdersQuery>,
) -> Result<Response, Problem> {
    let sealer = console.live.snapshot().load().sealer(Purpose::Cursors);
    let (question, form) = query.read(role, (&console.live.read(), &sealer))?;
    let state = console.hot_state().await?.clone();
    let up_to_date = console.is_up_to_date();
    let (asked, sight) = asked_by(role, question, &console.live.read());
    match form {
        Form::Page { after, limit } => {
            let page = reports.run(move || asked.page(&state, after, limit)).await?;
            let catalog = console.live.read();
            let items = page.orders.iter().map(|order| shown::show(order, sight, &catalog));
            let items: Vec<Value> = items.map(Value::Object).collect();
            let next = page.next.map(|next| close(&next, &sealer));
            let answer = json!({ "items": items, "next_cursor": next, "up_to_date": up_to_date });
            Ok(Json(answer).into_response())
        }
        Form::Table { separator } => {
            let orders = reports.run(move || asked.all(&state)).await?;
            let table = shown::table(&orders, sight, (separator, &console.live.read()))?;
            let headers = [
                (header::CONTENT_TYPE.as_str(), "text/csv; charset=utf-8"),
                (header::CONTENT_DISPOSITION.as_str(), "attachment; filename=\"orders.csv\""),
                ("x-afterclick-up-to-date", if up_to_date { "true" } else { "false" }),
            ];
            Ok((headers, table).into_response())
        }
    }
}

/// Narrows a question to what a role may see. Of nothing, nothing is asked.
fn asked_by(role: Role, question: Question, catalog: &Catalog) -> (Asked, Sight) {
    match question.visible_to(role) {
        Some((question, sight)) => {
            let merchants = question.merchants(catalog);
            let days = Days::of(&question, &merchants, catalog);
            (Asked { question, merchants, days }, sight)
        }
        None => {
            let nothing =
                Asked { question: Question::default(), merchants: vec![], days: Days::default() };
            (nothing, Sight::Sale)
        }
    }
}

impl Asked {
    /// Reads a page.
    fn page(
        &self,
        state: &HotState,
        after: Option<SortKey>,
        limit: usize,
    ) -> Result<ListPage, Problem> {
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
        page(state, &question).map_err(|error| Problem::no_figures(&error))
    }

    /// Finds orders by a name, which few bear.
    fn under(
        &self,
        name: &str,
        state: &HotState,
        (after, limit): (Option<SortKey>, usize),
    ) -> Result<ListPage, Problem> {
        let found = listed_under(state, &self.merchants, name);
        let mut orders = found.map_err(|error| Problem::no_figures(&error))?;
        orders.retain(|order| {
            self.question.has(order, &self.days)
                && after.as_ref().is_none_or(|after| order.key > *after)
        });
        let is_last = orders.len() <= limit;
        orders.truncate(limit);
        let next = orders.last().filter(|_| !is_last).map(|last| last.key.clone());
        Ok(ListPage { orders, next, ..ListPage::default() })
    }

    /// Reads all orders that are asked for, each once.
    fn all(&self, state: &HotState) -> Result<Vec<ListedOrder>, Problem> {
        let (mut orders, mut seen, mut after) = (Vec::new(), HashSet::new(), None);
        loop {
            let page = self.page(state, after, PAGE_MAX)?;
            // An order that changed its time meanwhile may come again.
            let new = page.orders.into_iter().filter(|order| seen.insert(order.identity()));
            orders.extend(new);
            if orders.len() > TABLE_MAX {
                let reason =
                    format!("more than {TABLE_MAX} orders: name fewer days with from and to");
                return Err(asked::wrong("format", reason));
            }
            after = page.next;
            if after.is_none() {
                return Ok(orders);
            }
        }
    }
}
