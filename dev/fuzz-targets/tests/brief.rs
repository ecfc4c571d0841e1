//! Calls every target with its seeds and with mutations of them, for a short while. The long runs
//! are `scripts/fuzz`.
//!
//! The mutations are the same in every run. `AFTERCLICK_FUZZ_SEED=<number>` gives others, and
//! `AFTERCLICK_FUZZ_MUTATIONS=<number>` more. A failure prints what is needed to repeat it.

#![allow(missing_docs, reason = "a test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fuzz_targets::mutate::{Numbers, mutated};
use fuzz_targets::{TARGETS, Target, amount_by, target, token_by};
use shared::money::Decimal;
use shared::time::Timestamp;
use shared::token::{Claims, TokenKey};

/// Mutations of a target, where they do not take longer than this.
const MUTATIONS: u64 = 4000;
const PATIENCE: Duration = Duration::from_secs(1);
const SEED: u64 = 14;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Returns the kept seeds of a target, in the order of their names, and the computed ones.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let listing = std::fs::read_dir(folder().join(target.name));
    let files = listing.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let kept = files.iter().map(|path| std::fs::read(path).expect("a seed"));
    kept.chain((target.made)()).collect()
}

/// Runs a function with seeds and mutations. Returns the first input that it fails on.
fn first_failure(run: &dyn Fn(&[u8]), seeds: &[Vec<u8>], seed: u64) -> Option<Vec<u8>> {
    let fails = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| run(input))).is_err();
    if let Some(input) = seeds.iter().find(|input| fails(input)) {
        return Some(input.clone());
    }
    let wanted = number("AFTERCLICK_FUZZ_MUTATIONS");
    let (mut numbers, begun) = (Numbers::new(seed), Instant::now());
    for tried in 0..wanted.unwrap_or(MUTATIONS) {
        let input = mutated(seeds, &mut numbers);
        if fails(&input) {
            return Some(input);
        }
        if wanted.is_none() && begun.elapsed() > PATIENCE {
            println!("{tried} mutations in {PATIENCE:?}");
            break;
        }
    }
    None
}

fn brief(name: &str) {
    let target = target(name).expect("it is one of them");
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{name} has no seeds in {}", folder().display());
    let seed = number("AFTERCLICK_FUZZ_SEED").unwrap_or(SEED);
    println!("{name}: {} seeds, mutations of AFTERCLICK_FUZZ_SEED={seed}", seeds.len());
    if let Some(input) = first_failure(&target.run, &seeds, seed) {
        let path = std::env::temp_dir().join(format!("afterclick-fuzz-{name}"));
        std::fs::write(&path, &input).expect("it is kept");
        panic!("{name} fails with {}, kept in {}", input.escape_ascii(), path.display());
    }
}

macro_rules! brief {
    ($($name:ident)*) => {
        $(#[test] fn $name() { brief(stringify!($name)); })*

        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(run.as_slice(), all);
        }
    };
}

brief! {
    token cookie head deep_link amount event image shopify woocommerce magento stripe postback server_api
    table segment entry configuration
}

/// What every target has a binary for, in a workspace of its own.
#[test]
fn every_target_has_a_binary_for_long_runs() {
    let manifest = std::fs::read_to_string(folder().join("../Cargo.toml")).unwrap();
    for target in TARGETS {
        let name = format!("name = \"{}\"", target.name);
        assert!(manifest.contains(&name), "fuzz/Cargo.toml has no binary with {name}");
        let source = folder().join(format!("../fuzz_targets/{}.rs", target.name));
        let source = std::fs::read_to_string(source).unwrap();
        assert!(source.contains(&format!("\"{}\"", target.name)), "{source}");
    }
}

/// A verification that trims what it reads: one token would have many spellings.
#[test]
fn a_planted_bug_in_the_reader_of_tokens_is_caught() {
    let target = target("token").unwrap();
    let trimming = |text: &[u8], master: &[u8; 32]| {
        Claims::verify(text.trim_ascii(), Timestamp::from_ms(i64::MAX), |_, merchant| {
            Ok(TokenKey::derive(master, merchant))
        })
    };
    let sound = |bytes: &[u8]| token_by(trimming, bytes.trim_ascii());
    assert_eq!(first_failure(&sound, &seeds(target), SEED), None);
    let planted = |bytes: &[u8]| token_by(trimming, bytes);
    let caught = first_failure(&planted, &seeds(target), SEED).expect("the bug is caught");
    assert_ne!(caught.trim_ascii(), caught, "by a token with a blank at an end");
}

/// A reader to which an unreadable amount is zero.
#[test]
fn a_planted_bug_in_the_reader_of_amounts_is_caught() {
    let target = target("amount").unwrap();
    let planted = |bytes: &[u8]| {
        amount_by(|text| Some(text.parse().unwrap_or(Decimal::ZERO)), bytes);
    };
    assert!(first_failure(&planted, &seeds(target), SEED).is_some(), "the bug is caught");
}
