//! An order with everything that is known of it, and deliveries that could not be read.

use std::collections::VecDeque;
use std::sync::Arc;

use answers::{Problem, asked};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use hot_state::{
    FoundOrder, HotState, ListedDelivery, UnparsedDelivery, find_order, has_many_customers,
    newness_of,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settlement::attribution::Decision;
use settlement::customers::MANY_CUSTOMERS;
use settlement::held::Held;
use settlement::ledger::{Booking, Settled, settle};
use settlement::own_mailbox::{OWN_MAILBOX, is_own_mailbox};
use shared::catalog::Role;
use shared::id::MerchantId;
use shared::money::Money;
use shared::order::{Order, OrderFact};
use shared::rates::Conversion;

use crate::context::Console;
use crate::pool::Reports;

/// How many unparsed deliveries are listed by default.
const UNPARSED: usize = 100;
/// How many of them are listed at most.
const UNPARSED_MAX: usize = 1000;

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
