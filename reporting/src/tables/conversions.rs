//! Table `conversions`: one row for every order that is credited, was credited once, or came too
//! late for it, one for every lead that a click led to, and one for each day's clicks that are paid.
//! It never shows an order that no click and no coupon led to.

use std::borrow::Cow;

use bookings::{
    AnyLead, Conversion, Conversions, Dataset, Earning, Openings, all_leads, earned_by_clicks,
};
use settlement::attribution::{Candidate, Method, RULES};
use settlement::ledger::Reason;
use shared::catalog::{Catalog, Model};
use shared::consent::Consent;
use shared::id::{CampaignId, ClickId, FactId, InfluencerId, LinkId, MerchantId};
use shared::order::{OpeningId, Order};
use shared::time::Timestamp;

use crate::error::Error;
use crate::tables::columns::{Column, required};
use crate::tables::part::DerivedRow;

pub(super) const NAME: &str = "conversions";

/// The method of a conversion whose click a server named first.
const POSTBACK: &str = "postback";

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

impl<'a> Row<'a> {
    fn subject(&self) -> Option<&'a Candidate> {
        match self.what {
            What::Order(conversion, _) => conversion.subject(),
            What::Lead(_) | What::Clicks(..) => None,
        }
    }

    fn id(&self) -> FactId {
        match &self.what {
            What::Order(conversion, _) => conversion.id,
            What::Lead(lead) => lead.id,
            What::Clicks(earned, _) => earned.conversion,
        }
    }

    fn merchant(&self) -> MerchantId {
        match &self.what {
            What::Order(conversion, _) => conversion.settled.order.merchant,
            What::Lead(lead) => lead.merchant,
            What::Clicks(_, merchant) => *merchant,
        }
    }

    fn campaign(&self) -> Option<CampaignId> {
        match &self.what {
            What::Order(..) => self.subject()?.campaign,
            What::Lead(lead) => lead.campaign,
            What::Clicks(earned, _) => Some(earned.booking.account.campaign),
        }
    }

    fn influencer(&self) -> Option<InfluencerId> {
        match &self.what {
            What::Order(..) => self.subject()?.influencer,
            What::Lead(lead) => lead.influencer,
            What::Clicks(earned, _) => Some(earned.booking.account.influencer),
        }
    }

    fn order(&self) -> Option<&'a Order> {
        match self.what {
            What::Order(conversion, _) => Some(&conversion.settled.order),
            What::Lead(_) | What::Clicks(..) => None,
        }
    }

    const fn kind(&self) -> &'static str {
        match self.what {
            What::Order(..) => "order",
            What::Lead(_) => "lead",
            What::Clicks(..) => "clicks",
        }
    }

    fn method(&self) -> &'static str {
        match &self.what {
            What::Order(conversion, _) if conversion.is_by_postback() => POSTBACK,
            What::Order(conversion, _) => conversion.settled.decision.method.as_str(),
            What::Lead(lead) if !lead.label.is_empty() => Method::None.as_str(),
            What::Lead(lead) if lead.source == "server" => POSTBACK,
            What::Lead(_) | What::Clicks(..) => Method::Click.as_str(),
        }
    }

    const fn model(&self) -> Model {
        match self.what {
            What::Order(_, model) => model,
            What::Lead(_) | What::Clicks(..) => Model::LastClick,
        }
    }

    fn click(&self) -> Option<ClickId> {
        match &self.what {
            What::Order(..) => self.subject()?.click,
            What::Lead(lead) => lead.touch.map(|touch| touch.click),
            What::Clicks(..) => None,
        }
    }

    fn clicked_at(&self) -> Option<Timestamp> {
        match &self.what {
            What::Order(..) => self.subject()?.clicked_at,
            What::Lead(lead) => lead.touch.map(|touch| touch.clicked_at),
            What::Clicks(..) => None,
        }
    }

    fn status(&self) -> &'static str {
        match &self.what {
            What::Order(conversion, _) => conversion.status(),
            What::Lead(lead) => lead.status,
            What::Clicks(..) => "confirmed",
        }
    }

    fn label(&self) -> &str {
        match &self.what {
            What::Order(conversion, _) => conversion.label(),
            What::Lead(lead) => lead.label,
            What::Clicks(..) => "",
        }
    }

    fn goods_minor(&self) -> Option<i64> {
        self.order().map_or(Some(0), Order::net_goods_minor)
    }

    fn decision(&self) -> String {
        match &self.what {
            What::Order(conversion, _) => conversion.settled.decision.to_json(),
            What::Lead(lead) => lead_decision(lead),
            What::Clicks(earned, _) => clicks_decision(earned),
        }
    }

    /// Returns whether statements count it as an order.
    fn counts_as_order(&self) -> bool {
        matches!(self.what, What::Order(conversion, _) if conversion.counts_as_order())
    }

    fn order_number(&self) -> Option<&str> {
        match self.what {
            What::Order(conversion, _) => Some(conversion.order_number()),
            What::Lead(_) | What::Clicks(..) => None,
        }
    }

    /// Returns the link that was clicked.
    fn link(&self) -> Option<LinkId> {
        match &self.what {
            What::Order(..) => self.subject()?.link,
            What::Lead(lead) => lead.link,
            What::Clicks(earned, _) => earned.link,
        }
    }

    fn held(&self) -> Option<Cow<'_, str>> {
        match &self.what {
            What::Order(conversion, _) => conversion.held().map(Into::into),
            What::Lead(lead) => lead.held.as_deref().map(Into::into),
            What::Clicks(earned, _) => earned.held.as_deref().map(Into::into),
        }
    }
}

pub(super) fn columns<'a>() -> Vec<Column<Row<'a>>> {
    vec![
        required(Column::id("conversion_id", |row| Some(row.id().to_string()))),
        required(Column::id("merchant_id", |row| Some(row.merchant().to_string()))),
        Column::id("campaign_id", |row| row.campaign().map(|id| id.to_string())),
        Column::id("influencer_id", |row| row.influencer().map(|id| id.to_string())),
        required(Column::text("order_id", |row| {
            Some(row.order().map_or("", |order| &order.order_id).into())
        })),
        required(Column::id("kind", |row| Some(row.kind().into()))),
        required(Column::id("method", |row| Some(row.method().into()))),
        required(Column::id("model", |row| Some(row.model().as_str().into()))),
        Column::id("click_id", |row| row.click().map(|id| id.to_string())),
        Column::text("coupon", |row| row.subject()?.code.as_deref().map(Into::into)),
        Column::time("clicked_at", Row::clicked_at),
        required(Column::time("converted_at", |row| Some(row.day_of()))),
        required(Column::id("status", |row| Some(row.status().into()))),
        required(Column::id("label", |row| Some(row.label().into()))),
        Column::integer("goods_minor", Row::goods_minor),
        Column::id("currency", |row| row.order()?.currency.map(|currency| currency.to_string())),
        required(Column::text("decision", |row| Some(row.decision().into()))),
        Column::text("held", Row::held),
        required(Column::id("consent", |row| Some(row.consent.as_str().into()))),
        Column::text("sub_id", |row| row.sub_id.map(Into::into)),
        required(Column::flag("is_counted", |row| Some(row.counts_as_order()))),
        Column::text("order_number", |row| row.order_number().map(Into::into)),
        Column::id("link_id", |row| row.link().map(|id| id.to_string())),
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
    conversions: &'a Conversions<'_>,
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
    // What is taken back of a day's clicks is no conversion of its own.
    let clicks = earned_by_clicks(dataset)?.into_iter();
    let clicks = clicks.filter(|earned| earned.booking.reason == Reason::Accrued);
    let clicks = clicks.filter_map(|earned| {
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
