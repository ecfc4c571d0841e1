//! The statement: what each influencer of a campaign brought in a month, and what may be paid for
//! it. It never adds amounts of two currencies, and never shows a figure that cannot be computed
//! from the exported tables.
//!
//! `docs/accounts/statement.md` says what each column means.

mod carried;
mod render;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use bookings::{
    Bounds, Conversion, Conversions, Dataset, LedgerEntry, Period, is_payable, ledger_entries,
    local_date, opening_owner, zone_of,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use settlement::ledger::Booking;
use shared::catalog::{Campaign, Catalog, Merchant};
use shared::class::Class;
use shared::commission::bound_minor;
use shared::id::{CampaignId, InfluencerId, LinkId};
use shared::money::Currency;
use shared::order::Status;
use shared::time::Timestamp;

use self::carried::{Span, carried};
use crate::error::Error;

/// What one influencer brought and earned in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The influencer's id.
    pub influencer: InfluencerId,
    /// The influencer's name; empty when the catalog does not hold them.
    pub name: String,
    /// The currency of every amount in this line.
    pub currency: Currency,
    /// Billable clicks. They stand on the influencer's first line; other lines have 0.
    pub clicks_billable: u64,
    /// Visits that began with a click. They stand on the influencer's first line; other lines have
    /// 0.
    pub sessions: u64,
    /// Credited orders.
    pub orders: u64,
    /// Credited orders that became void.
    pub orders_cancelled: u64,
    /// Goods of the credited orders that are not void, less refunds.
    pub goods_minor: i64,
    /// The sum of bookings that are not yet payable as of the date.
    pub pending_minor: i64,
    /// The sum of bookings that are payable as of the date.
    pub approved_minor: i64,
    /// The sum of reversals. It is negative, and contained in the two sums above.
    pub reversed_minor: i64,
    /// What may be paid for the period as of the date. It is negative when reversals exceed
    /// earnings. In a campaign with a minimum payout, it is zero until the minimum is reached; then
    /// it includes what was carried forward.
    pub payable_minor: i64,
    /// Credited orders whose commission is held. They count as orders; goods that could not be read
    /// are not among the goods.
    pub orders_held: u64,
    /// The sum of bookings that are held. It is contained in what is not yet payable. An order
    /// whose amounts could not be read has none.
    pub held_minor: i64,
}

/// One amount booked in the period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommissionLine {
    /// The commission's id, as in table `commissions`.
    pub commission_id: String,
    /// The influencer who earned it.
    pub influencer: InfluencerId,
    /// The shop's order id; empty for leads and clicks.
    pub order_id: String,
    /// `claimed`, `confirmed` or `cancelled`.
    pub order_status: &'static str,
    /// The booking itself.
    pub booking: Booking,
    /// Whether the booking's base is a count of leads or clicks, not an amount.
    pub base_is_count: bool,
    /// `pending`, `approved`, `held` or `reversed`.
    pub status: &'static str,
    /// The day on which it becomes payable; `None` when there is no such day so far.
    pub payable_on: Option<Date>,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The campaign's name.
    pub campaign: String,
    /// The campaign's id.
    pub campaign_id: CampaignId,
    /// The merchant's name.
    pub merchant: String,
    /// The days that it covers.
    pub period: Period,
    /// The day that decides what is approved.
    pub as_of: Date,
    /// The merchant's time zone, whose days these are.
    pub timezone: String,
}

/// The statement of a campaign for a month, or for other days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is about.
    pub about: About,
    /// One line for each influencer and currency, by name and id.
    pub lines: Vec<Line>,
    /// One line for each booking: influencers in the same order, then by time.
    pub commissions: Vec<CommissionLine>,
    /// How many credited orders no server has confirmed. They earn because the merchant trusts its
    /// pixel.
    pub unconfirmed: u64,
    /// How many credited orders have a commission that is held.
    pub held: u64,
    /// How many credited orders came by a click that brought orders of many customers. They earn as
    /// others do; a person has to look at them.
    pub many_customers: u64,
}

impl Statement {
    /// Returns which day a point in time is on in the calendar of a campaign's merchant.
    ///
    /// # Errors
    /// When the catalog does not hold the campaign or its merchant, or the merchant's time zone is
    /// invalid.
    pub fn day_of(dataset: &Dataset, campaign: CampaignId, at: Timestamp) -> Result<Date, Error> {
        let (_, merchant) = dataset.campaign(campaign)?;
        Ok(local_date(at, &zone_of(merchant)?)?)
    }

    /// Computes the statement.
    ///
    /// # Errors
    /// When the catalog does not hold the campaign or its merchant, or the merchant's time zone is
    /// invalid.
    pub fn of(
        dataset: &Dataset,
        campaign: CampaignId,
        period: Period,
        as_of: Date,
    ) -> Result<Self, Error> {
        let catalog = &dataset.catalog;
        let (campaign, merchant) = dataset.campaign(campaign)?;
        let conversions = Conversions::of(dataset)?;
        let mut draft = Draft::new(catalog, campaign, merchant, zone_of(merchant)?, period)?;
        draft.name_owners();
        draft.count_traffic(dataset);
        for conversion in conversions.iter() {
            draft.count_order(conversion)?;
        }
        for entry in ledger_entries(dataset, &conversions, as_of)? {
            draft.add(&entry, as_of)?;
        }
        let about = About {
            campaign: campaign.name.clone(),
            campaign_id: campaign.id,
            merchant: merchant.name.clone(),
            period,
            as_of,
            timezone: merchant.timezone.clone(),
        };
        Ok(draft.finish(about))
    }
}

/// A statement while it is being computed.
struct Draft<'a> {
    catalog: &'a Catalog,
    campaign: &'a Campaign,
    merchant: &'a Merchant,
    zone: TimeZone,
    bounds: Bounds,
    lines: BTreeMap<(InfluencerId, Currency), Line>,
    commissions: Vec<CommissionLine>,
    /// The approved sum of the period, and of each month before it, in the merchant's currency.
    approved: BTreeMap<InfluencerId, BTreeMap<Span, i64>>,
    unconfirmed: u64,
    held: u64,
    many_customers: u64,
}

impl<'a> Draft<'a> {
    fn new(
        catalog: &'a Catalog,
        campaign: &'a Campaign,
        merchant: &'a Merchant,
        zone: TimeZone,
        period: Period,
    ) -> Result<Self, Error> {
        Ok(Self {
            catalog,
            campaign,
            merchant,
            bounds: period.bounds(&zone)?,
            zone,
            lines: BTreeMap::new(),
            commissions: Vec::new(),
            approved: BTreeMap::new(),
            unconfirmed: 0,
            held: 0,
            many_customers: 0,
        })
    }

    /// Returns the influencer's line in a currency, which is created when it is missing. The line
    /// in the merchant's currency always exists and comes first.
    fn line(&mut self, influencer: InfluencerId, currency: Currency) -> &mut Line {
        let name =
            self.catalog.influencers.get(&influencer).map_or("", |known| known.name.as_str());
        for currency in [self.merchant.currency, currency] {
            self.lines
                .entry((influencer, currency))
                .or_insert_with(|| empty_line(influencer, name, currency));
        }
        self.lines
            .entry((influencer, currency))
            .or_insert_with(|| empty_line(influencer, name, currency))
    }

    fn main_line(&mut self, influencer: InfluencerId) -> &mut Line {
        self.line(influencer, self.merchant.currency)
    }

    /// Creates a line for every influencer with a link or a coupon of the campaign.
    fn name_owners(&mut self) {
        let campaign = self.campaign.id;
        let links = self
            .catalog
            .links
            .iter()
            .filter(|link| link.campaign() == campaign)
            .map(|link| link.influencer());
        let coupons = self.catalog.coupons.values().filter(|coupon| coupon.campaign == campaign);
        for influencer in links.chain(coupons.map(|coupon| coupon.influencer)).collect::<Vec<_>>() {
            self.main_line(influencer);
        }
    }

    fn count_traffic(&mut self, dataset: &Dataset) {
        for click in dataset.clicks.iter().map(|recorded| &recorded.fact) {
            if click.class == Class::Billable
                && self.bounds.contains(click.at)
                && let Some(influencer) = self.owner(click.link)
            {
                self.main_line(influencer).clicks_billable += 1;
            }
        }
        for (started_at, opening) in dataset.session_starts() {
            let owner = opening_owner(self.catalog, &opening);
            if self.bounds.contains(started_at)
                && owner.campaign == Some(self.campaign.id)
                && let Some(influencer) = owner.influencer
            {
                self.main_line(influencer).sessions += 1;
            }
        }
    }

    /// Returns the influencer of a link; `None` when the link belongs to another campaign.
    fn owner(&self, link: LinkId) -> Option<InfluencerId> {
        let link = self.catalog.links.get(link)?;
        (link.campaign() == self.campaign.id).then_some(link.influencer())
    }

    fn count_order(&mut self, conversion: &Conversion) -> Result<(), Error> {
        let order = &conversion.settled.order;
        let subject =
            conversion.subject().filter(|subject| subject.campaign == Some(self.campaign.id));
        let Some(influencer) = subject.and_then(|subject| subject.influencer) else {
            return Ok(());
        };
        if !conversion.counts_as_order() || !self.bounds.contains(order.placed_at) {
            return Ok(());
        }
        let cancelled = order.status == Status::Void;
        if !order.confirmed && !cancelled && self.merchant.trust_pixel {
            self.unconfirmed += 1;
        }
        let held = u64::from(conversion.is_held());
        self.held += held;
        self.many_customers += u64::from(conversion.has_many_customers());
        let line = self.line(influencer, order.currency.unwrap_or(self.merchant.currency));
        line.orders += 1;
        line.orders_held += held;
        if cancelled {
            line.orders_cancelled += 1;
            return Ok(());
        }
        add(&mut line.goods_minor, order.net_goods_minor().unwrap_or(0), line.influencer)
    }

    fn add(&mut self, entry: &LedgerEntry<'_>, as_of: Date) -> Result<(), Error> {
        let (booking, account) = (&entry.booking, entry.booking.account);
        if account.campaign != self.campaign.id {
            return Ok(());
        }
        let approved = is_payable(entry.payable_on, as_of);
        if approved
            && account.currency == self.merchant.currency
            && self.bounds.ends_after(booking.booked_at)
        {
            let span = if self.bounds.contains(booking.booked_at) {
                Span::Period
            } else {
                let booked_on = local_date(booking.booked_at, &self.zone)?;
                Span::Before((booked_on.year(), booked_on.month()))
            };
            let spans = self.approved.entry(account.influencer).or_default();
            add(spans.entry(span).or_default(), booking.amount_minor, account.influencer)?;
        }
        if !self.bounds.contains(booking.booked_at) {
            return Ok(());
        }
        let line = self.line(account.influencer, account.currency);
        let balance = if approved { &mut line.approved_minor } else { &mut line.pending_minor };
        add(balance, booking.amount_minor, account.influencer)?;
        add(&mut line.reversed_minor, booking.amount_minor.min(0), account.influencer)?;
        let held_minor = if entry.held.is_some() { booking.amount_minor } else { 0 };
        add(&mut line.held_minor, held_minor, account.influencer)?;
        self.commissions.push(CommissionLine {
            commission_id: entry.id.to_string(),
            influencer: account.influencer,
            order_id: entry.order_id().to_owned(),
            order_status: entry.order_status(),
            booking: booking.clone(),
            base_is_count: entry.conversion.is_none(),
            status: entry.status,
            payable_on: entry.payable_on,
        });
        Ok(())
    }

    /// Sets what may be paid: the approved sum, or, in a campaign with a minimum payout, the sum
    /// that was carried forward up to this month once it reaches the minimum.
    fn set_payable(&mut self) {
        for ((influencer, currency), line) in &mut self.lines {
            line.payable_minor = line.approved_minor;
            let least = bound_minor(self.campaign.minimum_payout, *currency);
            if let Some(least) = least.filter(|_| *currency == self.merchant.currency) {
                let spans = self.approved.get(influencer).into_iter().flatten();
                line.payable_minor = carried(spans, least);
            }
        }
    }

    fn finish(mut self, about: About) -> Statement {
        self.set_payable();
        let main = self.merchant.currency;
        let mut lines: Vec<_> = self.lines.into_values().collect();
        lines.sort_by(|a, b| sort_key(a, main).cmp(&sort_key(b, main)));
        let ranks: HashMap<_, _> =
            lines.iter().enumerate().rev().map(|(rank, line)| (line.influencer, rank)).collect();
        let mut commissions = self.commissions;
        // The sort is stable: bookings of the same instant keep the order of their order's ledger.
        commissions.sort_by_key(|line| (ranks.get(&line.influencer), line.booking.booked_at));
        let (unconfirmed, many_customers) = (self.unconfirmed, self.many_customers);
        Statement { about, lines, commissions, unconfirmed, held: self.held, many_customers }
    }
}

/// Adds an amount to a sum of an influencer's line. A sum that left the range of amounts would print
/// as another one.
fn add(sum: &mut i64, minor: i64, of: InfluencerId) -> Result<(), Error> {
    *sum = sum.checked_add(minor).ok_or(Error::Sum(of))?;
    Ok(())
}

/// Sorts by name, then by id, then the merchant's currency before others.
fn sort_key(line: &Line, main: Currency) -> (&str, InfluencerId, Reverse<bool>, Currency) {
    (&line.name, line.influencer, Reverse(line.currency == main), line.currency)
}

fn empty_line(influencer: InfluencerId, name: &str, currency: Currency) -> Line {
    Line {
        influencer,
        name: name.to_owned(),
        currency,
        clicks_billable: 0,
        sessions: 0,
        orders: 0,
        orders_cancelled: 0,
        goods_minor: 0,
        pending_minor: 0,
        approved_minor: 0,
        reversed_minor: 0,
        payable_minor: 0,
        orders_held: 0,
        held_minor: 0,
    }
}
