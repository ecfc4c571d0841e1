//! Who pays and who is paid, as a document has to say it: names, addresses, tax numbers, the kind of
//! document and what it says of VAT. It never shows an account number, and computes no tax.

use shared::payee::{Address, Document as Kind, Payee, VatStatus};

use super::Accounts;
use crate::write::print::Cell;

type Facts = Vec<(&'static str, Cell)>;

/// Returns what is known of the influencer and the merchant of a statement. What is still sealed is not
/// known here.
pub(super) fn parties(accounts: &Accounts<'_>) -> Facts {
    let catalog = &accounts.dataset.catalog;
    let influencer = accounts.whose.influencer.and_then(|id| catalog.influencers.get(&id));
    let payee = influencer.and_then(|known| Payee::read(known.payout.as_ref()?).ok());
    let merchant = accounts.whose.merchant.and_then(|id| catalog.merchants.get(&id));
    let payer = merchant.and_then(|merchant| merchant.payer.as_ref());
    let mut facts = payee.as_ref().map_or_else(Vec::new, of_payee);
    if let Some(payer) = payer {
        facts.push(("payer", Cell::Text(payer.name.clone())));
        facts.push(("payer_address", Cell::Text(address(&payer.address))));
        facts.extend(payer.vat_id.as_ref().map(|id| ("payer_vat_id", id_of(id.as_str()))));
    }
    facts
}

fn of_payee(payee: &Payee) -> Facts {
    let mut facts = Facts::new();
    facts.extend(payee.document.map(|kind| ("document", Cell::Word(word_of(kind)))));
    facts.extend(payee.name.clone().map(|name| ("payee", Cell::Text(name))));
    facts.extend(payee.address.as_ref().map(|of| ("payee_address", Cell::Text(address(of)))));
    facts.extend(payee.tax_number.clone().map(|number| ("tax_number", Cell::Text(number))));
    facts.extend(payee.vat_id.as_ref().map(|id| ("vat_id", id_of(id.as_str()))));
    match payee.vat {
        Some(VatStatus::Domestic { rate }) => {
            facts.push(("vat", Cell::Word("domestic")));
            facts.push(("vat_rate", Cell::Number(rate.to_string())));
        }
        Some(VatStatus::ReverseCharge) => facts.push(("vat", Cell::Word("reverse_charge"))),
        Some(VatStatus::SmallBusiness) => facts.push(("vat", Cell::Word("small_business"))),
        Some(VatStatus::Exempt) => facts.push(("vat", Cell::Word("exempt"))),
        None => {}
    }
    facts
}

fn id_of(text: &str) -> Cell {
    Cell::Id(text.to_owned())
}

const fn word_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Invoice => "invoice",
        Kind::SelfBilling => "self_billing",
        Kind::Receipt => "receipt",
        Kind::Payslip => "payslip",
    }
}

/// Returns an address in one line.
fn address(address: &Address) -> String {
    let street = [address.street.as_deref(), address.building.as_deref()];
    let town = [address.postcode.as_deref(), Some(address.town.as_str())];
    let words =
        |words: [Option<&str>; 2]| words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let parts = [words(street), words(town), address.country.code().to_owned()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
