//! What a payee and a payer are made of. Whoever holds one holds checked values.

use serde::Serialize;

use super::account::{Bic, Email, Iban, RecipientId};
use super::address::Address;
use super::mistake::mask;
use super::vat::VatId;
use crate::money::Decimal;

/// Who is paid: the account, and what a bank and a document must know besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payee {
    /// The legal name, at most 140 characters; without it, the influencer's name counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name as the bank has it, in Latin letters, where the legal name has others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_name: Option<String>,
    /// Whether a person or a company holds the account.
    pub holder: Holder,
    /// The postal address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// The kind of document that goes with a payout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
    /// The tax number of any country, at most 35 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_number: Option<String>,
    /// The VAT number of the European Union.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat_id: Option<VatId>,
    /// What a document says of VAT.
    #[serde(flatten)]
    pub vat: Option<VatStatus>,
}

/// Who pays: a merchant or an agency, with the account that the money leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payer {
    /// The legal name, at most 140 characters.
    pub name: String,
    /// The name as the bank has it, in Latin letters, where the legal name has others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_name: Option<String>,
    /// The postal address.
    pub address: Address,
    /// The account that the money leaves.
    pub iban: Iban,
    /// The bank of this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bic: Option<Bic>,
    /// The tax number of any country, at most 35 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_number: Option<String>,
    /// The VAT number of the European Union.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat_id: Option<VatId>,
}

/// An account that can be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Account {
    /// An account at a bank.
    Bank {
        /// Its number.
        iban: Iban,
        /// The bank.
        #[serde(skip_serializing_if = "Option::is_none")]
        bic: Option<Bic>,
    },
    /// An account at PayPal.
    Paypal {
        /// The address that PayPal knows.
        email: Email,
    },
    /// A recipient of Wise.
    Wise(WiseRecipient),
}

/// How Wise knows whom to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WiseRecipient {
    /// By an address to which Wise sends a link.
    Email(Email),
    /// By the id of a recipient whom the payer saved at Wise.
    Recipient(RecipientId),
}

/// Who holds an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A natural person.
    Person,
    /// A company or another legal person.
    Company,
}

/// The kind of document that goes with a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Document {
    /// The payee writes an invoice.
    Invoice,
    /// The payer writes the invoice in the payee's name: a self-billing invoice, by article 224 of
    /// directive 2006/112/EC.
    SelfBilling,
    /// A receipt without VAT.
    Receipt,
    /// A payslip of an employee.
    Payslip,
}

/// What a document says of VAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "vat", rename_all = "snake_case")]
pub enum VatStatus {
    /// VAT of the payee's country is added.
    Domestic {
        /// The rate in percent: above 0, at most 30.
        #[serde(rename = "vat_rate")]
        rate: Decimal,
    },
    /// The payer owes the VAT, by articles 44 and 196 of directive 2006/112/EC.
    ReverseCharge,
    /// A small business adds none, by title XII of directive 2006/112/EC.
    SmallBusiness,
    /// The service is exempt, or the payee is no business.
    Exempt,
}

impl Account {
    /// Returns the account as pages show it, masked by [`mask`]: `…3000`, `a…@example.com`.
    pub fn shown(&self) -> String {
        match self {
            Self::Bank { iban, .. } => mask(iban.as_str()),
            Self::Paypal { email } | Self::Wise(WiseRecipient::Email(email)) => {
                mask(email.as_str())
            }
            Self::Wise(WiseRecipient::Recipient(id)) => mask(id.as_str()),
        }
    }
}
