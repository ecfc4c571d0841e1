//! CSV as payment services read it: RFC 4180, UTF-8 without a mark, lines that end in CRLF.

use basics::spreadsheet::runs;

use crate::file::Transfer;
use crate::told::{At, Told};

/// Writes a header, unless it is empty, and rows.
pub(crate) fn csv(header: &[&str], rows: &[Vec<String>]) -> Option<String> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if !header.is_empty() {
        writer.write_record(header).ok()?;
    }
    for row in rows {
        writer.write_record(row).ok()?;
    }
    String::from_utf8(writer.into_inner().ok()?).ok()
}

/// Makes a row of each transfer. A transfer whose mistake was told has none.
pub(crate) fn of(
    transfers: &[Transfer],
    told: &mut Told,
    row: impl Fn(&Transfer, &mut At<'_>) -> Option<Vec<String>>,
) -> Vec<Vec<String>> {
    let rows = transfers.iter().enumerate();
    rows.filter_map(|(index, transfer)| row(transfer, &mut told.of_line(index, transfer))).collect()
}

/// Tells that a file has more lines than the service takes.
pub(crate) fn at_most(max: usize, service: &str, transfers: &[Transfer], told: &mut Told) {
    if transfers.len() > max {
        let wrong = format!("{} are too many: {service} takes {max} in a file", transfers.len());
        told.of_job().tell::<()>("transfers", "", wrong, "make several batches");
    }
}

// SECURITY: payees choose their names, and merchants open the file in a spreadsheet. A guarded name
// would be another name for the service, so it is refused.
/// Returns a text that goes to a service as it stands, and tells one that would run as a formula.
pub(crate) fn as_it_stands(field: &str, text: &str, at: &mut At<'_>) -> Option<String> {
    if runs(text) {
        let wrong = "would run as a formula where the file is opened in a spreadsheet";
        return at.tell(field, text, wrong, "begin it with a letter or a digit");
    }
    Some(text.to_owned())
}
