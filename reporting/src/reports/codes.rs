//! Discount codes, and whether they leaked: how many orders used a code without a click of its
//! owner. It pays nobody and takes nothing away.
//!
//! A code that is read out in a story is used without a click too. So the score only serves to
//! compare the codes of a campaign, and a person has to look at a code that stands out.

use std::collections::BTreeMap;

use bookings::{Conversions, Dataset, Period, zone_of};
use settlement::attribution::Candidate;
use shared::catalog::Evidence;
use shared::id::{CampaignId, CouponId, InfluencerId};
use shared::money::{Currency, Money, round_half_away};
use shared::order::Status;

use crate::error::Error;
use crate::write::print::{Block, Cell, Rendering, print};

/// The fewest orders for which a score is shown; fewer say nothing about a code.
const ORDERS_LEAST: u64 = 10;

/// The codes of a campaign, over the orders placed in a month.
#[derive(Debug)]
pub struct Codes {
    rows: BTreeMap<(CouponId, Currency), Row>,
}

#[derive(Debug)]
struct Row {
    code: String,
    influencer: InfluencerId,
    name: String,
    orders: u64,
    without_click: u64,
    others_click: u64,
    existing_customers: u64,
    goods_minor: i64,
}

impl Row {
    /// Returns the percentage of orders that came without a click of the code's owner; `None` when
    /// there are too few orders.
    fn leak_score(&self) -> Option<u64> {
        let enough = self.orders >= ORDERS_LEAST;
        enough.then(|| {
            let score =
                round_half_away(i128::from(self.without_click) * 100, i128::from(self.orders));
            u64::try_from(score).unwrap_or(100)
        })
    }
}

impl Codes {
    /// Counts the orders of every code of a campaign over a month of the merchant's calendar.
    ///
    /// # Errors
    /// When the campaign is unknown, or its merchant's time zone is invalid.
    pub fn of(dataset: &Dataset, campaign: CampaignId, period: Period) -> Result<Self, Error> {
        let (campaign, merchant) = dataset.campaign(campaign)?;
        let bounds = period.bounds(&zone_of(merchant)?)?;
        let of_campaign =
            dataset.catalog.coupons.values().filter(|coupon| coupon.campaign == campaign.id);
        let row = |code: &str, influencer| Row {
            code: code.to_owned(),
            influencer,
            name: dataset.influencer_name(influencer),
            orders: 0,
            without_click: 0,
            others_click: 0,
            existing_customers: 0,
            goods_minor: 0,
        };
        let of_coupon = |coupon: &shared::catalog::Coupon| {
            ((coupon.id, merchant.currency), row(&coupon.code, coupon.influencer))
        };
        let mut rows: BTreeMap<_, Row> = of_campaign.map(|coupon| of_coupon(coupon)).collect();
        for conversion in Conversions::of(dataset)?.iter() {
            let (order, decision) = (&conversion.settled.order, &conversion.settled.decision);
            let placed = conversion.settled.accepted && !order.test;
            let stands = order.status != Status::Draft && order.status != Status::Void;
            if !(placed && stands && bounds.contains(order.placed_at)) {
                continue;
            }
            let clicked = |by: &dyn Fn(&Candidate) -> bool| {
                decision.candidates.iter().any(|c| c.evidence == Evidence::Click && by(c))
            };
            let is_used =
                |c: &&Candidate| c.evidence == Evidence::Coupon && c.campaign == Some(campaign.id);
            for used in decision.candidates.iter().filter(is_used) {
                let (Some(coupon), Some(owner)) = (used.coupon, used.influencer) else { continue };
                let code = dataset.catalog.coupons.get(&coupon).map_or("", |coupon| &coupon.code);
                let currency = order.currency.unwrap_or(merchant.currency);
                let row = rows.entry((coupon, currency)).or_insert_with(|| row(code, owner));
                let own = clicked(&|c| c.influencer == Some(owner));
                row.orders += 1;
                row.without_click += u64::from(!own);
                row.others_click += u64::from(!own && clicked(&|_| true));
                row.existing_customers +=
                    u64::from(order.new_customer.is_some_and(|one| !one.is_new));
                row.goods_minor += order.net_goods_minor().unwrap_or(0);
            }
        }
        Ok(Self { rows })
    }

    /// Renders one row for each code and currency.
    pub fn render(&self, rendering: Rendering) -> String {
        let cells = |((coupon, currency), row): (&(CouponId, Currency), &Row)| {
            let count = |count: u64| Cell::Number(count.to_string());
            vec![
                Cell::Id(coupon.to_string()),
                Cell::Text(row.code.clone()),
                Cell::Id(row.influencer.to_string()),
                Cell::Text(row.name.clone()),
                count(row.orders),
                count(row.without_click),
                count(row.others_click),
                count(row.existing_customers),
                Cell::Number(row.leak_score().map_or_else(String::new, |score| score.to_string())),
                Cell::Number(Money { minor: row.goods_minor, currency: *currency }.to_string()),
                Cell::Id(currency.to_string()),
            ]
        };
        print(rendering, &[Block::of(&HEADER, self.rows.iter().map(cells))])
    }
}

/// The columns, in order.
const HEADER: [&str; 11] = [
    "coupon_id",
    "code",
    "influencer_id",
    "influencer",
    "orders",
    "orders_without_click",
    "orders_by_others_click",
    "existing_customers",
    "leak_score",
    "goods",
    "currency",
];
