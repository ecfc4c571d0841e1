//! An amount that is booked without an order, and what a suspension takes back of it.

use jiff::civil::Date;
use settlement::held::HeldPeriod;
use settlement::ledger::{Booking, CampaignAccount, Reason};
use shared::catalog::{Catalog, Merchant};
use shared::id::{CampaignId, FactId, InfluencerId, LinkId};
use shared::links::LinkRef;
use shared::money::{Currency, Decimal};
use shared::time::Timestamp;

/// An amount booked without an order.
pub struct Earning {
    /// The id of the booking; `None` for the only one of its conversion.
    pub id: Option<FactId>,
    /// The id of the lead as a conversion. A day's clicks are no conversion, but have an id too.
    pub conversion: FactId,
    /// The amount, and whom it is booked for.
    pub booking: Booking,
    /// The day on which the hold begins.
    pub earned_on: Date,
    /// Why it is held by somebody, in one line; `None` when it is not.
    pub held: Option<String>,
    /// The day on which somebody released it; it is not payable before.
    pub released_on: Option<Date>,
    /// Every time in which somebody held it.
    pub held_times: Vec<HeldPeriod>,
    /// The link that was clicked; `None` for leads.
    pub link: Option<LinkId>,
}

/// Returns what a suspension takes back of an earning when it was decided.
pub(crate) fn suspended(accrued: &Earning, at: Timestamp, left: i64, amount_minor: i64) -> Earning {
    let id = FactId::of_content(&[
        b"suspended",
        accrued.conversion.as_bytes(),
        at.to_string().as_bytes(),
    ]);
    let booking = Booking {
        booked_at: at,
        reason: Reason::Suspended,
        base_minor: left,
        amount_minor,
        ..accrued.booking.clone()
    };
    Earning {
        id: Some(id),
        conversion: accrued.conversion,
        booking,
        earned_on: accrued.earned_on,
        held: accrued.held.clone(),
        released_on: accrued.released_on,
        held_times: accrued.held_times.clone(),
        link: accrued.link,
    }
}

/// Returns when the suspension was decided, of its link or its influencer, in which a click lies.
pub(crate) fn suspended_at(
    catalog: &Catalog,
    link: &LinkRef<'_>,
    clicked_at: Timestamp,
) -> Option<Timestamp> {
    let of = (link.id(), link.influencer());
    catalog.suspended_click(of, clicked_at, Timestamp::MAX).map(|period| period.made_at)
}

/// Returns `count` times an amount, rounded once; `None` when it is too large.
pub(crate) fn times_minor(amount: Decimal, count: i64, currency: Currency) -> Option<i64> {
    let times: Decimal = count.to_string().parse().ok()?;
    amount.checked_mul(times)?.to_minor(currency).ok()
}

/// Books what `count` leads or clicks earned.
pub(crate) fn booking(
    fact: FactId,
    booked_at: Timestamp,
    (campaign, influencer): (CampaignId, InfluencerId),
    merchant: &Merchant,
    count: i64,
    rate: Decimal,
    amount_minor: i64,
) -> Booking {
    let currency = merchant.currency;
    Booking {
        fact,
        booked_at,
        reason: Reason::Accrued,
        account: CampaignAccount { campaign, influencer, currency },
        base_minor: count,
        base_currency: currency,
        rate: rate.to_string(),
        amount_minor,
    }
}
