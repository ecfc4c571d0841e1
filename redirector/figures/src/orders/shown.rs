//! Orders of a list as answers show them: as JSON, and as a CSV that a spreadsheet opens. It shows
//! no more of an order than somebody may see.

use anyhow::{Context, Result};
use hot_state::ListedOrder;
use serde_json::{Map, Value, json};
use shared::catalog::Catalog;
use shared::money::{Currency, Money};
use shared::spreadsheet::guard;

use crate::orders::question::{Sight, conversion_status};

/// The columns of a CSV, and whether somebody who sees only the sale has them.
const COLUMNS: [(&str, bool); 21] = [
    ("placed_at", true),
    ("merchant", true),
    ("merchant_name", true),
    ("order_id", false),
    ("names", false),
    ("status", true),
    ("conversion_status", true),
    ("test", true),
    ("held", true),
    ("method", true),
    ("label", true),
    ("reason", false),
    ("campaign", true),
    ("campaign_name", true),
    ("influencer", true),
    ("influencer_name", true),
    ("link", true),
    ("currency", true),
    ("goods", true),
    ("net_goods", true),
    ("commission", true),
];

/// Shows an order.
pub fn show(order: &ListedOrder, sight: Sight, catalog: &Catalog) -> Map<String, Value> {
    let row = &order.row;
    let money =
        |minor: Option<i64>| Some(Money { minor: minor?, currency: row.currency? }.to_string());
    let credited = row.credited.as_ref();
    let campaign = credited.map(|credited| credited.campaign);
    let influencer = credited.map(|credited| credited.influencer);
    let merchant = catalog.merchants.get(&order.merchant);
    let campaign_name = campaign.and_then(|id| catalog.campaigns.get(&id)).map(|it| &it.name);
    let name = influencer.and_then(|id| catalog.influencers.get(&id)).map(|it| &it.name);
    let amount = |&(currency, minor): &(Currency, i64)| {
        (currency.to_string(), Value::from(Money { minor, currency }.to_string()))
    };
    let shown = json!({
        "placed_at": row.placed_at,
        "merchant": order.merchant,
        "merchant_name": merchant.map(|merchant| &merchant.name),
        "order_id": row.order_id,
        "names": row.names,
        "status": row.status,
        "conversion_status": conversion_status(row.status, row.confirmed),
        "test": row.test,
        "held": row.held,
        "method": row.method,
        "label": row.label,
        "reason": row.reason,
        "campaign": campaign,
        "campaign_name": campaign_name,
        "influencer": influencer,
        "influencer_name": name,
        "link": credited.and_then(|credited| credited.link),
        "currency": row.currency,
        "goods": money(row.goods_minor),
        "net_goods": money(row.net_goods_minor),
        "commission": row.commission.iter().map(amount).collect::<Map<_, _>>(),
    });
    let Value::Object(mut shown) = shown else { return Map::new() };
    shown.retain(|name, _| columns(sight).any(|column| column == name));
    shown
}

/// Returns the names of what somebody may see of an order.
fn columns(sight: Sight) -> impl Iterator<Item = &'static str> {
    let has = move |of_sale: bool| of_sale || sight == Sight::Whole;
    COLUMNS.into_iter().filter(move |(_, of_sale)| has(*of_sale)).map(|(name, _)| name)
}

/// Writes orders as CSV with a header line. An order whose commission is in several currencies has
/// them all in its cell.
///
/// # Errors
/// When memory cannot hold it.
pub fn table(
    orders: &[ListedOrder],
    sight: Sight,
    (separator, catalog): (u8, &Catalog),
) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
    writer.write_record(columns(sight))?;
    for order in orders {
        let shown = show(order, sight, catalog);
        let cells = columns(sight).map(|name| cell(shown.get(name)));
        writer.write_record(cells)?;
    }
    writer.into_inner().context("the table cannot be finished")
}

// SECURITY: shops and influencers choose texts, and merchants open them in spreadsheets.
fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(texts)) => texts.iter().map(text_of).collect::<Vec<_>>().join(" "),
        Some(Value::Object(amounts)) => {
            let amount =
                |(currency, amount): (&String, &Value)| format!("{} {currency}", text_of(amount));
            amounts.iter().map(amount).collect::<Vec<_>>().join(" + ")
        }
        Some(other) => other.to_string(),
    };
    guard(&text).into_owned()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
