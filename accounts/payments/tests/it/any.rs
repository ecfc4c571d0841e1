//! What holds for any job.

use basics::money::{Currency, Money};
use payments::{Format, Job, Transfer, write};
use proptest::prelude::*;

use crate::support::good;

/// Texts of any script, and texts that banks write.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[A-Za-zäöüßåšāļçñłøæþőŞžỄ '.,@&_-]{1,90}",
        "\\PC{0,200}",
        "[\u{590}-\u{5ff}\u{400}-\u{4ff}]{1,10}",
    ]
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![1..100_000_000_000i64, any::<i64>(), -5..5i64]
}

/// Changes the texts and amounts of a good job.
fn job(format: Format) -> impl Strategy<Value = Job> {
    let line = (text(), text(), text(), amount(), 0..3usize, any::<bool>());
    prop::collection::vec(line, 1..6).prop_map(move |lines| {
        let mut job = good(format);
        let known = std::mem::take(&mut job.transfers);
        for (number, (name, reference, town, minor, of, as_it_is)) in lines.into_iter().enumerate()
        {
            let mut line = Transfer { id: format!("a{number}"), ..known[of].clone() };
            if !as_it_is {
                line.payee.name = Some(name);
                line.payee.bank_name = None;
                line.reference = reference;
                if let Some(address) = &mut line.payee.address {
                    address.town = town;
                }
            }
            line.amount.minor = minor;
            job.transfers.push(line);
        }
        job
    })
}

fn format() -> impl Strategy<Value = Format> {
    prop::sample::select(Format::ALL.to_vec())
}

/// Returns the amounts that stand in a file, as minor units. It reads the text and nothing else.
fn amounts(format: Format, text: &str) -> Vec<i64> {
    let minor = |amount: &str| amount.replace(['.', ','], "").parse::<i64>().unwrap();
    if format == Format::Sepa {
        let ends = text.split("<InstdAmt Ccy=\"EUR\">").skip(1);
        return ends.map(|rest| minor(rest.split('<').next().unwrap())).collect();
    }
    let has_headers = format != Format::Paypal;
    let column = match format {
        Format::Paypal => 1,
        Format::Wise => 7,
        Format::Sepa | Format::Plain => 9,
    };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(has_headers).from_reader(text.as_bytes());
    reader.records().map(|row| minor(&row.unwrap()[column])).collect()
}

/// Returns the texts of an XML file, without its tags.
fn texts(xml: &str) -> String {
    let without_tags: String =
        xml.split('<').skip(1).map(|part| part.split_once('>').unwrap().1).collect();
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    entities.iter().fold(without_tags, |text, (entity, c)| text.replace(entity, c))
}

/// The character set of EPC132-08, 1.4, and the line breaks between elements.
const SEPA_SET: &str =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ \n";

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512, failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn the_control_sum_is_the_sum_of_the_lines(
        (format, job) in format().prop_flat_map(|format| (Just(format), job(format)))
    ) {
        match write(&job, format) {
            Ok(file) => {
                let written = amounts(format, &file.text);
                prop_assert_eq!(written.len(), file.count);
                let expected: Vec<_> = job.transfers.iter().map(|line| line.amount.minor).collect();
                prop_assert_eq!(&written, &expected);
                prop_assert_eq!(written.iter().sum::<i64>(), file.control_sum.minor);
                prop_assert!(written.iter().all(|minor| *minor > 0));
                if format == Format::Sepa {
                    let sum = format!("<CtrlSum>{}</CtrlSum>", file.control_sum);
                    prop_assert_eq!(file.text.matches(&sum).count(), 2, "{}", file.text);
                }
            }
            Err(mistakes) => {
                prop_assert!(!mistakes.is_empty());
                for mistake in mistakes {
                    prop_assert!(!mistake.mistake.way_out.is_empty(), "{}", mistake);
                }
            }
        }
    }

    #[test]
    fn any_text_is_refused_or_stands_in_sepas_letters(job in job(Format::Sepa)) {
        if let Ok(file) = write(&job, Format::Sepa) {
            let texts = texts(&file.text);
            let foreign: Vec<_> = texts.chars().filter(|c| !SEPA_SET.contains(*c)).collect();
            prop_assert!(foreign.is_empty(), "{foreign:?} in {texts}");
        }
    }

    #[test]
    fn no_job_makes_it_panic(
        format in format(), batch in any::<String>(), number in any::<u64>(),
        id in any::<String>(), name in any::<String>(), reference in any::<String>(),
        minor in any::<i64>(), currency in prop::sample::select(vec!["EUR", "JPY", "KWD", "TWD"]),
        day in (-9999i16..=9999, 1i8..=12, 1i8..=28), with_payer in any::<bool>(),
        of in prop::sample::select(Format::ALL.to_vec()),
    ) {
        let currency: Currency = currency.parse().unwrap();
        let mut job = good(of);
        (job.batch, job.number) = (batch, number);
        job.made_on = jiff::civil::date(day.0, day.1, day.2);
        job.pay_on = job.made_on;
        job.payer = job.payer.filter(|_| with_payer);
        job.transfers[1].id = id;
        job.transfers[1].name = name;
        job.transfers[1].reference = reference;
        job.transfers[2].amount = Money { minor, currency };
        let written = write(&job, format);
        prop_assert!(!written.is_err_and(|mistakes| mistakes.is_empty()));
    }
}

#[test]
fn most_of_these_jobs_are_written() {
    // The properties would hold in vain if every job were refused.
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for format in Format::ALL {
        let strategy = job(format);
        let jobs = (0..500).map(|_| strategy.new_tree(&mut runner).unwrap().current());
        let written = jobs.filter(|job| write(job, format).is_ok()).count();
        assert!((20..480).contains(&written), "{format}: {written} of 500");
    }
}
