//! Jobs to write.

use basics::money::{Currency, Decimal, Money};
use basics::payee::{Payee, Payer};
use payments::{Format, Job, Transfer};
use serde_json::{Value, json};

pub(crate) fn money(text: &str, currency: &str) -> Money {
    let currency: Currency = currency.parse().unwrap();
    Money { minor: text.parse::<Decimal>().unwrap().to_minor(currency).unwrap(), currency }
}

pub(crate) fn payee(value: Value) -> Payee {
    Payee::read(&value).unwrap_or_else(|mistakes| panic!("{value}: {mistakes:?}"))
}

pub(crate) fn transfer(id: &str, payee: Payee, amount: Money) -> Transfer {
    let reference = format!("afterclick payout 7, {id}");
    Transfer { id: id.to_owned(), name: "Anna".to_owned(), payee, amount, reference }
}

pub(crate) fn payer() -> Payer {
    let payer = json!({
        "name": "Müller & Söhne GmbH", "iban": "DE89370400440532013000", "bic": "COBADEFFXXX",
        "address": { "street": "Königsallee", "building": "1", "postcode": "40212",
                     "town": "Düsseldorf", "country": "DE" },
    });
    Payer::read(&payer).unwrap()
}

pub(crate) fn job(currency: &str, transfers: Vec<Transfer>) -> Job {
    Job {
        batch: "pay_0000000000007".to_owned(),
        number: 7,
        currency: currency.parse().unwrap(),
        made_on: "2026-12-01".parse().unwrap(),
        pay_on: "2026-12-03".parse().unwrap(),
        payer: Some(payer()),
        transfers,
    }
}

/// Returns a job of three lines that the format writes.
pub(crate) fn good(format: Format) -> Job {
    match format {
        Format::Sepa | Format::Plain => job("EUR", bank()),
        Format::Paypal => {
            let at = |email: &str| payee(json!({ "method": "paypal", "email": email }));
            job(
                "EUR",
                vec![
                    transfer("pay_7-1", at("anna@example.com"), money("254.81", "EUR")),
                    transfer("pay_7-2", at("ben@example.com"), money("144.31", "EUR")),
                    transfer("pay_7-3", at("cleo@example.com"), money("1000.00", "EUR")),
                ],
            )
        }
        Format::Wise => {
            let with = |id: &str, holder: &str| {
                payee(json!({ "method": "wise", "recipient": id, "holder": holder,
                              "name": "Şebnem, \"Ş\"" }))
            };
            job(
                "USD",
                vec![
                    transfer("pay_7-1", with("12345678", "person"), money("254.81", "USD")),
                    transfer("pay_7-2", with("12345679", "company"), money("144.31", "USD")),
                    transfer("pay_7-3", with("12345680", "person"), money("0.01", "USD")),
                ],
            )
        }
    }
}

fn bank() -> Vec<Transfer> {
    let full = payee(json!({
        "method": "bank", "iban": "SE4550000000058398257466", "bic": "ESSESESS",
        "name": "Åse Öberg",
        "address": { "street": "Drottninggatan", "building": "12 B", "postcode": "111 51",
                     "town": "Malmö", "country": "SE" },
    }));
    let iban_alone = payee(json!({ "method": "bank", "iban": "LV80BANK0000435195001" }));
    let named = payee(json!({
        "method": "bank", "iban": "FR1420041010050500013M02606", "name": "שרה כהן",
        "bank_name": "Sara Cohen", "address": { "town": "Paris", "country": "FR" },
    }));
    vec![
        transfer("pay_7-1", full, money("254.81", "EUR")),
        transfer("pay_7-2", iban_alone, money("144.31", "EUR")),
        transfer("pay_7-3", named, money("999999999.99", "EUR")),
    ]
}

/// Returns what was told, a line a mistake.
pub(crate) fn told(job: &Job, format: Format) -> Vec<String> {
    let mistakes = payments::write(job, format).expect_err("a mistake");
    assert!(!mistakes.is_empty(), "a refusal has a reason");
    mistakes.iter().map(ToString::to_string).collect()
}
