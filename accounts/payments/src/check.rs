//! What every payment file demands: lines, ids that stand once, one currency, amounts above zero,
//! and texts on one line.

use std::collections::HashMap;

use basics::money::Money;

use crate::file::{Job, Transfer};
use crate::told::{At, Told};

/// The most characters of an id: ISO 20022's `Max35Text`.
const ID_MAX: usize = 35;
/// The most characters of a reference: ISO 20022's `Max140Text`.
const REFERENCE_MAX: usize = 140;
/// The most characters of a name in any format.
const NAME_MAX: usize = 200;

/// Checks a job and returns the sum of its amounts.
pub(crate) fn job(job: &Job, told: &mut Told) -> Option<Money> {
    id("batch", &job.batch, &mut told.of_job());
    if job.transfers.is_empty() {
        told.of_job().tell::<()>("transfers", "", "there is nothing to pay", "make another batch");
    }
    let mut lines: HashMap<String, usize> = HashMap::new();
    for (index, transfer) in job.transfers.iter().enumerate() {
        let at = &mut told.of_line(index, transfer);
        line(job, transfer, at);
        let first = *lines.entry(written_id(&transfer.id)).or_insert(index);
        if first != index {
            let wrong = format!("stands in line {} already", first + 1);
            at.tell::<()>("id", &transfer.id, wrong, "leave one of them out: nobody is paid twice");
        }
    }
    sum(job, told)
}

/// Returns an id as payment files write it: SEPA's character set has no `_`, so it becomes `-`, as
/// EPC217-08 (6.2) has it.
pub(crate) fn written_id(id: &str) -> String {
    id.replace('_', "-")
}

fn line(job: &Job, transfer: &Transfer, at: &mut At<'_>) {
    id("id", &transfer.id, at);
    text("reference", &transfer.reference, REFERENCE_MAX, at);
    let (field, name) = name(transfer);
    text(field, name, NAME_MAX, at);
    let Money { minor, currency } = transfer.amount;
    let amount = format!("{} {currency}", transfer.amount);
    if currency != job.currency {
        let wrong = format!("is not in {}, the currency of this file", job.currency);
        at.tell::<()>("amount", &amount, wrong, "pay it in a file of its own");
    }
    if minor <= 0 {
        let way_out = "leave the line out: what is owed back is carried to the next batch";
        at.tell::<()>("amount", &amount, "is not above zero", way_out);
    }
}

/// Returns the field that names a payee for banks, and the name.
pub(crate) fn name(transfer: &Transfer) -> (&'static str, &str) {
    match (&transfer.payee.bank_name, &transfer.payee.name) {
        (Some(name), _) => ("bank_name", name),
        (None, name) => ("name", name.as_ref().unwrap_or(&transfer.name)),
    }
}

fn id(field: &str, id: &str, at: &mut At<'_>) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let is_id = (1..=ID_MAX).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(is_plain);
    if !is_id {
        let way_out = "make one of at most 35 letters, digits and -_.: that begins with no sign";
        at.tell::<()>(field, id, "is no id that banks give back", way_out);
    }
}

fn text(field: &str, text: &str, max: usize, at: &mut At<'_>) {
    let length = text.chars().count();
    let wrong = if text.trim().is_empty() {
        "is empty".to_owned()
    } else if length > max {
        format!("has {length} characters, at most {max} fit")
    } else if text.chars().any(char::is_control) {
        "contains a control character".to_owned()
    } else {
        return;
    };
    at.tell::<()>(field, text, wrong, "enter it shorter and on one line");
}

fn sum(job: &Job, told: &mut Told) -> Option<Money> {
    let mut amounts = job.transfers.iter().map(|transfer| transfer.amount.minor);
    match amounts.try_fold(0i64, i64::checked_add) {
        Some(minor) => Some(Money { minor, currency: job.currency }),
        None => {
            told.of_job().tell("transfers", "", "their sum is too large", "make several batches")
        }
    }
}
