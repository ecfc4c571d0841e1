//! SEPA credit transfers: ISO 20022 pain.001.001.09 with structured addresses, by the European
//! Payments Council's EPC132-08 (2025). One batch is one message with one payment of many
//! transactions, in EUR alone. Where a BIC is unknown, the IBAN alone says which bank.

use basics::money::Money;
use basics::payee::{Account, Address, Iban, mask};
use jiff::civil::Date;
use sepa::charset::Transliteration;
use sepa::validate::{CharsetPolicy, MAX_AMOUNT_CT as AMOUNT_MAX};
use sepa::{
    CreditTransferEntry, CreditTransferGroup, IsoDate, IsoDateTime, Pain001Builder, PostalAddress,
};

use crate::check::{name, written_id};
use crate::file::{Job, Transfer};
use crate::latin::{spell, style_of};
use crate::told::{At, Told};

/// The most characters of a name: EPC132-08, less than ISO 20022's 140.
const NAME_MAX: usize = 70;
const REFERENCE_MAX: usize = 140;

pub(crate) fn write(job: &Job, told: &mut Told) -> Option<String> {
    if job.currency.code() != "EUR" {
        let way_out = "pay it by PayPal, by Wise or in a plain file";
        let code = job.currency.code();
        told.of_job().tell::<()>("currency", code, "is not EUR, which SEPA pays alone", way_out);
    }
    let group = group(job, &mut told.of_job());
    let transfers = job.transfers.iter().enumerate();
    let entries: Vec<_> = transfers
        .filter_map(|(index, transfer)| entry(transfer, &mut told.of_line(index, transfer)))
        .collect();
    let (payer, group) = group.filter(|_| told.is_empty())?;
    let group = group.add_entries(entries).payment_info_id(written_id(&job.batch));
    let message = Pain001Builder::new(payer, written_id(&job.batch))
        .created_at(IsoDateTime::new(date(job.made_on)?, 0, 0, 0).ok()?)
        .charset(CharsetPolicy::Strict)
        .add_group(group.batch_booking(true));
    match message.build() {
        Ok(xml) => Some(xml),
        Err(error) => {
            let way_out = "pay in a plain file, and tell the authors";
            told.of_job().tell("batch", &job.batch, format!("makes no message: {error}"), way_out)
        }
    }
}

/// Makes what all transactions share, and the payer's name.
fn group(job: &Job, at: &mut At<'_>) -> Option<(String, CreditTransferGroup)> {
    for (field, day) in [("made_on", job.made_on), ("pay_on", job.pay_on)] {
        if date(day).is_none() {
            at.tell::<()>(field, &day.to_string(), "is no day of our era", "enter another day");
        }
    }
    let Some(payer) = &job.payer else {
        let way_out = "enter name, address and IBAN of who pays";
        return at.tell("payer", "", "is missing", way_out);
    };
    let style = style_of(payer.iban.country());
    let (field, name) = match &payer.bank_name {
        Some(name) => ("payer.bank_name", name),
        None => ("payer.name", &payer.name),
    };
    let name = text(field, name, NAME_MAX, style, at);
    let address = address("payer.address", &payer.address, style, at);
    let iban = account("payer.iban", &payer.iban, at);
    let name = name?;
    let mut group =
        CreditTransferGroup::new(name.clone(), &iban?, date(job.pay_on)?).debtor_address(address?);
    if let Some(bic) = &payer.bic {
        group = group.debtor_bic(sepa::validate_bic(bic.as_str()).ok()?);
    }
    Some((name, group))
}

fn entry(transfer: &Transfer, at: &mut At<'_>) -> Option<CreditTransferEntry> {
    let amount = amount(transfer.amount, at);
    let Account::Bank { iban, bic } = &transfer.payee.account else {
        let way_out = "ask the payee for an IBAN, or pay in a file of that service";
        return at.tell("method", "", "is no account at a bank", way_out);
    };
    let style = style_of(iban.country());
    let (field, name) = name(transfer);
    let name = text(field, name, NAME_MAX, style, at);
    let reference = text("reference", &transfer.reference, REFERENCE_MAX, style, at);
    let postal = transfer.payee.address.as_ref();
    let postal = postal.map(|postal| address("address", postal, style, at));
    let iban = account("iban", iban, at);
    let id = written_id(&transfer.id);
    let mut entry =
        CreditTransferEntry::new(name?, iban?, amount?, id).with_description(reference?);
    if let Some(postal) = postal {
        entry = entry.with_creditor_address(postal?);
    }
    if let Some(bic) = bic {
        entry = entry.with_bic(sepa::validate_bic(bic.as_str()).ok()?);
    }
    Some(entry)
}

fn amount(amount: Money, at: &mut At<'_>) -> Option<i64> {
    if amount.minor > AMOUNT_MAX {
        let value = format!("{amount} {}", amount.currency);
        let wrong = "is above 999999999.99, the most that SEPA transfers";
        return at.tell("amount", &value, wrong, "pay it in parts");
    }
    Some(amount.minor)
}

/// Returns the account, which must lie in SEPA.
fn account(field: &str, iban: &Iban, at: &mut At<'_>) -> Option<sepa::Iban> {
    match sepa::validate_iban(iban.as_str()) {
        Ok(iban) if iban.is_sepa() => Some(iban),
        _ => {
            let wrong = format!("is an account of {}, outside of SEPA", iban.country());
            at.tell(field, &mask(iban.as_str()), wrong, "pay it by Wise or in a plain file")
        }
    }
}

fn address(
    field: &str,
    address: &Address,
    style: Transliteration,
    at: &mut At<'_>,
) -> Option<PostalAddress> {
    let mut part = |name: &str, value: Option<&String>, max: usize| {
        text(&format!("{field}.{name}"), value?, max, style, at)
    };
    let street = part("street", address.street.as_ref(), 70);
    let building = part("building", address.building.as_ref(), 16);
    let postcode = part("postcode", address.postcode.as_ref(), 16);
    let town = part("town", Some(&address.town), 35);
    let mut postal = PostalAddress::new(town?, address.country.code()).ok()?;
    if let Some(street) = street {
        postal = postal.street(street);
    }
    if let Some(building) = building {
        postal = postal.building_number(building);
    }
    if let Some(postcode) = postcode {
        postal = postal.post_code(postcode);
    }
    Some(postal)
}

/// Returns a text in SEPA's character set, of at most `max` characters there.
fn text(
    field: &str,
    text: &str,
    max: usize,
    style: Transliteration,
    at: &mut At<'_>,
) -> Option<String> {
    let spelled = match spell(text, style) {
        Ok(spelled) => spelled,
        Err(c) => {
            let wrong = format!("contains {c:?}, which banks cannot write");
            return at.tell(field, text, wrong, way_out(field));
        }
    };
    let length = spelled.chars().count();
    if !spelled.contains(|c: char| c.is_ascii_alphanumeric()) {
        return at.tell(field, text, "has neither letter nor digit", way_out(field));
    }
    if length > max {
        let wrong = format!("has {length} characters as banks write it, at most {max} fit");
        return at.tell(field, text, wrong, way_out(field));
    }
    Some(spelled)
}

fn way_out(field: &str) -> &'static str {
    match field {
        "name" | "bank_name" | "payer.name" | "payer.bank_name" => {
            "enter `bank_name`: the name in Latin letters, as the bank has it"
        }
        _ => "enter it shorter and in Latin letters",
    }
}

/// Returns a day as messages write it: of the years 1 to 9999.
fn date(day: Date) -> Option<IsoDate> {
    let part = |part: i8| u8::try_from(part).ok();
    IsoDate::new(u16::try_from(day.year()).ok()?, part(day.month())?, part(day.day())?).ok()
}
