//! Table `conversions`: one row for every order that is credited, was credited once, or came too
//! late for it, one for every lead that a click led to, and one for each day's clicks that are paid.
//! It never shows an order that no click and no coupon led to.

use settlement::attribution::{Candidate, RULES};
use shared::catalog::{Catalog, Model};
use shared::consent::Consent;
use shared::id::MerchantId;
use shared::order::OpeningId;
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::dataset::Dataset;
use crate::settle::activity::{Earning, all_leads, earned_by_clicks};
use crate::settle::conversion::{Conversion, Conversions};
use crate::settle::leads::AnyLead;
use crate::settle::openings::Openings;
use crate::tables::columns::{Column, required};
use crate::tables::part::DerivedRow;

pub(super) const NAME: &str = "conversions";

/// A conversion, and what is known of the click that led to it.
pub(super) struct Row<'a> {
    what: What<'a>,
    sub_id: Option<&'a str>,
    consent: Consent,
}

enum What<'a> {
    Order(&'a Conversion, Model),
    Lead(Box<AnyLead>),
    /// An influencer's clicks of a day, as far as they are paid alike.
    Clicks(Box<Earning>, MerchantId),
}

impl Row<'_> {
    fn subject(&self) -> Option<&Candidate> {
        match &self.what {
            What::Order(conversion, _) => conversion.subject(),
            What::Lead(_) | What::Clicks(..) => None,
        }
    }
}

/// Reads a value from an order, from a lead or from a day's clicks.
macro_rules! either {
    ($order:ident => $of_order:expr, $lead:ident => $of_lead:expr, $clicks:pat => $of_clicks:expr $(,)?) => {
        |row| match &row.what {
            What::Order($order, _) => $of_order,
            What::Lead($lead) => $of_lead,
            What::Clicks($clicks, _) => $of_clicks,
        }
    };
}

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id(
            "conversion_id",
            either!(o => Some(o.id.to_string()), l => Some(l.id.to_string()), c => Some(c.conversion.to_string())),
        )),
        required(Column::id("merchant_id", |row| match &row.what {
            What::Order(order, _) => Some(order.settled.order.merchant.to_string()),
            What::Lead(lead) => Some(lead.merchant.to_string()),
            What::Clicks(_, merchant) => Some(merchant.to_string()),
        })),
        Column::id(
            "campaign_id",
            either!(
                o => o.subject()?.campaign.map(|id| id.to_string()),
                l => l.campaign.map(|id| id.to_string()),
                c => Some(c.booking.account.campaign.to_string()),
            ),
        ),
        Column::id(
            "influencer_id",
            either!(
                o => o.subject()?.influencer.map(|id| id.to_string()),
                l => l.influencer.map(|id| id.to_string()),
                c => Some(c.booking.account.influencer.to_string()),
            ),
        ),
        required(Column::text(
            "order_id",
            either!(o => Some(o.settled.order.order_id.as_str().into()), _l => Some("".into()), _ => Some("".into())),
        )),
        required(Column::id(
            "kind",
            either!(_o => Some("order".into()), _l => Some("lead".into()), _ => Some("clicks".into())),
        )),
        required(Column::id(
            "method",
            either!(
                o => Some(o.settled.decision.method.as_str().into()),
                l => Some(if l.label.is_empty() { "click" } else { "none" }.into()),
                _ => Some("click".into()),
            ),
        )),
        required(Column::id("model", |row| match row.what {
            What::Order(_, model) => Some(model.as_str().into()),
            What::Lead(_) | What::Clicks(..) => Some(Model::LastClick.as_str().into()),
        })),
        Column::id(
            "click_id",
            either!(
                o => o.subject()?.click.map(|id| id.to_string()),
                l => l.touch.map(|touch| touch.click.to_string()),
                _ => None,
            ),
        ),
        Column::text("coupon", |row| row.subject()?.code.as_deref().map(Into::into)),
        Column::time(
            "clicked_at",
            either!(o => o.subject()?.clicked_at, l => l.touch.map(|touch| touch.clicked_at), _ => None),
        ),
        required(Column::time(
            "converted_at",
            either!(o => Some(o.settled.order.placed_at), l => Some(l.happened_at), c => Some(c.booking.booked_at)),
        )),
        required(Column::id(
            "status",
            either!(o => Some(o.status().into()), l => Some(l.status.into()), _ => Some("confirmed".into())),
        )),
        required(Column::id(
            "label",
            either!(o => Some(o.label().into()), l => Some(l.label.into()), _ => Some("".into())),
        )),
        Column::integer(
            "goods_minor",
            either!(o => o.settled.order.net_goods_minor(), _l => Some(0), _ => Some(0)),
        ),
        Column::id(
            "currency",
            either!(o => o.settled.order.currency.map(|currency| currency.to_string()), _l => None, _ => None),
        ),
        required(Column::text(
            "decision",
            either!(
                o => Some(o.settled.decision.to_json().into()),
                l => Some(lead_decision(l).into()),
                c => Some(clicks_decision(c).into()),
            ),
        )),
        Column::text(
            "held",
            either!(o => o.held().map(Into::into), l => l.held.as_deref().map(Into::into), c => c.held.as_deref().map(Into::into)),
        ),
        required(Column::id("consent", |row| Some(row.consent.as_str().into()))),
        Column::text("sub_id", |row| row.sub_id.map(Into::into)),
    ]
}

/// A lead is credited to the click whose token came with it, or to nobody; there are no other
/// candidates.
fn lead_decision(lead: &AnyLead) -> String {
    format!("{{\"rules\":\"{RULES}\",\"reason\":\"{}\"}}", lead.reason)
}

/// Billable clicks are paid without a decision about candidates.
fn clicks_decision(clicks: &Earning) -> String {
    let (count, day) = (clicks.booking.base_minor, clicks.earned_on);
    format!("{{\"rules\":\"{RULES}\",\"reason\":\"{count} billable clicks of {day}\"}}")
}

/// Returns every conversion, by time and then by merchant and order id.
///
/// # Errors
/// When a day is outside the range of the calendar, or a merchant's time zone is invalid.
pub(super) fn rows<'a>(
    dataset: &'a Dataset,
    conversions: &'a Conversions,
) -> Result<Vec<Row<'a>>, Error> {
    let (openings, catalog) = (Openings::of(dataset), &dataset.catalog);
    let row = |what: What<'a>, opening| Row {
        what,
        sub_id: openings.sub_id(opening),
        consent: openings.consent(opening),
    };
    let orders = conversions.iter().map(|conversion| {
        let opening = conversion.subject().and_then(Candidate::opening);
        row(What::Order(conversion, model_of(conversion, catalog)), opening)
    });
    let leads = all_leads(dataset).into_iter().filter(AnyLead::is_conversion).map(|lead| {
        let opening = lead.touch.map(|touch| OpeningId::Click(touch.click));
        row(What::Lead(Box::new(lead)), opening)
    });
    let clicks = earned_by_clicks(dataset)?.into_iter().filter_map(|earned| {
        let campaign = catalog.campaigns.get(&earned.booking.account.campaign)?;
        Some(row(What::Clicks(Box::new(earned), campaign.merchant), None))
    });
    let mut rows: Vec<_> = orders.chain(leads).chain(clicks).collect();
    rows.sort_by_key(DerivedRow::day_of);
    Ok(rows)
}

/// Returns the attribution model by which an order was credited.
fn model_of(conversion: &Conversion, catalog: &Catalog) -> Model {
    let campaign =
        conversion.subject().and_then(|subject| catalog.campaigns.get(&subject.campaign?));
    campaign.map_or(Model::LastClick, |campaign| campaign.model)
}

impl DerivedRow for Row<'_> {
    fn day_of(&self) -> Timestamp {
        match &self.what {
            What::Order(conversion, _) => conversion.settled.order.placed_at,
            What::Lead(lead) => lead.happened_at,
            What::Clicks(earned, _) => earned.booking.booked_at,
        }
    }
}
