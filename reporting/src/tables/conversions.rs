//! Table `conversions`: one row for every order that is credited, was credited once, or came too
//! late for it, and one row for every lead that a click led to. It never shows an order that no click and no coupon led
//! to.

use settlement::attribution::{Candidate, RULES};
use shared::catalog::{Catalog, Model};
use shared::consent::Consent;
use shared::order::OpeningId;
use shared::time::Timestamp;

use crate::read::dataset::Dataset;
use crate::settle::activity::all_leads;
use crate::settle::consents::Consents;
use crate::settle::conversion::{Conversion, Conversions};
use crate::settle::leads::AnyLead;
use crate::tables::columns::{Column, required};
use crate::tables::part::DerivedRow;

pub(super) const NAME: &str = "conversions";

pub(super) enum Row<'a> {
    Order(&'a Conversion, Model, Consent),
    Lead(Box<AnyLead>, Consent),
}

impl Row<'_> {
    fn subject(&self) -> Option<&Candidate> {
        match self {
            Self::Order(conversion, ..) => conversion.subject(),
            Self::Lead(..) => None,
        }
    }
}

/// Reads a value in one way from an order and in another from a lead.
macro_rules! either {
    ($order:ident => $of_order:expr, $lead:ident => $of_lead:expr $(,)?) => {
        |row| match row {
            Row::Order($order, ..) => $of_order,
            Row::Lead($lead, _) => $of_lead,
        }
    };
}

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id(
            "conversion_id",
            either!(o => Some(o.id.to_string()), l => Some(l.id.to_string())),
        )),
        required(Column::id(
            "merchant_id",
            either!(
                o => Some(o.settled.order.merchant.to_string()),
                l => Some(l.merchant.to_string()),
            ),
        )),
        Column::id(
            "campaign_id",
            either!(
                o => o.subject()?.campaign.map(|id| id.to_string()),
                l => l.campaign.map(|id| id.to_string()),
            ),
        ),
        Column::id(
            "influencer_id",
            either!(
                o => o.subject()?.influencer.map(|id| id.to_string()),
                l => l.influencer.map(|id| id.to_string()),
            ),
        ),
        required(Column::text(
            "order_id",
            either!(o => Some(o.settled.order.order_id.as_str().into()), _l => Some("".into())),
        )),
        required(Column::id(
            "kind",
            either!(_o => Some("order".into()), _l => Some("lead".into())),
        )),
        required(Column::id(
            "method",
            either!(
                o => Some(o.settled.decision.method.as_str().into()),
                l => Some(if l.label.is_empty() { "click" } else { "none" }.into()),
            ),
        )),
        required(Column::id("model", |row| match row {
            Row::Order(_, model, _) => Some(model.as_str().into()),
            Row::Lead(..) => Some(Model::LastClick.as_str().into()),
        })),
        Column::id(
            "click_id",
            either!(
                o => o.subject()?.click.map(|id| id.to_string()),
                l => l.touch.map(|touch| touch.click.to_string()),
            ),
        ),
        Column::text("coupon", |row| row.subject()?.code.as_deref().map(Into::into)),
        Column::time(
            "clicked_at",
            either!(o => o.subject()?.clicked_at, l => l.touch.map(|touch| touch.clicked_at)),
        ),
        required(Column::time(
            "converted_at",
            either!(o => Some(o.settled.order.placed_at), l => Some(l.happened_at)),
        )),
        required(Column::id(
            "status",
            either!(o => Some(o.status().into()), l => Some(l.status.into())),
        )),
        required(Column::id(
            "label",
            either!(o => Some(o.label().into()), l => Some(l.label.into())),
        )),
        Column::integer(
            "goods_minor",
            either!(o => o.settled.order.net_goods_minor(), _l => Some(0)),
        ),
        Column::id(
            "currency",
            either!(o => o.settled.order.currency.map(|currency| currency.to_string()), _l => None),
        ),
        required(Column::text(
            "decision",
            either!(
                o => Some(o.settled.decision.to_json().into()),
                l => Some(lead_decision(l).into()),
            ),
        )),
        Column::text(
            "held",
            either!(o => o.held().map(Into::into), l => l.held.as_deref().map(Into::into)),
        ),
        required(Column::id("consent", |row| match row {
            Row::Order(.., consent) | Row::Lead(_, consent) => Some(consent.as_str().into()),
        })),
    ]
}

/// A lead is credited to the click whose token came with it, or to nobody; there are no other
/// candidates.
fn lead_decision(lead: &AnyLead) -> String {
    format!("{{\"rules\":\"{RULES}\",\"reason\":\"{}\"}}", lead.reason)
}

/// Returns every conversion, by time and then by merchant and order id.
pub(super) fn rows<'a>(dataset: &'a Dataset, conversions: &'a Conversions) -> Vec<Row<'a>> {
    let consents = Consents::in_dataset(dataset);
    let order = |conversion: &'a Conversion| {
        let consent = consents.of(conversion.subject().and_then(Candidate::opening));
        Row::Order(conversion, model_of(conversion, &dataset.catalog), consent)
    };
    let leads = all_leads(dataset).into_iter().filter(AnyLead::is_conversion);
    let leads = leads.map(|lead| {
        let consent = consents.of(lead.touch.map(|touch| OpeningId::Click(touch.click)));
        Row::Lead(Box::new(lead), consent)
    });
    let mut rows: Vec<_> = conversions.iter().map(order).chain(leads).collect();
    rows.sort_by_key(DerivedRow::day_of);
    rows
}

/// Returns the attribution model by which an order was credited.
fn model_of(conversion: &Conversion, catalog: &Catalog) -> Model {
    let campaign =
        conversion.subject().and_then(|subject| catalog.campaigns.get(&subject.campaign?));
    campaign.map_or(Model::LastClick, |campaign| campaign.model)
}

impl DerivedRow for Row<'_> {
    fn day_of(&self) -> Timestamp {
        match self {
            Self::Order(conversion, ..) => conversion.settled.order.placed_at,
            Self::Lead(lead, _) => lead.happened_at,
        }
    }
}
