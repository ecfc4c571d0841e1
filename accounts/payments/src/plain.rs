//! A CSV for any bank that has an import of its own: one line a transfer, with a header. Texts
//! never run as formulas.

use basics::payee::{Account, Address, Country};
use basics::spreadsheet::guard;

use crate::check::name;
use crate::file::{Job, Transfer};
use crate::rows;
use crate::told::{At, Told};

const HEADER: [&str; 12] = [
    "id",
    "name",
    "street",
    "building",
    "postcode",
    "town",
    "country",
    "iban",
    "bic",
    "amount",
    "currency",
    "reference",
];

pub(crate) fn write(job: &Job, told: &mut Told) -> Option<String> {
    rows::csv(&HEADER, &rows::of(&job.transfers, told, row))
}

fn row(transfer: &Transfer, at: &mut At<'_>) -> Option<Vec<String>> {
    let Account::Bank { iban, bic } = &transfer.payee.account else {
        let way_out = "ask the payee for an IBAN, or pay in a file of that service";
        return at.tell("method", "", "is no account at a bank", way_out);
    };
    let guarded = |text: &str| guard(text).into_owned();
    let address = transfer.payee.address.as_ref();
    let part = |part: fn(&Address) -> Option<&String>| {
        address.and_then(part).map(|text| guarded(text)).unwrap_or_default()
    };
    Some(vec![
        transfer.id.clone(),
        guarded(name(transfer).1),
        part(|address| address.street.as_ref()),
        part(|address| address.building.as_ref()),
        part(|address| address.postcode.as_ref()),
        part(|address| Some(&address.town)),
        address
            .map(|address| address.country)
            .as_ref()
            .map(Country::code)
            .unwrap_or_default()
            .into(),
        iban.as_str().to_owned(),
        bic.as_ref().map(|bic| bic.as_str().to_owned()).unwrap_or_default(),
        transfer.amount.to_string(),
        transfer.amount.currency.to_string(),
        guarded(&transfer.reference),
    ])
}
