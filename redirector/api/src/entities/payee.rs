//! How somebody is paid, and who pays.

use crate::field::{Field, Form};

const ADDRESS: &[Field] = &[
    Field::optional("street", Form::Text(70), "The street."),
    Field::optional("building", Form::Text(16), "The number of the building."),
    Field::optional("postcode", Form::Text(16), "The postcode."),
    Field::optional("town", Form::Text(35), "The town."),
    Field::optional("country", Form::Text(2), "The country: ISO 3166-1, two letters."),
];

/// How an influencer is paid.
pub(crate) const PAYEE: &[Field] = &[
    Field::required(
        "method",
        Form::OneOf(&["bank", "paypal", "wise", "sepa"]),
        "The kind of account. `sepa` is an older word for `bank`.",
    ),
    Field::optional("iban", Form::Text(60), "The account at a bank."),
    Field::optional("bic", Form::Text(30), "The bank."),
    Field::optional("email", Form::Email, "The address that PayPal or Wise knows."),
    Field::optional("recipient", Form::Text(40), "The id of a recipient who is saved at Wise."),
    Field::optional("name", Form::Text(140), "The legal name."),
    Field::optional("bank_name", Form::Text(140), "The name as the bank has it, in Latin letters."),
    Field::optional("holder", Form::OneOf(&["person", "company"]), "Who holds the account."),
    Field::optional("address", Form::Record(ADDRESS), "The postal address."),
    Field::optional(
        "document",
        Form::OneOf(&["invoice", "self_billing", "receipt", "payslip"]),
        "The kind of document that goes with a payout.",
    ),
    Field::optional("tax_number", Form::Text(35), "The tax number of any country."),
    Field::optional("vat_id", Form::Text(30), "The VAT number of the European Union."),
    Field::optional(
        "vat",
        Form::OneOf(&["domestic", "reverse_charge", "small_business", "exempt"]),
        "What a document says of VAT.",
    ),
    Field::optional("vat_rate", Form::Decimal, "The rate in percent, with `domestic`."),
];

/// Who pays a merchant's influencers.
pub(crate) const PAYER: &[Field] = &[
    Field::required("name", Form::Text(140), "The legal name."),
    Field::optional("bank_name", Form::Text(140), "The name as the bank has it, in Latin letters."),
    Field::required("address", Form::Record(ADDRESS), "The postal address."),
    Field::required("iban", Form::Text(60), "The account that the money leaves."),
    Field::optional("bic", Form::Text(30), "The bank of this account."),
    Field::optional("tax_number", Form::Text(35), "The tax number of any country."),
    Field::optional("vat_id", Form::Text(30), "The VAT number of the European Union."),
];
