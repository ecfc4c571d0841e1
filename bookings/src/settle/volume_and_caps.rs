//! The terms that look at more than one order: what volume bonuses add and caps take away, from moment
//! to moment. It never changes an amount that was booked before.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use settlement::ledger::{Booking, Reason};
use shared::catalog::{Campaign, Merchant};
use shared::commission::bound_minor;
use shared::id::{CampaignId, FactId, InfluencerId};
use shared::money::{Currency, Fraction};
use shared::time::Timestamp;

use crate::error::Error;
use crate::read::dataset::Dataset;
use crate::settle::entry::{LedgerEntry, status};
use crate::settle::period::Month;
use crate::settle::zones::{days_later, local_date, start_of, zone_of};

/// What the sums of the terms that look beyond one order follow from.
pub(crate) enum Moment<'a> {
    /// An amount was booked.
    Booked(LedgerEntry<'a>),
    /// The order of this entry was held or released.
    HeldOrReleased(Timestamp, LedgerEntry<'a>),
}

impl<'a> Moment<'a> {
    const fn at(&self) -> Timestamp {
        match self {
            Self::Booked(entry) => entry.booking.booked_at,
            Self::HeldOrReleased(at, _) => *at,
        }
    }

    const fn entry(&self) -> &LedgerEntry<'a> {
        match self {
            Self::Booked(entry) | Self::HeldOrReleased(_, entry) => entry,
        }
    }
}

/// Returns everything that happened, by time.
pub(crate) fn moments<'a>(
    entries: Vec<LedgerEntry<'a>>,
    terms: &VolumeAndCaps<'_>,
) -> Vec<Moment<'a>> {
    let mut seen = HashSet::new();
    let mut moments = Vec::with_capacity(entries.len());
    for entry in entries {
        let of = (entry.conversion_id, entry.booking.account);
        let is_held = !entry.held_times.is_empty();
        if is_held && terms.pays_volume(&entry) && seen.insert(of) {
            let times = entry.held_times.iter();
            let mut times: Vec<_> = times.flat_map(|held| [Some(held.from), held.until]).collect();
            times.sort_unstable();
            times.dedup();
            let moment = |at| Moment::HeldOrReleased(at, entry.clone());
            moments.extend(times.into_iter().flatten().map(moment));
        }
        moments.push(Moment::Booked(entry));
    }
    // The sort is stable: bookings of the same instant keep the order of their order's ledger.
    moments.sort_by_key(Moment::at);
    moments
}

/// Volume and caps, with their sums so far.
pub(crate) struct VolumeAndCaps<'c> {
    campaigns: HashMap<CampaignId, CampaignRules<'c>>,
    months: BTreeMap<(CampaignId, InfluencerId, Month), MonthSales>,
    capped_month: BTreeMap<(CampaignId, InfluencerId, Month), CapUse>,
    capped_total: BTreeMap<CampaignId, CapUse>,
}

/// A campaign with its merchant's currency and time zone.
struct CampaignRules<'c> {
    campaign: &'c Campaign,
    currency: Currency,
    zone: TimeZone,
    /// Whether any version of its terms has a rule for volume.
    has_volume: bool,
    /// What knows its earlier settings.
    dataset: &'c Dataset,
}

impl<'c> CampaignRules<'c> {
    /// Returns the campaign as its settings were at a moment.
    fn at(&self, at: Timestamp) -> &'c Campaign {
        self.dataset.campaign_at(self.campaign.id, at).unwrap_or(self.campaign)
    }
}

/// What an influencer sold for a campaign in a month.
#[derive(Default)]
struct MonthSales {
    sales: HashMap<FactId, Sale>,
    /// How many of the sales count. It is kept, since a month has many bookings; so is the sum.
    orders: u32,
    goods_minor: i128,
    bonus_minor: i64,
}

/// An order's goods, as far as they count for the volume.
#[derive(Default, Clone, Copy)]
struct Sale {
    /// The goods in minor units; `None` when nothing is left of them.
    goods_minor: Option<i64>,
    /// What is held reaches no number of orders, and counts once it is released.
    is_held: bool,
}

impl Sale {
    fn counted_minor(self) -> Option<i64> {
        self.goods_minor.filter(|_| !self.is_held)
    }
}

impl MonthSales {
    /// Changes what is known of an order.
    fn change(&mut self, order: FactId, change: impl FnOnce(&mut Sale)) {
        let sale = self.sales.entry(order).or_default();
        let before = sale.counted_minor();
        change(sale);
        let after = sale.counted_minor();
        self.orders = self.orders + u32::from(after.is_some()) - u32::from(before.is_some());
        self.goods_minor += i128::from(after.unwrap_or(0)) - i128::from(before.unwrap_or(0));
    }
}

/// The sum booked before a cap, and the part of it that the cap granted.
#[derive(Default, Clone, Copy)]
struct CapUse {
    asked_minor: i64,
    granted_minor: i64,
}

impl CapUse {
    /// Adds an amount and returns the change of the granted sum; negative when it shrinks. A cap that
    /// was lowered takes nothing back that it granted before.
    fn grant(&mut self, amount_minor: i64, most: Option<i64>) -> i64 {
        self.asked_minor += amount_minor;
        let granted = most
            .map_or(self.asked_minor, |most| self.asked_minor.min(most.max(self.granted_minor)));
        let change = granted - self.granted_minor;
        self.granted_minor = granted;
        change
    }
}

impl<'c> VolumeAndCaps<'c> {
    pub(crate) fn new(dataset: &'c Dataset) -> Result<Self, Error> {
        let catalog = &dataset.catalog;
        let mut campaigns = HashMap::new();
        for campaign in catalog.campaigns.values() {
            let merchant: Option<&Merchant> =
                catalog.merchants.get(&campaign.merchant).map(AsRef::as_ref);
            if let Some(merchant) = merchant {
                let (currency, zone) = (merchant.currency, zone_of(merchant)?);
                let (campaign, has_volume) = (campaign.as_ref(), has_volume(campaign));
                let rules = CampaignRules { campaign, currency, zone, has_volume, dataset };
                campaigns.insert(campaign.id, rules);
            }
        }
        let (months, capped_month, capped_total) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { campaigns, months, capped_month, capped_total })
    }

    /// Returns whether an entry can move a volume bonus: it is of an order, in the currency in which its
    /// merchant pays, and the campaign has such a rule, or had one.
    fn pays_volume(&self, entry: &LedgerEntry<'_>) -> bool {
        let account = entry.booking.account;
        let rules = self.campaigns.get(&account.campaign);
        rules.is_some_and(|rules| {
            rules.has_volume && rules.currency == account.currency && entry.conversion.is_some()
        })
    }

    /// Returns how a moment changes the month's volume bonus: a percentage of all goods of the month,
    /// once the month has enough orders.
    ///
    /// The terms at the beginning of the month apply to the whole month.
    pub(crate) fn volume<'a>(
        &mut self,
        moment: &Moment<'a>,
        as_of: Date,
    ) -> Result<Option<LedgerEntry<'a>>, Error> {
        let (entry, at) = (moment.entry(), moment.at());
        if !self.pays_volume(entry) {
            return Ok(None);
        }
        let account = entry.booking.account;
        let Some(rules) = self.campaigns.get(&account.campaign) else { return Ok(None) };
        let Some(conversion) = entry.conversion else { return Ok(None) };
        let placed_on = local_date(conversion.settled.order.placed_at, &rules.zone)?;
        let month = (placed_on.year(), placed_on.month());
        let begins = start_of(placed_on.first_of_month(), &rules.zone)?;
        let (_, terms) = rules.campaign.terms_at(begins);
        let sold = self.months.entry((account.campaign, account.influencer, month)).or_default();
        sold.change(conversion.id, |sale| {
            sale.is_held = entry.held_times.iter().any(|held| held.covers(at));
            if matches!(moment, Moment::Booked(_)) {
                sale.goods_minor = goods_of(&entry.booking, rules.currency);
            }
        });
        let goods = sold.goods_minor;
        let reached = terms.volume(sold.orders);
        let bonus = reached.and_then(|(_, rate)| {
            let (units, scale) = rate.fraction();
            Fraction::new(goods, 100).times(units, scale)?.rounded()
        });
        let change = bonus.unwrap_or(0) - sold.bonus_minor;
        sold.bonus_minor += change;
        let rate = reached.map_or_else(String::new, |(_, rate)| rate.to_string());
        let base = i64::try_from(goods).unwrap_or(i64::MAX);
        let adjusted = adjustment(entry, Reason::Volume, change, (base, rate), (rules, as_of))?;
        adjusted.map(|adjusted| of_month(adjusted, moment, (rules, as_of))).transpose()
    }

    /// Returns how the campaign's caps change a booking: they take off what exceeds a cap, and give
    /// it back when a later reversal makes room.
    pub(crate) fn cap<'a>(
        &mut self,
        entry: &LedgerEntry<'a>,
        as_of: Date,
    ) -> Result<Option<LedgerEntry<'a>>, Error> {
        let (account, amount) = (entry.booking.account, entry.booking.amount_minor);
        let Some(rules) = self.campaigns.get(&account.campaign) else { return Ok(None) };
        if account.currency != rules.currency {
            return Ok(None);
        }
        // Who changes a cap changes it for what is booked from then on.
        let caps = &rules.at(entry.booking.booked_at).caps;
        let booked_on = local_date(entry.booking.booked_at, &rules.zone)?;
        let month = (account.campaign, account.influencer, (booked_on.year(), booked_on.month()));
        let most = bound_minor(caps.commission_per_influencer_month, rules.currency);
        let granted = self.capped_month.entry(month).or_default().grant(amount, most);
        let most = bound_minor(caps.commission_total, rules.currency);
        let granted = self.capped_total.entry(account.campaign).or_default().grant(granted, most);
        let (base, rate) = (entry.booking.base_minor, String::new());
        adjustment(entry, Reason::Capped, granted - amount, (base, rate), (rules, as_of))
    }
}

/// Returns the goods of an order that a booking speaks of; `None` when nothing is left of them.
fn goods_of(booking: &Booking, currency: Currency) -> Option<i64> {
    let is_of_currency = booking.base_currency == currency;
    Some(booking.base_minor).filter(|base| is_of_currency && *base != 0)
}

/// Returns a volume bonus as an amount of the month: who holds one of its orders does not hold it, but
/// takes the order from the month. That is booked when it happens.
fn of_month<'a>(
    bonus: LedgerEntry<'a>,
    moment: &Moment<'a>,
    (rules, as_of): (&CampaignRules<'_>, Date),
) -> Result<LedgerEntry<'a>, Error> {
    let free = LedgerEntry { held: None, held_times: vec![], ..bonus };
    let Moment::HeldOrReleased(at, entry) = moment else { return Ok(free) };
    let booked_on = local_date(*at, &rules.zone)?;
    let due_on = free.due_on.map(|due_on| due_on.max(booked_on));
    let influencer = free.booking.account.influencer.to_string();
    let (conversion, at_text) = (entry.conversion_id, at.to_string());
    let id = [&b"volume of held"[..], conversion.as_bytes(), influencer.as_bytes()];
    let id = FactId::of_content(&[id.as_slice(), &[at_text.as_bytes()]].concat());
    let status = status(free.booking.amount_minor, false, due_on, as_of);
    let booking = Booking { booked_at: *at, ..free.booking };
    Ok(LedgerEntry { id, booking, payable_on: due_on, due_on, status, ..free })
}

/// Books an amount that follows another entry, payable on the same day.
fn adjustment<'a>(
    entry: &LedgerEntry<'a>,
    reason: Reason,
    amount_minor: i64,
    (base_minor, rate): (i64, String),
    (rules, as_of): (&CampaignRules<'_>, Date),
) -> Result<Option<LedgerEntry<'a>>, Error> {
    if amount_minor == 0 {
        return Ok(None);
    }
    let (account, booked_at) = (entry.booking.account, entry.booking.booked_at);
    let (fact, base_currency) = (entry.booking.fact, account.currency);
    let booking =
        Booking { fact, booked_at, reason, account, base_minor, base_currency, rate, amount_minor };
    let id = FactId::of_content(&[reason.as_str().as_bytes(), entry.id.as_bytes()]);
    let ended_at = entry.conversion.and_then(|conversion| conversion.ended_at());
    let (payable_on, due_on) = match ended_at {
        None => (entry.payable_on, entry.due_on),
        Some(ended_at) => {
            let due_on = due_of_void(entry, ended_at, rules)?;
            (Some(due_on), Some(due_on))
        }
    };
    let status = status(amount_minor, entry.held.is_some(), payable_on, as_of);
    Ok(Some(LedgerEntry { id, booking, payable_on, due_on, status, ..entry.clone() }))
}

/// Returns when it is due what follows an entry of a void order. The entry itself may have no such
/// day, but what it makes room for under a cap has. So it waits the hold from the end of the order;
/// what was due before stays so.
fn due_of_void(
    entry: &LedgerEntry<'_>,
    ended_at: Timestamp,
    rules: &CampaignRules<'_>,
) -> Result<Date, Error> {
    let is_before = entry.booking.booked_at < ended_at;
    match entry.due_on.filter(|_| is_before) {
        Some(due_on) => Ok(due_on),
        None => days_later(local_date(ended_at, &rules.zone)?, rules.at(ended_at).hold_days),
    }
}

/// Returns whether any version of a campaign's terms has a rule for volume.
fn has_volume(campaign: &Campaign) -> bool {
    let earlier = campaign.earlier_commissions.iter().map(|earlier| &earlier.commission);
    earlier.chain([&campaign.commission]).any(|terms| terms.volume(u32::MAX).is_some())
}
