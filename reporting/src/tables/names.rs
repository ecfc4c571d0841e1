//! Tables `merchants`, `influencers`, `campaigns` and `links`: what the ids of the other tables are called, so that
//! an export can be read without the API. They never show who somebody is beyond the name: no e-mail
//! address, no account.

use std::sync::Arc;

use shared::catalog::{Campaign, Catalog, Influencer, Merchant};
use shared::commission::bound_minor;
use shared::links::LinkRef;
use shared::money::Decimal;
use shared::time::Timestamp;

use crate::tables::columns::{Column, required};
use crate::tables::part::DerivedRow;

pub(super) const MERCHANTS: &str = "merchants";
pub(super) const INFLUENCERS: &str = "influencers";
pub(super) const CAMPAIGNS: &str = "campaigns";
pub(super) const LINKS: &str = "links";

/// A campaign and its merchant.
pub(super) struct CampaignRow<'a> {
    campaign: &'a Campaign,
    merchant: Option<&'a Merchant>,
}

impl CampaignRow<'_> {
    /// Returns an amount of the campaign in minor units of the merchant's currency.
    fn minor(&self, amount: Option<Decimal>) -> Option<i64> {
        bound_minor(amount, self.merchant?.currency)
    }
}

pub(super) fn merchant_columns() -> Vec<Column<Arc<Merchant>>> {
    vec![
        required(Column::id("merchant_id", |merchant| Some(merchant.id.to_string()))),
        required(Column::text("name", |merchant| Some(merchant.name.as_str().into()))),
        required(Column::id("pays_in", |merchant| Some(merchant.currency.to_string()))),
        required(Column::text("timezone", |merchant| Some(merchant.timezone.as_str().into()))),
        required(Column::time("created_at", |merchant| Some(merchant.created_at))),
    ]
}

pub(super) fn influencer_columns() -> Vec<Column<Arc<Influencer>>> {
    vec![
        required(Column::id("influencer_id", |influencer| Some(influencer.id.to_string()))),
        required(Column::text("name", |influencer| Some(influencer.name.as_str().into()))),
        required(Column::time("created_at", |influencer| Some(influencer.created_at))),
    ]
}

pub(super) fn campaign_columns<'a>() -> Vec<Column<CampaignRow<'a>>> {
    vec![
        required(Column::id("campaign_id", |row| Some(row.campaign.id.to_string()))),
        required(Column::text("name", |row| Some(row.campaign.name.as_str().into()))),
        required(Column::id("merchant_id", |row| Some(row.campaign.merchant.to_string()))),
        Column::text("merchant", |row| row.merchant.map(|merchant| merchant.name.as_str().into())),
        Column::time("starts_at", |row| row.campaign.starts_at),
        Column::time("ends_at", |row| row.campaign.ends_at),
        required(Column::time("created_at", |row| Some(row.campaign.created_at))),
        Column::integer("minimum_payout_minor", |row| row.minor(row.campaign.minimum_payout)),
        Column::integer("target_goods_minor", |row| row.minor(row.campaign.target?.goods)),
        Column::integer("target_orders", |row| row.campaign.target?.orders.map(i64::from)),
    ]
}

pub(super) fn link_columns<'a>() -> Vec<Column<LinkRef<'a>>> {
    vec![
        required(Column::id("link_id", |link| Some(link.id().to_string()))),
        required(Column::text("slug", |link| Some(link.slug().into()))),
        required(Column::id("campaign_id", |link| Some(link.campaign().to_string()))),
        required(Column::id("influencer_id", |link| Some(link.influencer().to_string()))),
        required(Column::text("destination", |link| Some(link.destination().into()))),
        required(Column::time("created_at", |link| Some(link.created_at()))),
    ]
}

/// Returns every merchant, by the time of creation.
pub(super) fn merchants(catalog: &Catalog) -> Vec<Arc<Merchant>> {
    let mut rows: Vec<_> = catalog.merchants.values().cloned().collect();
    rows.sort_by_key(|merchant| (merchant.created_at, merchant.id));
    rows
}

/// Returns every influencer, by the time of creation.
pub(super) fn influencers(catalog: &Catalog) -> Vec<Arc<Influencer>> {
    let mut rows: Vec<_> = catalog.influencers.values().cloned().collect();
    rows.sort_by_key(|influencer| (influencer.created_at, influencer.id));
    rows
}

/// Returns every campaign, by the time of creation.
pub(super) fn campaigns(catalog: &Catalog) -> Vec<CampaignRow<'_>> {
    let merchant = |campaign: &Campaign| catalog.merchants.get(&campaign.merchant);
    let row = |campaign| {
        let merchant = merchant(campaign).map(AsRef::as_ref);
        CampaignRow { campaign, merchant }
    };
    let mut rows: Vec<_> = catalog.campaigns.values().map(|campaign| row(campaign)).collect();
    rows.sort_by_key(|row| (row.campaign.created_at, row.campaign.id));
    rows
}

/// Returns every link, by the time of creation.
pub(super) fn links(catalog: &Catalog) -> Vec<LinkRef<'_>> {
    let mut rows: Vec<_> = catalog.links.iter().collect();
    rows.sort_by_key(|link| (link.created_at(), link.id()));
    rows
}

impl DerivedRow for Arc<Merchant> {
    fn day_of(&self) -> Timestamp {
        self.created_at
    }
}

impl DerivedRow for Arc<Influencer> {
    fn day_of(&self) -> Timestamp {
        self.created_at
    }
}

impl DerivedRow for CampaignRow<'_> {
    fn day_of(&self) -> Timestamp {
        self.campaign.created_at
    }
}

impl DerivedRow for LinkRef<'_> {
    fn day_of(&self) -> Timestamp {
        self.created_at()
    }
}
