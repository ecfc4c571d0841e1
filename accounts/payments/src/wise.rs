//! Wise's templates of batch payments. Source: wise.com/help, "How do I fill in my batch template?"
//! and "What's a batch payment template?".
//!
//! # Format
//!
//! A header with Wise's own names of columns, then at most 1,000 lines. There is one template for
//! saved recipients and one for e-mail addresses, and a file follows one of them. The balance that
//! pays is in the currency that is paid, and `target` makes Wise pay exactly the amount: its fees
//! are the payer's.

use basics::payee::{Account, Holder, WiseRecipient};

use crate::check::name;
use crate::file::{Job, Transfer};
use crate::rows::{self, as_it_stands};
use crate::told::{At, Told};

const LINES_MAX: usize = 1000;

const OF_SAVED: [&str; 10] = [
    "recipientId",
    "name",
    "recipientEmail",
    "recipientDetail",
    "sourceCurrency",
    "targetCurrency",
    "amountCurrency",
    "amount",
    "paymentReference",
    "receiverType",
];
const OF_EMAILS: [&str; 8] = [
    "name",
    "recipientEmail",
    "paymentReference",
    "receiverType",
    "amountCurrency",
    "amount",
    "sourceCurrency",
    "targetCurrency",
];

/// One of Wise's templates.
#[derive(Clone, Copy, PartialEq)]
enum Template {
    Saved,
    Emails,
}

impl Template {
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Saved => &OF_SAVED,
            Self::Emails => &OF_EMAILS,
        }
    }

    const fn of(recipient: &WiseRecipient) -> Self {
        match recipient {
            WiseRecipient::Recipient(_) => Self::Saved,
            WiseRecipient::Email(_) => Self::Emails,
        }
    }
}

pub(crate) fn write(job: &Job, told: &mut Told) -> Option<String> {
    rows::at_most(LINES_MAX, "Wise", &job.transfers, told);
    let template = job.transfers.iter().find_map(recipient).map_or(Template::Saved, Template::of);
    let row = |transfer: &Transfer, at: &mut At<'_>| row(transfer, template, at);
    rows::csv(template.columns(), &rows::of(&job.transfers, told, row))
}

const fn recipient(transfer: &Transfer) -> Option<&WiseRecipient> {
    match &transfer.payee.account {
        Account::Wise(recipient) => Some(recipient),
        _ => None,
    }
}

fn row(transfer: &Transfer, template: Template, at: &mut At<'_>) -> Option<Vec<String>> {
    let (field, name) = name(transfer);
    let name = as_it_stands(field, name, at);
    let reference = as_it_stands("reference", &transfer.reference, at);
    let Some(recipient) = recipient(transfer) else {
        let way_out = "ask the payee for an account at Wise, or pay in another format";
        return at.tell("method", "", "is no recipient of Wise", way_out);
    };
    if Template::of(recipient) != template {
        return tell_mixed(recipient, at);
    }
    let (name, reference) = (name?, reference?);
    let value = |column: &&str| match (*column, recipient) {
        ("recipientId", WiseRecipient::Recipient(id)) => id.as_str().to_owned(),
        ("recipientEmail", WiseRecipient::Email(email)) => email.as_str().to_owned(),
        ("name", _) => name.clone(),
        ("paymentReference", _) => reference.clone(),
        ("amount", _) => transfer.amount.to_string(),
        ("amountCurrency", _) => "target".to_owned(),
        ("sourceCurrency" | "targetCurrency", _) => transfer.amount.currency.to_string(),
        ("receiverType", _) => receiver_type(transfer.payee.holder).to_owned(),
        _ => String::new(),
    };
    Some(template.columns().iter().map(value).collect())
}

fn tell_mixed<T>(recipient: &WiseRecipient, at: &mut At<'_>) -> Option<T> {
    match recipient {
        WiseRecipient::Email(_) => at.tell(
            "email",
            "",
            "stands where the lines before have ids of saved recipients",
            "pay e-mail addresses in a file of their own",
        ),
        WiseRecipient::Recipient(_) => at.tell(
            "recipient",
            "",
            "stands where the lines before have e-mail addresses",
            "pay saved recipients in a file of their own",
        ),
    }
}

const fn receiver_type(holder: Holder) -> &'static str {
    match holder {
        Holder::Person => "PERSON",
        Holder::Company => "INSTITUTION",
    }
}
