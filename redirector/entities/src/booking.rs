//! Amounts that a person books. They are never changed; whoever was wrong books the difference.

use rand::RngExt;
use serde_json::Value;
use shared::booking::{BookingKind, ManualBooking};
use shared::catalog::Merchant;
use shared::id::{BookingId, CampaignId};
use shared::money::{AMOUNT_MAX, Currency, Decimal};
use shared::zone::Zone;

use crate::builder::{EntityBuilder, found};
use crate::fields::{Fields, parsed, shaped, text};

/// The most characters of a note.
const NOTE_CHARS_MAX: usize = 500;

impl EntityBuilder<'_> {
    /// Reads `{influencer, kind, amount, note, merchant|campaign, currency?}`.
    pub(crate) fn booking(&mut self, fields: &mut Fields) -> Option<ManualBooking> {
        let influencer = fields
            .required("influencer", |value| found(value, &self.catalog.influencers).map(|i| i.id));
        let merchant = fields.optional("merchant", |value| found(value, &self.catalog.merchants));
        let campaign = fields.optional("campaign", |value| found(value, &self.catalog.campaigns));
        let kind = fields.required("kind", shaped::<BookingKind>);
        let currency = fields.optional("currency", parsed::<Currency>);
        let of_campaign = campaign.and_then(|c| self.catalog.merchants.get(&c.merchant));
        let merchant = merchant.or(of_campaign.map(AsRef::as_ref));
        if merchant.is_none() && !fields.has_faults() {
            fields.fault("merchant", "say who pays: send `merchant`, or `campaign`");
        }
        if let (Some(campaign), Some(merchant)) = (campaign, merchant)
            && campaign.merchant != merchant.id
        {
            fields
                .fault("campaign", format!("`{}` is not of merchant {}", campaign.id, merchant.id));
        }
        if let (Some(currency), Some(merchant)) = (currency, merchant)
            && currency != merchant.currency
        {
            let reason = format!("`{currency}`: this merchant pays in {}", merchant.currency);
            fields.fault("currency", reason);
        }
        let amount = fields.required("amount", |value| amount(value, merchant, kind));
        let note = fields.required("note", text(NOTE_CHARS_MAX));
        self.booked(merchant?, (campaign.map(|c| c.id), influencer?), (kind?, amount?, note?))
    }

    fn booked(
        &mut self,
        merchant: &Merchant,
        (campaign, influencer): (Option<CampaignId>, shared::id::InfluencerId),
        (kind, amount_minor, note): (BookingKind, i64, String),
    ) -> Option<ManualBooking> {
        Some(ManualBooking {
            id: BookingId::from_bits(self.random.random()),
            merchant: merchant.id,
            campaign,
            influencer,
            kind,
            amount_minor,
            currency: merchant.currency,
            note,
            author: self.author.clone(),
            booked_on: Zone::named(&merchant.timezone).date(self.now),
            created_at: self.now,
        })
    }
}

/// Reads an amount such as `"50.00"` in the merchant's currency. Only a correction takes back.
fn amount(
    value: &Value,
    merchant: Option<&Merchant>,
    kind: Option<BookingKind>,
) -> Result<i64, String> {
    let amount: Decimal = shaped(value)?;
    let Some(merchant) = merchant else { return Ok(0) };
    let minor = amount.to_minor(merchant.currency).map_err(|error| error.to_string())?;
    let rest = Decimal::from_minor(minor, merchant.currency).checked_sub(amount);
    if rest.is_none_or(|rest| rest.fraction().0 != 0) {
        return Err(format!("`{amount}` has more decimals than {} has", merchant.currency));
    }
    match minor {
        0 => Err("expected an amount other than zero".to_owned()),
        _ if minor.unsigned_abs() > AMOUNT_MAX.unsigned_abs() => {
            Err(format!("`{amount}` is beyond what an amount can be"))
        }
        ..0 if kind.is_some_and(|kind| kind != BookingKind::Correction) => {
            Err(format!("`{amount}`: only a `correction` takes something back"))
        }
        minor => Ok(minor),
    }
}
