//! Wise's templates of batch payments. Source: wise.com/help, "How do I fill in my batch template?"
//! and "What's a batch payment template?".
//!
//! # Format
//!
//! A header with Wise's own names of columns, then at most 1,000 lines. There is one template for
//! saved recipients and one for e-mail addresses, and a file follows one of them. The balance that
//! pays is in the currency that is paid, and `target` makes Wise pay exactly the amount: its fees are
//! the payer's.

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

pub(crate) fn write(job: &Job, told: &mut Told) -> Option<String> {
    rows::at_most(LINES_MAX, "Wise", &job.transfers, told);
    let template = job.transfers.iter().find_map(template).unwrap_or(Template::Emails);
    let row = |transfer: &Transfer, at: &mut At<'_>| row(transfer, template, at);
    let rows = rows::of(&job.transfers, told, row);
    match template {
        Template::Saved => rows::csv(&OF_SAVED, &rows),
        Template::Emails => rows::csv(&OF_EMAILS, &rows),
    }
}

fn template(transfer: &Transfer) -> Option<Template> {
    match transfer.payee.account {
        Account::Wise(WiseRecipient::Recipient(_)) => Some(Template::Saved),
        Account::Wise(WiseRecipient::Email(_)) => Some(Template::Emails),
        _ => None,
    }
}

fn row(transfer: &Transfer, template: Template, at: &mut At<'_>) -> Option<Vec<String>> {
    let (field, name) = name(transfer);
    let name = as_it_stands(field, name, at);
    let reference = as_it_stands("reference", &transfer.reference, at);
    let Account::Wise(recipient) = &transfer.payee.account else {
        let way_out = "ask the payee for an account at Wise, or pay in another format";
        return at.tell("method", "", "is no recipient of Wise", way_out);
    };
    let (currency, amount) = (transfer.amount.currency.to_string(), transfer.amount.to_string());
    let receiver = receiver_type(transfer.payee.holder).to_owned();
    let target = "target".to_owned();
    match (recipient, template) {
        (WiseRecipient::Recipient(id), Template::Saved) => Some(vec![
            id.as_str().to_owned(),
            name?,
            String::new(),
            String::new(),
            currency.clone(),
            currency,
            target,
            amount,
            reference?,
            receiver,
        ]),
        (WiseRecipient::Email(email), Template::Emails) => Some(vec![
            name?,
            email.as_str().to_owned(),
            reference?,
            receiver,
            target,
            amount,
            currency.clone(),
            currency,
        ]),
        (WiseRecipient::Email(_), Template::Saved) => {
            let wrong = "stands where the lines before have ids of saved recipients";
            at.tell("email", "", wrong, "pay e-mail addresses in a file of their own")
        }
        (WiseRecipient::Recipient(_), Template::Emails) => {
            let wrong = "stands where the lines before have e-mail addresses";
            at.tell("recipient", "", wrong, "pay saved recipients in a file of their own")
        }
    }
}

fn receiver_type(holder: Holder) -> &'static str {
    match holder {
        Holder::Person => "PERSON",
        Holder::Company => "INSTITUTION",
    }
}
