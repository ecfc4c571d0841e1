//! PayPal's payment file for Payouts Web. Source: developer.paypal.com, "Payouts Web" (July 2026)
//! and "PayPal supported currencies".
//!
//! # Format
//!
//! Six columns without a header: address, amount, currency, customer id (at most 30 characters, no
//! spaces), note, wallet. At most 5,000 lines, one currency. The amount has a comma where the
//! payer's country writes one, else a point; PayPal refuses the other sign at the upload.

use basics::money::{Currency, Money};
use basics::payee::Account;

use crate::file::{Job, Transfer};
use crate::rows::{self, as_it_stands};
use crate::told::{At, Told};

const LINES_MAX: usize = 5000;
const ID_MAX: usize = 30;

pub(crate) fn write(job: &Job, told: &mut Told) -> Option<String> {
    rows::at_most(LINES_MAX, "PayPal", &job.transfers, told);
    let country = job.payer.as_ref().map(|payer| payer.address.country);
    let country = country.as_ref().map_or("", |country| country.code());
    currency(job.currency, country, told);
    let row = |transfer: &Transfer, at: &mut At<'_>| row(transfer, country, at);
    rows::csv(&[], &rows::of(&job.transfers, told, row))
}

fn currency(currency: Currency, country: &str, told: &mut Told) {
    let code = currency.code();
    let (wrong, way_out) = match holding(code) {
        Some(Holding::Everywhere) => return,
        Some(Holding::At(home)) if home == country => return,
        Some(Holding::At(home)) => (
            format!("is held by PayPal for payers in {home} alone"),
            "enter a payer of that country, or pay it by Wise or at a bank",
        ),
        None => ("is not held by PayPal".to_owned(), "pay it by Wise or at a bank"),
    };
    told.of_job().tell::<()>("currency", code, wrong, way_out);
}

fn row(transfer: &Transfer, country: &str, at: &mut At<'_>) -> Option<Vec<String>> {
    if transfer.id.len() > ID_MAX {
        let wrong = "has more than 30 characters, which PayPal takes";
        at.tell::<()>("id", &transfer.id, wrong, "make shorter ids");
    }
    let amount = amount(transfer.amount, country, at);
    let note = as_it_stands("reference", &transfer.reference, at);
    let Account::Paypal { email } = &transfer.payee.account else {
        let way_out = "ask the payee for the address that PayPal knows, or pay in another format";
        return at.tell("method", "", "is no account at PayPal", way_out);
    };
    Some(vec![
        email.as_str().to_owned(),
        amount?,
        transfer.amount.currency.to_string(),
        transfer.id.clone(),
        note?,
        "PAYPAL".to_owned(),
    ])
}

fn amount(amount: Money, country: &str, at: &mut At<'_>) -> Option<String> {
    let text = amount.to_string();
    let Some((whole, decimals)) = text.split_once('.') else { return Some(text) };
    if has_no_decimals(amount.currency.code()) {
        if decimals.bytes().any(|digit| digit != b'0') {
            let value = format!("{text} {}", amount.currency);
            let way_out = "pay whole units, and carry the rest to the next batch";
            return at.tell("amount", &value, "has decimals, which PayPal refuses", way_out);
        }
        return Some(whole.to_owned());
    }
    Some(if writes_comma(country) { format!("{whole},{decimals}") } else { text })
}

/// Who may pay a currency.
enum Holding {
    Everywhere,
    /// Accounts of one country.
    At(&'static str),
}

fn holding(currency: &str) -> Option<Holding> {
    match currency {
        "AUD" | "CAD" | "CHF" | "CZK" | "DKK" | "EUR" | "GBP" | "HKD" | "HUF" | "ILS" | "JPY"
        | "MXN" | "NOK" | "NZD" | "PHP" | "PLN" | "SEK" | "SGD" | "THB" | "TWD" | "USD" => {
            Some(Holding::Everywhere)
        }
        "BRL" => Some(Holding::At("BR")),
        "CNY" => Some(Holding::At("CN")),
        "MYR" => Some(Holding::At("MY")),
        _ => None,
    }
}

/// Returns whether PayPal refuses decimals of a currency, although ISO 4217 may have some.
fn has_no_decimals(currency: &str) -> bool {
    matches!(currency, "HUF" | "JPY" | "TWD")
}

/// Returns whether a country writes a comma before decimals (Unicode CLDR, its main language).
fn writes_comma(country: &str) -> bool {
    WRITE_COMMA.contains(&country)
}

const WRITE_COMMA: [&str; 56] = [
    "AD", "AL", "AR", "AT", "BA", "BE", "BG", "BR", "BY", "CL", "CO", "CY", "CZ", "DE", "DK", "EE",
    "ES", "FI", "FO", "FR", "GE", "GL", "GR", "HR", "HU", "ID", "IS", "IT", "KZ", "LT", "LU", "LV",
    "MA", "MC", "MD", "ME", "MK", "NL", "NO", "PL", "PT", "PY", "RO", "RS", "RU", "SE", "SI", "SK",
    "SM", "TN", "TR", "UA", "UY", "VA", "VE", "VN",
];
