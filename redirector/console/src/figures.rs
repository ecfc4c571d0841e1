//! Figures: statistics from the live counters, and an order with everything that is known of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use hot_state::{
    CounterKey, FoundOrder, HotState, ListedDelivery, Metric, UnparsedDelivery, find_order,
    has_many_customers, newness_of,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use settlement::attribution::Decision;
use settlement::customers::MANY_CUSTOMERS;
use settlement::held::Held;
use settlement::ledger::{Booking, Settled, settle};
use settlement::own_mailbox::{OWN_MAILBOX, is_own_mailbox};
use shared::catalog::{Catalog, Role};
use shared::class::Class;
use shared::id::{CampaignId, InfluencerId, LinkId, MerchantId};
use shared::money::{Currency, Money};
use shared::order::{Order, OrderFact};
use shared::rates::Conversion;
use shared::time::{Span, Timestamp};

use crate::beyond;
use crate::context::Console;
use crate::pool::Reports;
use answers::Problem;
use answers::asked;
use entities::Fault;

/// How many unparsed deliveries are listed by default.
const UNPARSED: usize = 100;
/// How many of them are listed at most.
const UNPARSED_MAX: usize = 1000;

/// The property by which statistics are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    Link,
    Influencer,
    Campaign,
    Day,
}

impl By {
    fn read(text: &str) -> Option<Self> {
        match text {
            "link" => Some(Self::Link),
            "influencer" => Some(Self::Influencer),
            "campaign" => Some(Self::Campaign),
            "day" => Some(Self::Day),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Influencer => "influencer",
            Self::Campaign => "campaign",
            Self::Day => "day",
        }
    }

    /// Returns the group of a count; empty for what a coupon brought, which has no link.
    fn group(self, key: &CounterKey) -> String {
        match self {
            Self::Link => key.link.map_or_else(String::new, |link| link.to_string()),
            Self::Influencer => key.influencer.to_string(),
            Self::Campaign => key.campaign.to_string(),
            Self::Day => date(key.day),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatsQuery {
    by: Option<String>,
    from: Option<String>,
    to: Option<String>,
    merchant: Option<String>,
    campaign: Option<String>,
    influencer: Option<String>,
    link: Option<String>,
}

impl StatsQuery {
    /// Returns the query with ids in their own spelling. A filter that names nobody would look like
    /// nothing earned.
    fn checked(self, role: Role, catalog: &Catalog) -> Result<Self, Problem> {
        // Who sees only their own figures learns nothing of what others have.
        let sees_all = role == Role::Admin;
        Ok(Self {
            merchant: filter("merchant", self.merchant, |id: &MerchantId| {
                !sees_all || catalog.merchants.contains_key(id)
            })?,
            campaign: filter("campaign", self.campaign, |id: &CampaignId| {
                !sees_all || catalog.campaigns.contains_key(id)
            })?,
            influencer: filter("influencer", self.influencer, |id: &InfluencerId| {
                !sees_all || catalog.influencers.contains_key(id)
            })?,
            link: filter("link", self.link, |id: &LinkId| {
                !sees_all || catalog.links.get(*id).is_some()
            })?,
            ..self
        })
    }
}

fn filter<Id: FromStr<Err: Display> + Display>(
    field: &str,
    asked: Option<String>,
    exists: impl FnOnce(&Id) -> bool,
) -> Result<Option<String>, Problem> {
    let Some(text) = asked else { return Ok(None) };
    let id: Id = text.parse().map_err(|error| fault(field, format!("{error}")))?;
    if exists(&id) {
        Ok(Some(id.to_string()))
    } else {
        Err(fault(field, format!("`{text}` does not exist")))
    }
}

/// The figures of one group.
#[derive(Default)]
struct Row {
    clicks: [i64; Class::ALL.len()],
    sessions: i64,
    /// Those of the sessions that a code opened.
    sessions_by_code: i64,
    leads: i64,
    orders: i64,
    held: i64,
    revenue: BTreeMap<Currency, i64>,
    commission: BTreeMap<Currency, i64>,
}

impl Row {
    fn add(&mut self, key: &CounterKey, amount: i64) {
        if key.metric == Metric::Sessions && key.link.is_none() {
            self.sessions_by_code = self.sessions_by_code.saturating_add(amount);
        }
        let figure = match key.metric {
            Metric::Clicks(class) => &mut self.clicks[class as usize],
            Metric::Sessions => &mut self.sessions,
            Metric::Leads => &mut self.leads,
            Metric::Orders => &mut self.orders,
            Metric::Held => &mut self.held,
            Metric::Revenue(currency) => self.revenue.entry(currency).or_default(),
            Metric::Commission(currency) => self.commission.entry(currency).or_default(),
        };
        // Others may write to the store that keeps the counts.
        *figure = figure.saturating_add(amount);
    }

    fn show(&self) -> Map<String, Value> {
        let mut clicks = Map::new();
        clicks.insert(
            "raw".to_owned(),
            self.clicks.iter().fold(0i64, |sum, n| sum.saturating_add(*n)).into(),
        );
        for class in Class::ALL {
            clicks.insert(class.as_str().to_owned(), self.clicks[class as usize].into());
        }
        let amounts = |amounts: &BTreeMap<Currency, i64>| -> Value {
            let text = |(&currency, &minor): (&Currency, &i64)| {
                (currency.to_string(), Value::from(Money { minor, currency }.to_string()))
            };
            amounts.iter().map(text).collect::<Map<_, _>>().into()
        };
        let mut row = Map::new();
        row.insert("clicks".to_owned(), clicks.into());
        row.insert("sessions".to_owned(), self.sessions.into());
        row.insert("sessions_by_code".to_owned(), self.sessions_by_code.into());
        row.insert("leads".to_owned(), self.leads.into());
        row.insert("orders".to_owned(), self.orders.into());
        row.insert("orders_held".to_owned(), self.held.into());
        row.insert("revenue".to_owned(), amounts(&self.revenue));
        row.insert("commission".to_owned(), amounts(&self.commission));
        row
    }
}

/// `GET /api/v1/stats?by=&from=&to=&merchant=&campaign=&influencer=&link=`, where `by` is `link`,
/// `influencer`, `campaign` or `day`. Days are calendar days of each campaign's merchant.
pub(crate) async fn stats(
    State(console): State<Arc<Console>>,
    Extension(role): Extension<Role>,
    Extension(reports): Extension<Reports>,
    Query(query): Query<StatsQuery>,
) -> Result<Json<Value>, Problem> {
    let by = By::read(query.by.as_deref().unwrap_or("link"));
    let by = by.ok_or_else(|| fault("by", "expected link, influencer, campaign or day"))?;
    let (from, to) = (day(query.from.as_deref(), "from")?, day(query.to.as_deref(), "to")?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(fault("from", "is after `to`; expected the first day and then the last one"));
    }
    let query = query.checked(role, &console.live.read())?;
    let state = console.hot_state().await?.clone();
    let up_to_date = console.is_up_to_date();
    let counted = reports.run(move || counted(&state, from, to)).await?;
    let catalog = console.live.read();
    let wanted = |key: &CounterKey| {
        let is = |wanted: &Option<String>, id: &dyn ToString| {
            wanted.as_ref().is_none_or(|w| *w == id.to_string())
        };
        let merchant = catalog.campaigns.get(&key.campaign).map(|campaign| campaign.merchant);
        may_see(role, key, merchant)
            && is(&query.campaign, &key.campaign)
            && is(&query.influencer, &key.influencer)
            && query
                .link
                .as_ref()
                .is_none_or(|wanted| key.link.is_some_and(|link| *wanted == link.to_string()))
            && query
                .merchant
                .as_ref()
                .is_none_or(|wanted| merchant.is_some_and(|m| *wanted == m.to_string()))
    };
    let (mut rows, mut campaigns) = (BTreeMap::<String, Row>::new(), BTreeSet::new());
    for (key, amount) in counted.into_iter().filter(|(key, _)| wanted(key)) {
        rows.entry(by.group(&key)).or_default().add(&key, amount);
        campaigns.insert(key.campaign);
    }
    let rows: Vec<_> = rows.iter().map(|(group, row)| show(by, group, row, &catalog)).collect();
    let mut answer = json!({ "by": by.as_str(), "rows": rows, "up_to_date": up_to_date });
    let campaigns = campaigns.iter().filter_map(|id| catalog.campaigns.get(id));
    if let Some(remark) = beyond::remark(campaigns.map(AsRef::as_ref)) {
        answer["warnings"] = json!([remark]);
    }
    Ok(Json(answer))
}

/// Returns everything that was counted on these days. It reads the hot state, so the catalog must
/// not be locked meanwhile: a store that hangs would stop every change.
fn counted(
    state: &HotState,
    from: Option<u32>,
    to: Option<u32>,
) -> Result<HashMap<CounterKey, i64>, Problem> {
    let mut counted: HashMap<CounterKey, i64> = HashMap::new();
    let read = state.each_count(&mut |key, amount| {
        if from.is_none_or(|from| from <= key.day) && to.is_none_or(|to| key.day <= to) {
            *counted.entry(key).or_default() += amount;
        }
    });
    read.map_err(|error| Problem::no_figures(&error))?;
    Ok(counted)
}

fn may_see(role: Role, key: &CounterKey, merchant: Option<MerchantId>) -> bool {
    match role {
        Role::Admin => true,
        Role::Merchant(id) => merchant == Some(id),
        Role::Influencer(id) => key.influencer == id,
    }
}

fn show(by: By, group: &str, row: &Row, catalog: &Catalog) -> Value {
    let mut shown = Map::new();
    shown.insert(by.as_str().to_owned(), if group.is_empty() { Value::Null } else { group.into() });
    let name = match by {
        By::Link => group
            .parse()
            .ok()
            .and_then(|id| catalog.links.get(id))
            .map(|link| link.slug().to_owned()),
        By::Influencer => {
            group.parse().ok().and_then(|id| catalog.influencers.get(&id)).map(|i| i.name.clone())
        }
        By::Campaign => {
            group.parse().ok().and_then(|id| catalog.campaigns.get(&id)).map(|c| c.name.clone())
        }
        By::Day => None,
    };
    let label = if by == By::Link { "slug" } else { "name" };
    shown.extend(name.map(|name| (label.to_owned(), name.into())));
    shown.extend(row.show());
    shown.into()
}

fn fault(field: &str, reason: impl Into<String>) -> Problem {
    Problem::invalid(vec![Fault::new(field, reason)])
}

/// Reads a calendar day such as `2026-11-25`, as days since 1970. Which time it begins at depends
/// on the merchant: counts stand under the days of theirs.
fn day(text: Option<&str>, field: &str) -> Result<Option<u32>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let time: Option<Timestamp> = format!("{text}T00:00:00Z").parse().ok();
    let day = time.and_then(|time| u32::try_from(time.utc_day()).ok());
    day.map(Some)
        .ok_or_else(|| fault(field, format!("`{text}`: expected a day such as 2026-11-25")))
}

fn date(day: u32) -> String {
    Timestamp::from_ms(0).plus(Span::days(i64::from(day))).utc_date()
}

/// Everything that is known of an order.
///
/// It is a struct so that the decision is shown with the same bytes that exports hold. A `Value`
/// would sort its fields.
#[derive(Serialize)]
pub(crate) struct OrderView {
    merchant: MerchantId,
    order_id: String,
    order: Value,
    facts: Vec<OrderFact>,
    decision: Decision,
    conversion: Option<Conversion>,
    unconverted: bool,
    held: Vec<Held>,
    /// What a person should look at. It takes nothing away.
    flags: Vec<&'static str>,
    commission: Vec<Value>,
    up_to_date: bool,
}

/// `GET /api/v1/orders/{merchant}/{order id}`.
pub(crate) async fn order(
    State(console): State<Arc<Console>>,
    Extension(role): Extension<Role>,
    Extension(reports): Extension<Reports>,
    Path((merchant, order_id)): Path<(String, String)>,
) -> Result<Json<OrderView>, Problem> {
    if let Role::Merchant(own) = role
        && own.to_string() != merchant
    {
        return Err(no_order(&merchant, &order_id));
    }
    let state = console.hot_state().await?.clone();
    let view = move || view(&console, &state, &merchant, &order_id);
    reports.run(view).await.map(Json)
}

fn view(
    console: &Console,
    state: &HotState,
    merchant: &str,
    order_id: &str,
) -> Result<OrderView, Problem> {
    let missing = || no_order(merchant, order_id);
    let id: MerchantId = merchant.parse().map_err(|_| missing())?;
    let up_to_date = console.is_up_to_date();
    let found = find_order(state, id, order_id).map_err(|error| Problem::no_figures(&error))?;
    let found = found.ok_or_else(missing)?;
    // The catalog is locked only while orders are settled, never while the hot state is read.
    let settle = |found: &FoundOrder| -> anyhow::Result<Option<Settled>> {
        let newness = newness_of(state, found)?;
        Ok(settle(&found.facts, &console.live.read(), &|click| found.visit(click), &newness))
    };
    let settled = settle(&found).map_err(|error| Problem::no_figures(&error))?;
    let settled = settled.ok_or_else(missing)?;
    let many = has_many_customers(state, &settled, &settle);
    let many = many.map_err(|error| Problem::no_figures(&error))?;
    let own = is_own_mailbox(&settled, &console.live.read());
    let flags = [(own, OWN_MAILBOX), (many, MANY_CUSTOMERS)];
    let flags = flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag)).collect();
    Ok(OrderView {
        merchant: id,
        order_id: settled.order.order_id.clone(),
        order: show_order(&settled.order),
        facts: found.facts,
        commission: settled.bookings.iter().map(show_booking).collect(),
        decision: settled.decision,
        conversion: settled.conversion,
        unconverted: settled.unconverted,
        held: settled.holding.held,
        flags,
        up_to_date,
    })
}

fn no_order(merchant: &str, order_id: &str) -> Problem {
    Problem::not_found(format!("merchant `{merchant}` has no order `{order_id}`"))
}

fn show_order(order: &Order) -> Value {
    let money =
        |minor: Option<i64>| Some(Money { minor: minor?, currency: order.currency? }.to_string());
    json!({
        "status": order.status,
        "confirmed": order.confirmed,
        "test": order.test,
        "placed_at": order.placed_at,
        "paid_at": order.paid_at,
        "currency": order.currency,
        "goods": money(order.goods_minor),
        "total": money(order.total_minor),
        "refunded": money(Some(order.refunded_minor)),
        "net_goods": money(order.net_goods_minor()),
        "unreadable": order.unreadable,
        "coupons": order.coupons,
        "new_customer": order.new_customer,
    })
}

fn show_booking(booking: &Booking) -> Value {
    json!({
        "booked_at": booking.booked_at,
        "reason": booking.reason.as_str(),
        "fact": booking.fact,
        "campaign": booking.account.campaign,
        "influencer": booking.account.influencer,
        "rate": booking.rate,
        "base_minor": booking.base_minor,
        "base_currency": booking.base_currency,
        "amount": booking.amount().to_string(),
        "amount_minor": booking.amount_minor,
        "currency": booking.account.currency,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnparsedQuery {
    limit: Option<usize>,
}

/// `GET /api/v1/unparsed?limit=`: lists unparsed deliveries, the latest first.
pub(crate) async fn unparsed(
    State(console): State<Arc<Console>>,
    Extension(reports): Extension<Reports>,
    Query(query): Query<UnparsedQuery>,
) -> Result<Json<Value>, Problem> {
    let limit = asked::limit(query.limit, UNPARSED, UNPARSED_MAX)?;
    let state = console.hot_state().await?.clone();
    let up_to_date = console.is_up_to_date();
    let (items, count) = reports.run(move || latest_unparsed(&state, limit)).await?;
    Ok(Json(json!({ "items": items, "count": count, "up_to_date": up_to_date })))
}

/// Returns the latest unparsed deliveries, and how many there are in all.
fn latest_unparsed(
    state: &HotState,
    limit: usize,
) -> Result<(Vec<UnparsedDelivery>, u64), Problem> {
    let mut deliveries: VecDeque<UnparsedDelivery> = VecDeque::new();
    let (mut count, mut damaged) = (0u64, 0u64);
    let scanned = state.each_unparsed(&mut |value| {
        match serde_json::from_slice(value) {
            Ok(ListedDelivery::Delivery(delivery)) => {
                count += 1;
                // Only the latest ones are kept while going through all.
                if deliveries.len() == limit {
                    deliveries.pop_front();
                }
                deliveries.push_back(delivery);
            }
            Ok(ListedDelivery::Read { read }) => {
                if let Some(delivery) = deliveries.back_mut().filter(|delivery| delivery.id == read)
                {
                    delivery.reread = true;
                }
            }
            Err(_) => damaged += 1,
        }
    });
    scanned.map_err(|error| Problem::no_figures(&error))?;
    // Others may write to the store that keeps the list; they must not fill the log.
    if damaged > 0 {
        tracing::warn!(
            "{damaged} entries in the list of unparsed deliveries are damaged and left out; run \
             `afterclick replay`"
        );
    }
    Ok((deliveries.into_iter().rev().collect(), count))
}
