//! Readers that share no code with this crate: ISO's own schema by the Python package xmlschema,
//! and IBANs by schwifty.
//!
//! Needs a Python that has them (`pip install sepaxml xmlschema schwifty`; sepaxml ships the schema
//! of pain.001.001.09): the one in `AFTERCLICK_TEST_PYTHON`, else `python3`. Without it the tests
//! say so and pass, because a laptop may not have it; `scripts/test` installs it.

use std::path::Path;
use std::process::Command;

use basics::payee::Iban;
use payments::{Format, write};
use serde_json::json;

use crate::support::{good, job, money, payee, transfer};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/readers.py");

/// Returns the Python that has the readers.
fn python() -> Option<String> {
    let python = std::env::var("AFTERCLICK_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import sepaxml, xmlschema, schwifty"]).output();
    if found.is_ok_and(|found| found.status.success()) {
        return Some(python);
    }
    eprintln!("SKIPPED payments readers: {python} has no sepaxml, xmlschema and schwifty");
    None
}

/// Runs the script and returns whether it succeeded, and what it said.
fn run(python: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(python).arg(SCRIPT).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said + &errors)
}

fn check_file(python: &str, path: &Path, xml: &str) -> (bool, String) {
    std::fs::write(path, xml).unwrap();
    run(python, &["file", path.to_str().unwrap()])
}

#[test]
fn a_sepa_file_follows_isos_schema_and_every_planted_fault_is_found() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.xml");
    let xml = write(&good(Format::Sepa), Format::Sepa).unwrap().text;
    assert_eq!(
        check_file(&python, &path, &xml),
        (true, "3 transactions, 1000000399.11 EUR, 3 structured addresses\n".to_owned())
    );
    for (right, wrong, found) in [
        ("FR1420041010050500013M02606", "FR1420041010050500013M02607", "IBAN"),
        ("<StrtNm>Drottninggatan</StrtNm>", "<AdrLine>Drottninggatan 12</AdrLine>", ""),
        (
            "<TwnNm>Paris</TwnNm><Ctry>FR</Ctry>",
            "<Ctry>FR</Ctry><AdrLine>Paris</AdrLine>",
            "address without a town, or with free lines",
        ),
        ("<CtrlSum>1000000399.11<", "<CtrlSum>1000000399.12<", "control sum"),
        ("<NbOfTxs>3<", "<NbOfTxs>2<", "number of transactions"),
        ("<BICFI>ESSESESS<", "<BICFI>ESSESES<", "BICFI"),
        ("<EndToEndId>pay-7-1<", "<EndToEndId>pay-7-2<", "EndToEndId twice"),
        ("<Nm>Sara Cohen</Nm>", "<Nm></Nm>", "Nm"),
        ("Ccy=\"EUR\">144.31", "Ccy=\"EUR\">-144.31", "144.31"),
        ("<ReqdExctnDt><Dt>2026-12-03</Dt>", "<ReqdExctnDt>2026-12-03", ""),
    ] {
        assert!(xml.contains(right), "{right}");
        let (is_good, said) = check_file(&python, &path, &xml.replacen(right, wrong, 1));
        assert!(!is_good && said.contains(found), "{wrong}: {said}");
    }
}

#[test]
fn a_file_of_all_sepa_countries_follows_isos_schema() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (is_good, said) = run(&python, &["sepa-ibans"]);
    assert!(is_good, "{said}");
    let line = |(number, iban): (usize, &str)| {
        let payee =
            payee(json!({ "method": "bank", "iban": iban, "name": "Zoë <O'Neil> & \"Co\"" }));
        transfer(&format!("pay_{number}"), payee, money("0.01", "EUR"))
    };
    let job = job("EUR", said.lines().enumerate().map(line).collect());
    let xml = write(&job, Format::Sepa).unwrap().text;
    let (is_good, said) = check_file(&python, &folder.path().join("file.xml"), &xml);
    assert!(is_good && said.starts_with("42 transactions, 0.42 EUR"), "{said}");
}

#[test]
fn ibans_are_judged_as_schwifty_judges_them() {
    let Some(python) = python() else { return };
    let (is_good, said) = run(&python, &["ibans"]);
    assert!(is_good, "{said}");
    let (mut valid, mut invalid) = (0, 0);
    for line in said.lines() {
        let (iban, verdict) = line.split_once(' ').unwrap();
        assert_eq!(iban.parse::<Iban>().is_ok(), verdict == "valid", "{line}");
        *(if verdict == "valid" { &mut valid } else { &mut invalid }) += 1;
    }
    assert!(valid > 1500 && invalid > 6000, "{valid} and {invalid} were compared");
}

#[test]
fn csv_files_are_read_alike_by_python() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (format, expected) in [
        (Format::Paypal, "3 lines, 1399.12 EUR\n"),
        (Format::Wise, "3 lines, 399.13 USD\n"),
        (Format::Plain, "3 lines, 1000000399.11 EUR\n"),
    ] {
        let path = folder.path().join("file.csv");
        std::fs::write(&path, write(&good(format), format).unwrap().text).unwrap();
        let said = run(&python, &["csv", format.as_str(), path.to_str().unwrap()]);
        assert_eq!(said, (true, expected.to_owned()));
    }
}
