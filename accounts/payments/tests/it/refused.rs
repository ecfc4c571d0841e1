//! What is refused: with the line, the field and the way out, and all bad lines at once.

use payments::{Format, Job, Place, Transfer, write};
use serde_json::json;

use crate::support::{good, job, money, payee, told, transfer};

/// Changes the second line of a good job and returns what is told of it.
fn told_of(format: Format, change: impl Fn(&mut Transfer)) -> String {
    let mut job = good(format);
    change(&mut job.transfers[1]);
    told(&job, format).join("; ")
}

fn told_of_job(format: Format, change: impl Fn(&mut Job)) -> String {
    let mut job = good(format);
    change(&mut job);
    told(&job, format).join("; ")
}

#[test]
fn every_bad_line_is_told_at_once() {
    let mut job = good(Format::Sepa);
    job.transfers[0].amount.minor = 0;
    job.transfers[1].name = "Олена".to_owned();
    job.transfers[1].reference = String::new();
    job.transfers[2].id = "pay_7-1".to_owned();
    job.payer = None;
    assert_eq!(
        told(&job, Format::Sepa),
        [
            "payer: is missing: enter name, address and IBAN of who pays",
            "line 1 (pay_7-1): amount: `0.00 EUR` is not above zero: leave the line out: what is \
             owed back is carried to the next batch",
            "line 2 (pay_7-2): reference: is empty: enter it shorter and on one line",
            "line 2 (pay_7-2): name: `Олена` contains 'О', which banks cannot write: enter \
             `bank_name`: the name in Latin letters, as the bank has it",
            "line 2 (pay_7-2): reference: has neither letter nor digit: enter it shorter and in \
             Latin letters",
            "line 3 (pay_7-1): id: `pay_7-1` stands in line 1 already: leave one of them out: \
             nobody is paid twice",
        ]
    );
    let mistakes = write(&job, Format::Sepa).unwrap_err();
    assert_eq!(mistakes[0].place, Place::Job);
    assert_eq!(mistakes[5].place, Place::Line { number: 3, id: "pay_7-1".to_owned() });
}

#[test]
fn no_format_pays_nothing_less_than_something_twice_or_in_two_currencies() {
    for format in Format::ALL {
        let check = |change: &dyn Fn(&mut Transfer), expected: &str| {
            let told = told_of(format, change);
            assert!(told.contains(expected), "{format}: {told}");
        };
        check(&|line| line.amount.minor = 0, "line 2 (pay_7-2): amount: `0.00");
        check(&|line| line.amount.minor = -1, "amount: `-0.01");
        check(&|line| line.amount = money("5.000", "KWD"), "amount: `5.000 KWD` is not in ");
        check(&|line| line.id = "pay_7-1".to_owned(), "stands in line 1 already");
        check(&|line| line.id = "pay-7-1".to_owned(), "stands in line 1 already");
        check(&|line| line.reference = "x".repeat(141), "reference: `xxxx");
        check(&|line| line.reference = "a\nb".to_owned(), "contains a control character");
        check(&|line| line.payee.bank_name = Some(" ".to_owned()), "bank_name: ` ` is empty");
        for id in ["", "_a", "a b", "a,b", "ä", "=1", &"x".repeat(36)] {
            check(&|line| line.id = id.to_owned(), "is no id that banks give back");
        }
        let nothing = told_of_job(format, |job| job.transfers.clear());
        assert!(nothing.contains("there is nothing to pay"), "{nothing}");
        let batch = told_of_job(format, |job| job.batch = "7/8".to_owned());
        assert!(batch.starts_with("batch: `7/8` is no id"), "{batch}");
        let sum = told_of_job(format, |job| {
            job.transfers.iter_mut().for_each(|line| line.amount.minor = i64::MAX);
        });
        assert!(sum.contains("their sum is too large"), "{sum}");
    }
}

#[test]
fn a_format_pays_its_own_accounts_alone() {
    let bank = || payee(json!({ "method": "bank", "iban": "DE89370400440532013000" }));
    let paypal = || payee(json!({ "method": "paypal", "email": "anna@example.com" }));
    for (format, payee, wrong) in [
        (Format::Sepa, paypal(), "is no account at a bank"),
        (Format::Plain, paypal(), "is no account at a bank"),
        (Format::Paypal, bank(), "is no account at PayPal"),
        (Format::Wise, bank(), "is no recipient of Wise"),
    ] {
        let told = told_of(format, |line| line.payee = payee.clone());
        assert!(told.starts_with(&format!("line 2 (pay_7-2): method: {wrong}: ")), "{told}");
    }
}

#[test]
fn a_currency_that_a_file_cannot_hold_is_refused() {
    let in_currency = |format: Format, currency: &str| {
        told_of_job(format, |job| {
            job.currency = currency.parse().unwrap();
            job.transfers.iter_mut().for_each(|line| line.amount = money("5", currency));
        })
    };
    assert_eq!(
        in_currency(Format::Sepa, "SEK"),
        "currency: `SEK` is not EUR, which SEPA pays alone: pay it by PayPal, by Wise or in a \
         plain file"
    );
    for (currency, told) in [
        ("KWD", "currency: `KWD` is not held by PayPal: "),
        ("TRY", "currency: `TRY` is not held by PayPal: "),
        ("BRL", "currency: `BRL` is held by PayPal for payers in BR alone: "),
    ] {
        assert!(in_currency(Format::Paypal, currency).starts_with(told), "{currency}");
    }
    let at = payee(json!({ "method": "paypal", "email": "anna@example.com" }));
    let forint = job("HUF", vec![transfer("a", at, money("12.50", "HUF"))]);
    assert_eq!(
        told(&forint, Format::Paypal),
        [
            "line 1 (a): amount: `12.50 HUF` has decimals, which PayPal refuses: pay whole units, and \
          carry the rest to the next batch"
        ]
    );
}

#[test]
fn sepa_has_bounds_of_its_own() {
    let check = |change: &dyn Fn(&mut Transfer), expected: &str| {
        let told = told_of(Format::Sepa, change);
        assert_eq!(told.strip_prefix("line 2 (pay_7-2): ").unwrap(), expected);
    };
    check(
        &|line| line.amount.minor = 100_000_000_000,
        "amount: `1000000000.00 EUR` is above 999999999.99, the most that SEPA transfers: pay it \
         in parts",
    );
    check(
        &|line| line.payee.name = Some("ü".repeat(71)),
        &format!(
            "name: `{}` has 71 characters as banks write it, at most 70 fit: enter `bank_name`: \
             the name in Latin letters, as the bank has it",
            "ü".repeat(40)
        ),
    );
    check(
        &|line| line.payee.bank_name = Some("@@@".to_owned()),
        "bank_name: `@@@` has neither letter nor digit: enter `bank_name`: the name in Latin \
         letters, as the bank has it",
    );
    check(
        &|line| {
            line.payee = payee(json!({ "method": "bank", "iban": "TR330006100519786457841326" }));
        },
        "iban: `…1326` is an account of TR, outside of SEPA: pay it by Wise or in a plain file",
    );
    check(
        &|line| {
            line.payee.address = payee(json!({
                "method": "bank", "iban": "DE89370400440532013000",
                "address": { "street": "вулиця", "town": "Київ", "country": "UA" },
            }))
            .address;
        },
        "address.street: `вулиця` contains 'в', which banks cannot write: enter it shorter and in \
         Latin letters; line 2 (pay_7-2): address.town: `Київ` contains 'К', which banks cannot \
         write: enter it shorter and in Latin letters",
    );
    let payer = told_of_job(Format::Sepa, |job| {
        let payer = job.payer.as_mut().unwrap();
        payer.name = "株式会社".to_owned();
        payer.iban = "TR330006100519786457841326".parse().unwrap();
        payer.address.town = "x".repeat(36);
    });
    for expected in ["payer.name: `株式会社` ", "payer.iban: `…1326` ", "payer.address.town: `xxx"]
    {
        assert!(payer.contains(expected), "{payer}");
    }
    let day = told_of_job(Format::Sepa, |job| job.pay_on = jiff::civil::date(-1, 1, 1));
    assert!(day.starts_with("pay_on: "), "{day}");
}

#[test]
fn german_spelling_counts_where_it_makes_a_name_too_long() {
    let long = "ü".repeat(36);
    let with = |iban: &str| {
        let payee = payee(json!({ "method": "bank", "iban": iban, "name": long }));
        write(&job("EUR", vec![transfer("a", payee, money("1", "EUR"))]), Format::Sepa)
    };
    assert!(with("SE4550000000058398257466").unwrap().text.contains(&"u".repeat(36)));
    let mistakes = with("DE89370400440532013000").unwrap_err();
    assert!(mistakes[0].to_string().contains("72 characters as banks write it"), "{mistakes:?}");
}

#[test]
fn services_take_so_many_lines_and_no_more() {
    for (format, max) in [(Format::Paypal, 5000), (Format::Wise, 1000)] {
        let filled = |count: usize| {
            let mut job = good(format);
            let first = job.transfers[0].clone();
            let line = |number| Transfer { id: format!("a{number}"), ..first.clone() };
            job.transfers = (0..count).map(line).collect();
            job
        };
        assert_eq!(write(&filled(max), format).unwrap().count, max);
        let told = told(&filled(max + 1), format).join("; ");
        assert!(told.contains("are too many"), "{told}");
    }
}

#[test]
fn paypals_ids_are_short() {
    let told = told_of(Format::Paypal, |line| line.id = "x".repeat(31));
    assert!(told.contains("has more than 30 characters, which PayPal takes"), "{told}");
}

#[test]
fn a_wise_file_never_mixes_templates() {
    let by_email = payee(json!({ "method": "wise", "email": "anna@example.com" }));
    let told = told_of(Format::Wise, |line| line.payee = by_email.clone());
    assert!(told.starts_with("line 2 (pay_7-2): email: stands where "), "{told}");
    let mut job = good(Format::Wise);
    job.transfers[0].payee = by_email.clone();
    let told = crate::support::told(&job, Format::Wise);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].starts_with("line 3 (pay_7-3): recipient: stands where "), "{told:?}");
}

#[test]
fn a_service_gets_no_text_that_would_run_as_a_formula() {
    let formula = "=HYPERLINK(1)".to_owned();
    let told = told_of(Format::Wise, |line| line.payee.name = Some(formula.clone()));
    assert!(told.contains("name: `=HYPERLINK(1)` would run as a formula"), "{told}");
    for format in [Format::Wise, Format::Paypal] {
        let told = told_of(format, |line| line.reference = formula.clone());
        assert!(told.contains("reference: `=HYPERLINK(1)` would run as a formula"), "{told}");
    }
}
