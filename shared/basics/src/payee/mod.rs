//! Who is paid and who pays: names, addresses, accounts, and what documents say of taxes.
//! Everything is checked when it is entered, and all mistakes are told at once. It never asks a
//! bank or an authority, and debug output never shows a whole account number.
//!
//! # Format
//!
//! A payee as JSON. `method` says which of the account's fields stand with it:
//!
//! | `method` | account |
//! |---|---|
//! | `bank`, and `sepa`, as it was called once | `iban`, `bic`? |
//! | `paypal` | `email` |
//! | `wise` | `email`, or `recipient`: the id of a saved recipient |
//!
//! Beside it, all optional: `name`, `bank_name`, `holder`, `address` (`street`?, `building`?,
//! `postcode`?, `town`, `country`), `document`, `tax_number`, `vat_id`, `vat`, `vat_rate`.

mod account;
mod address;
mod fields;
mod mistake;
mod read;
mod types;
mod vat;

pub use account::{Bic, Email, Iban, RecipientId};
pub use address::{Address, Country};
pub use mistake::{Mistake, mask};
pub use types::{Account, Document, Holder, Payee, Payer, VatStatus, WiseRecipient};
pub use vat::VatId;
