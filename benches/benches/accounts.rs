//! Measures balances: 10,000 influencers with 1,000,000 amounts and a year of payouts.

use std::hint::black_box;
use std::sync::Arc;

use accounts::{Account, AsOf, Books, Entry, Ledger};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shared::day::Day;
use shared::id::{FactId, InfluencerId, MerchantId, PayoutId};
use shared::money::Currency;
use shared::payout::{Batch, Line, PayoutStep, Step};
use shared::time::{Span, Timestamp};
use shared::zone::Zone;

const INFLUENCERS: u64 = 10_000;
const ENTRIES: u64 = 1_000_000;
const MONTHS: u32 = 12;
const MERCHANT: MerchantId = MerchantId::from_bits(1);
/// 2026-01-01.
const BEGIN: Timestamp = Timestamp::from_ms(1_767_225_600_000);

fn account(influencer: u64, currency: Currency) -> Account {
    let influencer = InfluencerId::from_bits(influencer);
    Account { merchant: MERCHANT, influencer, currency }
}

fn entries(currency: Currency) -> Vec<Entry> {
    let entry = |number: u64| {
        let minutes = i64::try_from(number % 525_600).unwrap_or(0);
        let booked_at = BEGIN.plus(Span::minutes(minutes));
        Entry {
            id: FactId::of_content(&[&number.to_be_bytes()]),
            account: account(number % INFLUENCERS, currency),
            campaign: None,
            amount_minor: 1_949,
            booked_at,
            due_on: Some(Zone::UTC.date(booked_at).later(30)),
            held: vec![],
        }
    };
    (0..ENTRIES).map(entry).collect()
}

fn steps(currency: Currency) -> Vec<Arc<PayoutStep>> {
    let step = |number: u32| {
        let at = BEGIN.plus(Span::days(30 * i64::from(number)));
        let line = |influencer| Line {
            influencer: InfluencerId::from_bits(influencer),
            amount_minor: 10_000,
            payee: "payee".to_owned(),
        };
        let day = Zone::UTC.date(at);
        let lines = (0..INFLUENCERS).map(line).collect();
        let batch = Batch { currency, number, closed_on: day, lines, left_out: vec![] };
        let (id, author) = (PayoutId::from_bits(u64::from(number)), "ops".to_owned());
        Arc::new(PayoutStep { id, merchant: MERCHANT, at, day, author, step: Step::Made(batch) })
    };
    (1..=MONTHS).map(step).collect()
}

fn balances(criterion: &mut Criterion) {
    let Ok(currency) = "EUR".parse::<Currency>() else { return };
    let (all, steps) = (entries(currency), steps(currency));
    let ledger = Ledger::of(all.iter().cloned(), Books::of(&steps));
    let as_of = AsOf::end_of(Day::MAX.before(), &Zone::UTC);
    let mut group = criterion.benchmark_group("accounts");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function("gather 1,000,000 amounts", |bencher| {
        bencher.iter(|| black_box(Ledger::of(all.iter().cloned(), Books::of(&steps))));
    });
    group.bench_function("balances of 10,000 influencers", |bencher| {
        bencher.iter(|| {
            for account in ledger.accounts() {
                _ = black_box(ledger.balance(account, as_of));
            }
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("balance of one influencer", |bencher| {
        bencher.iter(|| black_box(ledger.balance(account(7, currency), as_of)));
    });
    group.finish();
}

criterion_group!(benches, balances);
criterion_main!(benches);
