//! Attribution models side by side: how much each influencer of a campaign would be credited with
//! under each model. It pays nobody, and the parts of an order always add up to the order.

use std::collections::BTreeMap;

use bookings::{Conversions, Dataset, Period, zone_of};
use settlement::attribution::credit;
use shared::catalog::Model;
use shared::id::{CampaignId, InfluencerId};
use shared::money::{Currency, Money};
use shared::order::Status;

use crate::error::Error;
use crate::write::print::{Block, Cell, Rendering, print};

/// The goods of a month's orders, credited to influencers under each model.
#[derive(Debug)]
pub struct Models {
    rows: BTreeMap<(InfluencerId, Currency), Row>,
}

#[derive(Debug, Default)]
struct Row {
    name: String,
    /// Orders in which a click or a code of theirs had a part.
    orders: u64,
    /// Goods of the orders that are credited to them for payment.
    paid_minor: i64,
    /// By model, in the order of [`Model::ALL`].
    credited_minor: [i64; Model::ALL.len()],
}

impl Models {
    /// Computes the models of a campaign over a month of the merchant's calendar.
    ///
    /// # Errors
    /// When the campaign is unknown, or its merchant's time zone is invalid.
    pub fn of(dataset: &Dataset, campaign: CampaignId, period: Period) -> Result<Self, Error> {
        let (campaign, merchant) = dataset.campaign(campaign)?;
        let bounds = period.bounds(&zone_of(merchant)?)?;
        let mut rows: BTreeMap<_, Row> = BTreeMap::new();
        let conversions = Conversions::of(dataset)?;
        let placed = conversions.iter().filter(|conversion| conversion.counts_as_order());
        for settled in placed.map(|conversion| &conversion.settled) {
            let order = &settled.order;
            if order.status == Status::Void || !bounds.contains(order.placed_at) {
                continue;
            }
            // Goods that could not be read are in no sum.
            let Some(goods) = order.net_goods_minor() else { continue };
            let currency = order.currency.unwrap_or(merchant.currency);
            let mut parts: BTreeMap<InfluencerId, [i64; Model::ALL.len()]> = BTreeMap::new();
            for (index, model) in Model::ALL.into_iter().enumerate() {
                for (candidate, part) in credit(&settled.decision, model, goods) {
                    if let Some(influencer) =
                        candidate.influencer.filter(|_| candidate.campaign == Some(campaign.id))
                    {
                        parts.entry(influencer).or_default()[index] += part;
                    }
                }
            }
            let paid =
                settled.decision.subject().filter(|subject| subject.campaign == Some(campaign.id));
            for (influencer, credited) in parts {
                let row = rows.entry((influencer, currency)).or_default();
                row.name = dataset.influencer_name(influencer);
                row.orders += 1;
                row.credited_minor.iter_mut().zip(credited).for_each(|(sum, part)| *sum += part);
                row.paid_minor += if paid.is_some_and(|paid| paid.influencer == Some(influencer)) {
                    goods
                } else {
                    0
                };
            }
        }
        Ok(Self { rows })
    }

    /// Renders one row for each influencer and currency.
    pub fn render(&self, rendering: Rendering) -> String {
        let cells = |((influencer, currency), row): (&(InfluencerId, Currency), &Row)| {
            let money = |minor| Cell::Number(Money { minor, currency: *currency }.to_string());
            let mut cells = vec![
                Cell::Id(influencer.to_string()),
                Cell::Text(row.name.clone()),
                Cell::Number(row.orders.to_string()),
                money(row.paid_minor),
            ];
            cells.extend(row.credited_minor.map(money));
            cells.push(Cell::Id(currency.to_string()));
            cells
        };
        print(rendering, &[Block::of(&HEADER, self.rows.iter().map(cells))])
    }
}

/// The columns, in order; the models as [`Model::ALL`] lists them.
const HEADER: [&str; 10] = [
    "influencer_id",
    "influencer",
    "orders",
    "paid",
    "last_click",
    "first_click",
    "linear",
    "position",
    "time_decay",
    "currency",
];
